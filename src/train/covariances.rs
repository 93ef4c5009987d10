//! Covariances of genes with each other and with the outputs, over weighted cells.
use super::ridge::{BAND, System};
use super::settings::Settings;
use super::stages::n_out;
use crate::data::cells::{Targets, TrainingData};
use crate::data::packed::unpack;
use crate::ops::MISSING;
use rayon::prelude::*;

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
    pub(super) fn new(
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
        let unit = task.kind.scale().1;
        for column in 0..own {
            // NaN where there is no label
            let value = |cell: u32| match &task.targets {
                Targets::Classes(y) if y[cell as usize] == MISSING => f64::NAN,
                Targets::Classes(y) => f64::from(u8::from(y[cell as usize] == column as u32)),
                Targets::Values(v) => f64::from(v[cell as usize]) / unit,
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
    use crate::data::cells::TaskKind;
    use crate::train::eliminate::tests::training_data;
    use crate::train::eliminate::weights;

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
    fn numbers_count_alike_in_any_unit() {
        let data = training_data();
        let mut small = data.clone();
        let TaskKind::Regression { mean, sd } = &mut small.tasks[1].kind else {
            panic!("a number");
        };
        (*mean, *sd) = (*mean * 1e-7, *sd * 1e-7);
        if let Targets::Values(v) = &mut small.tasks[1].targets {
            v.iter_mut().for_each(|v| *v *= 1e-7);
        }
        let cells: Vec<u32> = (0..data.n_train as u32).collect();
        let genes: Vec<u32> = (0..data.cells.n_genes as u32).collect();
        let settings = Settings::default();
        let w = weights(&data, &settings, &cells, 1);
        let of = |data: &TrainingData| System::new(data, &settings, &genes, &cells, &w).rows;
        let (a, b) = (of(&data), of(&small));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5));
        assert!(
            a.chunks_exact(genes.len() + 5)
                .any(|row| row[genes.len() + 4].abs() > 1e-3)
        );
    }
}
