//! The tasks of a run as a [`Report`](super::data::Report) has them.
use super::collect::{finite, short};
use super::data::{Bin, Class, Figure, Kind, Task};
use crate::data::cells::{Targets, TaskKind, TestCells};
use crate::ops::MISSING;
use crate::report::explain::{OfClass, Role};
use crate::report::files::Panel;
use crate::report::per_class::named;
use crate::report::predict::{Predicted, reported};
use std::collections::BTreeMap;

/// Every task; `shown` are the test cells that are drawn one by one.
pub(super) fn tasks(panel: &Panel, test: &TestCells, shown: &[usize]) -> Vec<Task> {
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
                calibration: calibration(panel, name),
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
            figures: figures(panel, i),
            of,
        }
    };
    names.iter().enumerate().map(one).collect()
}

/// Test cells with a label for a task.
fn labelled(test: &TestCells, t: usize) -> Vec<u32> {
    let known = |c: &u32| test.tasks[t].targets.has(*c as usize);
    (0..test.x.n_obs as u32).filter(known).collect()
}

/// The scores of task `i` of those that are reported, with their intervals.
pub(super) fn figures(panel: &Panel, i: usize) -> Vec<Figure> {
    let interval = |name: &str| panel.intervals.get(i)?.get(name).copied()?;
    let all = named(&panel.scores[i]).into_iter();
    all.map(|(name, value)| Figure {
        name: name.into(),
        value: finite(value),
        interval: interval(name),
    })
    .collect()
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

/// Confidence against accuracy of a task's calibrated probabilities.
fn calibration(panel: &Panel, task: &str) -> Vec<Bin> {
    let own = panel.confidence.iter().find(|c| c.task == task);
    let bins = own.into_iter().flat_map(|c| &c.calibrated.bins);
    bins.filter(|b| b.cells > 0)
        .map(|b| Bin {
            from: b.from,
            to: Some(b.to),
            cells: b.cells,
            confidence: b.probability,
            accuracy: b.accuracy,
        })
        .collect()
}
