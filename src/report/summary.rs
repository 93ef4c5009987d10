//! The result of a run as one JSON object and as a short table.
use super::batches::BatchScores;
use super::cross::CrossValidation;
use super::explain::{Explanation, Role};
use super::hierarchy::Hierarchy;
use super::metrics::{Classification, Reconstruction, Regression};
use super::predict::{Scores, reported};
use super::repeats::Repeats;
use crate::data::cells::TaskKind;
use crate::data::split::SplitSummary;
use crate::model::panel_model::PanelModel;
use crate::ops::DeviceInfo;
use crate::train::settings::Fit;
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

/// A task and its test scores.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Task {
    /// Of classes.
    Classification {
        /// Column of `obs`.
        name: String,
        /// `classification`.
        kind: &'static str,
        /// Classes.
        n_classes: usize,
        /// Scores.
        test: Classification,
    },
    /// Of numbers.
    Regression {
        /// Column of `obs`.
        name: String,
        /// `regression`.
        kind: &'static str,
        /// Scores.
        test: Regression,
    },
    /// Of the components of the expression (`--reconstruct`).
    Reconstruction {
        /// `reconstruction`.
        name: String,
        /// `reconstruction`.
        kind: &'static str,
        /// Components.
        components: usize,
        /// Scores.
        test: Reconstruction,
    },
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
}

impl Summary {
    /// Puts a result together.
    #[must_use]
    pub fn new(
        fit: &Fit,
        device: DeviceInfo,
        path: &str,
        split: &SplitSummary,
        scores: &[Scores],
        explanations: Vec<Explanation>,
        seed: u64,
        repeats: Option<Repeats>,
        out: &str,
    ) -> Self {
        let gene = |(i, g): (usize, &crate::model::panel_model::PanelGene)| Gene {
            rank: i + 1,
            gene: g.name.clone(),
            score: g.score,
            index: g.index,
        };
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
            },
            panel: fit.model.genes.iter().enumerate().map(gene).collect(),
            tasks: tasks(&fit.model, scores),
            explanations,
            hierarchy: Vec::new(),
            batches: None,
            cross_validation: None,
            training: Training {
                epochs: fit.history.len() as u64,
                steps: fit.steps,
                seconds: fit.seconds,
                cells_per_second: fit.cells_per_second,
                best_epoch: fit.best_epoch,
            },
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
        let _ = writeln!(s, "\nrank  gene              score  index  marks");
        for g in &self.panel {
            let _ = writeln!(
                s,
                "{:>4}  {:<14} {:>8.4}  {:>5}  {}",
                g.rank,
                g.gene,
                g.score,
                g.index,
                self.marked(g)
            );
        }
        for task in &self.tasks {
            let _ = match task {
                Task::Classification {
                    name,
                    n_classes,
                    test: t,
                    ..
                } => writeln!(
                    s,
                    "\ntest, {name} ({n_classes} classes): accuracy {:.3}, balanced accuracy {:.3}, macro-F1 {:.3}, weighted F1 {:.3}",
                    t.accuracy, t.balanced_accuracy, t.macro_f1, t.weighted_f1
                ),
                Task::Reconstruction {
                    name,
                    components,
                    test: t,
                    ..
                } => writeln!(
                    s,
                    "\ntest, {name}: {:.1} % of the variance of all genes explained, {:.1} % by the {components} components themselves",
                    100.0 * t.explained,
                    100.0 * t.ceiling
                ),
                Task::Regression { name, test: t, .. } => {
                    writeln!(
                        s,
                        "\ntest, {name}: R2 {:.3}, Pearson {:.3}, mean absolute error {:.4}",
                        t.r2, t.pearson, t.mae
                    )
                }
            };
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
            let _ = writeln!(
                s,
                "\n{} runs: this one has seed {}, the lowest validation loss; {always} genes are in every panel, mean overlap of two panels {:.2} (Jaccard)",
                r.n, r.chosen_seed, r.jaccard
            );
        }
        let t = &self.training;
        let _ = writeln!(
            s,
            "\n{} steps in {:.1} s ({:.0} cells/s) on {}; results in {}",
            t.steps, t.seconds, t.cells_per_second, self.device.name, self.out
        );
        s
    }
}

fn tasks(model: &PanelModel, scores: &[Scores]) -> Vec<Task> {
    let one = |((t, name), score): ((usize, String), &Scores)| match (&model.tasks[t].kind, *score)
    {
        (TaskKind::Component { .. }, Scores::Reconstruction(test)) => {
            let all = model.tasks.iter().filter(|t| t.kind.is_component());
            Some(Task::Reconstruction {
                name,
                kind: "reconstruction",
                components: all.count(),
                test,
            })
        }
        (TaskKind::Classification { classes }, Scores::Classes(test)) => {
            Some(Task::Classification {
                name,
                kind: "classification",
                n_classes: classes.len(),
                test,
            })
        }
        (TaskKind::Regression { .. }, Scores::Values(test)) => Some(Task::Regression {
            name,
            kind: "regression",
            test,
        }),
        _ => None,
    };
    reported(model)
        .into_iter()
        .zip(scores)
        .filter_map(one)
        .collect()
}
