//! Which genes are considered and their means and scales, from the training cells alone.
use super::cells::{GeneStats, Transform};
use super::filter::{GeneCounts, GeneFilter, Named, most};
use super::matrix::Matrix;
use super::packed::quantise;
use crate::error::DataError;

/// Standard deviations above the mean where values are clipped.
const CLIP_SD: f64 = 8.0;
/// Largest f16.
const LARGEST: f64 = 65_504.0;

/// The considered genes.
pub(super) struct Genes {
    /// Index in `var`, ascending.
    pub(super) index: Vec<u32>,
    /// Statistics of the quantised, clipped values, which are what devices hold.
    pub(super) stats: GeneStats,
    /// How many genes each filter left out.
    pub(super) counts: GeneCounts,
    /// Genes (as in `index`) that must be in the panel, ascending.
    pub(super) include: Vec<u32>,
    /// Genes in `var` that must be in the panel but do not vary.
    pub(super) silent: Vec<u32>,
    /// Genes of the file with a value in any training cell.
    pub(super) detected: usize,
    /// Genes whose clip had to come down to the largest f16.
    pub(super) capped: usize,
}

type Moments = (Vec<f64>, Vec<f64>, Vec<usize>);

/// Mean and population variance of every gene over `rows` of `f(gene, value)`, and the cells that store no
/// value of it, which count as zeros. Two passes in f64, so that a gene of one value has a variance of exactly 0.
fn moments(
    x: &Matrix,
    transform: Transform,
    rows: &[u32],
    f: impl Fn(usize, f32) -> f32,
) -> Result<Moments, DataError> {
    let n = rows.len().max(1) as f64;
    let mut mean = vec![0.0f64; x.n_vars()];
    let mut zeros = vec![rows.len(); x.n_vars()];
    let each = |with: &mut dyn FnMut(usize, f64)| {
        x.visit(rows, transform, &mut |_, genes, values| {
            for (&g, &v) in genes.iter().zip(values) {
                with(g as usize, f64::from(f(g as usize, v)));
            }
        })
    };
    each(&mut |g, v| {
        mean[g] += v;
        zeros[g] -= 1;
    })?;
    for m in &mut mean {
        *m /= n;
    }
    let mut variance: Vec<f64> = mean
        .iter()
        .zip(&zeros)
        .map(|(m, z)| m * m * *z as f64)
        .collect();
    each(&mut |g, v| {
        let d = v - mean[g];
        variance[g] += d * d;
    })?;
    for v in &mut variance {
        *v /= n;
    }
    Ok((mean, variance, zeros))
}

/// Chooses the genes, of those that their names allow, and measures them on the training rows.
///
/// # Errors
/// Cells that cannot be read.
pub(super) fn genes(
    x: &Matrix,
    transform: Transform,
    rows: &[u32],
    filter: &GeneFilter,
    named: &Named,
) -> Result<Genes, DataError> {
    let (mean, variance, zeros) = moments(x, transform, rows, |_, v| v)?;
    let clip: Vec<f32> = mean
        .iter()
        .zip(&variance)
        .map(|(m, v)| (m + CLIP_SD * v.sqrt()).min(LARGEST) as f32)
        .collect();
    let (mean, held, _) = moments(x, transform, rows, |g, v| quantise(v.min(clip[g])).to_f32())?;
    let usable = |g: usize| held[g] > 0.0 && ((1.0 / held[g].sqrt()) as f32).is_finite();
    let mut counts = named.counts;
    let (mut index, mut silent) = (Vec::new(), Vec::new());
    for g in (0..x.n_vars()).filter(|g| named.allowed[*g]) {
        if named.included[g] && !usable(g) {
            silent.push(g as u32);
        } else if !named.included[g] && rows.len() - zeros[g] < filter.min_cells {
            counts.min_cells += 1;
        } else if usable(g) {
            index.push(g as u32);
        } else {
            counts.constant += 1;
        }
    }
    let varying = index.len();
    if varying > most(filter) {
        let first = |g: u32| !named.included[g as usize];
        index.sort_by(|&a, &b| {
            let by_variance = variance[b as usize].total_cmp(&variance[a as usize]);
            first(a).cmp(&first(b)).then(by_variance).then(a.cmp(&b))
        });
        index.truncate(most(filter));
        index.sort_unstable();
    }
    counts.max_genes_considered = varying - index.len();
    counts.considered = index.len();
    let must = |i: &u32| named.included[index[*i as usize] as usize];
    let include: Vec<u32> = (0..index.len() as u32).filter(must).collect();
    counts.include_genes = include.len();
    let pick = |f: &dyn Fn(usize) -> f32| index.iter().map(|g| f(*g as usize)).collect();
    let stats = GeneStats {
        mean: pick(&|g| mean[g] as f32),
        inv_sd: pick(&|g| (1.0 / held[g].sqrt()) as f32),
        clip: pick(&|g| clip[g]),
    };
    Ok(Genes {
        index,
        stats,
        counts,
        include,
        silent,
        detected: zeros.iter().filter(|z| **z < rows.len()).count(),
        capped: clip.iter().filter(|c| **c >= LARGEST as f32).count(),
    })
}
