//! Flags that say what is read of a file.
use crate::data::{Options, Which};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What is read besides the columns that tasks and splits name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Tasks and data")]
pub struct ReadingArgs {
    /// Read this layer in place of X
    #[arg(long, value_name = "NAME", conflicts_with = "raw")]
    #[serde(default)]
    pub layer: Option<String>,
    /// Read raw (adata.raw.X, with its genes) in place of X
    #[arg(long)]
    #[serde(default)]
    pub raw: bool,
    /// Table (.csv, .tsv, .gz) with further columns of obs, such as labels, by cell name
    #[arg(long, value_name = "FILE")]
    #[serde(default)]
    pub labels: Option<PathBuf>,
}

impl ReadingArgs {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
    /// The matrix that is read.
    #[must_use]
    pub fn which(&self) -> Which {
        match &self.layer {
            Some(name) => Which::Layer(name.clone()),
            None if self.raw => Which::Raw,
            None => Which::X,
        }
    }
    /// As the readers take it, with the columns of `obs` that are read.
    #[must_use]
    pub fn options(&self, columns: Vec<String>) -> Options {
        Options {
            columns,
            which: self.which(),
            labels: self.labels.clone(),
        }
    }
}
