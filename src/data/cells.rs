//! What training may read and what only the report opens.
use super::dataset::Csr;
use super::packed::Packed;
use serde::{Deserialize, Serialize};

/// How a file's values become the values a model reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transform {
    /// Counts; log1p of counts per 10,000 (totals over all genes of the file).
    Counts,
    /// Already log values; taken as they are.
    Log,
    /// 1 where anything was detected.
    Binary,
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
    /// Values above this are set to it: mean + 8 sd of the unclipped values.
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
    /// Index in `var` of each considered gene, ascending.
    pub gene_index: Vec<u32>,
    /// Statistics of the considered genes.
    pub stats: GeneStats,
    /// How values were made.
    pub transform: Transform,
    /// Tasks with the labels of the cells of `cells`, in the same order.
    pub tasks: Vec<Task>,
    /// Batches of the cells of `cells`, across which the panel is to hold (`--batch`).
    pub batches: Option<Batches>,
}

/// The test cells. Training never sees inside: only [`SealedTest::open`] does, for the report.
#[derive(Clone, Debug)]
pub struct SealedTest(TestCells);

/// The opened test cells.
#[derive(Clone, Debug)]
pub struct TestCells {
    /// Transformed values (not clipped), all genes of the file, one row a test cell.
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
    /// Seals test cells; called by the split alone.
    #[must_use]
    pub fn new(cells: TestCells) -> Self {
        Self(cells)
    }
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.obs_names.len()
    }
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.obs_names.is_empty()
    }
    /// Opens them, for the report.
    #[must_use]
    pub fn open(self) -> TestCells {
        self.0
    }
}
