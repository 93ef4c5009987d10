//! Flags and steps that `predict` and `evaluate` share: a model, and the cells that it is applied to.
use super::progress::Reporter;
use super::reading::ReadingArgs;
use super::run::Failure;
use super::values::at_least_one;
use crate::data::panel::{PanelCells, Request, Wanted, read};
use crate::error::ModelError;
use crate::model::panel_model::PanelModel;
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;

/// A model and new cells.
#[derive(Clone, Debug, Args)]
pub struct ApplyArgs {
    /// A model.safetensors, or the --out directory of the run that made it
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Cells x genes, of any format that train reads; only the panel's genes are needed
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// What is read of the file.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Column of var with the genes' names as the model has them [default: the names of var]
    #[arg(long, value_name = "COLUMN", help_heading = "Genes and totals")]
    pub gene_column: Option<String>,
    /// Most genes of the panel that may be missing; they stand at their training means
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        help_heading = "Genes and totals"
    )]
    pub max_missing: usize,
    /// Column of obs with each cell's total count over all genes, where the file has only some of them
    #[arg(long, value_name = "COLUMN", help_heading = "Genes and totals")]
    pub totals: Option<String>,
    /// Take totals over the genes of the file, though they are far fewer than in training
    #[arg(long, conflicts_with = "totals", help_heading = "Genes and totals")]
    pub partial_totals: bool,
    /// Threads of the CPU [default: one a core]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Device")]
    pub threads: Option<u64>,
    /// Print nothing on stderr but errors
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

/// A model that was read.
pub(super) struct Loaded {
    /// The model.
    pub(super) model: PanelModel,
    /// The settings that it was trained with.
    pub(super) settings: Value,
    /// Its file.
    pub(super) path: PathBuf,
}

impl ApplyArgs {
    /// Reads the model.
    ///
    /// # Errors
    /// As [`PanelModel::load`]; a directory without a model.
    pub(super) fn load(&self) -> Result<Loaded, ModelError> {
        let path = if self.model.is_dir() {
            let path = self.model.join("model.safetensors");
            if !path.is_file() {
                return Err(ModelError::NoModel {
                    path: self.model.clone(),
                });
            }
            path
        } else {
            self.model.clone()
        };
        let (model, settings) = PanelModel::load(&path)?;
        Ok(Loaded {
            model,
            settings,
            path,
        })
    }

    /// Reads what the model needs of the cells, with `columns` of obs, and tells of it.
    ///
    /// # Errors
    /// As [`read`].
    pub(super) fn read(
        &self,
        model: &PanelModel,
        columns: Vec<String>,
        reporter: &Reporter,
    ) -> Result<PanelCells, Failure> {
        let genes = model.genes.iter().map(|g| Wanted {
            name: &g.name,
            mean: g.mean,
        });
        let request = Request {
            genes: genes.collect(),
            transform: model.transform,
            detected_genes: model.calibration.detected_genes,
            options: self.reading.options(columns),
            gene_column: self.gene_column.clone(),
            totals: self.totals.clone(),
            partial_totals: self.partial_totals,
            max_missing: self.max_missing,
        };
        let cells = read(&self.data, &request)?;
        for notice in &cells.notices {
            reporter.note(notice);
        }
        if !model.calibration.is_known() {
            reporter.note(
                "the model was not calibrated (no validation cells, or an earlier version): probabilities \
                 are as the network gives them, and no cell is flagged",
            );
        }
        Ok(cells)
    }
}
