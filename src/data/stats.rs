//! Which genes are considered and their means and scales, from the training cells alone.
use super::cells::GeneStats;
use super::dataset::Csr;
use super::packed::{MAX_GENES, quantise};

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
    /// Genes that vary on the training cells.
    pub(super) varying: usize,
    /// Genes whose clip had to come down to the largest f16.
    pub(super) capped: usize,
}

/// Mean and population variance of every gene over `rows` of `f(gene, value)`; unstored values
/// count as zeros. Two passes in f64, so that a gene of one value has a variance of exactly 0.
fn moments(x: &Csr, rows: &[u32], f: impl Fn(usize, f32) -> f32) -> (Vec<f64>, Vec<f64>) {
    let n = rows.len().max(1) as f64;
    let mut mean = vec![0.0f64; x.n_vars];
    let mut zeros = vec![rows.len(); x.n_vars];
    let each = |with: &mut dyn FnMut(usize, f64)| {
        for &row in rows {
            let (genes, values) = x.row(row as usize);
            for (&g, &v) in genes.iter().zip(values) {
                with(g as usize, f64::from(f(g as usize, v)));
            }
        }
    };
    each(&mut |g, v| {
        mean[g] += v;
        zeros[g] -= 1;
    });
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
    });
    for v in &mut variance {
        *v /= n;
    }
    (mean, variance)
}

/// Chooses the genes and measures them on the training rows.
pub(super) fn genes(x: &Csr, rows: &[u32], max_genes: Option<usize>) -> Genes {
    let (mean, variance) = moments(x, rows, |_, v| v);
    let clip: Vec<f32> = mean
        .iter()
        .zip(&variance)
        .map(|(m, v)| (m + CLIP_SD * v.sqrt()).min(LARGEST) as f32)
        .collect();
    let (mean, held) = moments(x, rows, |g, v| quantise(v.min(clip[g])).to_f32());
    let usable = |g: usize| held[g] > 0.0 && ((1.0 / held[g].sqrt()) as f32).is_finite();
    let mut index: Vec<u32> = (0..x.n_vars as u32)
        .filter(|g| usable(*g as usize))
        .collect();
    let varying = index.len();
    let most = max_genes.unwrap_or(MAX_GENES).min(MAX_GENES);
    if varying > most {
        index.sort_by(|a, b| {
            variance[*b as usize]
                .total_cmp(&variance[*a as usize])
                .then(a.cmp(b))
        });
        index.truncate(most);
        index.sort_unstable();
    }
    let pick = |f: &dyn Fn(usize) -> f32| index.iter().map(|g| f(*g as usize)).collect();
    let stats = GeneStats {
        mean: pick(&|g| mean[g] as f32),
        inv_sd: pick(&|g| (1.0 / held[g].sqrt()) as f32),
        clip: pick(&|g| clip[g]),
    };
    Genes {
        index,
        stats,
        varying,
        capped: clip.iter().filter(|c| **c >= LARGEST as f32).count(),
    }
}
