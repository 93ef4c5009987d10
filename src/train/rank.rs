//! A first ranking of the genes: one-versus-rest rank-sum tests, genes taken from each list in turn.
use crate::data::cells::{Targets, Task, TrainingData};
use crate::data::packed::unpack;
use crate::ops::MISSING;
use rayon::prelude::*;

/// Columns of the training cells: cells and values of the nonzeros of each gene.
struct Columns {
    starts: Vec<usize>,
    cells: Vec<u32>,
    values: Vec<f32>,
}

impl Columns {
    fn new(data: &TrainingData) -> Self {
        let mut starts = vec![0usize; data.cells.n_genes + 1];
        for cell in 0..data.n_train {
            data.cells
                .cell(cell)
                .iter()
                .for_each(|&e| starts[unpack(e).0 + 1] += 1);
        }
        for g in 0..data.cells.n_genes {
            starts[g + 1] += starts[g];
        }
        let nnz = starts[data.cells.n_genes];
        let (mut at, mut cells, mut values) = (starts.clone(), vec![0; nnz], vec![0.0; nnz]);
        for cell in 0..data.n_train {
            for &entry in data.cells.cell(cell) {
                let (gene, value) = unpack(entry);
                (cells[at[gene]], values[at[gene]]) = (cell as u32, value);
                at[gene] += 1;
            }
        }
        Self {
            starts,
            cells,
            values,
        }
    }
}

/// Ranks (1-based, ties averaged) of one gene's values over the labelled cells: those of its
/// nonzeros and the one that all its zeros share.
fn ranks(columns: &Columns, gene: usize, labelled: &[bool], n: usize) -> (Vec<(u32, f64)>, f64) {
    let range = columns.starts[gene]..columns.starts[gene + 1];
    let pairs = columns.cells[range.clone()]
        .iter()
        .zip(&columns.values[range]);
    let mut pairs: Vec<(f32, u32)> = pairs
        .filter(|(c, _)| labelled[**c as usize])
        .map(|(&c, &v)| (v, c))
        .collect();
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let zeros = n - pairs.len();
    let negative = pairs.partition_point(|p| p.0 < 0.0);
    let mut out = Vec::with_capacity(pairs.len());
    let mut i = 0;
    while i < pairs.len() {
        let tie = pairs[i..].partition_point(|p| p.0 <= pairs[i].0);
        let below = i + if i >= negative { zeros } else { 0 };
        let rank = below as f64 + (tie as f64 + 1.0) / 2.0;
        out.extend(pairs[i..i + tie].iter().map(|p| (p.1, rank)));
        i += tie;
    }
    (out, negative as f64 + (zeros as f64 + 1.0) / 2.0)
}

/// z scores of one task: for each class, or the one number, those of all genes (Wilcoxon 1945 for
/// classes, normal approximation without tie correction as scanpy's default; Spearman's rho times
/// sqrt(n - 1) for numbers, without sign).
fn task_scores(columns: &Columns, n_genes: usize, task: &Task, n_train: usize) -> Vec<Vec<f32>> {
    let labelled: Vec<bool> = match &task.targets {
        Targets::Classes(y) => y[..n_train].iter().map(|&y| y != MISSING).collect(),
        Targets::Values(v) => v[..n_train].iter().map(|v| !v.is_nan()).collect(),
    };
    let n = labelled.iter().filter(|&&l| l).count();
    let mean = (n as f64 + 1.0) / 2.0;
    let by_gene: Vec<Vec<f32>> = match &task.targets {
        Targets::Classes(labels) => {
            let width = task.kind.width();
            let mut sizes = vec![0.0f64; width];
            labels[..n_train]
                .iter()
                .filter(|&&y| y != MISSING)
                .for_each(|&y| sizes[y as usize] += 1.0);
            (0..n_genes)
                .into_par_iter()
                .map(|gene| {
                    let (stored, zero) = ranks(columns, gene, &labelled, n);
                    let mut sums: Vec<f64> = sizes.iter().map(|s| s * (zero - mean)).collect();
                    stored.iter().for_each(|&(cell, rank)| {
                        sums[labels[cell as usize] as usize] += rank - zero
                    });
                    let z = |(s, &size): (&f64, &f64)| {
                        let sd = (size * (n as f64 - size) * (n as f64 + 1.0) / 12.0).sqrt();
                        if sd > 0.0 { (s / sd) as f32 } else { 0.0 }
                    };
                    sums.iter().zip(&sizes).map(z).collect()
                })
                .collect()
        }
        Targets::Values(values) => {
            let target_ranks = value_ranks(&values[..n_train]);
            let spread = |r: f64| (r - mean) * (r - mean);
            let target_ss: f64 = target_ranks
                .iter()
                .filter(|r| !r.is_nan())
                .map(|&r| spread(r))
                .sum();
            (0..n_genes)
                .into_par_iter()
                .map(|gene| {
                    let (stored, zero) = ranks(columns, gene, &labelled, n);
                    let product: f64 = stored
                        .iter()
                        .map(|&(c, r)| (r - zero) * (target_ranks[c as usize] - mean))
                        .sum();
                    let zeros = (n - stored.len()) as f64;
                    let ss: f64 =
                        stored.iter().map(|&(_, r)| spread(r)).sum::<f64>() + zeros * spread(zero);
                    let rho = product / (ss * target_ss).sqrt().max(1e-300);
                    vec![(rho.abs() * (n as f64 - 1.0).max(0.0).sqrt()) as f32]
                })
                .collect()
        }
    };
    let lists = by_gene.first().map_or(0, Vec::len);
    (0..lists)
        .map(|c| by_gene.iter().map(|g| g[c]).collect())
        .collect()
}

/// Average ranks of the known values; NaN where unknown.
fn value_ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).filter(|&i| !values[i].is_nan()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut out = vec![f64::NAN; values.len()];
    let mut i = 0;
    while i < order.len() {
        let tie = order[i..]
            .iter()
            .take_while(|&&j| values[j] == values[order[i]])
            .count();
        order[i..i + tie]
            .iter()
            .for_each(|&j| out[j] = i as f64 + (tie as f64 + 1.0) / 2.0);
        i += tie;
    }
    out
}

/// Genes in the order in which they are taken from each class's list (and each number's) in turn,
/// largest z first; classes of a task in code order.
#[must_use]
pub fn round_robin(data: &TrainingData) -> Vec<u32> {
    let (columns, n_genes) = (Columns::new(data), data.cells.n_genes);
    let mut lists: Vec<Vec<u32>> = Vec::new();
    for task in &data.tasks {
        for scores in task_scores(&columns, n_genes, task, data.n_train) {
            let mut list: Vec<u32> = (0..n_genes as u32).collect();
            list.sort_by(|&a, &b| {
                scores[b as usize]
                    .total_cmp(&scores[a as usize])
                    .then(a.cmp(&b))
            });
            lists.push(list);
        }
    }
    let (mut taken, mut out) = (vec![false; n_genes], Vec::with_capacity(n_genes));
    for place in 0..n_genes {
        for list in &lists {
            let gene = list[place];
            if !std::mem::replace(&mut taken[gene as usize], true) {
                out.push(gene);
            }
        }
    }
    out
}
