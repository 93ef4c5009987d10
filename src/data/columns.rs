//! Columns of `obs`: categories, strings, numbers, their nullable forms.
use super::dataset::Column;
use super::h5ad::{broken, check_filters, texts};
use crate::error::DataError;
use hdf5::types::TypeDescriptor;
use hdf5::{Dataset, Group};

type Result<T> = std::result::Result<T, DataError>;

/// Reads one column of `obs` with `n` cells.
///
/// # Errors
/// No such column (the nearest names are offered), a length that does not fit, a code out of range.
pub(super) fn read(obs: &Group, name: &str, n: usize, shown: &str) -> Result<Column> {
    let names = obs.member_names().unwrap_or_default();
    if !names.iter().any(|m| m == name) || name.contains('/') {
        return Err(missing(name, &names, shown));
    }
    let place = format!("obs/{name}");
    let column = match obs.dataset(name) {
        Ok(data) => plain(&data, &place, shown)?,
        Err(_) => grouped(obs, name, &place, shown)?,
    };
    let len = match &column {
        Column::Categorical { codes, .. } => codes.len(),
        Column::Numeric(values) => values.len(),
    };
    if len != n {
        return Err(DataError::new(
            format!("{shown:?}: {place} has {len} values for {n} cells"),
            "write the file anew with anndata",
        ));
    }
    Ok(column)
}

fn missing(name: &str, names: &[String], shown: &str) -> DataError {
    let names: Vec<&String> = names.iter().filter(|m| !m.starts_with('_')).collect();
    let near = |m: &&String| strsim::jaro_winkler(&m.to_lowercase(), &name.to_lowercase());
    let mut best: Vec<(f64, &&String)> = names.iter().map(|m| (near(m), m)).collect();
    best.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<String> = best
        .iter()
        .filter(|b| b.0 > 0.7)
        .take(3)
        .map(|b| format!("{:?}", b.1))
        .collect();
    let hint = if near.is_empty() {
        let all: Vec<&str> = names.iter().take(20).map(|s| s.as_str()).collect();
        format!(
            "obs has {}",
            if all.is_empty() {
                "no columns".to_string()
            } else {
                all.join(", ")
            }
        )
    } else {
        format!("did you mean {}?", near.join(" or "))
    };
    DataError::new(format!("{shown:?}: obs has no column {name:?}"), hint)
}

/// A categorical or nullable column, stored as a group.
fn grouped(obs: &Group, name: &str, place: &str, shown: &str) -> Result<Column> {
    let error = |e: hdf5::Error| broken(shown, place, &e);
    let group = obs.group(name).map_err(error)?;
    if let (Ok(codes), Ok(categories)) = (group.dataset("codes"), group.dataset("categories")) {
        check_filters(&codes, place, shown)?;
        check_filters(&categories, place, shown)?;
        let codes = codes.read_raw::<i64>().map_err(error)?;
        let categories = match numbers(&categories) {
            Some(values) => values
                .map_err(error)?
                .iter()
                .map(|v| format!("{v}"))
                .collect(),
            None => texts(&categories, place, shown)?,
        };
        let code = |c: i64| match u32::try_from(c) {
            Ok(c) if (c as usize) < categories.len() => Ok(Some(c)),
            Err(_) => Ok(None),
            Ok(c) => Err(DataError::new(
                format!(
                    "{shown:?}: {place} has code {c} and {} categories",
                    categories.len()
                ),
                "write the file anew with anndata",
            )),
        };
        let codes = codes.into_iter().map(code).collect::<Result<Vec<_>>>()?;
        return Ok(Column::Categorical { codes, categories });
    }
    if let (Ok(values), Ok(mask)) = (group.dataset("values"), group.dataset("mask")) {
        let mask = mask.read_raw::<bool>().map_err(error)?;
        let column = plain(&values, place, shown)?;
        return Ok(match column {
            Column::Numeric(mut values) => {
                values
                    .iter_mut()
                    .zip(mask)
                    .filter(|(_, m)| *m)
                    .for_each(|(v, _)| *v = f64::NAN);
                Column::Numeric(values)
            }
            Column::Categorical {
                categories,
                mut codes,
            } => {
                codes
                    .iter_mut()
                    .zip(mask)
                    .filter(|(_, m)| *m)
                    .for_each(|(c, _)| *c = None);
                Column::Categorical { categories, codes }
            }
        });
    }
    Err(DataError::new(
        format!("{shown:?}: {place} is of a kind that is not read"),
        "make it a category, a string or a number",
    ))
}

/// Numbers of a dataset, or `None` where it holds something else.
fn numbers(data: &Dataset) -> Option<hdf5::Result<Vec<f64>>> {
    match data.dtype().and_then(|t| t.to_descriptor()).ok()? {
        TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_) | TypeDescriptor::Float(_) => {
            Some(data.read_raw::<f64>())
        }
        _ => None,
    }
}

/// A column stored as one dataset: numbers, booleans or strings.
fn plain(data: &Dataset, place: &str, shown: &str) -> Result<Column> {
    let error = |e: hdf5::Error| broken(shown, place, &e);
    check_filters(data, place, shown)?;
    if let Some(values) = numbers(data) {
        return Ok(Column::Numeric(values.map_err(error)?));
    }
    let values = match data
        .dtype()
        .and_then(|t| t.to_descriptor())
        .map_err(error)?
    {
        TypeDescriptor::Boolean => {
            let name = |b: &bool| if *b { "True" } else { "False" }.to_string();
            data.read_raw::<bool>()
                .map_err(error)?
                .iter()
                .map(name)
                .collect()
        }
        _ => texts(data, place, shown)?,
    };
    Ok(from_strings(&values))
}

/// Strings as categories, sorted; empty strings and `nan` are missing.
pub(super) fn from_strings(values: &[String]) -> Column {
    let known =
        |v: &&String| !v.is_empty() && !["nan", "NaN", "None", "<NA>"].contains(&v.as_str());
    let mut categories: Vec<String> = values.iter().filter(known).cloned().collect();
    categories.sort_unstable();
    categories.dedup();
    let codes = values
        .iter()
        .map(|v| categories.binary_search(v).ok().map(|c| c as u32))
        .collect();
    Column::Categorical { categories, codes }
}
