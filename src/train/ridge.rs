//! A ridge regression of all outputs on many genes, from which genes are eliminated.
//!
//! With covariances G of the genes and C with the outputs, a penalty R (diagonal) and `A = (G + R)^-1` the coefficients
//! are `W = A C`, and they explain `tr(C^T W) + tr(W^T R W)` of the outputs' variance: all of it less the residual's. The
//! gene leaves without which the rest, fitted anew, explains most. Without gene j that is less by
//!
//! ```text
//! |W_j|^2 / A_jj + 2 W_j . M_j / A_jj - N_j |W_j|^2 / A_jj^2      M = A R W,  N_j = sum_t R_t A_jt^2
//! ```
//!
//! exactly: A, W, M and N follow from those before by a rank-1 step (A and W as in Hassibi and Stork 1993, whose loss,
//! penalty included, is the first term alone). The penalty does not count: with two or three genes a class, panels that
//! also spare it are worse (`benches/README.md`).
use rayon::prelude::*;

/// `[G | C]`: covariances of n standardised genes, and with the standardised outputs.
pub(super) struct System {
    /// Genes.
    pub n: usize,
    /// Elements of a row: genes and outputs.
    pub stride: usize,
    /// A row a gene.
    pub rows: Vec<f64>,
}

/// Rows of a matrix that one thread takes at once.
pub(super) const BAND: usize = 32;

impl System {
    fn outputs(&self) -> usize {
        self.stride - self.n
    }

    fn row(&self, s: usize) -> &[f64] {
        &self.rows[s * self.stride..(s + 1) * self.stride]
    }

    /// `ridge`: the penalty, as a share of a gene's variance.
    pub(super) fn solve(mut self, ridge: f64) -> Solved {
        let (n, stride) = (self.n, self.stride);
        let mut penalty = Vec::with_capacity(n);
        for s in 0..n {
            let own = &mut self.rows[s * stride + s];
            // a gene without variance among these cells never explains anything
            let variance = own.max(1e-9);
            penalty.push(variance * ridge);
            *own = variance * (1.0 + ridge);
        }
        self.invert();
        Solved::new(self, penalty)
    }

    /// Gauss and Jordan, in place: `[A | W]`; the ridge makes pivoting needless.
    fn invert(&mut self) {
        let stride = self.stride;
        for j in 0..self.n {
            let pivot = self.rows[j * stride + j];
            let mut row: Vec<f64> = self.rows[j * stride..(j + 1) * stride].to_vec();
            row.iter_mut().for_each(|x| *x /= pivot);
            row[j] = 1.0 / pivot;
            self.rows
                .par_chunks_mut(BAND * stride)
                .enumerate()
                .for_each(|(band, rows)| {
                    for (s, own) in (band * BAND..).zip(rows.chunks_exact_mut(stride)) {
                        if s == j {
                            own.copy_from_slice(&row);
                            continue;
                        }
                        let f = std::mem::take(&mut own[j]);
                        own.iter_mut().zip(&row).for_each(|(x, r)| *x -= f * r);
                    }
                });
        }
    }
}

/// The regression on the genes that are left.
pub(super) struct Solved {
    /// `[A | W]`.
    system: System,
    /// Diagonal of R.
    penalty: Vec<f64>,
    /// M, a row a gene.
    shrunk: Vec<f64>,
    /// N.
    norms: Vec<f64>,
}

impl Solved {
    /// `system`: inverted.
    fn new(system: System, penalty: Vec<f64>) -> Self {
        let (n, outputs) = (system.n, system.outputs());
        let (mut shrunk, mut norms) = (vec![0.0; n * outputs], vec![0.0; n]);
        let rows = shrunk.par_chunks_exact_mut(outputs).zip(&mut norms);
        rows.enumerate().for_each(|(s, (shrunk, norm))| {
            let inverse = &system.row(s)[..n];
            for (t, (a, r)) in inverse.iter().zip(&penalty).enumerate() {
                *norm += r * a * a;
                let weights = &system.row(t)[n..];
                shrunk
                    .iter_mut()
                    .zip(weights)
                    .for_each(|(m, w)| *m += a * r * w);
            }
        });
        Self {
            system,
            penalty,
            shrunk,
            norms,
        }
    }

    /// The genes (of the rows) and what is explained less without them: the k that stay, the most useful first, then
    /// the others when they left, the last first. `stays`: those that never leave.
    pub(super) fn eliminate(
        mut self,
        mut genes: Vec<u32>,
        k: usize,
        stays: &dyn Fn(u32) -> bool,
    ) -> Vec<(u32, f64)> {
        let mut left = Vec::new();
        while genes.len() > k {
            let worth: Vec<f64> = (0..genes.len()).map(|s| self.worth(s)).collect();
            let by = |&a: &usize, &b: &usize| {
                let by_worth = worth[a].total_cmp(&worth[b]);
                let first = stays(genes[a]).cmp(&stays(genes[b]));
                first.then(by_worth).then(genes[b].cmp(&genes[a]))
            };
            let Some(least) = (0..genes.len()).min_by(by) else {
                break;
            };
            self.remove(least, genes.len() - 1);
            left.push((genes.swap_remove(least), worth[least]));
        }
        let kept = genes.iter().enumerate();
        let mut kept: Vec<(u32, f64)> = kept.map(|(s, &g)| (g, self.worth(s))).collect();
        kept.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        kept.into_iter().chain(left.into_iter().rev()).collect()
    }

    /// What is explained less without the gene of a row.
    fn worth(&self, s: usize) -> f64 {
        let (row, outputs) = (self.system.row(s), self.system.outputs());
        let weights = &row[self.system.n..];
        let squares: f64 = weights.iter().map(|w| w * w).sum();
        let shrunk = &self.shrunk[s * outputs..(s + 1) * outputs];
        let along: f64 = weights.iter().zip(shrunk).map(|(w, m)| w * m).sum();
        let a = row[s];
        (squares + 2.0 * along - squares * self.norms[s] / a) / a
    }

    /// Takes the gene of row s out; that of the `last` row takes its place.
    fn remove(&mut self, s: usize, last: usize) {
        let (n, stride, outputs) = (self.system.n, self.system.stride, self.system.outputs());
        let rows = &mut self.system.rows;
        (0..=last).for_each(|t| rows.swap(t * stride + s, t * stride + last));
        self.penalty.swap(s, last);
        self.norms.swap(s, last);
        for column in 0..stride {
            rows.swap(s * stride + column, last * stride + column);
        }
        for column in 0..outputs {
            self.shrunk
                .swap(s * outputs + column, last * outputs + column);
        }
        let (rows, gone) = rows.split_at_mut(last * stride);
        let (shrunk, gone_shrunk) = self.shrunk.split_at_mut(last * outputs);
        let (norms, gone_norm) = self.norms.split_at_mut(last);
        let (inverse, weights) = gone[..stride].split_at(n);
        let (a, norm) = (inverse[last], gone_norm[0]);
        let penalised: Vec<f64> = inverse[..=last]
            .iter()
            .zip(&self.penalty)
            .map(|(a, r)| a * r)
            .collect();
        let rows = rows.par_chunks_exact_mut(stride);
        let all = rows.zip(shrunk.par_chunks_exact_mut(outputs)).zip(norms);
        all.with_min_len(BAND)
            .for_each(|((row, shrunk), own_norm)| {
                let f = row[last] / a;
                let across: f64 = row.iter().zip(&penalised).map(|(a, p)| a * p).sum();
                let outputs = shrunk.iter_mut().zip(weights).zip(&*gone_shrunk);
                outputs.for_each(|((m, w), gone)| *m -= across * w / a + f * (gone - norm * w / a));
                *own_norm += f * (f * norm - 2.0 * across);
                let (own_inverse, own_weights) = row.split_at_mut(n);
                let genes = own_inverse[..last].iter_mut().zip(inverse);
                genes.for_each(|(x, g)| *x -= f * g);
                own_weights
                    .iter_mut()
                    .zip(weights)
                    .for_each(|(x, g)| *x -= f * g);
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::noise::philox;

    const N: usize = 40;
    const OUT: usize = 3;

    /// Numbers in -0.5..0.5.
    fn random(i: usize, j: usize) -> f64 {
        f64::from(philox([i as u32, j as u32, 0, 0], [5, 0])[0]) / 4_294_967_296.0 - 0.5
    }

    /// A covariance of genes that hang together, and covariances with outputs.
    fn system() -> System {
        let stride = N + OUT;
        let mut rows = vec![0.0; N * stride];
        for s in 0..N {
            for t in 0..N {
                let sum: f64 = (0..60).map(|i| random(i, s) * random(i, t)).sum();
                rows[s * stride + t] = sum / 5.0;
            }
            (0..OUT).for_each(|o| rows[s * stride + N + o] = random(100 + o, s));
        }
        let n = N;
        System { n, stride, rows }
    }

    /// What some genes explain: of the outputs' variance, that of the residual taken away (`penalty`: and the penalty);
    /// by Cholesky's factor.
    fn explained(ridge: f64, genes: &[usize], penalty: bool) -> f64 {
        let system = system();
        let at = |s: usize, t: usize| system.rows[s * system.stride + t];
        let ridged = |s: usize, t: usize| at(s, t) * if s == t { 1.0 + ridge } else { 1.0 };
        let n = genes.len();
        let mut l = vec![vec![0.0; n]; n];
        for i in 0..n {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|m| l[i][m] * l[j][m]).sum();
                let rest = ridged(genes[i], genes[j]) - dot;
                l[i][j] = if i == j { rest.sqrt() } else { rest / l[j][j] };
            }
        }
        let of = |o: usize| {
            let mut w: Vec<f64> = Vec::new();
            for i in 0..n {
                let dot: f64 = w.iter().zip(&l[i]).map(|(y, l)| y * l).sum();
                w.push((at(genes[i], N + o) - dot) / l[i][i]);
            }
            for i in (0..n).rev() {
                let dot: f64 = (i + 1..n).map(|j| l[j][i] * w[j]).sum();
                w[i] = (w[i] - dot) / l[i][i];
            }
            let covariance: f64 = (0..n).map(|i| w[i] * at(genes[i], N + o)).sum();
            let pairs = (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
            let of_pair = |(i, j): (usize, usize)| {
                let (s, t) = (genes[i], genes[j]);
                w[i] * w[j] * if penalty { ridged(s, t) } else { at(s, t) }
            };
            2.0 * covariance - pairs.map(of_pair).sum::<f64>()
        };
        (0..OUT).map(of).sum()
    }

    /// The six genes that stay, ascending, and those that left, the last first, with what they explained; one by one.
    fn slowly(ridge: f64, penalty: bool) -> (Vec<u32>, Vec<(u32, f64)>) {
        let mut left: Vec<usize> = (0..N).collect();
        let mut gone = Vec::new();
        while left.len() > 6 {
            let before = explained(ridge, &left, penalty);
            let less = |gene: usize| {
                let others: Vec<usize> = left.iter().copied().filter(|&g| g != gene).collect();
                before - explained(ridge, &others, penalty)
            };
            let all = left.iter().map(|&g| (less(g), g));
            let (loss, gene) = all.min_by(|a, b| a.0.total_cmp(&b.0)).expect("a gene");
            left.retain(|&g| g != gene);
            gone.push((gene as u32, loss));
        }
        gone.reverse();
        (left.iter().map(|&g| g as u32).collect(), gone)
    }

    fn eliminated(ridge: f64, k: usize, stays: &dyn Fn(u32) -> bool) -> Vec<(u32, f64)> {
        system()
            .solve(ridge)
            .eliminate((0..N as u32).collect(), k, stays)
    }

    fn genes(all: &[(u32, f64)]) -> Vec<u32> {
        all.iter().map(|&(g, _)| g).collect()
    }

    #[test]
    fn the_gene_leaves_without_which_least_is_explained() {
        for ridge in [0.1, 0.5, 5.0] {
            let (stay, gone) = slowly(ridge, false);
            let all = eliminated(ridge, 6, &|_| false);
            assert_eq!(genes(&all[6..]), genes(&gone), "ridge {ridge}");
            let mut kept = genes(&all[..6]);
            kept.sort_unstable();
            assert_eq!(kept, stay);
            for (own, one) in all[6..].iter().zip(&gone) {
                assert!((own.1 - one.1).abs() < 1e-9, "{own:?} {one:?}");
            }
            let panel: Vec<usize> = kept.iter().map(|&g| g as usize).collect();
            for &(gene, worth) in &all[..6] {
                let others: Vec<usize> = panel
                    .iter()
                    .copied()
                    .filter(|&g| g != gene as usize)
                    .collect();
                let less = explained(ridge, &panel, false) - explained(ridge, &others, false);
                assert!((worth - less).abs() < 1e-9, "{gene}: {worth} {less}");
            }
            assert!(all[..6].is_sorted_by(|a, b| a.1 >= b.1));
        }
    }

    #[test]
    fn another_ridge_or_its_penalty_is_another_question() {
        let all = genes(&eliminated(0.5, 6, &|_| false));
        assert_ne!(genes(&eliminated(50.0, 6, &|_| false)), all);
        assert_ne!(genes(&slowly(0.5, true).1), all[6..]);
    }

    #[test]
    fn a_gene_that_must_stay_does() {
        let worst = eliminated(0.5, 6, &|_| false)[N - 1].0;
        let mut all = genes(&eliminated(0.5, 6, &|g| g == worst));
        assert!(all[..6].contains(&worst));
        all.sort_unstable();
        assert_eq!(all, (0..N as u32).collect::<Vec<_>>());
    }
}
