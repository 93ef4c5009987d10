//! The usual ways to choose genes, to compare a panel with: variable genes, markers, random ones. All of
//! them look at training cells alone.
use super::rank::round_robin;
use crate::data::cells::TrainingData;
use crate::data::dispersion::Sums;
use crate::data::packed::unpack;
use crate::data::random::SplitMix;

/// The `k` most variable genes, the most variable first: normalised dispersion (Satija et al. 2015), as scanpy's
/// `highly_variable_genes` by default.
#[must_use]
pub fn variable(data: &TrainingData, k: usize) -> Vec<u32> {
    let entries = |cell| data.cells.cell(cell).iter().map(|&e| unpack(e));
    let values = || (0..data.n_train).flat_map(entries);
    let highest = values().map(|(_, v)| v).fold(0.0, f32::max);
    let mut sums = Sums::new(data.cells.n_genes, data.transform, highest);
    values().for_each(|(gene, value)| sums.add(gene, value.into()));
    let mut genes: Vec<u32> = (0..data.cells.n_genes as u32).collect();
    sums.most_variable_first(data.n_train, &mut genes);
    genes.truncate(k);
    genes
}

/// The first `k` genes of the ranking that training starts from: one-versus-rest rank-sum tests
/// (Wilcoxon), the best gene of each class in turn.
#[must_use]
pub fn markers(data: &TrainingData, k: usize) -> Vec<u32> {
    let mut genes = round_robin(data);
    genes.truncate(k);
    genes
}

/// `k` genes at random, each as likely as any other.
#[must_use]
pub fn random(data: &TrainingData, k: usize, seed: u64) -> Vec<u32> {
    let mut genes: Vec<u32> = (0..data.cells.n_genes as u32).collect();
    // another stream than that of the split, which has the seed itself
    SplitMix::new(seed ^ 0x7061_6e65_6c5f_726e).shuffle(&mut genes);
    genes.truncate(k);
    genes
}
