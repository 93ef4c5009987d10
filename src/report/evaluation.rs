//! A trained model held against new cells with labels.
use super::confidence::{Confidence, confidence};
use super::per_class::{self, Intervals, OneClass, named, shown};
use super::predict::{Predicted, Scores, decode};
use super::table::all_flags;
use crate::data::cells::{Targets, TaskKind};
use crate::data::new_labels::NewLabels;
use crate::metrics;
use crate::model::calibration::Flag;
use crate::model::panel_model::{Outputs, PanelModel};
use crate::ops::MISSING;
use serde::Serialize;
use std::fmt::Write;

/// The whole result; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// Of the program.
    pub version: &'static str,
    /// File of the model.
    pub model: String,
    /// What it was held against.
    pub data: Data,
    /// Seed of the resamples.
    pub seed: u64,
    /// Task by task.
    pub tasks: Vec<Evaluated>,
}

/// What was read.
#[derive(Clone, Debug, Serialize)]
pub struct Data {
    /// Path.
    pub path: String,
    /// Cells.
    pub n_obs: usize,
    /// Genes of the file.
    pub n_vars: usize,
    /// Genes of the panel that the file lacks.
    pub missing_genes: Vec<String>,
}

/// One task.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluated {
    /// Task of the model.
    pub name: String,
    /// Column of `obs` with the truth.
    pub column: String,
    /// `classification` or `regression`.
    pub kind: &'static str,
    /// Cells that are scored.
    pub cells: usize,
    /// Cells without a label.
    pub unlabelled: usize,
    /// Labels that training never saw: in no figure.
    pub unseen: Vec<Unseen>,
    /// Scores, as of the test cells in training.
    pub scores: Scores,
    /// Their 95 % intervals.
    pub intervals: Intervals,
    /// Class by class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<OneClass>,
    /// Cells of each class (rows) by predicted class, in the order of `classes`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<usize>>,
    /// What the probabilities are worth on these cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Confidence>,
}

/// A label that training never saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unseen {
    /// The label.
    pub label: String,
    /// Its cells.
    pub cells: usize,
    /// Of these, how many are flagged.
    pub flagged: usize,
}

/// What is asked: task of the model, column, labels.
pub type Asked = (usize, String, NewLabels);

/// Scores the tasks that are asked for, from the model's outputs for all cells.
#[must_use]
pub fn evaluate(
    model: &PanelModel,
    outputs: &Outputs,
    asked: Vec<Asked>,
    seed: u64,
) -> Vec<Evaluated> {
    let mut predicted: Vec<Option<Predicted>> = decode(model, &outputs.logits)
        .into_iter()
        .map(Some)
        .collect();
    let flags = all_flags(model, outputs);
    let mut out = Vec::new();
    for (t, column, labels) in asked {
        let unseen = labels.unseen.iter().map(|(label, cells)| {
            let is = |c: &&u32| flags[t].get(**c as usize).is_some_and(|f| *f != Flag::Ok);
            Unseen {
                label: label.clone(),
                cells: cells.len(),
                flagged: cells.iter().filter(is).count(),
            }
        });
        let mut targets = vec![None; model.tasks.len()];
        targets[t] = Some(&labels.targets);
        let mut one = Evaluated {
            name: model.tasks[t].name.clone(),
            column,
            kind: "regression",
            cells: 0,
            unlabelled: labels.unlabelled,
            unseen: unseen.collect(),
            scores: Scores::Values(metrics::regression(&[], &[])),
            intervals: Intervals::new(),
            classes: Vec::new(),
            confusion: Vec::new(),
            calibration: confidence(model, outputs, &targets).pop(),
        };
        match (&model.tasks[t].kind, &labels.targets, predicted[t].take()) {
            (
                TaskKind::Classification { classes },
                Targets::Classes(truth),
                Some(Predicted::Classes(p)),
            ) => {
                let codes: Vec<u32> = p.iter().map(|p| p.0).collect();
                let n = classes.len();
                one.kind = "classification";
                one.cells = truth.iter().filter(|y| **y != MISSING).count();
                one.scores = Scores::Classes(metrics::classification(truth, &codes, n));
                one.intervals = per_class::classification(truth, &codes, n, seed);
                one.classes = per_class::classes(classes, truth, &codes, seed);
                one.confusion = per_class::confusion(truth, &codes, n);
            }
            (_, Targets::Values(truth), Some(Predicted::Values(p))) => {
                one.cells = truth.iter().filter(|v| !v.is_nan()).count();
                one.scores = Scores::Values(metrics::regression(truth, &p));
                one.intervals = per_class::regression(truth, &p, seed);
            }
            // a task that is asked for twice, or of another kind, has no figures
            _ => {}
        }
        out.push(one);
    }
    out
}

impl Evaluation {
    /// The tables for a person.
    #[must_use]
    pub fn table(&self) -> String {
        let d = &self.data;
        // writing to a string does not fail
        let mut s = format!(
            "{} on {}: {} cells x {} genes\n",
            self.model, d.path, d.n_obs, d.n_vars
        );
        for task in &self.tasks {
            task.write(&mut s);
        }
        s
    }
}

impl Evaluated {
    fn write(&self, s: &mut String) {
        let column = if self.column == self.name {
            String::new()
        } else {
            format!(" (obs column {})", self.column)
        };
        let _ = write!(s, "\n{}{column}: {} cells", self.name, self.cells);
        let _ = match self.unlabelled {
            0 => writeln!(s),
            n => writeln!(s, ", {n} without a label"),
        };
        for (name, value) in named(&self.scores) {
            let interval = shown(&self.intervals, name);
            let name = match name {
                "macro_f1" => "macro-F1".to_owned(),
                "weighted_f1" => "weighted F1".to_owned(),
                "r2" => "R2".to_owned(),
                "pearson" => "Pearson".to_owned(),
                "mae" => "mean absolute error".to_owned(),
                other => other.replace('_', " "),
            };
            let _ = writeln!(s, "  {name:<19} {value:.3}{interval}");
        }
        if let Some(c) = &self.calibration {
            let r = &c.calibrated;
            let _ = writeln!(
                s,
                "  calibration error {:.3} (without temperature {:.3}), NLL {:.3}, Brier {:.3}",
                r.ece, c.uncalibrated.ece, r.nll, r.brier
            );
            if c.validation_cells > 0 {
                let _ = writeln!(
                    s,
                    "  flagged: {} uncertain, {} unlike the training cells",
                    c.flagged.uncertain, c.flagged.unlike
                );
            }
        }
        if !self.classes.is_empty() {
            let name = |c: &OneClass| c.class.chars().count();
            let width = self.classes.iter().map(name).max().unwrap_or(0).max(5);
            let _ = writeln!(
                s,
                "  {:<width$} {:>8}  {:<21} {:<21} {:<21}",
                "class", "support", "precision", "recall", "F1"
            );
            for c in &self.classes {
                let cell = |value: f64, name: &str| match value {
                    v if v.is_nan() => "-".to_owned(),
                    v => format!("{v:.3}{}", shown(&c.intervals, name)),
                };
                let line = format!(
                    "  {:<width$} {:>8}  {:<21} {:<21} {:<21}",
                    c.class,
                    c.support,
                    cell(c.precision, "precision"),
                    cell(c.recall, "recall"),
                    cell(c.f1, "f1")
                );
                let _ = writeln!(s, "{}", line.trim_end());
            }
        }
        for u in &self.unseen {
            let _ = writeln!(
                s,
                "  not in training, in no figure: {} ({} cells, {} of them flagged)",
                u.label, u.cells, u.flagged
            );
        }
    }
}
