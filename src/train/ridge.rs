//! A ridge regression of all outputs on many genes, from which genes are eliminated.
//!
//! The gene leaves without which the least is explained: the loss rises by `sum_o W_go^2 / (A^-1)_gg`, exactly
//! (Hassibi and Stork 1993), and both follow from those before by a rank-1 step.
use rayon::prelude::*;

/// `[A | B]`, later `[A^-1 | W]` with `W = A^-1 B`: covariances of n standardised genes, and with the
/// standardised outputs.
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
    pub(super) fn add_ridge(&mut self, ridge: f64) {
        for s in 0..self.n {
            let own = &mut self.rows[s * self.stride + s];
            // a gene without variance among these cells never explains anything
            *own = own.max(1e-9) * (1.0 + ridge);
        }
    }

    /// Gauss and Jordan, in place; the ridge makes pivoting needless.
    pub(super) fn invert(&mut self) {
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

    /// The genes (of the rows) and what is explained less without them: the k that stay, the most useful first, then
    /// the others when they left, the last first. `stays`: those that never leave.
    pub(super) fn eliminate(
        mut self,
        mut genes: Vec<u32>,
        k: usize,
        stays: &dyn Fn(u32) -> bool,
    ) -> Vec<(u32, f64)> {
        let (n, stride) = (self.n, self.stride);
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
            let last = genes.len() - 1;
            left.push((genes.swap_remove(least), worth[least]));
            // the last gene takes the place of the one that leaves
            for s in 0..=last {
                self.rows.swap(s * stride + least, s * stride + last);
            }
            let (from, to) = (last * stride, least * stride);
            let gone: Vec<f64> = self.rows[to..to + stride].to_vec();
            self.rows.copy_within(from..from + stride, to);
            let active = &mut self.rows[..last * stride];
            active.par_chunks_mut(BAND * stride).for_each(|rows| {
                for row in rows.chunks_exact_mut(stride) {
                    let f = row[last] / gone[last];
                    let (genes, outputs) = row.split_at_mut(n);
                    let genes = genes[..last].iter_mut().zip(&gone[..last]);
                    genes.for_each(|(x, g)| *x -= f * g);
                    let outputs = outputs.iter_mut().zip(&gone[n..]);
                    outputs.for_each(|(x, g)| *x -= f * g);
                }
            });
        }
        let kept = genes.iter().enumerate();
        let mut kept: Vec<(u32, f64)> = kept.map(|(s, &g)| (g, self.worth(s))).collect();
        kept.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        kept.into_iter().chain(left.into_iter().rev()).collect()
    }

    /// What is explained less without the gene of a row.
    fn worth(&self, s: usize) -> f64 {
        let row = &self.rows[s * self.stride..(s + 1) * self.stride];
        row[self.n..].iter().map(|w| w * w).sum::<f64>() / row[s]
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

    /// `tr(B^T A^-1 B)` of some genes: what they explain; by Cholesky's factor.
    fn explained(system: &System, genes: &[usize]) -> f64 {
        let at = |s: usize, t: usize| system.rows[s * system.stride + t];
        let n = genes.len();
        let mut l = vec![vec![0.0; n]; n];
        for i in 0..n {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|m| l[i][m] * l[j][m]).sum();
                let rest = at(genes[i], genes[j]) - dot;
                l[i][j] = if i == j { rest.sqrt() } else { rest / l[j][j] };
            }
        }
        let of = |o: usize| {
            let mut y: Vec<f64> = Vec::new();
            for i in 0..n {
                let dot: f64 = y.iter().zip(&l[i]).map(|(y, l)| y * l).sum();
                y.push((at(genes[i], N + o) - dot) / l[i][i]);
            }
            y.iter().map(|y| y * y).sum::<f64>()
        };
        (0..OUT).map(of).sum()
    }

    fn eliminated(ridge: f64, k: usize, stays: &dyn Fn(u32) -> bool) -> Vec<u32> {
        let mut own = system();
        own.add_ridge(ridge);
        own.invert();
        let all = own.eliminate((0..N as u32).collect(), k, stays);
        all.into_iter().map(|(g, _)| g).collect()
    }

    #[test]
    fn the_gene_leaves_without_which_least_is_explained() {
        let mut plain = system();
        plain.add_ridge(0.5);
        let mut left: Vec<usize> = (0..N).collect();
        let mut gone = Vec::new();
        while left.len() > 6 {
            let without = |gene: usize| {
                let others: Vec<usize> = left.iter().copied().filter(|&g| g != gene).collect();
                explained(&plain, &others)
            };
            let best = left
                .iter()
                .map(|&g| (without(g), g))
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let gene = best.expect("a gene").1;
            left.retain(|&g| g != gene);
            gone.push(gene as u32);
        }
        let order = eliminated(0.5, 6, &|_| false);
        gone.reverse();
        assert_eq!(order[6..], gone);
        let mut kept: Vec<usize> = order[..6].iter().map(|&g| g as usize).collect();
        kept.sort_unstable();
        assert_eq!(kept, left);
        // another ridge is another question
        assert_ne!(eliminated(50.0, 6, &|_| false)[6..], gone);
    }

    #[test]
    fn a_gene_that_must_stay_does() {
        let worst = eliminated(0.5, 6, &|_| false)[N - 1];
        let order = eliminated(0.5, 6, &|g| g == worst);
        assert!(order[..6].contains(&worst));
        let mut all = order;
        all.sort_unstable();
        assert_eq!(all, (0..N as u32).collect::<Vec<_>>());
    }
}
