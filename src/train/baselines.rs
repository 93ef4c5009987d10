//! The usual ways to choose genes, to compare a panel with: variable genes, markers, random ones. All of
//! them look at training cells alone.
use super::rank::round_robin;
use crate::data::cells::{TrainingData, Transform};
use crate::data::packed::unpack;
use crate::data::random::SplitMix;

/// Bins of mean expression that dispersions are compared within.
const BINS: usize = 20;

/// The `k` most variable genes, the most variable first: normalised dispersion, as Satija et al. 2015
/// (Seurat) define it and scanpy's `highly_variable_genes` computes it by default. Of the values before
/// the logarithm: dispersion = variance / mean, its logarithm set against the mean and standard deviation of
/// those of the genes of the same one of 20 bins of `log1p(mean)`.
#[must_use]
pub fn variable(data: &TrainingData, k: usize) -> Vec<u32> {
    let n_genes = data.cells.n_genes;
    let linear = data.transform == Transform::Binary;
    let (mut sum, mut squares) = (vec![0.0f64; n_genes], vec![0.0f64; n_genes]);
    for cell in 0..data.n_train {
        for &entry in data.cells.cell(cell) {
            let (gene, value) = unpack(entry);
            let value = f64::from(value);
            let value = if linear { value } else { value.exp_m1() };
            sum[gene] += value;
            squares[gene] += value * value;
        }
    }
    let n = data.n_train as f64;
    let mean: Vec<f64> = sum.iter().map(|s| (s / n).max(1e-12)).collect();
    let dispersion = |g: usize| {
        let variance = (squares[g] - n * mean[g] * mean[g]) / (n - 1.0).max(1.0);
        (variance / mean[g]).ln()
    };
    let dispersion: Vec<f64> = (0..n_genes).map(dispersion).collect();
    let level: Vec<f64> = mean.iter().map(|m| m.ln_1p()).collect();
    let bins = bins(&level);
    let mut of_bin = vec![Vec::new(); BINS];
    for (g, &bin) in bins.iter().enumerate() {
        if dispersion[g].is_finite() {
            of_bin[bin].push(dispersion[g]);
        }
    }
    let scale: Vec<(f64, f64)> = of_bin.iter().map(|d| centre_and_spread(d)).collect();
    let normal = |g: usize| {
        let (centre, spread) = scale[bins[g]];
        (dispersion[g] - centre) / spread
    };
    let score: Vec<f64> = (0..n_genes).map(normal).collect();
    let mut genes: Vec<u32> = (0..n_genes as u32).collect();
    // what has no dispersion comes last
    let key = |g: u32| match score[g as usize] {
        s if s.is_finite() => s,
        _ => f64::NEG_INFINITY,
    };
    genes.sort_by(|&a, &b| key(b).total_cmp(&key(a)).then(a.cmp(&b)));
    genes.truncate(k);
    genes
}

/// One of [`BINS`] bins of equal width for every level, each with its upper end.
fn bins(level: &[f64]) -> Vec<usize> {
    let (low, high) = (level.iter()).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| {
        (a.min(x), b.max(x))
    });
    let width = (high - low) / BINS as f64;
    let bin = |x: f64| match ((x - low) / width).ceil() {
        b if b >= 1.0 => (b as usize - 1).min(BINS - 1),
        _ => 0,
    };
    level.iter().map(|&x| bin(x)).collect()
}

/// Mean and sample standard deviation; a value alone in its bin is 1 above a mean of 0, as in Seurat.
fn centre_and_spread(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() == 1 {
        return (0.0, mean);
    }
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
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
