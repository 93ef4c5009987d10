//! The tasks of a run as a [`Report`](super::data::Report) has them.
use super::collect::{finite, short};
use super::data::{Bin, Class, Figure, Kind, Task};
use crate::data::cells::{Targets, TaskKind, TestCells};
use crate::ops::MISSING;
use crate::report::explain::{OfClass, Role};
use crate::report::files::Panel;
use crate::report::interval::intervals;
use crate::report::metrics;
use crate::report::predict::{Predicted, Scores, reported};
use std::collections::BTreeMap;

/// Bins of the confidence.
const BINS: usize = 10;

/// Every task; `shown` are the test cells that are drawn one by one.
pub(super) fn tasks(panel: &Panel, test: &TestCells, shown: &[usize], seed: u64) -> Vec<Task> {
    let model = &panel.fit.model;
    let names = reported(model);
    let one = |(i, (t, name)): (usize, &(usize, String))| {
        let of = match (
            &model.tasks[*t].kind,
            &test.tasks[*t].targets,
            &panel.predicted[*t],
        ) {
            (
                TaskKind::Classification { classes },
                Targets::Classes(truth),
                Predicted::Classes(predicted),
            ) => Kind::Classification {
                classes: of_classes(panel, classes, i, names.len()),
                confusion: confusion(truth, predicted),
                calibration: calibration(truth, predicted),
                shown: shown
                    .iter()
                    .map(|&c| {
                        let known = truth[c] != MISSING;
                        (known.then_some(truth[c] as usize), predicted[c].0 as usize)
                    })
                    .collect(),
            },
            (TaskKind::Regression { .. }, Targets::Values(truth), Predicted::Values(predicted)) => {
                let value = |c: usize| finite(predicted[c].into()).unwrap_or_default();
                let pair = |&c: &usize| (finite(truth[c].into()), value(c));
                Kind::Regression {
                    shown: shown.iter().map(pair).collect(),
                }
            }
            _ => Kind::Reconstruction {
                components: model.tasks.iter().filter(|t| t.kind.is_component()).count(),
            },
        };
        Task {
            name: name.clone(),
            cells: labelled(test, *t).len(),
            figures: figures(panel, test, *t, &panel.scores[i], seed),
            of,
        }
    };
    names.iter().enumerate().map(one).collect()
}

/// Test cells with a label for a task.
fn labelled(test: &TestCells, t: usize) -> Vec<u32> {
    let known = |c: &u32| match &test.tasks[t].targets {
        Targets::Classes(y) => y[*c as usize] != MISSING,
        Targets::Values(v) => !v[*c as usize].is_nan(),
    };
    (0..test.x.n_obs as u32).filter(known).collect()
}

/// The scores of the task whose first column is `t`, with their intervals.
pub(super) fn figures(
    panel: &Panel,
    test: &TestCells,
    t: usize,
    score: &Scores,
    seed: u64,
) -> Vec<Figure> {
    let cells = labelled(test, t);
    let n = cells.len();
    match (score, &test.tasks[t].targets, &panel.predicted[t]) {
        (Scores::Classes(all), Targets::Classes(truth), Predicted::Classes(predicted)) => {
            let width = panel.fit.model.tasks[t].kind.width();
            let list = |s: &metrics::Classification| {
                vec![s.accuracy, s.balanced_accuracy, s.macro_f1, s.weighted_f1]
            };
            let of = |drawn: &[u32]| {
                let cells = drawn.iter().map(|&d| cells[d as usize] as usize);
                let (truth, predicted): (Vec<u32>, Vec<u32>) =
                    cells.map(|c| (truth[c], predicted[c].0)).unzip();
                list(&metrics::classification(&truth, &predicted, width))
            };
            let names = ["accuracy", "balanced_accuracy", "macro_f1", "weighted_f1"];
            named(&names, &list(all), intervals(n, seed, of))
        }
        (Scores::Values(all), Targets::Values(truth), Predicted::Values(predicted)) => {
            let list = |s: &metrics::Regression| vec![s.r2, s.pearson, s.mae];
            let of = |drawn: &[u32]| {
                let cells = drawn.iter().map(|&d| cells[d as usize] as usize);
                let (truth, predicted): (Vec<f32>, Vec<f32>) =
                    cells.map(|c| (truth[c], predicted[c])).unzip();
                list(&metrics::regression(&truth, &predicted))
            };
            named(
                &["r2", "pearson", "mae"],
                &list(all),
                intervals(n, seed, of),
            )
        }
        (Scores::Reconstruction(all), ..) => {
            let sums = of_components(panel, test);
            let of = |drawn: &[u32]| {
                let (mut total, mut held, mut known) = (0.0, 0.0, 0.0);
                for &d in drawn {
                    let [t, h, k] = sums[d as usize];
                    (total, held, known) = (total + t, held + h, known + k);
                }
                vec![known / total, held / total]
            };
            let list = [all.explained, all.ceiling];
            named(
                &["explained", "ceiling"],
                &list,
                intervals(sums.len(), seed, of),
            )
        }
        // a model's tasks are those of the data it was trained on
        _ => Vec::new(),
    }
}

fn named(names: &[&str], values: &[f64], intervals: Vec<Option<[f64; 2]>>) -> Vec<Figure> {
    let all = names.iter().zip(values).zip(intervals);
    all.map(|((name, value), interval)| Figure {
        name: (*name).into(),
        value: finite(*value),
        interval,
    })
    .collect()
}

/// Of each test cell: its sum of squares, that of its components, and what the prediction explains, as in
/// [`metrics::reconstruction`].
fn of_components(panel: &Panel, test: &TestCells) -> Vec<[f64; 3]> {
    let mut sums: Vec<[f64; 3]> = test.squares.iter().map(|&s| [s, 0.0, 0.0]).collect();
    for (task, predicted) in test.tasks.iter().zip(&panel.predicted) {
        let (Targets::Values(truth), Predicted::Values(predicted)) = (&task.targets, predicted)
        else {
            continue;
        };
        if task.kind.is_component() {
            for (sum, (&y, &p)) in sums.iter_mut().zip(truth.iter().zip(predicted)) {
                let (y, p) = (f64::from(y), f64::from(p));
                sum[1] += y * y;
                sum[2] += 2.0 * y * p - p * p;
            }
        }
    }
    sums
}

/// The classes of task `i` of `n`, each with the panel's genes in its training cells.
fn of_classes(panel: &Panel, classes: &[String], i: usize, n: usize) -> Vec<Class> {
    let roles = panel.explanations.iter().skip(i).step_by(n.max(1));
    let genes: Vec<&[OfClass]> = roles
        .map(|e| match &e.role {
            Role::Classes { classes, .. } => classes.as_slice(),
            Role::Value { .. } | Role::Reconstruction { .. } => &[],
        })
        .collect();
    let one = |(c, name): (usize, &String)| {
        let column = |of: fn(&OfClass) -> f64| -> Vec<Option<f64>> {
            let value = |gene: &&[OfClass]| gene.get(c).map(of).and_then(short);
            genes.iter().map(value).collect()
        };
        Class {
            name: name.clone(),
            train: genes.first().and_then(|g| g.get(c)).map_or(0, |o| o.cells),
            mean: column(|o| o.mean),
            detected: column(|o| o.detected),
            auroc: column(|o| o.auroc),
        }
    };
    classes.iter().enumerate().map(one).collect()
}

fn confusion(truth: &[u32], predicted: &[(u32, f32)]) -> Vec<[usize; 3]> {
    let mut counts: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for (&t, &(p, _)) in truth.iter().zip(predicted).filter(|(t, _)| **t != MISSING) {
        *counts.entry((t, p)).or_default() += 1;
    }
    let entry = |((t, p), n): ((u32, u32), usize)| [t as usize, p as usize, n];
    counts.into_iter().map(entry).collect()
}

fn calibration(truth: &[u32], predicted: &[(u32, f32)]) -> Vec<Bin> {
    let mut sums = [(0usize, 0.0f64, 0usize); BINS];
    for (&t, &(p, confidence)) in truth.iter().zip(predicted).filter(|(t, _)| **t != MISSING) {
        let bin = ((f64::from(confidence) * BINS as f64) as usize).min(BINS - 1);
        let (cells, sum, right) = &mut sums[bin];
        *cells += 1;
        *sum += f64::from(confidence);
        *right += usize::from(t == p);
    }
    let used = sums.into_iter().enumerate().filter(|(_, s)| s.0 > 0);
    used.map(|(i, (cells, sum, right))| Bin {
        from: i as f64 / BINS as f64,
        cells,
        confidence: sum / cells as f64,
        accuracy: right as f64 / cells as f64,
    })
    .collect()
}
