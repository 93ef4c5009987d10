//! From what a file holds to the values a model reads, and from `obs` columns to tasks.
use super::cells::{Task, Transform};
use super::dataset::{Column, Csr, Dataset};
use super::gene_ids::GeneIds;
use super::labels;
use super::matrix::Matrix;
use super::store::Seen;
use crate::error::DataError;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the user says that X holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputChoice {
    /// [`Transform::Log`] where all values are integers or one is too high for a logarithm, else [`Transform::AsIs`].
    #[default]
    Auto,
    /// [`Transform::Log`].
    Log,
    /// [`Transform::LogCounts`].
    LogCounts,
    /// [`Transform::Binary`].
    Binary,
    /// [`Transform::AsIs`].
    #[serde(rename = "none")]
    AsIs,
}

/// Transformed cells with their labels.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Path as the user wrote it, or `demo`.
    pub path: String,
    /// Transformed values, cells x genes.
    pub x: Arc<Matrix>,
    /// Cell names.
    pub obs_names: Vec<String>,
    /// Gene names, unique.
    pub var_names: Vec<String>,
    /// Ensembl ids and symbols of the genes.
    pub gene_ids: GeneIds,
    /// How the values were made.
    pub transform: Transform,
    /// Tasks with the labels of all cells: the `labels` first, then the `regress`. Mean and sd of
    /// a regression are 0 and 1 until the split knows the training cells.
    pub tasks: Vec<Task>,
    /// Every `obs` column that was read, for groups and given splits.
    pub columns: BTreeMap<String, Column>,
    /// Notices for the user.
    pub notices: Vec<String>,
}

/// Counts per this many.
pub const PER: f64 = 1e4;
/// Log values above this are unlikely to be logs.
pub(super) const HIGHEST_LOG: f32 = 30.0;

/// `log1p` of counts per 10,000: the value a model reads for `count` in a cell whose counts over
/// all genes sum to `total` (more than 0). In f64, rounded once.
#[must_use]
pub fn log_count(count: f32, total: f64) -> f32 {
    (f64::from(count) * (PER / total)).ln_1p() as f32
}

/// The value that a model reads for a stored value, which is not 0; `total`: the sum over all genes of the
/// cell, which [`Transform::Log`] alone asks for.
#[must_use]
pub fn transformed(transform: Transform, value: f32, total: f64) -> f32 {
    match transform {
        Transform::Log => log_count(value, total),
        Transform::LogCounts => f64::from(value).ln_1p() as f32,
        Transform::Binary => 1.0,
        Transform::AsIs => value,
    }
}

/// Checks X, transforms it in place and makes the tasks.
///
/// # Errors
/// A [`DataError`]: NaN, infinite or negative values in X, nothing but zeros, a column that cannot
/// be the task it is asked for, a column asked for twice.
pub fn prepare(
    mut dataset: Dataset,
    labels: &[String],
    regress: &[String],
    input: InputChoice,
) -> Result<Prepared, DataError> {
    let x = std::mem::replace(&mut dataset.x, Csr::zeros(0, 0));
    prepare_matrix(dataset, Matrix::Csr(x), labels, regress, input)
}

/// As [`prepare`], with X apart from the rest of the data set.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_matrix(
    dataset: Dataset,
    mut x: Matrix,
    labels: &[String],
    regress: &[String],
    input: InputChoice,
) -> Result<Prepared, DataError> {
    let Dataset {
        path,
        x: _,
        obs_names,
        var_names,
        gene_ids,
        columns,
        mut notices,
        has_raw,
    } = dataset;
    let in_file = |e: DataError| DataError::new(format!("{path}: {}", e.what), e.hint);
    let tasks = labels::tasks(&columns, labels, regress).map_err(in_file)?;
    let seen = x.seen();
    check(&x, &seen, &obs_names, &var_names, has_raw).map_err(in_file)?;
    let transform = match input {
        InputChoice::Auto if seen.integers || seen.max > HIGHEST_LOG => Transform::Log,
        InputChoice::Log => Transform::Log,
        InputChoice::LogCounts => Transform::LogCounts,
        InputChoice::Binary => Transform::Binary,
        InputChoice::Auto | InputChoice::AsIs => Transform::AsIs,
    };
    notices.extend(doubt(input, &seen));
    let empty = (0..x.n_obs()).filter(|&i| x.row_len(i) == 0).count();
    if empty > 0 {
        notices.push(format!("{empty} cells have no counts at all and stay zero"));
    }
    x.transform(transform);
    Ok(Prepared {
        path,
        x: Arc::new(x),
        obs_names,
        var_names,
        gene_ids,
        transform,
        tasks,
        columns,
        notices,
    })
}

/// What is strange about the choice of a transform for these values.
fn doubt(input: InputChoice, seen: &Seen) -> Option<String> {
    let max = seen.max;
    match input {
        InputChoice::Auto if !seen.integers && max <= HIGHEST_LOG => Some(format!(
            "X holds values that are not integers (up to {max}): taken as log values"
        )),
        InputChoice::Auto if !seen.integers => Some(format!(
            "X holds values that are not integers (up to {max}): too high for logarithms, so taken as FPKM, CPM or TPM, of \
             which logarithms are made (--input log); --input none reads them as they are"
        )),
        InputChoice::Log | InputChoice::LogCounts if !seen.integers && max <= HIGHEST_LOG => {
            Some(format!(
                "X holds values that are not integers, up to {max}: if they are logarithms already, \
                 use --input none"
            ))
        }
        _ => None,
    }
}

/// Refuses values that cannot be.
fn check(
    x: &Matrix,
    seen: &Seen,
    obs_names: &[String],
    var_names: &[String],
    has_raw: bool,
) -> Result<(), DataError> {
    if x.nnz() == 0 {
        return Err(DataError::new(
            format!(
                "X is empty: all values of {} cells x {} genes are 0",
                x.n_obs(),
                x.n_vars()
            ),
            "check that adata.X holds the expression values",
        ));
    }
    check_values(seen, obs_names, var_names, has_raw)
}

/// Refuses a value that is negative or not finite.
pub(super) fn check_values(
    seen: &Seen,
    obs_names: &[String],
    var_names: &[String],
    has_raw: bool,
) -> Result<(), DataError> {
    if let Some((row, gene, value)) = seen.bad {
        let gene = gene as usize;
        let place = format!(
            "cell {:?} (row {row}), gene {:?} (column {gene})",
            obs_names[row], var_names[gene]
        );
        return Err(if value < 0.0 && value.is_finite() {
            DataError::new(
                format!("X holds the negative value {value} at {place}"),
                if has_raw {
                    "scaled data cannot be used: the file also has unscaled values, which --raw reads"
                } else {
                    "scaled data cannot be used: put raw counts or log values into X, or read them from a layer with --layer"
                },
            )
        } else {
            DataError::new(
                format!("X holds {value} at {place}"),
                "remove or fill such values: numpy.nan_to_num(adata.X.data, copy=False)",
            )
        });
    }
    Ok(())
}

/// Transforms values in place; each row on its own, so that the result is free of threads.
pub fn apply(x: &mut Csr, transform: Transform) {
    match transform {
        Transform::AsIs => {}
        Transform::Binary => x.values.par_iter_mut().for_each(|v| *v = 1.0),
        Transform::LogCounts => x
            .values
            .par_iter_mut()
            .for_each(|v| *v = f64::from(*v).ln_1p() as f32),
        Transform::Log => {
            let mut rows: Vec<&mut [f32]> = Vec::with_capacity(x.n_obs);
            let mut rest: &mut [f32] = &mut x.values;
            for range in x.indptr.windows(2) {
                let (row, tail) = std::mem::take(&mut rest).split_at_mut(range[1] - range[0]);
                rows.push(row);
                rest = tail;
            }
            rows.into_par_iter().for_each(|row| {
                let total: f64 = row.iter().map(|v| f64::from(*v)).sum();
                for v in row {
                    *v = log_count(*v, total);
                }
            });
        }
    }
}
