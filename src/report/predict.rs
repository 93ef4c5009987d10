//! Predictions of cells by a trained model, and their scores.
use crate::data::cells::{Targets, TaskKind, TestCells};
use crate::data::components;
use crate::data::dataset::Csr;
use crate::metrics::{self, Classification, Reconstruction, Regression};
use crate::model::panel_model::{Outputs, PanelModel};
use crate::ops::MISSING;
use crate::train::calibrate::outputs;
use rayon::prelude::*;
use serde::Serialize;

/// Predictions of one task.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicted {
    /// Most probable class and its probability, a cell each.
    Classes(Vec<(u32, f32)>),
    /// Values in the units of the column.
    Values(Vec<f32>),
}

/// Cells that one task of the thread pool takes.
const PIECE: usize = 1024;

/// Transformed values of the panel's genes, cells x k; `columns` are the genes' columns in `x`.
pub(super) fn panel_values(x: &Csr, columns: &[u32], cells: std::ops::Range<usize>) -> Vec<f32> {
    let value = |cell: usize, column: &u32| {
        let (genes, values) = x.row(cell);
        genes.binary_search(column).map_or(0.0, |at| values[at])
    };
    cells
        .flat_map(|cell| columns.iter().map(move |c| value(cell, c)))
        .collect()
}

/// Predicts every task of the model for every cell of `x`, which holds all genes of the training
/// file.
#[must_use]
pub fn predict(model: &PanelModel, x: &Csr) -> Vec<Predicted> {
    decode(model, &outputs_of(model, x).logits)
}

/// What the model makes of every cell of `x`, which holds all genes of the training file.
#[must_use]
pub fn outputs_of(model: &PanelModel, x: &Csr) -> Outputs {
    let columns: Vec<u32> = model.genes.iter().map(|g| g.index).collect();
    let values: Vec<f32> = (0..x.n_obs.div_ceil(PIECE))
        .into_par_iter()
        .flat_map_iter(|i| panel_values(x, &columns, i * PIECE..x.n_obs.min((i + 1) * PIECE)))
        .collect();
    outputs(model, &values)
}

/// Predictions from logits (n_cells x the tasks' widths added up), with calibrated probabilities.
#[must_use]
pub fn decode(model: &PanelModel, logits: &[f32]) -> Vec<Predicted> {
    let stride: usize = model.tasks.iter().map(|t| t.kind.width()).sum();
    let mut from = 0;
    let mut out = Vec::with_capacity(model.tasks.len());
    for (t, task) in model.tasks.iter().enumerate() {
        let range = from..from + task.kind.width();
        let temperature = model.calibration.of(t).temperature;
        from = range.end;
        let rows = logits.chunks_exact(stride).map(|row| &row[range.clone()]);
        out.push(match &task.kind {
            TaskKind::Classification { .. } => {
                Predicted::Classes(rows.map(|row| most_probable(row, temperature)).collect())
            }
            TaskKind::Regression { .. } | TaskKind::Component { .. } => {
                let (mean, sd) = task.kind.scale();
                Predicted::Values(rows.map(|r| (f64::from(r[0]) * sd + mean) as f32).collect())
            }
        });
    }
    out
}

/// The largest logit's class (ties to the lower one) and its softmax probability at a temperature.
pub(super) fn most_probable(logits: &[f32], temperature: f64) -> (u32, f32) {
    let best = (0..logits.len()).fold(0, |b, c| if logits[c] > logits[b] { c } else { b });
    let sum: f64 = logits
        .iter()
        .map(|&x| (f64::from(x - logits[best]) / temperature).exp())
        .sum();
    (best as u32, (1.0 / sum) as f32)
}

/// Scores of one task on labelled cells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Scores {
    /// Of classes.
    Classes(Classification),
    /// Of numbers.
    Values(Regression),
    /// Of all components together.
    Reconstruction(Reconstruction),
}

/// The tasks of a model that are reported, and their names: all components are one.
#[must_use]
pub fn reported(model: &PanelModel) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    for (t, task) in model.tasks.iter().enumerate() {
        if !task.kind.is_component() {
            out.push((t, task.name.clone()));
        } else if t == 0 || !model.tasks[t - 1].kind.is_component() {
            out.push((t, components::TASK.into()));
        }
    }
    out
}

/// Scores of the predictions of the test cells, one for each of [`reported`].
#[must_use]
pub fn scores(model: &PanelModel, cells: &TestCells, predicted: &[Predicted]) -> Vec<Scores> {
    let score = |(i, _): (usize, String)| score(model, cells, predicted, i, |_| true);
    reported(model).into_iter().map(score).collect()
}

/// Scores of task `i` (of all components, where it is one) on the test cells that `keep` is true of.
#[must_use]
pub fn score(
    model: &PanelModel,
    cells: &TestCells,
    predicted: &[Predicted],
    i: usize,
    keep: impl Fn(usize) -> bool,
) -> Scores {
    if model.tasks[i].kind.is_component() {
        let own = (0..model.tasks.len()).filter(|&t| model.tasks[t].kind.is_component());
        let pairs = own.map(|t| match (&cells.tasks[t].targets, &predicted[t]) {
            (Targets::Values(truth), Predicted::Values(p)) => (truth.as_slice(), p.as_slice()),
            _ => (&[][..], &[][..]),
        });
        let pairs: Vec<(&[f32], &[f32])> = pairs.collect();
        return Scores::Reconstruction(metrics::reconstruction(&pairs, &cells.squares, keep));
    }
    match (&cells.tasks[i].targets, &predicted[i]) {
        (Targets::Classes(truth), Predicted::Classes(p)) => {
            let truth: Vec<u32> = (truth.iter().enumerate())
                .map(|(cell, &y)| if keep(cell) { y } else { MISSING })
                .collect();
            let codes: Vec<u32> = p.iter().map(|p| p.0).collect();
            Scores::Classes(metrics::classification(
                &truth,
                &codes,
                model.tasks[i].kind.width(),
            ))
        }
        (Targets::Values(truth), Predicted::Values(p)) => {
            let truth: Vec<f32> = (truth.iter().enumerate())
                .map(|(cell, &y)| if keep(cell) { y } else { f32::NAN })
                .collect();
            Scores::Values(metrics::regression(&truth, p))
        }
        // a model's tasks are those of the data it was trained on
        _ => Scores::Classes(metrics::classification(&[], &[], 0)),
    }
}

/// `predictions.csv`: a row a test cell, without the components; with several tasks their columns begin with `<task>_`.
///
/// # Errors
/// Memory alone; the writer is a vector.
pub fn predictions_csv(
    model: &PanelModel,
    cells: &TestCells,
    predicted: &[Predicted],
) -> csv::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut header = vec!["obs_names".to_string(), "split".to_string()];
    for task in &model.tasks {
        let prefix = if reported(model).len() > 1 {
            format!("{}_", task.name)
        } else {
            String::new()
        };
        let names: &[&str] = match task.kind {
            TaskKind::Classification { .. } => &["true", "predicted", "probability"],
            TaskKind::Regression { .. } => &["true", "predicted"],
            TaskKind::Component { .. } => &[],
        };
        header.extend(names.iter().map(|n| format!("{prefix}{n}")));
    }
    out.write_record(&header)?;
    for (i, name) in cells.obs_names.iter().enumerate() {
        let mut row = vec![name.clone(), "test".to_string()];
        for ((task, model_task), p) in cells.tasks.iter().zip(&model.tasks).zip(predicted) {
            match (&task.targets, p, &model_task.kind) {
                (
                    Targets::Classes(truth),
                    Predicted::Classes(p),
                    TaskKind::Classification { classes },
                ) => {
                    let class = |c: u32| classes.get(c as usize).cloned().unwrap_or_default();
                    let truth = if truth[i] == MISSING {
                        String::new()
                    } else {
                        class(truth[i])
                    };
                    row.extend([truth, class(p[i].0), format!("{:.6}", p[i].1)]);
                }
                (Targets::Values(truth), Predicted::Values(p), TaskKind::Regression { .. }) => {
                    let truth = if truth[i].is_nan() {
                        String::new()
                    } else {
                        truth[i].to_string()
                    };
                    row.extend([truth, p[i].to_string()]);
                }
                _ => {}
            }
        }
        out.write_record(&row)?;
    }
    out.into_inner()
        .map_err(|e| csv::Error::from(e.into_error()))
}
