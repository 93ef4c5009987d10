//! The panel of a larger size: backward elimination from a ridge regression of all outputs on many genes.
//!
//! A panel that has several genes for each class is judged badly by a network that has all of them: with any one left
//! out little is lost, and what is lost hangs on a few cells. The regression judges them as if most were missing: to
//! add `ridge` times the gene's variance is, in expectation, to leave genes out at random and scale up the others, a share
//! `ridge / (1 + ridge)` of them (Bishop 1995, Wager et al. 2013); with [`Recipe::eliminate_seen`] = 4 and a ridge of
//! k / 4 about four of the k genes are there at a time. Then genes are good that make up for one another.
//!
//! From the first genes of the ranking the one leaves, again and again, without which the least is explained: the
//! increase of the loss is `sum_o W_go^2 / (A^-1)_gg`, exactly (Hassibi and Stork 1993), and both follow from
//! those before by a rank-1 step.
//!
//! [`Recipe::eliminate_seen`]: super::settings::Recipe::eliminate_seen
use super::batches::key;
use super::settings::Settings;
use super::stages::n_out;
use super::trail::{Left, When};
use crate::data::cells::{Targets, TrainingData};
use crate::data::packed::unpack;
use crate::model::net::Targets as Weights;
use crate::ops::MISSING;
use crate::reference::noise::{STREAM_INIT, philox};
use rayon::prelude::*;

/// Fewer outputs make a linear model see too little. Donors, samples and conditions (2 to 4 classes) differ in
/// other genes in each cell type: without elimination macro-F1 was 0.2 to 3 points better there at k = 32 and 64.
const LEAST_OUTPUTS: usize = 5;

/// Whether the largest panel is found by elimination: where there are enough genes for each of several outputs. Not
/// where what holds across batches decides, genes add up to a limit, or nothing is ranked.
pub(super) fn eliminates(settings: &Settings, data: &TrainingData) -> bool {
    let (recipe, rules, n_out) = (&settings.recipe, &settings.rules, n_out(data));
    recipe.ranking
        && settings.panel.is_none()
        && data.batches.is_none()
        && rules.loads.is_empty()
        && rules.least_markers == 0
        && n_out >= LEAST_OUTPUTS
        && settings.genes as f32 >= recipe.eliminate_from * n_out as f32
}

/// What elimination makes of a ranking.
pub(super) struct Eliminated {
    /// The genes that stay, the most useful first, then those that left, the last first, then those that it did not
    /// look at.
    pub order: Vec<u32>,
    /// The last ones that left.
    pub left: Vec<Left>,
}

/// Eliminates all but k genes. `cells`: those to go by; each has a random weight by the seed (mean 1, variance 1/16), so
/// that runs of several seeds show how far the choice hangs on the cells that are there.
pub(super) fn eliminate(
    data: &TrainingData,
    settings: &Settings,
    cells: &[u32],
    seed: u64,
    ranking: &[u32],
) -> Eliminated {
    let (rules, k) = (&settings.rules, settings.genes);
    let most = settings.recipe.eliminate_candidates.max(2 * k);
    let others = ranking.iter().copied();
    let others = others.filter(|g| rules.allows(*g) && !rules.include.contains(g));
    let included = rules.include.iter().copied();
    let mut genes: Vec<u32> = included.chain(others).take(most).collect();
    genes.sort_unstable();
    let weights = weights(data, settings, cells, seed);
    let mut system = System::new(data, settings, &genes, cells, &weights);
    system.add_ridge(k as f64 / f64::from(settings.recipe.eliminate_seen));
    system.invert();
    let all = system.eliminate(genes, k, &|gene| rules.include.contains(&gene));
    let mut taken = vec![false; data.cells.n_genes];
    all.iter().for_each(|&(g, _)| taken[g as usize] = true);
    let rest = ranking.iter().copied().filter(|&g| !taken[g as usize]);
    let last = all
        .get(k.saturating_sub(1))
        .map_or(0.0, |&(_, worth)| worth);
    let gone = all.iter().skip(k).take(4 * k + 64).enumerate();
    let left = gone.map(|(before_last, &(gene, loss))| Left {
        gene,
        size: 0,
        when: When::Eliminated { before_last },
        loss,
        last,
    });
    Eliminated {
        order: all.iter().map(|&(g, _)| g).chain(rest).collect(),
        left: left.collect(),
    }
}

/// Weights of cells: the mean of their classes' weights in training, times a gamma deviate of mean 1 and variance 1/16.
fn weights(data: &TrainingData, settings: &Settings, cells: &[u32], seed: u64) -> Vec<f64> {
    let power = settings.recipe.class_weight_power;
    let of_classes = Weights::class_weights(&data.tasks, data.n_train, power);
    let uniform = |word: u32| (f64::from(word) + 0.5) / 4_294_967_296.0;
    let of = |&cell: &u32| {
        let own = data.tasks.iter().zip(&of_classes);
        let own = own.filter_map(|(task, weights)| match &task.targets {
            Targets::Classes(y) => Some(
                weights
                    .get(y[cell as usize] as usize)
                    .map_or(1.0, |&w| f64::from(w)),
            ),
            Targets::Values(_) => None,
        });
        let (n, sum) = own.fold((0.0, 0.0), |(n, sum), w| (n + 1.0, sum + w));
        let words = (0..4).flat_map(|i| philox([cell, i, 0, 1], [key(seed), STREAM_INIT]));
        let gamma: f64 = words.map(|w| -uniform(w).ln()).sum::<f64>() / 16.0;
        gamma * if n > 0.0 { sum / n } else { 1.0 }
    };
    cells.iter().map(of).collect()
}

/// `[A | B]`, later `[A^-1 | W]` with `W = A^-1 B`: covariances of n standardised genes, and with the
/// standardised outputs.
struct System {
    n: usize,
    stride: usize,
    rows: Vec<f64>,
}

/// Rows of a matrix that one thread takes at once.
const BAND: usize = 32;

/// Cells that are unpacked at once.
const TILE: usize = 2048;

/// The candidates' nonzeros (place among the candidates, ascending, and value) of some cells.
struct Tile {
    starts: Vec<usize>,
    entries: Vec<(u32, f32)>,
}

impl Tile {
    fn new(data: &TrainingData, slot_of: &[u32], cells: &[u32]) -> Self {
        let (mut starts, mut entries) = (vec![0], Vec::new());
        for &cell in cells {
            let all = data.cells.cell(cell as usize).iter().map(|&e| unpack(e));
            let known = all.map(|(g, v)| (slot_of[g], v));
            let first = entries.len();
            entries.extend(known.filter(|e| e.0 != u32::MAX));
            entries[first..].sort_unstable_by_key(|e| e.0);
            starts.push(entries.len());
        }
        Self { starts, entries }
    }

    fn of(&self, i: usize) -> &[(u32, f32)] {
        &self.entries[self.starts[i]..self.starts[i + 1]]
    }
}

impl System {
    /// Covariances over `cells`. Outputs are scaled so that their squares add up to what counts: the weight
    /// of a task, shared out evenly over its classes; each over the cells that have the label.
    fn new(
        data: &TrainingData,
        settings: &Settings,
        genes: &[u32],
        cells: &[u32],
        weights: &[f64],
    ) -> Self {
        let (n, n_out) = (genes.len(), n_out(data));
        let stride = n + n_out;
        let mut slot_of = vec![u32::MAX; data.cells.n_genes];
        genes
            .iter()
            .enumerate()
            .for_each(|(s, &g)| slot_of[g as usize] = s as u32);
        let outputs = outputs(data, settings, cells, weights);
        let mut system = Self {
            n,
            stride,
            rows: vec![0.0; n * stride],
        };
        let mut mean = vec![0.0; n];
        let tiles = cells.chunks(TILE).zip(weights.chunks(TILE));
        for ((cells, weights), outputs) in tiles.zip(outputs.chunks(TILE * n_out)) {
            let tile = Tile::new(data, &slot_of, cells);
            for (i, w) in weights.iter().enumerate() {
                let all = tile.of(i).iter();
                all.for_each(|&(s, v)| mean[s as usize] += w * f64::from(v));
            }
            system.add(&tile, weights, outputs);
        }
        let total: f64 = weights.iter().sum();
        let factor = |s: usize| f64::from(data.stats.inv_sd[genes[s] as usize]);
        let rows = &mut system.rows;
        for (s, row) in rows.chunks_exact_mut(stride).enumerate() {
            for t in s..n {
                let centred = row[t] / total - mean[s] / total * mean[t] / total;
                row[t] = factor(s) * factor(t) * centred;
            }
            // the outputs are centred
            row[n..].iter_mut().for_each(|b| *b *= factor(s) / total);
        }
        for s in 0..n {
            for t in s + 1..n {
                rows[t * stride + s] = rows[s * stride + t];
            }
        }
        system
    }

    /// Adds the sums of products over a tile's cells, on and above the diagonal.
    fn add(&mut self, tile: &Tile, weights: &[f64], outputs: &[f64]) {
        let (n, stride) = (self.n, self.stride);
        let bands = self.rows.par_chunks_mut(BAND * stride).enumerate();
        bands.for_each(|(band, rows)| {
            let slots = (band * BAND) as u32..(band * BAND + BAND) as u32;
            let outputs = outputs.chunks_exact(stride - n);
            for ((i, w), outputs) in weights.iter().enumerate().zip(outputs) {
                let all = tile.of(i);
                let own = all.partition_point(|e| e.0 < slots.start)
                    ..all.partition_point(|e| e.0 < slots.end);
                for at in own {
                    let (s, v) = all[at];
                    let v = w * f64::from(v);
                    let row = &mut rows[(s - slots.start) as usize * stride..][..stride];
                    let others = all[at..].iter();
                    others.for_each(|&(t, x)| row[t as usize] += v * f64::from(x));
                    let outputs = row[n..].iter_mut().zip(outputs);
                    outputs.for_each(|(b, y)| *b += v * y);
                }
            }
        });
    }

    fn add_ridge(&mut self, ridge: f64) {
        for s in 0..self.n {
            let own = &mut self.rows[s * self.stride + s];
            // a gene without variance among these cells never explains anything
            *own = own.max(1e-9) * (1.0 + ridge);
        }
    }

    /// Gauss and Jordan, in place; the ridge makes pivoting needless.
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

    /// The genes (of the rows) and what is explained less without them: the k that stay, the most useful first, then
    /// the others when they left, the last first. `stays`: those that never leave.
    fn eliminate(
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

/// Outputs of the cells, centred, times what makes the mean over `weights` of gene times output the covariance over the
/// labelled cells; 0 where the label is missing.
fn outputs(data: &TrainingData, settings: &Settings, cells: &[u32], weights: &[f64]) -> Vec<f64> {
    let width = n_out(data);
    let total: f64 = weights.iter().sum();
    let mut out = vec![0.0; cells.len() * width];
    let mut first = 0;
    for (task, counts) in data.tasks.iter().zip(settings.weights_of(&data.tasks)) {
        let own = task.kind.width();
        let share = (f64::from(counts) / own as f64).sqrt();
        for column in 0..own {
            // NaN where there is no label
            let value = |cell: u32| match &task.targets {
                Targets::Classes(y) if y[cell as usize] == MISSING => f64::NAN,
                Targets::Classes(y) => f64::from(u8::from(y[cell as usize] == column as u32)),
                Targets::Values(v) => f64::from(v[cell as usize]),
            };
            let labelled = || {
                let all = cells.iter().map(|&c| value(c)).zip(weights);
                all.filter(|(y, _)| !y.is_nan())
            };
            let sum: f64 = labelled().map(|(_, w)| w).sum();
            let mean = labelled().map(|(y, w)| w * y).sum::<f64>() / sum;
            let variance = labelled().map(|(y, w)| w * (y - mean).powi(2)).sum::<f64>() / sum;
            // nothing tells a class apart that has no cell, or all
            if variance.is_nan() || variance < 1e-12 {
                continue;
            }
            let factor = share * total / sum / variance.sqrt();
            for (i, &cell) in cells.iter().enumerate() {
                let y = value(cell);
                if !y.is_nan() {
                    out[i * width + first + column] = factor * (y - mean);
                }
            }
        }
        first += own;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::cells::Batches;
    use crate::data::prepare::{InputChoice, prepare};
    use crate::data::split::{SplitSettings, split};
    use crate::simulate::{Settings as Made, Simulation};
    use crate::train::rules::Rules;
    use std::sync::Arc;

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

    fn training_data() -> TrainingData {
        let made = Simulation::new(Made {
            cells: 3600, // more than a tile
            genes: 60,
            density: 0.3,
            markers: 8,
            classes: 4,
            rare: 0,
            copies: 0,
            decoys: 0,
            gradients: 1,
            donors: 1,
            batch_effect: 0.0,
            seed: 3,
        });
        let dataset = made.expect("makes").dataset();
        let (label, number) = (["class".to_string()], ["pseudotime".to_string()]);
        let prepared = prepare(dataset, &label, &number, InputChoice::Auto).expect("prepares");
        let (mut data, _, _) = split(prepared, &SplitSettings::default()).expect("splits");
        if let Targets::Classes(y) = &mut data.tasks[0].targets {
            y.iter_mut().step_by(5).for_each(|y| *y = MISSING);
        }
        data
    }

    #[test]
    fn covariances_are_those_of_the_cells_that_have_the_label() {
        let data = training_data();
        let settings = Settings::default();
        let cells: Vec<u32> = (0..data.n_train as u32).filter(|c| c % 7 > 0).collect();
        let genes: Vec<u32> = (0..data.cells.n_genes as u32)
            .filter(|g| g % 3 > 0)
            .collect();
        let w = weights(&data, &settings, &cells, 1);
        let system = System::new(&data, &settings, &genes, &cells, &w);
        assert!(cells.len() > TILE);
        let of_cell = |cell: usize| {
            let mut row = vec![0.0; data.cells.n_genes];
            for (g, v) in data.cells.cell(cell).iter().map(|&e| unpack(e)) {
                row[g] = f64::from(v * data.stats.inv_sd[g]);
            }
            row
        };
        let dense: Vec<Vec<f64>> = (0..data.n_train).map(of_cell).collect();
        let value = |gene: u32, cell: u32| dense[cell as usize][gene as usize];
        let covariance = |a: &dyn Fn(u32) -> f64, b: &dyn Fn(u32) -> f64| {
            let all = || {
                cells
                    .iter()
                    .zip(&w)
                    .filter(|(c, _)| !(a(**c) * b(**c)).is_nan())
            };
            let sum: f64 = all().map(|(_, w)| w).sum();
            let mean = |f: &dyn Fn(u32) -> f64| all().map(|(&c, w)| w * f(c)).sum::<f64>() / sum;
            let (of_a, of_b) = (mean(a), mean(b));
            all()
                .map(|(&c, w)| w * (a(c) - of_a) * (b(c) - of_b))
                .sum::<f64>()
                / sum
        };
        let output = |o: usize, cell: u32| match &data.tasks[o / 4].targets {
            Targets::Classes(y) if y[cell as usize] == MISSING => f64::NAN,
            Targets::Classes(y) => f64::from(u8::from(y[cell as usize] == o as u32)),
            Targets::Values(v) => f64::from(v[cell as usize]),
        };
        for (s, &g) in genes.iter().enumerate() {
            let own = |cell: u32| value(g, cell);
            let row = &system.rows[s * system.stride..(s + 1) * system.stride];
            for (t, &h) in genes.iter().enumerate() {
                let wanted = covariance(&own, &|cell| value(h, cell));
                assert!(
                    (row[t] - wanted).abs() < 1e-6,
                    "{g} {h}: {} {wanted}",
                    row[t]
                );
            }
            // four classes share what the number has alone
            for (o, share) in [0.25, 0.25, 0.25, 0.25, 1.0f64].into_iter().enumerate() {
                let y = |cell: u32| output(o, cell);
                let wanted = share.sqrt() * covariance(&own, &y) / covariance(&y, &y).sqrt();
                let found = row[genes.len() + o];
                assert!(
                    (found - wanted).abs() < 1e-6,
                    "{g}, output {o}: {found} {wanted}"
                );
            }
        }
        // weights are random by the seed, and those of rare classes larger
        assert_ne!(w, weights(&data, &settings, &cells, 2));
        let mean = w.iter().sum::<f64>() / w.len() as f64;
        assert!((mean - 1.0).abs() < 0.1, "{mean}");
    }

    #[test]
    fn only_where_there_are_genes_to_spare_for_several_outputs() {
        let data = training_data();
        let asked = |genes: usize, change: &dyn Fn(&mut Settings)| {
            let mut settings = Settings {
                genes,
                ..Settings::default()
            };
            change(&mut settings);
            eliminates(&settings, &data)
        };
        // four classes and a number
        assert!(asked(13, &|_| ()) && !asked(12, &|_| ()));
        assert!(!asked(13, &|s| s.recipe.ranking = false));
        assert!(!asked(13, &|s| s.panel = Some((0..13).collect())));
        assert!(!asked(13, &|s| {
            s.rules = Arc::new(Rules {
                least_markers: 1,
                ..Rules::default()
            });
        }));
        let mut several = data.clone();
        several.batches = Some(Batches {
            column: "donor".into(),
            names: vec!["a".into()],
            of: vec![0; data.cells.n_cells],
        });
        assert!(!eliminates(&Settings::default(), &several));
        for task in 0..2 {
            let mut fewer = data.clone();
            fewer.tasks.remove(task);
            assert!(!eliminates(&Settings::default(), &fewer));
        }
    }
}
