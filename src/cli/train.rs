//! `yoto-gpu train`: its flags.
//!
//! [`TrainConfig`] holds what decides the result and is what `config.json` keeps; the rest of
//! [`TrainArgs`] only says where the result goes.
use super::filters::FilterArgs;
use super::reading::ReadingArgs;
use super::rules::RuleArgs;
use super::sizes::Sizes;
use super::values::{at_least_one, components, positive, share};
use super::weights::{TaskWeight, weights_fit};
use crate::data::budget::Bytes;
use crate::data::components::TASK;
use crate::data::prepare::InputChoice;
use crate::train::settings::{Recipe, Relaxation, Settings};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// Label of the embedded demo.
pub const DEMO_LABEL: &str = "cell_type";

/// Flags of `train`.
#[derive(Clone, Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "Examples:
  yoto-gpu train --genes 32 --out run                      the embedded demo
  yoto-gpu train pbmc.h5ad --label cell_type --genes 64
  yoto-gpu train pbmc.h5ad --label cell_type --label condition --regress age --group-by donor"
)]
pub struct TrainArgs {
    /// What decides the result.
    #[command(flatten)]
    pub config: TrainConfig,
    /// Directory for the results; made if absent, refused if it holds anything
    #[arg(
        long,
        value_name = "DIR",
        default_value = "run",
        help_heading = "Output"
    )]
    pub out: PathBuf,
    /// Replace the results of an earlier run in --out (other files there stay)
    #[arg(long, conflicts_with = "resume", help_heading = "Output")]
    pub force: bool,
    /// Go on from the last checkpoint in --out, with the settings of its config.json
    #[arg(long, help_heading = "Output")]
    pub resume: bool,
    /// Print one JSON object on stdout instead of a table
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Print nothing on stderr but errors
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
    /// Threads of the CPU [default: one a core]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Device")]
    pub threads: Option<u64>,
}

/// What decides the result of `train`.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Cells x genes: .h5ad, .h5 or a directory of 10x Genomics, .loom, or a table (.csv, .tsv, .gz)
    /// [default: the embedded demo]
    #[arg(value_name = "DATA")]
    pub data: Option<PathBuf>,
    /// Column of obs to predict as classes; repeat for several tasks [demo: cell_type]
    #[arg(long, value_name = "COLUMN", help_heading = "Tasks and data")]
    pub label: Vec<String>,
    /// Column of obs to predict as a number; repeat for several tasks
    #[arg(long, value_name = "COLUMN", help_heading = "Tasks and data")]
    pub regress: Vec<String>,
    /// Predict the other genes too: the D leading principal components of the expression; without
    /// --label or --regress it is all that is predicted [D: 32]
    #[arg(
        long,
        value_name = "D",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "32",
        value_parser = components,
        help_heading = "Tasks and data"
    )]
    #[serde(default)]
    pub reconstruct: Option<usize>,
    /// What is read of the file.
    #[command(flatten)]
    #[serde(flatten)]
    pub reading: ReadingArgs,
    /// Weight of a task's loss beside the others' [default: 1]; repeat for several tasks
    #[arg(long, value_name = "NAME=W", help_heading = "Tasks and data")]
    #[serde(default)]
    pub task_weight: Vec<TaskWeight>,
    /// What becomes of X before the network reads it; it is stored with the model
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        help_heading = "Tasks and data"
    )]
    pub input: InputChoice,
    /// Cells, genes and classes that are left out.
    #[command(flatten)]
    #[serde(flatten)]
    pub filters: FilterArgs,

    /// Share of the cells kept for the test figures
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = share, help_heading = "Split")]
    pub test_fraction: f64,
    /// Share of the cells that choose the best epoch
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share, help_heading = "Split")]
    pub validation_fraction: f64,
    /// Column of obs whose cells stay together on one side of the split, such as the donor
    #[arg(long, value_name = "COLUMN", help_heading = "Split")]
    pub group_by: Option<String>,
    /// Keep the class shares of the first label in every part
    #[arg(
        long,
        value_name = "BOOL",
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true",
        help_heading = "Split"
    )]
    pub stratify: bool,
    /// The same as --stratify=false
    #[arg(long, conflicts_with = "stratify", help_heading = "Split")]
    #[serde(skip)]
    pub no_stratify: bool,
    /// Column of obs, such as the donor or the library: choose genes that hold in every one of its
    /// values; the worst of them counts
    #[arg(long, value_name = "COLUMN", help_heading = "Split")]
    pub batch: Option<String>,
    /// Column of obs, such as the donor: after the run, train again without each of its values and
    /// test on the cells left out, beside sealed cells of the values trained on
    #[arg(long, value_name = "COLUMN", help_heading = "Split")]
    pub cross_validate: Option<String>,
    /// Column of obs that says train, validation or test for each cell
    #[arg(
        long,
        value_name = "COLUMN",
        conflicts_with_all = ["group_by", "test_fraction", "validation_fraction", "stratify", "no_stratify"],
        help_heading = "Split"
    )]
    pub split_by: Option<String>,

    /// Genes of the panel; several sizes (8,16,32 or, doubling, 8..64) give nested panels from one run;
    /// auto takes the smallest of 4 to 128 that is as good as the best, by validation score
    #[arg(
        long,
        short = 'k',
        value_name = "K",
        default_value = "32",
        help_heading = "Panel and network"
    )]
    pub genes: Sizes,
    /// How much validation score (mean of macro-F1 or R2) --genes auto gives for fewer genes
    #[arg(long, value_name = "SCORE", default_value_t = 0.01, value_parser = share, help_heading = "Panel and network")]
    #[serde(default = "tolerance")]
    pub tolerance: f64,

    /// What the panel must keep to.
    #[command(flatten)]
    #[serde(default)]
    pub rules: RuleArgs,
    /// How the choice of genes is relaxed to carry a gradient
    #[arg(
        long,
        value_enum,
        default_value = "sigmoid",
        help_heading = "Panel and network"
    )]
    pub relaxation: Relaxation,
    /// Widths of the hidden layers, such as 128,64; none for a linear model
    #[arg(
        long,
        value_name = "WIDTHS",
        default_value = "64",
        help_heading = "Panel and network"
    )]
    pub hidden: Widths,

    /// Length of the run in passes over the training cells [default: the recipe's number of steps]
    #[arg(long, value_name = "N", value_parser = at_least_one, conflicts_with = "steps", help_heading = "Training")]
    pub epochs: Option<u64>,
    /// Length of the run in steps
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Training")]
    pub steps: Option<u64>,
    /// Cells a step
    #[arg(long, value_name = "CELLS", default_value_t = 128, value_parser = at_least_one, help_heading = "Training")]
    pub batch_size: u64,
    /// Learning rate of the weights
    #[arg(long, default_value_t = 5e-3, value_parser = positive, help_heading = "Training")]
    pub lr: f32,
    /// Seed of the split, the first weights, the order of the cells and the noise
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Training")]
    pub seed: u64,
    /// Runs with this and the next seeds, side by side in one set of launches; the panel of the majority is
    /// the result, metrics.json says how often each gene was chosen and which replace each other
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = at_least_one, help_heading = "Training")]
    #[serde(default = "one")]
    pub repeats: u64,

    /// Overrides of the recipe's phases and regularisation, as JSON; config.json shows all of them
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = recipe, help_heading = "Training")]
    pub recipe: Recipe,

    /// Most memory of the host that the run may take, such as 8GiB: cells that do not fit stream from disk
    /// [default: four fifths of what is free]
    #[arg(long, value_name = "SIZE", help_heading = "Device")]
    pub memory: Option<Bytes>,
    /// auto (the best real GPU, else the CPU), gpu (a software one too), cpu, or a part of an
    /// adapter's name
    #[arg(
        long,
        value_name = "WHICH",
        default_value = "auto",
        help_heading = "Device"
    )]
    pub device: String,
}

impl TrainConfig {
    /// Fills in what follows from other flags; a run to resume takes the rest from its own
    /// settings.
    ///
    /// # Errors
    /// A combination that makes no sense, as a sentence for the user (wrong usage).
    pub fn resolve(&mut self, resume: bool) -> Result<(), String> {
        self.stratify &= !self.no_stratify;
        if self.data.as_ref().is_some_and(|p| p.to_str().is_none()) {
            return Err("the path of DATA must be UTF-8, so that config.json can hold it".into());
        }
        if resume {
            return Ok(());
        }
        if self.data.is_none() && !self.reading.is_default() {
            return Err("--layer, --raw and --labels want a file: name it as DATA".into());
        }
        if self.label.is_empty() && self.regress.is_empty() && self.reconstruct.is_none() {
            if self.data.is_some() {
                return Err(
                    "name what to predict: --label COLUMN (classes), --regress COLUMN (numbers) or --reconstruct"
                        .into(),
                );
            }
            self.label.push(DEMO_LABEL.into());
        }
        let tasks: Vec<&String> = self.label.iter().chain(&self.regress).collect();
        for (i, name) in tasks.iter().enumerate() {
            if tasks[..i].contains(name) {
                return Err(format!("the column {name:?} is named by two tasks"));
            }
        }
        let mut tasks: Vec<String> = tasks.into_iter().cloned().collect();
        if self.reconstruct.is_some() {
            if let Some(name) = tasks.iter().find(|t| t.starts_with(TASK)) {
                return Err(format!(
                    "the column {name:?} and --reconstruct have one name: rename the column"
                ));
            }
            tasks.push(TASK.into());
        }
        weights_fit(&self.task_weight, &tasks)?;
        let held_out = self.test_fraction + self.validation_fraction;
        if held_out >= 1.0 {
            return Err(format!(
                "--test-fraction and --validation-fraction add up to {held_out}: no cell is left to train on"
            ));
        }
        Ok(())
    }

    /// The settings of training.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            genes: self.genes.sizes()[0],
            nested: self.genes.sizes()[1..].to_vec(),
            panel: None,
            rules: Arc::default(),
            seed: self.seed,
            hidden: self.hidden.0.clone(),
            steps: self.steps,
            epochs: self.epochs,
            batch_size: usize::try_from(self.batch_size).unwrap_or(usize::MAX),
            lr: self.lr,
            relaxation: self.relaxation,
            task_weights: (self.task_weight.iter())
                .map(|w| (w.name.clone(), w.weight))
                .collect(),
            recipe: self.recipe.clone(),
        }
    }

    /// The columns of `obs` that must be read.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let mut columns = self.label.clone();
        let others = self
            .regress
            .iter()
            .chain(&self.group_by)
            .chain(&self.split_by)
            .chain(&self.cross_validate)
            .chain(&self.batch);
        for name in others {
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
        columns
    }
}

/// Widths of hidden layers, as `128,64` or `none`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Widths(pub Vec<usize>);

impl FromStr for Widths {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        text.split(',')
            .map(|part| match part.trim().parse() {
                Ok(width) if width > 0 => Ok(width),
                _ => Err("widths are whole numbers above 0 with commas between, or none".into()),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl ValueEnum for Relaxation {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Sigmoid, Self::Softsort]
    }
    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Sigmoid => PossibleValue::new("sigmoid").help("Sigmoids that sum to k"),
            Self::Softsort => PossibleValue::new("softsort").help("Rows of a soft sorting"),
        })
    }
}

impl ValueEnum for InputChoice {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Auto,
            Self::Log,
            Self::LogCounts,
            Self::Binary,
            Self::AsIs,
        ]
    }
    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Auto => ("auto", "log where X holds whole numbers, else none"),
            Self::Log => (
                "log",
                "log1p of counts per 10,000, totals over all genes of the file",
            ),
            Self::LogCounts => (
                "log-counts",
                "log1p of counts, no totals: what a panel assay can measure",
            ),
            Self::Binary => (
                "binary",
                "1 where a gene was detected: robust across assays",
            ),
            Self::AsIs => ("none", "The values of X as they are, such as log values"),
        };
        let value = PossibleValue::new(name).help(help);
        // what an earlier version called it
        Some(if name == "log" {
            value.alias("counts")
        } else {
            value
        })
    }
}

fn one() -> u64 {
    1
}

fn tolerance() -> f64 {
    0.01
}

fn recipe(text: &str) -> Result<Recipe, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}
