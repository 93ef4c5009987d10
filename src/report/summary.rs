//! The result of a run as one JSON object and as a short table.
use super::batches::BatchScores;
use super::confidence::Confidence;
use super::cross::{CrossValidation, widest};
use super::explain::{Explanation, Role};
use super::files::Panel;
use super::hierarchy::Hierarchy;
use super::repeats::Repeats;
use super::tasks::{Task, tasks};
use crate::data::filter::Filters;
use crate::data::split::SplitSummary;
use crate::model::panel_model::PanelModel;
use crate::ops::DeviceInfo;
use crate::train::contest::Contest;
use serde::Serialize;
use std::fmt::Write;

/// The whole result; `--json` prints it and `metrics.json` holds it.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Of the program.
    pub version: &'static str,
    /// Seed of the run.
    pub seed: u64,
    /// Where it ran.
    pub device: DeviceInfo,
    /// What it read.
    pub data: Data,
    /// Genes by rank.
    pub panel: Vec<Gene>,
    /// Scores of the test cells.
    pub tasks: Vec<Task>,
    /// What the probabilities of each classification are worth on the test cells.
    pub calibration: Vec<Confidence>,
    /// What each gene is to each task: genes by rank, tasks in order.
    pub explanations: Vec<Explanation>,
    /// Labels that are parts of one another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hierarchy: Vec<Hierarchy>,
    /// Figures of each batch (`--batch`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batches: Option<BatchScores>,
    /// Leave-one-group-out figures (`--cross-validate`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_validation: Option<CrossValidation>,
    /// How it was trained.
    pub training: Training,
    /// Accuracy against k, where there are several sizes; ascending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curve: Option<Vec<Point>>,
    /// What repeated runs agree on (`--repeats`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeats>,
    /// Directory of the results.
    pub out: String,
}

/// What was read and how it was split.
#[derive(Clone, Debug, Serialize)]
pub struct Data {
    /// Path, or `demo`.
    pub path: String,
    /// Cells of the file.
    pub n_obs: usize,
    /// Genes of the file.
    pub n_vars: usize,
    /// Stored values of the file.
    pub nnz: usize,
    /// Training cells.
    pub train: usize,
    /// Validation cells.
    pub validation: usize,
    /// Test cells.
    pub test: usize,
    /// What was left out, and why.
    pub filters: Filters,
}

/// A size of the curve.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// Genes.
    pub k: usize,
    /// Validation loss.
    pub validation_loss: f64,
    /// Validation score: mean over tasks of macro-F1 or R2.
    pub validation_score: Option<f64>,
    /// Scores of the test cells.
    pub tasks: Vec<Task>,
}

/// A gene of the panel.
#[derive(Clone, Debug, Serialize)]
pub struct Gene {
    /// 1, 2, ...
    pub rank: usize,
    /// Name.
    pub gene: String,
    /// Training loss without it minus with it.
    pub score: f32,
    /// Index in `var`.
    pub index: u32,
}

/// How the model was trained.
#[derive(Clone, Debug, Serialize)]
pub struct Training {
    /// Epochs done.
    pub epochs: u64,
    /// Steps done.
    pub steps: u64,
    /// Wall seconds.
    pub seconds: f64,
    /// Training cells a second.
    pub cells_per_second: f64,
    /// Epoch of the model.
    pub best_epoch: u64,
    /// Which way the panel was found, where cross-validation chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contest: Option<Contest>,
}

impl Gene {
    /// The genes of a model by rank.
    pub fn all(model: &PanelModel) -> impl Iterator<Item = Self> + '_ {
        model.genes.iter().enumerate().map(|(i, g)| Self {
            rank: i + 1,
            gene: g.name.clone(),
            score: g.score,
            index: g.index,
        })
    }
}

/// A row a size: k, validation loss and score, then the scores of each task.
///
/// # Errors
/// None in practice: it is written to memory.
pub fn curve_csv(curve: &[Point]) -> Result<Vec<u8>, csv::Error> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    for (i, p) in curve.iter().enumerate() {
        let mut head = vec![
            "k".to_string(),
            "validation_loss".into(),
            "validation_score".into(),
        ];
        let score = p.validation_score.map_or(String::new(), |s| s.to_string());
        let mut row = vec![p.k.to_string(), p.validation_loss.to_string(), score];
        for task in &p.tasks {
            let name = task.name();
            let prefix = if p.tasks.len() > 1 {
                format!("{name}_")
            } else {
                String::new()
            };
            for (what, value) in task.measures() {
                head.push(format!("{prefix}{what}"));
                row.push(value.to_string());
            }
        }
        if i == 0 {
            csv.write_record(&head)?;
        }
        csv.write_record(&row)?;
    }
    csv.into_inner().map_err(|e| e.into_error().into())
}

impl Summary {
    /// Puts a result together: that of the panel `main`.
    #[must_use]
    pub fn new(
        panels: &[Panel],
        main: usize,
        device: DeviceInfo,
        path: &str,
        split: &SplitSummary,
        seed: u64,
        repeats: Option<Repeats>,
        out: &str,
    ) -> Self {
        let Panel {
            fit,
            scores,
            intervals,
            confidence,
            explanations,
            ..
        } = &panels[main];
        let mut curve: Vec<Point> = panels
            .iter()
            .map(|p| Point {
                k: p.fit.model.genes.len(),
                validation_loss: p.fit.best_loss,
                validation_score: p.fit.best_score,
                tasks: tasks(&p.fit.model, &p.scores, &p.intervals),
            })
            .collect();
        curve.sort_by_key(|p| p.k);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            seed,
            device,
            data: Data {
                path: path.into(),
                n_obs: split.n_obs,
                n_vars: split.n_vars,
                nnz: split.nnz,
                train: split.train,
                validation: split.validation,
                test: split.test,
                filters: split.filters.clone(),
            },
            panel: Gene::all(&fit.model).collect(),
            tasks: tasks(&fit.model, scores, intervals),
            calibration: confidence.clone(),
            explanations: explanations.clone(),
            hierarchy: Vec::new(),
            batches: None,
            cross_validation: None,
            training: Training {
                epochs: fit.history.len() as u64,
                steps: fit.steps,
                seconds: fit.seconds,
                cells_per_second: fit.cells_per_second,
                best_epoch: fit.best_epoch,
                contest: fit.contest,
            },
            curve: (curve.len() > 1).then_some(curve),
            repeats,
            out: out.into(),
        }
    }

    /// Classes that a gene marks, those of all tasks.
    fn marked(&self, gene: &Gene) -> String {
        let own = self.explanations.iter().filter(|e| e.gene == gene.gene);
        let marks = own.filter_map(|e| match &e.role {
            Role::Classes { marks, .. } => Some(marks.as_slice()),
            Role::Value { .. } | Role::Reconstruction { .. } => None,
        });
        let all: Vec<&str> = marks.flatten().map(String::as_str).collect();
        match all.len() {
            0 => "-".into(),
            1..=3 => all.join(", "),
            n => format!("{} and {} more", all[..2].join(", "), n - 2),
        }
    }

    /// The short table for a person.
    #[must_use]
    pub fn table(&self) -> String {
        let mut s = String::new();
        let d = &self.data;
        // writing to a string does not fail
        let _ = writeln!(
            s,
            "{}: {} cells x {} genes; {} train, {} validation, {} test cells",
            d.path, d.n_obs, d.n_vars, d.train, d.validation, d.test
        );
        let wide = widest(self.panel.iter().map(|g| g.gene.as_str()));
        let _ = writeln!(s, "\nrank  {:<wide$} {:>8}  index  marks", "gene", "score");
        for g in &self.panel {
            let _ = writeln!(
                s,
                "{:>4}  {:<wide$} {:>8.4}  {:>5}  {}",
                g.rank,
                g.gene,
                g.score,
                g.index,
                self.marked(g)
            );
        }
        self.tasks.iter().for_each(|t| s += &t.text());
        if let Some(curve) = &self.curve {
            let _ = writeln!(s, "\n   k  validation score  test");
            for p in curve {
                let score = p.validation_score.map_or("-".into(), |s| format!("{s:.3}"));
                let test: Vec<String> = p
                    .tasks
                    .iter()
                    .map(|t| {
                        let figures = t.measures().into_iter();
                        let figures = figures.map(|(what, x)| format!("{what} {x:.3}"));
                        format!("{}: {}", t.name(), figures.collect::<Vec<_>>().join(", "))
                    })
                    .collect();
                let chosen = if p.k == self.panel.len() {
                    "  <- this panel"
                } else {
                    ""
                };
                let _ = writeln!(s, "{:>4}  {score:>16}  {}{chosen}", p.k, test.join("; "));
            }
        }
        self.hierarchy.iter().for_each(|h| s += &h.text());
        if let Some(b) = &self.batches {
            s += &b.table();
        }
        if let Some(c) = &self.cross_validation {
            s += &c.table();
        }
        if let Some(r) = &self.repeats {
            let always = r.genes.iter().filter(|g| g.share == 1.0).count();
            let what = match r.result {
                "consensus" => "this panel is that of the majority".into(),
                _ => format!(
                    "this one has seed {}, the lowest validation loss",
                    r.best_seed
                ),
            };
            let _ = writeln!(
                s,
                "\n{} runs: {what}; {always} genes are in every panel, mean overlap of two panels {:.2} (Jaccard; {:.2} with genes that replace each other as one)",
                r.n, r.jaccard, r.jaccard_of_groups
            );
            for group in r.interchangeable.iter().take(8) {
                let _ = writeln!(s, "  {} replace each other", group.genes.join(", "));
            }
        }
        let t = &self.training;
        if let Some(c) = &t.contest {
            let _ = writeln!(s, "\n{}", c.text());
        }
        let _ = writeln!(
            s,
            "\n{} steps in {:.1} s ({:.0} cells/s) on {}; results in {}",
            t.steps, t.seconds, t.cells_per_second, self.device.name, self.out
        );
        s
    }
}
