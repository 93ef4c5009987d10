//! `report.json`: everything that the page of a run shows, so that it can be drawn again without the data.
//!
//! Undefined figures are `null`. Lists that belong together have the same order: genes by rank, classes by
//! code, shown cells as in [`Map::points`].
use crate::ops::DeviceInfo;
use crate::train::contest::Contest;
use crate::train::settings::Epoch;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `kind` says in every such file.
pub const KIND: &str = "yoto-gpu report";
/// Version of the fields; a file of another one is refused.
pub const SCHEMA_VERSION: u32 = 1;

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`KIND`].
    pub kind: String,
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Of the program that trained.
    pub version: String,
    /// When it ended, UTC, RFC 3339.
    pub date: String,
    /// Directory of the results, as the user named it.
    pub out: String,
    /// The command line that repeats it, for a POSIX shell.
    pub command: String,
    /// Whether Ctrl-C ended it early.
    pub stopped: bool,
    /// Seed of the run.
    pub seed: u64,
    /// Where it ran.
    pub device: DeviceInfo,
    /// What it read.
    pub data: DataFacts,
    /// Every setting, as in `config.json`.
    pub settings: Value,
    /// How long it took.
    pub training: Training,
    /// A row an epoch.
    pub history: Vec<Epoch>,
    /// Genes by rank.
    pub panel: Vec<Gene>,
    /// Tasks in their order.
    pub tasks: Vec<Task>,
    /// Where the shown test cells lie.
    pub map: Option<Map>,
    /// Figures against the number of genes, ascending; empty where there is one size.
    pub curve: Vec<Size>,
    /// Labels that are parts of one another.
    pub hierarchy: Vec<Within>,
    /// Figures of each batch.
    pub batches: Option<Batches>,
    /// Leave-one-group-out figures.
    pub cross_validation: Option<Cross>,
    /// What repeated runs agree on.
    pub repeats: Option<Repeats>,
}

/// What was read and how it was split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataFacts {
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
    /// Genes that the panel was chosen from.
    pub considered: usize,
    /// What became of the values, in words.
    pub transform: String,
    /// Why cells or genes were left out, and how many; only what is not 0.
    pub left_out: Vec<(String, usize)>,
    /// Classes that were too small, a sentence each.
    pub rare_classes: Vec<String>,
}

/// How long training took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contest: Option<Contest>,
}

/// A gene of the panel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gene {
    /// Name.
    pub gene: String,
    /// Index in `var`.
    pub index: u32,
    /// Training loss without it minus with it.
    pub score: f64,
    /// Mean over the training cells, in transformed units.
    pub mean: Option<f64>,
    /// Share of the training cells where it was detected.
    pub detected: Option<f64>,
    /// The gene of the panel that is most like it.
    pub alike: Option<Alike>,
    /// What it is to each task.
    pub roles: Vec<Role>,
}

/// Another gene of the panel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alike {
    /// Name.
    pub gene: String,
    /// Pearson's correlation over the training cells.
    pub correlation: f64,
}

/// What a gene is to a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Classes that it marks (AUROC of 0.8 or more), the best first.
    pub marks: Vec<String>,
    /// The class that it tells best from the rest, and its AUROC.
    pub best: Option<(String, f64)>,
    /// Classes whose recall falls most without it, and by how much.
    pub loses: Vec<(String, f64)>,
    /// Correlation with the target, of numbers.
    pub correlation: Option<f64>,
    /// Accuracy, R2 or explained variance on test cells, minus that without the gene.
    pub drop: Option<f64>,
}

/// A task and how it went on the test cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Column of `obs`.
    pub name: String,
    /// Labelled test cells.
    pub cells: usize,
    /// Scores, the headline first.
    pub figures: Vec<Figure>,
    /// By kind.
    #[serde(flatten)]
    pub of: Kind,
}

/// A score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// As in `metrics.json`.
    pub name: String,
    /// Value.
    pub value: Option<f64>,
    /// 2.5th and 97.5th percentile over resampled test cells.
    pub interval: Option<[f64; 2]>,
}

/// What a task of each kind has to show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Kind {
    /// Classes.
    Classification {
        /// Classes in code order.
        classes: Vec<Class>,
        /// True code, predicted code, test cells; only where there are any.
        confusion: Vec<[usize; 3]>,
        /// Confidence against accuracy.
        calibration: Vec<Bin>,
        /// Of each shown cell: true code (`null` without a label), predicted code.
        shown: Vec<(Option<usize>, usize)>,
    },
    /// Numbers.
    Regression {
        /// Of each shown cell: true value (`null` without one), predicted value.
        shown: Vec<(Option<f64>, f64)>,
    },
    /// Components of the expression.
    Reconstruction {
        /// How many.
        components: usize,
    },
}

/// A class, and the panel's genes in its training cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// Name.
    pub name: String,
    /// Its training cells.
    pub train: usize,
    /// Mean of each gene, in transformed units.
    pub mean: Vec<Option<f64>>,
    /// Share of cells that detect each gene.
    pub detected: Vec<Option<f64>>,
    /// AUROC of each gene, this class against the rest.
    pub auroc: Vec<Option<f64>>,
}

/// Test cells whose most probable class has a probability from `from` on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Lower edge.
    pub from: f64,
    /// Upper edge; a tenth above in reports of earlier versions.
    #[serde(default)]
    pub to: Option<f64>,
    /// Cells.
    pub cells: usize,
    /// Mean probability.
    pub confidence: f64,
    /// Share that is right.
    pub accuracy: f64,
}

/// Test cells in the plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// How they were laid out, in words.
    pub method: String,
    /// Test cells there are; the shown ones are spread evenly over them.
    pub of: usize,
    /// A place a shown cell, both in 0..1.
    pub points: Vec<[f32; 2]>,
}

/// A size of the panel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// Genes.
    pub k: usize,
    /// Validation score: mean over tasks of macro-F1 or R2.
    pub validation_score: Option<f64>,
    /// Test figures of each task.
    pub tasks: Vec<(String, Vec<Figure>)>,
}

/// A finer label within a coarser one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Within {
    /// The finer label.
    pub child: String,
    /// The coarser label.
    pub parent: String,
    /// Share of the test cells whose predicted finer class lies in their predicted coarser one.
    pub consistency: Option<f64>,
}

/// Figures of each batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batches {
    /// Column of `obs`.
    pub column: String,
    /// A row a batch and task.
    pub rows: Vec<BatchRow>,
}

/// A batch and task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchRow {
    /// The batch.
    pub batch: String,
    /// Task.
    pub task: String,
    /// Labelled test cells.
    pub cells: usize,
    /// Scores by name.
    pub figures: Vec<(String, Option<f64>)>,
}

/// Leave-one-group-out figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cross {
    /// Column of `obs`.
    pub column: String,
    /// A row a group, task and measure.
    pub rows: Vec<CrossRow>,
    /// Groups that could not be left out, and why.
    pub skipped: Vec<(String, String)>,
}

/// A group, task and measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossRow {
    /// The group.
    pub group: String,
    /// Task.
    pub task: String,
    /// Cells tested on.
    pub cells: usize,
    /// More cells, of classes that training never saw.
    pub unseen: usize,
    /// Name of the score.
    pub measure: String,
    /// On other groups' sealed cells.
    pub within: Option<f64>,
    /// On the group that was left out.
    pub across: Option<f64>,
}

/// What repeated runs agree on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeats {
    /// Runs.
    pub n: usize,
    /// `consensus` or `best run`.
    pub result: String,
    /// Mean overlap of two panels.
    pub jaccard: Option<f64>,
    /// The same with genes that replace each other as one.
    pub jaccard_of_groups: Option<f64>,
    /// Genes that any run chose, and the share of the runs that did.
    pub genes: Vec<(String, f64)>,
    /// Genes that replace each other, and the share of the runs that chose any of them.
    pub interchangeable: Vec<(Vec<String>, f64)>,
}
