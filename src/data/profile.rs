//! Mean expression and detection of genes in the classes of a label, over the training cells.
use super::cells::{Targets, Task, TaskKind, Transform};
use super::prepare::PER;
use crate::ops::MISSING;

/// Genes in classes; of one class, `all cells`, where there is no label. All training cells count, with the values that
/// they have: nothing is clipped, nothing is sampled.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The label; empty where there is none.
    pub label: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Training cells of each class.
    pub cells: Vec<usize>,
    /// Mean of each considered gene in each class (classes x genes), of linear values: counts per 10,000; where
    /// there are none (`--input none` and `binary`) the values as they are.
    pub mean: Vec<Vec<f32>>,
    /// The same of the values that are trained on (log values).
    pub level: Vec<Vec<f32>>,
    /// Share of the cells of each class that detect each considered gene (classes x genes).
    pub detected: Vec<Vec<f32>>,
}

/// Values before the logarithm of a cell whose values of all genes these are: counts per 10,000 where there are counts.
pub fn linear(transform: Transform, values: &[f32]) -> impl Iterator<Item = f64> + '_ {
    let count = move |v: &f32| match transform {
        Transform::Log | Transform::LogCounts => f64::from(*v).exp_m1(),
        Transform::Binary | Transform::AsIs => f64::from(*v),
    };
    let factor = match transform {
        Transform::LogCounts => PER / values.iter().map(count).sum::<f64>(),
        _ => 1.0,
    };
    values.iter().map(move |v| count(v) * factor)
}

/// Sums over the cells of each class, classes x genes.
struct Sums<'a> {
    label: Option<(&'a Task, &'a [u32])>,
    classes: Vec<String>,
    cells: Vec<usize>,
    /// Linear values, values, cells that have one.
    of: [Vec<Vec<f64>>; 3],
}

impl<'a> Sums<'a> {
    fn new(label: Option<&'a Task>, n_genes: usize, n_cells: usize) -> Self {
        let found = label.and_then(|t| of_classes(t).map(|(classes, of)| (t, classes, of)));
        let classes = found.map_or_else(|| vec!["all cells".into()], |(_, c, _)| c.to_vec());
        let mut cells = vec![0usize; classes.len()];
        match found {
            Some((_, _, of)) => (of[..n_cells].iter().filter(|c| **c != MISSING))
                .for_each(|&c| cells[c as usize] += 1),
            None => cells[0] = n_cells,
        }
        let zeros = || vec![vec![0.0; n_genes]; classes.len()];
        Self {
            label: found.map(|(task, _, of)| (task, of)),
            of: [zeros(), zeros(), zeros()],
            classes,
            cells,
        }
    }

    fn add(&mut self, cell: usize, gene: usize, values: [f64; 3]) {
        let class = match self.label {
            Some((_, of)) if of[cell] == MISSING => return,
            Some((_, of)) => of[cell] as usize,
            None => 0,
        };
        for (sums, value) in self.of.iter_mut().zip(values) {
            sums[class][gene] += value;
        }
    }

    fn profile(self) -> Profile {
        let cells = self.cells;
        let shares = |all: Vec<Vec<f64>>| -> Vec<Vec<f32>> {
            let of = |(sums, n): (Vec<f64>, &usize)| {
                let n = (*n).max(1) as f64;
                sums.into_iter().map(|s| (s / n) as f32).collect()
            };
            all.into_iter().zip(&cells).map(of).collect()
        };
        let [mean, level, detected] = self.of.map(shares);
        Profile {
            label: self.label.map_or(String::new(), |(t, _)| t.name.clone()),
            classes: self.classes,
            cells,
            mean,
            level,
            detected,
        }
    }
}

impl Profile {
    /// Of every label, in the order of `tasks` (whose first `n_cells` labels are those of the cells); one profile of
    /// all cells where there is none. `visit` gives its argument cell, considered gene, transformed and linear value of
    /// all values that are not 0.
    ///
    /// # Errors
    /// Those of `visit`.
    pub fn measure<E>(
        tasks: &[Task],
        n_cells: usize,
        n_genes: usize,
        visit: impl FnOnce(&mut dyn FnMut(usize, usize, f32, f64)) -> Result<(), E>,
    ) -> Result<Vec<Self>, E> {
        let labels = tasks.iter().filter(|t| of_classes(t).is_some());
        let of = |label| Sums::new(label, n_genes, n_cells);
        let mut all: Vec<Sums> = labels.map(|t| of(Some(t))).collect();
        if all.is_empty() {
            all.push(of(None));
        }
        visit(&mut |cell, gene, value, linear| {
            if value != 0.0 {
                let values = [linear, f64::from(value), 1.0];
                all.iter_mut().for_each(|s| s.add(cell, gene, values));
            }
        })?;
        Ok(all.into_iter().map(Sums::profile).collect())
    }

    /// Class with the highest mean of a gene, and the mean.
    #[must_use]
    pub fn highest_mean(&self, gene: usize) -> (usize, f32) {
        highest(&self.mean, gene)
    }

    /// Class with the highest share of cells that detect a gene, and the share.
    #[must_use]
    pub fn highest_detected(&self, gene: usize) -> (usize, f32) {
        highest(&self.detected, gene)
    }
}

fn highest(by_class: &[Vec<f32>], gene: usize) -> (usize, f32) {
    let each = by_class.iter().map(|c| c[gene]).enumerate();
    each.fold((0, 0.0), |best, c| if c.1 > best.1 { c } else { best })
}

fn of_classes(task: &Task) -> Option<(&[String], &[u32])> {
    match (&task.kind, &task.targets) {
        (TaskKind::Classification { classes }, Targets::Classes(of)) => Some((classes, of)),
        _ => None,
    }
}
