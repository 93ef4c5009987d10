//! What training may read and what only the report opens.
use super::dataset::Csr;
use super::gene_ids::GeneIds;
use super::matrix::Matrix;
use super::packed::Packed;
use super::profile::Profile;
use super::stream::Stream;
use crate::error::DataError;
use crate::ops::MISSING;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How a file's values become the values a model reads.
///
/// The names in a model's file say what is done. Earlier files call the first `counts` and the last
/// `log`; neither word is written any more, since `--input log` means the first one now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transform {
    /// log1p of counts per 10,000 (totals over all genes of the file): `--input log`.
    #[serde(rename = "log1p-per-10k", alias = "counts")]
    Log,
    /// log1p of counts, without totals: `--input log-counts`.
    #[serde(rename = "log1p-counts")]
    LogCounts,
    /// 1 where anything was detected: `--input binary`.
    #[serde(rename = "binary")]
    Binary,
    /// Taken as they are: `--input none`.
    #[serde(rename = "none", alias = "log")]
    AsIs,
}

/// What a task predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TaskKind {
    /// One of these classes.
    Classification {
        /// Class names, in code order.
        classes: Vec<String>,
    },
    /// A number; networks see `(y - mean) / sd`.
    Regression {
        /// Mean over the labelled training cells.
        mean: f64,
        /// Standard deviation over the labelled training cells.
        sd: f64,
    },
    /// A principal component of the expression (`--reconstruct`), of mean 0 over the training cells;
    /// networks see `y / sd`. All components together are one task in the reports.
    Component {
        /// Standard deviation over the training cells.
        sd: f64,
        /// Share of the components' variance that is its own; they add up to 1.
        share: f64,
    },
}

impl TaskKind {
    /// Columns of the logits that the task takes.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::Classification { classes } => classes.len(),
            Self::Regression { .. } | Self::Component { .. } => 1,
        }
    }

    /// Mean and standard deviation that targets are standardised by; 0 and 1 for classes.
    #[must_use]
    pub fn scale(&self) -> (f64, f64) {
        match self {
            Self::Classification { .. } => (0.0, 1.0),
            Self::Regression { mean, sd } => (*mean, *sd),
            Self::Component { sd, .. } => (0.0, *sd),
        }
    }

    /// Whether it is one of the components that are reported as one task.
    #[must_use]
    pub fn is_component(&self) -> bool {
        matches!(self, Self::Component { .. })
    }
}

/// Labels of some cells for one task.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Class codes, [`crate::ops::MISSING`] where the cell has none.
    Classes(Vec<u32>),
    /// Values in the file's units, NaN where missing.
    Values(Vec<f32>),
}

impl Targets {
    /// Whether a cell has a label or value.
    #[must_use]
    pub fn has(&self, cell: usize) -> bool {
        match self {
            Self::Classes(codes) => codes[cell] != MISSING,
            Self::Values(values) => !values[cell].is_nan(),
        }
    }
}

/// A task and the labels of the cells it came with.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Column of `obs`.
    pub name: String,
    /// Kind, classes or scale.
    pub kind: TaskKind,
    /// A label a cell.
    pub targets: Targets,
}

impl Task {
    /// The task with the labels of some of its cells.
    #[must_use]
    pub fn subset(&self, cells: &[u32]) -> Self {
        let cells = cells.iter().map(|c| *c as usize);
        Self {
            name: self.name.clone(),
            kind: self.kind.clone(),
            targets: match &self.targets {
                Targets::Classes(codes) => Targets::Classes(cells.map(|c| codes[c]).collect()),
                Targets::Values(values) => Targets::Values(cells.map(|c| values[c]).collect()),
            },
        }
    }
}

/// The batch of each of some cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Batches {
    /// Column of `obs`.
    pub column: String,
    /// Names of the batches.
    pub names: Vec<String>,
    /// Batch of each cell.
    pub of: Vec<u32>,
}

impl Batches {
    /// Batches with at least `least` of these cells, or with any where none has so many.
    #[must_use]
    pub fn counted(&self, cells: impl Iterator<Item = usize>, least: usize) -> Vec<u32> {
        let mut n = vec![0usize; self.names.len()];
        cells.for_each(|cell| n[self.of[cell] as usize] += 1);
        let with = |least: usize| -> Vec<u32> {
            let all = 0..n.len() as u32;
            all.filter(|&b| n[b as usize] >= least).collect()
        };
        match with(least) {
            many if !many.is_empty() => many,
            _ => with(1),
        }
    }
}

/// Statistics of the considered genes over the training cells, in transformed units.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneStats {
    /// Means (of the clipped values).
    pub mean: Vec<f32>,
    /// 1 / standard deviation (of the clipped values); 0 never occurs.
    pub inv_sd: Vec<f32>,
    /// Values above this are set to it: mean + 8 sd of the unclipped values, more where a class is rare
    /// and there are genes to spare.
    pub clip: Vec<f32>,
}

/// Training and validation cells, ready for a device.
#[derive(Clone, Debug)]
pub struct TrainingData {
    /// Transformed, clipped values: the training cells, then the validation cells.
    pub cells: Packed,
    /// Training cells.
    pub n_train: usize,
    /// Validation cells, possibly 0.
    pub n_validation: usize,
    /// Names of the considered genes.
    pub gene_names: Vec<String>,
    /// Their Ensembl ids, and the symbols of genes that have other names, where the file has them.
    pub gene_ids: GeneIds,
    /// Index in `var` of each considered gene, ascending.
    pub gene_index: Vec<u32>,
    /// Statistics of the considered genes.
    pub stats: GeneStats,
    /// Their means in the classes of each label, over all training cells.
    pub profiles: Arc<Vec<Profile>>,
    /// Considered genes that must be in every panel (`--include-genes`), ascending.
    pub include: Vec<u32>,
    /// Genes of the file with a count in any training cell.
    pub detected_genes: usize,
    /// How values were made.
    pub transform: Transform,
    /// Tasks with the labels of the cells of `cells`, in the same order.
    pub tasks: Vec<Task>,
    /// Batches of the cells of `cells`, across which the panel is to hold (`--batch`).
    pub batches: Option<Batches>,
    /// All training cells, where they do not fit into memory: `cells` then holds a sample of them, and of the
    /// validation cells where these are too many as well, and `n_train` and `n_validation` count the
    /// samples.
    pub stream: Option<Stream>,
}

impl TrainingData {
    /// Cells that are trained on, in memory or not.
    #[must_use]
    pub fn all_train(&self) -> usize {
        self.stream.as_ref().map_or(self.n_train, Stream::n_train)
    }

    /// Training cells that have a label or value of each task, those of a stream included.
    #[must_use]
    pub fn labelled(&self) -> Vec<usize> {
        let tasks = self.stream.as_ref().map_or(&self.tasks[..], Stream::tasks);
        let n = self.all_train();
        let of = |task: &Task| match &task.targets {
            Targets::Classes(y) => y[..n].iter().filter(|&&y| y != crate::ops::MISSING).count(),
            Targets::Values(v) => v[..n].iter().filter(|v| !v.is_nan()).count(),
        };
        tasks.iter().map(of).collect()
    }
}

/// The test cells. Training never sees inside: only [`SealedTest::open`] does, for the report.
#[derive(Clone, Debug)]
pub struct SealedTest {
    cells: TestCells,
    /// Where the values are, where `cells` has none.
    rest: Option<(Arc<Matrix>, Vec<u32>, Transform)>,
}

/// The opened test cells.
#[derive(Clone, Debug)]
pub struct TestCells {
    /// Transformed values (not clipped), one row a test cell, columns as in the file; of all genes, or of those
    /// that were asked for.
    pub x: Csr,
    /// Cell names.
    pub obs_names: Vec<String>,
    /// Tasks with the labels of the test cells.
    pub tasks: Vec<Task>,
    /// Sum of squares of each cell's standardised values; empty where nothing is reconstructed.
    pub squares: Vec<f64>,
    /// Batches of the test cells (`--batch`).
    pub batches: Option<Batches>,
}

impl SealedTest {
    /// Seals test cells; called by the split alone. `rest`: the matrix, the cells' rows and the transform,
    /// where the values of `cells` are left out.
    #[must_use]
    pub fn new(cells: TestCells, rest: Option<(Arc<Matrix>, Vec<u32>, Transform)>) -> Self {
        Self { cells, rest }
    }
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.obs_names.len()
    }
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.obs_names.is_empty()
    }
    /// Opens them, for the report. `genes`: those that are needed (index in `var`), all where `None`.
    ///
    /// # Errors
    /// Cells that cannot be read.
    pub fn open(self, genes: Option<&[u32]>) -> Result<TestCells, DataError> {
        let Some((x, rows, transform)) = self.rest else {
            return Ok(self.cells);
        };
        let keep = genes.map(|genes| {
            let mut keep = vec![false; x.n_vars()];
            genes.iter().for_each(|g| keep[*g as usize] = true);
            keep
        });
        Ok(TestCells {
            x: x.take(&rows, transform, keep.as_deref())?,
            ..self.cells
        })
    }
}
