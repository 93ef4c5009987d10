//! Mean expression and detection of genes in the classes of a label, over the training cells.
use super::cells::{Targets, Task, TaskKind, TrainingData, Transform};
use super::packed::unpack;
use crate::ops::MISSING;

/// Genes in classes; of one class, `all cells`, where there is no label. Means are of linear values: counts
/// per 10,000 (or counts), clipped as training saw them; for other inputs the values as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The label; empty where there is none.
    pub label: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Training cells of each class.
    pub cells: Vec<usize>,
    /// Mean of each considered gene in each class (classes x genes).
    pub mean: Vec<Vec<f32>>,
    /// Share of the cells of each class that detect each considered gene (classes x genes).
    pub detected: Vec<Vec<f32>>,
}

/// A gene's value before the logarithm.
#[must_use]
pub fn linear(transform: Transform, value: f32) -> f64 {
    match transform {
        Transform::Log | Transform::LogCounts => f64::from(value).exp_m1(),
        Transform::Binary | Transform::AsIs => f64::from(value),
    }
}

impl Profile {
    /// Of every label; one profile of all cells where there is none.
    #[must_use]
    pub fn all(data: &TrainingData) -> Vec<Self> {
        let labels = data.tasks.iter().filter(|t| of_classes(t).is_some());
        let all: Vec<Self> = labels.map(|t| Self::new(data, Some(t))).collect();
        if all.is_empty() {
            return vec![Self::new(data, None)];
        }
        all
    }

    /// Of the first label.
    #[must_use]
    pub fn first(data: &TrainingData) -> Self {
        Self::new(data, data.tasks.iter().find(|t| of_classes(t).is_some()))
    }

    fn new(data: &TrainingData, label: Option<&Task>) -> Self {
        let found = label.and_then(of_classes);
        let classes = found.map_or_else(|| vec!["all cells".into()], |(c, _)| c.to_vec());
        let zeros = || vec![vec![0.0f64; data.cells.n_genes]; classes.len()];
        let (mut sums, mut detected) = (zeros(), zeros());
        let mut cells = vec![0usize; classes.len()];
        for cell in 0..data.n_train {
            let class = match found {
                Some((_, of)) if of[cell] == MISSING => continue,
                Some((_, of)) => of[cell] as usize,
                None => 0,
            };
            cells[class] += 1;
            for &entry in data.cells.cell(cell) {
                let (gene, value) = unpack(entry);
                sums[class][gene] += linear(data.transform, value);
                detected[class][gene] += 1.0;
            }
        }
        let shares = |all: Vec<Vec<f64>>| -> Vec<Vec<f32>> {
            let of = |(sums, n): (Vec<f64>, &usize)| {
                let n = (*n).max(1) as f64;
                sums.into_iter().map(|s| (s / n) as f32).collect()
            };
            all.into_iter().zip(&cells).map(of).collect()
        };
        Self {
            label: label.map_or(String::new(), |t| t.name.clone()),
            mean: shares(sums),
            detected: shares(detected),
            classes,
            cells,
        }
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
