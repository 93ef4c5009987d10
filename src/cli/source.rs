//! What is read of a data set, predicted from it, and how its cells are split: flags of every subcommand
//! that trains.
use super::filters::FilterArgs;
use super::reading::ReadingArgs;
use super::values::{components, share};
use super::weights::{TaskWeight, weights_fit};
use crate::data::components::TASK;
use crate::data::demo;
use crate::data::prepare::InputChoice;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Data, tasks and split; part of `config.json`.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct SourceArgs {
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
}

impl SourceArgs {
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
            self.label.push(demo::LABEL.into());
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
        if let Some(name) = self.cross_validate.as_ref().filter(|n| tasks.contains(n)) {
            return Err(format!(
                "--cross-validate {name}: a class that is left out cannot be predicted; name a column such as the donor"
            ));
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
            Self::Auto => (
                "auto",
                "log where X holds whole numbers, or values too high for logarithms (FPKM, CPM, TPM); else none",
            ),
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
