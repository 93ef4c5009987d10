//! Genes that vary more than others of their mean: normalised dispersion, as Satija et al. 2015 (Seurat) define it and
//! scanpy's `highly_variable_genes` computes it by default.
use super::cells::Transform;
use super::prepare::HIGHEST_LOG;

/// Bins of mean expression that dispersions are compared within.
const BINS: usize = 20;

/// Sums over cells of each gene's values before the logarithm.
pub(crate) struct Sums {
    linear: bool,
    sum: Vec<f64>,
    squares: Vec<f64>,
}

impl Sums {
    /// For so many genes, with values of a transform that are at most `highest`.
    pub(crate) fn new(n_genes: usize, transform: Transform, highest: f32) -> Self {
        // values as they are may be logarithms or not
        let too_high = transform == Transform::AsIs && highest > HIGHEST_LOG;
        Self {
            linear: transform == Transform::Binary || too_high,
            sum: vec![0.0; n_genes],
            squares: vec![0.0; n_genes],
        }
    }

    /// Adds the value of a cell; those that are not added are 0.
    pub(crate) fn add(&mut self, gene: usize, value: f64) {
        let value = if self.linear { value } else { value.exp_m1() };
        self.sum[gene] += value;
        self.squares[gene] += value * value;
    }

    /// Puts the genes in order, the most variable first, by their sums over `n` cells: dispersion = variance / mean, its
    /// logarithm set against the mean and standard deviation of those of the genes of the same one of 20 bins of
    /// `log1p(mean)`.
    pub(crate) fn most_variable_first(&self, n: usize, genes: &mut [u32]) {
        let n = n as f64;
        let of = |&gene: &u32| {
            let (sum, squares) = (self.sum[gene as usize], self.squares[gene as usize]);
            let mean = (sum / n).max(1e-12);
            let variance = (squares - n * mean * mean) / (n - 1.0).max(1.0);
            (mean.ln_1p(), (variance / mean).ln())
        };
        let (level, dispersion): (Vec<f64>, Vec<f64>) = genes.iter().map(of).unzip();
        let bins = bins(&level);
        let mut of_bin = vec![Vec::new(); BINS];
        for (&d, &bin) in dispersion.iter().zip(&bins) {
            if d.is_finite() {
                of_bin[bin].push(d);
            }
        }
        let scale: Vec<(f64, f64)> = of_bin.iter().map(|d| centre_and_spread(d)).collect();
        let score = dispersion.iter().zip(&bins).map(|(d, &bin)| {
            let (centre, spread) = scale[bin];
            // what has no dispersion comes last
            Some((d - centre) / spread).filter(|s| s.is_finite())
        });
        let score: Vec<f64> = score.map(|s| s.unwrap_or(f64::NEG_INFINITY)).collect();
        let mut order: Vec<(f64, u32)> = score.into_iter().zip(genes.iter().copied()).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (place, (_, gene)) in genes.iter_mut().zip(order) {
            *place = gene;
        }
    }
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
