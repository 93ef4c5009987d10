//! Figures of each class with their intervals, and the confusion of the classes.
use super::interval::intervals as resampled;
use super::predict::{Predicted, Scores, reported};
use crate::data::cells::{Targets, TaskKind, TestCells};
use crate::metrics::{self, Classification};
use crate::model::panel_model::PanelModel;
use crate::ops::MISSING;
use serde::Serialize;
use std::collections::BTreeMap;

/// 95 % intervals by the name of the figure; `None` where it is undefined.
pub type Intervals = BTreeMap<&'static str, Option<[f64; 2]>>;

/// One class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OneClass {
    /// Its name.
    pub class: String,
    /// Cells of it.
    pub support: usize,
    /// Share of the cells predicted as it that are of it; NaN where there are none.
    pub precision: f64,
    /// Share of its cells that are predicted as it; NaN where there are none.
    pub recall: f64,
    /// Harmonic mean of the two; NaN where it is neither true nor predicted of any cell.
    pub f1: f64,
    /// Of precision, recall and F1.
    pub intervals: Intervals,
}

/// Cells of each class (rows) by the class that was predicted (columns), in the order of the classes.
#[must_use]
pub fn confusion(truth: &[u32], predicted: &[u32], n_classes: usize) -> Vec<Vec<usize>> {
    let mut counts = vec![vec![0; n_classes]; n_classes];
    for (&t, &p) in truth.iter().zip(predicted) {
        let row = counts.get_mut(t as usize);
        if let Some(n) = row.and_then(|r| r.get_mut(p as usize)) {
            *n += 1;
        }
    }
    counts
}

/// Precision, recall and F1 of each class, one after another.
fn of_classes(pairs: impl Iterator<Item = (u32, u32)>, n_classes: usize) -> Vec<f64> {
    let (mut truth, mut predicted) = (vec![0.0f64; n_classes], vec![0.0f64; n_classes]);
    let mut hits = vec![0.0f64; n_classes];
    for (t, p) in pairs {
        truth[t as usize] += 1.0;
        predicted[p as usize] += 1.0;
        if t == p {
            hits[t as usize] += 1.0;
        }
    }
    let one = |c: usize| {
        let both = truth[c] + predicted[c];
        [
            hits[c] / predicted[c],
            hits[c] / truth[c],
            2.0 * hits[c] / both,
        ]
    };
    (0..n_classes).flat_map(one).collect()
}

/// Names of the figures of a classification, and of a class.
const FIGURES: [&str; 4] = ["accuracy", "balanced_accuracy", "macro_f1", "weighted_f1"];
const OF_CLASS: [&str; 3] = ["precision", "recall", "f1"];

fn figures(c: Classification) -> Vec<f64> {
    vec![c.accuracy, c.balanced_accuracy, c.macro_f1, c.weighted_f1]
}

/// Labelled cells alone: their labels and predictions.
fn labelled(truth: &[u32], predicted: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let both = truth.iter().zip(predicted);
    both.filter(|(t, _)| **t != MISSING).unzip()
}

/// Intervals of the figures of a classification.
#[must_use]
pub fn classification(truth: &[u32], predicted: &[u32], n_classes: usize, seed: u64) -> Intervals {
    let (truth, predicted) = labelled(truth, predicted);
    let found = resampled(truth.len(), seed, |cells| {
        let pick = |of: &[u32]| -> Vec<u32> { cells.iter().map(|c| of[*c as usize]).collect() };
        figures(metrics::classification(
            &pick(&truth),
            &pick(&predicted),
            n_classes,
        ))
    });
    FIGURES.into_iter().zip(found).collect()
}

/// Intervals of the figures of a regression; NaN where there is no truth.
#[must_use]
pub fn regression(truth: &[f32], predicted: &[f32], seed: u64) -> Intervals {
    let both = truth.iter().zip(predicted);
    let (truth, predicted): (Vec<f32>, Vec<f32>) = both.filter(|(t, _)| !t.is_nan()).unzip();
    let found = resampled(truth.len(), seed, |cells| {
        let pick = |of: &[f32]| -> Vec<f32> { cells.iter().map(|c| of[*c as usize]).collect() };
        let r = metrics::regression(&pick(&truth), &pick(&predicted));
        vec![r.r2, r.pearson, r.mae]
    });
    ["r2", "pearson", "mae"].into_iter().zip(found).collect()
}

/// Intervals of a reconstruction: sums over cells of the squares of all genes, of those that the components
/// hold, and of those that the predictions explain.
#[must_use]
pub fn reconstruction(sums: &[[f64; 3]], seed: u64) -> Intervals {
    let found = resampled(sums.len(), seed, |cells| {
        let mut total = [0.0; 3];
        for c in cells {
            let own = sums[*c as usize];
            total.iter_mut().zip(own).for_each(|(t, x)| *t += x);
        }
        vec![total[2] / total[0], total[1] / total[0]]
    });
    ["explained", "ceiling"].into_iter().zip(found).collect()
}

/// Seed of the resamples of a run's test cells.
const SEED: u64 = 0;

/// Intervals of the scores of the test cells, one for each of [`reported`].
#[must_use]
pub fn intervals(model: &PanelModel, test: &TestCells, predicted: &[Predicted]) -> Vec<Intervals> {
    let of = |t: usize| (&model.tasks[t].kind, &test.tasks[t].targets, &predicted[t]);
    let one = |(t, _): (usize, String)| match of(t) {
        (TaskKind::Component { .. }, ..) => {
            let mut sums: Vec<[f64; 3]> = test.squares.iter().map(|s| [*s, 0.0, 0.0]).collect();
            for t in (0..model.tasks.len()).filter(|&t| model.tasks[t].kind.is_component()) {
                if let (_, Targets::Values(y), Predicted::Values(p)) = of(t) {
                    for ((sum, y), p) in sums.iter_mut().zip(y).zip(p) {
                        let (y, p) = (f64::from(*y), f64::from(*p));
                        sum[1] += y * y;
                        sum[2] += 2.0 * y * p - p * p;
                    }
                }
            }
            reconstruction(&sums, SEED)
        }
        (kind, Targets::Classes(truth), Predicted::Classes(p)) => {
            let codes: Vec<u32> = p.iter().map(|p| p.0).collect();
            classification(truth, &codes, kind.width(), SEED)
        }
        (_, Targets::Values(truth), Predicted::Values(p)) => regression(truth, p, SEED),
        _ => Intervals::new(),
    };
    reported(model).into_iter().map(one).collect()
}

/// The classes one by one.
#[must_use]
pub fn classes(names: &[String], truth: &[u32], predicted: &[u32], seed: u64) -> Vec<OneClass> {
    let (truth, predicted) = labelled(truth, predicted);
    let n = names.len();
    let whole = of_classes(truth.iter().copied().zip(predicted.iter().copied()), n);
    let found = resampled(truth.len(), seed, |cells| {
        let pairs = cells
            .iter()
            .map(|c| (truth[*c as usize], predicted[*c as usize]));
        of_classes(pairs, n)
    });
    let one = |(c, class): (usize, &String)| {
        let own = 3 * c..3 * c + 3;
        OneClass {
            class: class.clone(),
            support: truth.iter().filter(|t| **t as usize == c).count(),
            precision: whole[own.start],
            recall: whole[own.start + 1],
            f1: whole[own.start + 2],
            intervals: OF_CLASS
                .into_iter()
                .zip(found[own].iter().copied())
                .collect(),
        }
    };
    names.iter().enumerate().map(one).collect()
}

/// The interval of a figure, for a table: ` [0.91, 0.95]`.
#[must_use]
pub fn shown(intervals: &Intervals, name: &str) -> String {
    match intervals.get(name) {
        Some(Some([low, high])) => format!(" [{low:.3}, {high:.3}]"),
        _ => String::new(),
    }
}

/// The names and values of scores, as [`Intervals`] names them.
#[must_use]
pub fn named(scores: &Scores) -> Vec<(&'static str, f64)> {
    match scores {
        Scores::Classes(c) => FIGURES.into_iter().zip(figures(*c)).collect(),
        Scores::Values(r) => vec![("r2", r.r2), ("pearson", r.pearson), ("mae", r.mae)],
        Scores::Reconstruction(r) => vec![("explained", r.explained), ("ceiling", r.ceiling)],
    }
}
