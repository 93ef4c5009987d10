//! From any input to a modern `.h5ad`.
use super::input::{Axis, Result, Which};
use super::label_file::LabelFile;
use super::open::{detect, prefixed};
use super::values::Values;
use super::write::{Frame, Writer};
use crate::error::DataError;
use std::path::{Path, PathBuf};

/// What is converted.
#[derive(Clone, Debug, Default)]
pub struct Conversion {
    /// The matrix that becomes X.
    pub which: Which,
    /// A table whose columns go into `obs`, by cell name.
    pub labels: Option<PathBuf>,
    /// Whether a file at the target is replaced.
    pub force: bool,
}

/// Converts; the target is written beside and renamed, so that it is whole or absent. Gives what
/// the user should know.
///
/// # Errors
/// A [`DataError`] of the input (its text begins with the path), of the target, or where the target
/// is there already.
pub fn convert(from: &Path, to: &Path, how: &Conversion) -> Result<Vec<String>> {
    let shown = from.display().to_string();
    if to.exists() && !how.force {
        return Err(DataError::new(
            format!("{}: there is such a file already", to.display()),
            "name another one, or replace it with --force",
        ));
    }
    let named = |e: DataError| DataError::new(prefixed(&shown, &e.what), e.hint);
    let input = detect(from, &[]).map_err(named)?;
    let input = &*input;
    let obs_names = input.obs_names().map_err(named)?;
    let labels = match &how.labels {
        Some(file) => Some(LabelFile::read(file, &obs_names)?),
        None => None,
    };
    let mut notices: Vec<String> = labels.iter().map(|l| l.notice.clone()).collect();
    let of = |axis| {
        (input.columns(axis), move |name: &str| {
            input.column(axis, name)
        })
    };
    let (names, column) = of(Axis::Obs);
    let mut obs = columns(&names, column, obs_names.len(), &mut notices).map_err(named)?;
    for name in labels.iter().flat_map(LabelFile::names) {
        if let Some(values) = labels.as_ref().and_then(|l| l.column(&name)) {
            obs.retain(|c| c.0 != name);
            obs.push((name, values.clone()));
        }
    }
    let var_names = input.var_names(&how.which).map_err(named)?;
    let raw_column = |name: &str| input.raw_column(name);
    let var = if how.which == Which::Raw {
        columns(
            &input.raw_columns(),
            raw_column,
            var_names.len(),
            &mut notices,
        )
    } else {
        let (names, column) = of(Axis::Var);
        columns(&names, column, var_names.len(), &mut notices)
    };
    let var = var.map_err(named)?;
    let x = input.read(&how.which, &mut notices).map_err(named)?;
    let mut out = Writer::new(to)?;
    let obs = Frame {
        names: &obs_names,
        columns: &obs,
    };
    let var = Frame {
        names: &var_names,
        columns: &var,
    };
    out.start(&obs, &var, &x)?;
    drop(x);
    if how.which != Which::Raw {
        let mut seen = Vec::new();
        for name in input.layers() {
            let layer = Which::Layer(name.clone());
            let x = input.read(&layer, &mut seen).map_err(named)?;
            out.layer(&name, &x)?;
        }
        if input.has_raw() {
            let names = input.var_names(&Which::Raw).map_err(named)?;
            let var = columns(&input.raw_columns(), raw_column, names.len(), &mut notices);
            let var = var.map_err(named)?;
            let x = input.read(&Which::Raw, &mut seen).map_err(named)?;
            let var = Frame {
                names: &names,
                columns: &var,
            };
            out.raw(&var, &x)?;
        }
    }
    out.finish(to)?;
    let left = input.others();
    if !left.is_empty() {
        notices.push(format!(
            "left out, as yoto-gpu does not read it: {}",
            left.join(", ")
        ));
    }
    Ok(notices)
}

/// The columns that can be read, and a notice for each of the others.
fn columns(
    names: &[String],
    column: impl Fn(&str) -> Result<Values>,
    n: usize,
    notices: &mut Vec<String>,
) -> Result<Vec<(String, Values)>> {
    let mut all = Vec::new();
    for name in names {
        match column(name) {
            Ok(values) if values.len() == n => all.push((name.clone(), values)),
            Ok(values) => {
                return Err(super::h5::damaged(format!(
                    "the column {name:?} has {} values, but there are {n} rows",
                    values.len()
                )));
            }
            Err(e) => notices.push(format!("the column {name:?} was left out: {}", e.what)),
        }
    }
    Ok(all)
}
