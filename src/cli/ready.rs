//! Reading, preparing and splitting the data of every subcommand that trains.
use super::network::NetworkArgs;
use super::progress::Reporter;
use super::run::Failure;
use super::source::SourceArgs;
use super::stages::plain;
use crate::data::budget::{self, Bytes};
use crate::data::cells::{SealedTest, TrainingData};
use crate::data::components::{Components, with_components};
use crate::data::dataset::Csr;
use crate::data::filter::Filters;
use crate::data::folds::{self, Fold};
use crate::data::gene_ids::GeneIds;
use crate::data::matrix::Matrix;
use crate::data::packed::MAX_PAGE_WORDS;
use crate::data::prepare::Prepared;
use crate::data::split::{SplitSettings, SplitSummary, split};
use crate::data::store::Room;
use crate::data::{self, demo, prepare};
use crate::error::DataError;
use crate::ops::{DeviceInfo, Ops};
use serde_json::Value;
use std::path::Path;

/// Data that can be trained on, and what was set apart of it.
pub(super) struct Ready {
    /// Path as the user wrote it, or `demo`.
    pub path: String,
    /// All genes of the file.
    pub var_names: Vec<String>,
    pub gene_ids: GeneIds,
    pub data: TrainingData,
    pub sealed: SealedTest,
    pub summary: SplitSummary,
    pub components: Option<Components>,
    /// What `--cross-validate` needs.
    pub folds: Option<Folds>,
    /// The limit of memory, where cells stream from the disk.
    streamed: Option<Bytes>,
}

/// The data of a cross-validation, and its folds.
pub(super) struct Folds {
    pub column: String,
    pub prepared: Prepared,
    pub folds: Vec<Fold>,
    pub split: SplitSettings,
}

/// Reads, prepares and splits the data for panels of up to `k` genes. `out`: where cells go that do not fit into memory.
pub(super) fn ready<O: Ops>(
    ops: &O,
    source: &SourceArgs,
    network: &NetworkArgs,
    k: usize,
    out: &Path,
    reporter: &Reporter,
) -> Result<Ready, Failure> {
    let c = source;
    let columns = c.columns();
    let free = || crate::bench::host::free_memory().map(|free| Bytes(free / 5 * 4));
    let limit = network.memory.or_else(free);
    let (dataset, x) = match &c.data {
        Some(path) => data::open_rows(path, &c.reading.options(columns), &|n_obs, n_vars, nnz| {
            room(limit, out, (n_obs, n_vars, nnz))
        })?,
        None => {
            let mut dataset = demo::dataset(&columns)?;
            let x = std::mem::replace(&mut dataset.x, Csr::zeros(0, 0));
            (dataset, Matrix::Csr(x))
        }
    };
    let on_disk = matches!(&x, Matrix::Store(store) if store.on_disk());
    let windows = limit
        .filter(|_| on_disk)
        .and_then(|limit| budget::windows(limit, x.n_obs(), x.n_vars()).ok());
    let tell = |notices: &[String]| notices.iter().for_each(|n| reporter.note(n));
    tell(&dataset.notices);
    let prepared = prepare::prepare_matrix(dataset, x, &c.label, &c.regress, c.input)?;
    tell(&prepared.notices);
    let path = prepared.path.clone();
    let (var_names, gene_ids) = (prepared.var_names.clone(), prepared.gene_ids.clone());
    let split_settings = SplitSettings {
        seed: network.seed,
        test_fraction: c.test_fraction,
        validation_fraction: c.validation_fraction,
        group_by: c.group_by.clone(),
        stratify: c.stratify,
        split_by: c.split_by.clone(),
        batch: c.batch.clone(),
        unlabelled: c.reconstruct.is_some(),
        page_words: ops.max_elements().min(MAX_PAGE_WORDS),
        min_genes: c.filters.min_genes,
        rare_classes: c.filters.rare_classes,
        genes: c.filters.genes(),
        spare_outputs: network.recipe.spare_outputs(k),
        windows,
    };
    let folds = match &c.cross_validate {
        Some(column) => Some(Folds {
            column: column.clone(),
            folds: folds::leave_one_out(&prepared, column, &split_settings)?,
            prepared: prepared.clone(),
            split: split_settings.clone(),
        }),
        None => None,
    };
    let (mut data, sealed, summary) = split(prepared, &split_settings)?;
    tell(&summary.notices);
    let components = with_components(&mut data, c.reconstruct, network.seed)?;
    if let Some(stream) = &data.stream {
        reporter.note(&format!(
            "the cells stream from {}, in windows of up to {} steps; statistics are of {} of {} \
             training cells and {} of {} validation cells",
            out.display(),
            stream.window_steps(usize::try_from(network.batch_size).unwrap_or(usize::MAX)),
            data.n_train,
            summary.train,
            data.n_validation,
            summary.validation,
        ));
    }
    Ok(Ready {
        path,
        var_names,
        gene_ids,
        data,
        sealed,
        summary,
        components,
        folds,
        streamed: limit.filter(|_| on_disk),
    })
}

impl Ready {
    /// Says what is trained on, and where.
    pub(super) fn announce(&self, device: &DeviceInfo, reporter: &Reporter) {
        reporter.say(&format!(
            "{}: {} cells x {} genes, {} considered; training on {}",
            self.path,
            self.summary.n_obs,
            self.summary.n_vars,
            self.data.gene_names.len(),
            device.name
        ));
    }

    /// The settings, and what the filters made of them, for `config.json` and the model.
    pub(super) fn config(&self, settings: &impl serde::Serialize) -> Value {
        let mut config = plain(&Config {
            version: env!("CARGO_PKG_VERSION"),
            settings: plain(settings),
            filters: &self.summary.filters,
        });
        if let Some(limit) = self.streamed {
            // the windows follow from it, so that a run can be resumed whatever is free then
            config["settings"]["memory"] = limit.0.into();
        }
        config
    }
}

/// `config.json`.
#[derive(serde::Serialize)]
struct Config<'a> {
    version: &'static str,
    settings: Value,
    filters: &'a Filters,
}

/// Where the values of X go under a limit of memory.
fn room(
    limit: Option<Bytes>,
    out: &Path,
    (n_obs, n_vars, nnz): (usize, usize, usize),
) -> Result<Room, DataError> {
    match limit {
        Some(limit) if budget::in_memory(n_obs, n_vars, nnz) > limit.0 => {
            let windows = budget::windows(limit, n_obs, n_vars).map_err(|least| {
                DataError::new(
                    format!("{limit} of memory are too little for {n_obs} cells x {n_vars} genes"),
                    format!("give at least {least} (--memory)"),
                )
            })?;
            Ok(Room::File {
                dir: out.into(),
                // no window is there yet
                turning: 2 * windows.window,
            })
        }
        _ => Ok(Room::Memory),
    }
}
