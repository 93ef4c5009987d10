//! Statistics of a round that hold across batches: each batch weighs the same, the worst one counts.
use super::judging::Over;
use crate::ops::MISSING;

/// A batch with fewer cells in a sample says too little to count.
const LEAST_CELLS: usize = 20;

/// A sample by batches; one part with all of it where there are none.
pub(super) struct Parts {
    pub cells: Vec<Vec<u32>>,
    /// Part of every cell; [`MISSING`] where it counts for none. Empty where there is one part.
    of: Vec<u32>,
    /// For each task and part: 1 / the share of the task's weights that lies in the part, times what makes up for tasks
    /// that the part has no label of.
    factors: Vec<f64>,
}

impl Parts {
    pub(super) fn new(over: &Over) -> Self {
        let (sample, targets) = (over.sample, over.targets());
        let Some(batches) = &over.pass.batches else {
            return Self {
                cells: vec![sample.to_vec()],
                of: Vec::new(),
                factors: Vec::new(),
            };
        };
        let counted = batches.counted(sample.iter().map(|&c| c as usize), LEAST_CELLS);
        let place: Vec<u32> = (batches.of.iter())
            .map(|b| counted.binary_search(b).map_or(MISSING, |at| at as u32))
            .collect();
        let mut cells = vec![Vec::new(); counted.len()];
        for &cell in sample {
            if let Some(part) = cells.get_mut(place[cell as usize] as usize) {
                part.push(cell);
            }
        }
        let mut factors = Vec::new();
        // weights of the tasks that a part has labels of: else it would seem to lose little
        let (mut there, mut total) = (vec![0.0f64; cells.len()], 0.0);
        for (task, &weight) in targets.tasks.iter().zip(&over.pass.task_weights) {
            let sum = |cells: &[u32]| -> f64 {
                let weights = cells.iter().map(|&c| task.cell_weight[c as usize]);
                weights.map(f64::from).sum()
            };
            let all = sum(sample);
            total += f64::from(weight);
            for (part, there) in cells.iter().zip(&mut there) {
                let own = sum(part);
                factors.push(if own > 0.0 { all / own } else { 0.0 });
                *there += if own > 0.0 { f64::from(weight) } else { 0.0 };
            }
        }
        for of_task in factors.chunks_exact_mut(cells.len().max(1)) {
            for (factor, there) in of_task.iter_mut().zip(&there) {
                *factor *= if *there > 0.0 { total / there } else { 0.0 };
            }
        }
        Self {
            cells,
            of: place,
            factors,
        }
    }

    /// Adds the losses of one task's cells to those of their parts.
    pub(super) fn add(&self, task: usize, cells: &[u32], losses: &[f32], sums: &mut [f64]) {
        if self.of.is_empty() {
            sums[0] += losses.iter().map(|&l| f64::from(l)).sum::<f64>();
            return;
        }
        let factors = &self.factors[task * sums.len()..];
        for (&cell, &loss) in cells.iter().zip(losses) {
            let part = self.of[cell as usize] as usize;
            if let Some(sum) = sums.get_mut(part) {
                *sum += f64::from(loss) * factors[part];
            }
        }
    }

    /// From the losses of each part without each slot, and as it is in the last row, one number a
    /// row: the mean over the parts as it is, plus, without a slot, half of what the parts lose on
    /// average and half of what the part loses that loses least.
    pub(super) fn weigh(&self, losses: &[f64]) -> Vec<f64> {
        let n = self.cells.len();
        if n == 1 {
            return losses.to_vec();
        }
        let whole = &losses[losses.len() - n..];
        let mean = whole.iter().sum::<f64>() / n as f64;
        let one = |row: &[f64]| {
            let lost: Vec<f64> = row.iter().zip(whole).map(|(a, b)| a - b).collect();
            let least = lost.iter().copied().fold(f64::INFINITY, f64::min);
            mean + (lost.iter().sum::<f64>() / n as f64 + least) / 2.0
        };
        losses.chunks_exact(n).map(one).collect()
    }
}

/// Directions of descent of several parts, gene by hidden unit.
#[derive(Default)]
pub(super) struct Direction {
    parts: usize,
    sum: Vec<f32>,
    least: Vec<f32>,
    most: Vec<f32>,
    information: Vec<f64>,
}

impl Direction {
    /// Adds a part's, times `factor`, which makes parts of all sizes alike.
    pub(super) fn add(&mut self, mut r: Vec<f32>, mut information: Vec<f64>, factor: f32) {
        self.parts += 1;
        if self.parts == 1 && factor == 1.0 {
            (self.sum, self.information) = (r, information);
            (self.least, self.most) = (self.sum.clone(), self.sum.clone());
            return;
        }
        r.iter_mut().for_each(|r| *r *= factor);
        information.iter_mut().for_each(|i| *i *= f64::from(factor));
        if self.parts == 1 {
            (self.least, self.most) = (r.clone(), r.clone());
            (self.sum, self.information) = (r, information);
            return;
        }
        for (i, r) in r.into_iter().enumerate() {
            self.sum[i] += r;
            self.least[i] = self.least[i].min(r);
            self.most[i] = self.most[i].max(r);
            self.information[i] += information[i];
        }
    }

    /// The mean over the parts, half replaced by the part that points least that way, 0 where that
    /// turns it round; and the mean information. What one part alone has, or parts have in opposite
    /// directions, comes out small.
    pub(super) fn agreed(self) -> (Vec<f32>, Vec<f64>) {
        if self.parts == 1 {
            return (self.sum, self.information);
        }
        let n = self.parts as f32;
        let one = |i: usize| {
            let mean = self.sum[i] / n;
            if mean > 0.0 {
                ((mean + self.least[i]) / 2.0).max(0.0)
            } else {
                ((mean + self.most[i]) / 2.0).min(0.0)
            }
        };
        let r = (0..self.sum.len()).map(one).collect();
        let information = self.information.iter().map(|i| i / f64::from(n)).collect();
        (r, information)
    }
}
