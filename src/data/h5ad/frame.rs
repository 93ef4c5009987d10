//! Columns and index of an AnnData data frame (`obs` or `var`).
use super::raw::{self, damaged};
use super::{RESAVE, Result};
use crate::data::dataset::Column;
use crate::error::DataError;
use hdf5::types::TypeDescriptor as TD;
use hdf5::{Dataset, Group};

/// Names listed in full in an error.
const MOST_LISTED: usize = 30;

/// The names of the rows: the column that the attribute `_index` names.
pub(super) fn index(frame: &Group, which: &str) -> Result<Vec<String>> {
    let name = raw::text_attr(frame, "_index").unwrap_or_else(|| "_index".into());
    if !frame.link_exists(&name) {
        return Err(damaged(format!("{which} has no index column {name:?}")));
    }
    Ok(texts(frame, &name)?
        .into_iter()
        .map(Option::unwrap_or_default)
        .collect())
}

/// Reads one column; `n` is the number of rows it must have.
pub(super) fn column(frame: &Group, name: &str, n: usize) -> Result<Column> {
    let index = raw::text_attr(frame, "_index").unwrap_or_else(|| "_index".into());
    let mut members = frame.member_names().unwrap_or_default();
    members.retain(|m| *m != index && m != "__categories");
    if !members.iter().any(|m| m == name) {
        return Err(missing(name, &members));
    }
    if frame.link_exists("__categories")
        && !raw::is_group(frame, name)
        && frame
            .group("__categories")
            .is_ok_and(|c| c.link_exists(name))
    {
        return Err(DataError::new(
            format!("obs column {name:?} is a categorical of the layout that AnnData 0.7 wrote"),
            RESAVE,
        ));
    }
    let column = if raw::is_group(frame, name) {
        grouped(&raw::group(frame, name)?, name)?
    } else {
        plain(&raw::dataset(frame, name, 1)?, name)?
    };
    let len = match &column {
        Column::Categorical { codes, .. } => codes.len(),
        Column::Numeric(values) => values.len(),
    };
    if len != n {
        return Err(damaged(format!(
            "obs column {name:?} has {len} values, but there are {n} cells"
        )));
    }
    Ok(column)
}

fn missing(name: &str, there: &[String]) -> DataError {
    let lower = name.to_lowercase();
    let mut near: Vec<(f64, &str)> = there
        .iter()
        .map(|c| (strsim::jaro_winkler(&lower, &c.to_lowercase()), c.as_str()))
        .filter(|(score, _)| *score > 0.7)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<String> = near.iter().take(3).map(|(_, c)| format!("{c:?}")).collect();
    let mut list = there
        .iter()
        .take(MOST_LISTED)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if there.len() > MOST_LISTED {
        list += &format!(" and {} more", there.len() - MOST_LISTED);
    }
    let list = if there.is_empty() {
        "obs has no columns".to_owned()
    } else {
        format!("obs has: {list}")
    };
    let hint = if near.is_empty() {
        list
    } else {
        format!("did you mean {}? {list}", near.join(" or "))
    };
    DataError::new(format!("there is no obs column {name:?}"), hint)
}

/// A column that is a dataset.
fn plain(set: &Dataset, name: &str) -> Result<Column> {
    match raw::descriptor(set)? {
        TD::VarLenUnicode | TD::VarLenAscii | TD::FixedAscii(_) | TD::FixedUnicode(_) => {
            Ok(categorise(raw::strings(set)?.into_iter().map(Some)))
        }
        TD::Boolean | TD::Enum(_) => {
            let codes = raw::numbers::<i8>(set)?;
            Ok(boolean(codes.into_iter().map(|v| Some(v != 0))))
        }
        TD::Integer(_) | TD::Unsigned(_) | TD::Float(_) => Ok(Column::Numeric(raw::numbers(set)?)),
        other => Err(DataError::new(
            format!("obs column {name:?} holds {other}, which is neither text nor numbers"),
            "choose another column",
        )),
    }
}

/// A column that is a group: a categorical, or values with a mask.
fn grouped(group: &Group, name: &str) -> Result<Column> {
    let encoding = raw::text_attr(group, "encoding-type").unwrap_or_default();
    if encoding == "categorical" {
        return categorical(group, name);
    }
    if !encoding.starts_with("nullable-") {
        return Err(DataError::new(
            format!("obs column {name:?} has the encoding {encoding:?}, which is not known here"),
            "choose another column, or save this one as a categorical or as numbers",
        ));
    }
    let mask = mask(group, name)?;
    match encoding.as_str() {
        "nullable-string-array" => Ok(categorise(texts_masked(group, &mask)?.into_iter())),
        "nullable-boolean" => {
            let values = raw::numbers::<i8>(&masked(group, mask.len())?)?;
            Ok(boolean(
                values
                    .into_iter()
                    .zip(mask)
                    .map(|(v, gone)| (!gone).then_some(v != 0)),
            ))
        }
        _ => {
            let values = raw::numbers::<f64>(&masked(group, mask.len())?)?;
            Ok(Column::Numeric(
                values
                    .into_iter()
                    .zip(mask)
                    .map(|(v, gone)| if gone { f64::NAN } else { v })
                    .collect(),
            ))
        }
    }
}

fn categorical(group: &Group, name: &str) -> Result<Column> {
    let categories: Vec<String> = texts(group, "categories")?
        .into_iter()
        .map(Option::unwrap_or_default)
        .collect();
    let codes = raw::numbers::<i64>(&raw::dataset(group, "codes", 1)?)?
        .into_iter()
        .map(|code| match u32::try_from(code) {
            Ok(c) if (c as usize) < categories.len() => Ok(Some(c)),
            _ if code == -1 => Ok(None),
            _ => Err(damaged(format!(
                "obs column {name:?} has the code {code}, but only {} categories",
                categories.len()
            ))),
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Column::Categorical { categories, codes })
}

fn mask(group: &Group, name: &str) -> Result<Vec<bool>> {
    let set = raw::dataset(group, "mask", 1)
        .map_err(|e| damaged(format!("obs column {name:?}: {}", e.what)))?;
    Ok(raw::numbers::<i8>(&set)?.iter().map(|v| *v != 0).collect())
}

fn masked(group: &Group, n: usize) -> Result<Dataset> {
    let set = raw::dataset(group, "values", 1)?;
    if set.size() == n {
        return Ok(set);
    }
    Err(damaged(format!(
        "{}: {} values and a mask of {n}",
        group.name().trim_start_matches('/'),
        set.size()
    )))
}

fn texts_masked(group: &Group, mask: &[bool]) -> Result<Vec<Option<String>>> {
    let values = raw::strings(&masked(group, mask.len())?)?;
    Ok(values
        .into_iter()
        .zip(mask)
        .map(|(v, gone)| (!gone).then_some(v))
        .collect())
}

/// Text, or numbers as text, of a dataset or of a nullable group.
fn texts(parent: &Group, name: &str) -> Result<Vec<Option<String>>> {
    if raw::is_group(parent, name) {
        let group = raw::group(parent, name)?;
        let mask = mask(&group, name)?;
        return texts_masked(&group, &mask);
    }
    let set = raw::dataset(parent, name, 1)?;
    Ok(match raw::descriptor(&set)? {
        TD::Integer(_) | TD::Unsigned(_) => raw::numbers::<i64>(&set)?
            .into_iter()
            .map(|v| Some(v.to_string()))
            .collect(),
        TD::Float(_) => raw::numbers::<f64>(&set)?
            .into_iter()
            .map(|v| Some(format!("{v:?}")))
            .collect(),
        TD::Boolean | TD::Enum(_) => raw::numbers::<i8>(&set)?
            .into_iter()
            .map(|v| Some(if v != 0 { "True" } else { "False" }.to_owned()))
            .collect(),
        _ => raw::strings(&set)?.into_iter().map(Some).collect(),
    })
}

/// Text without categories: the categories are its distinct values, sorted.
fn categorise(values: impl Iterator<Item = Option<String>>) -> Column {
    let values: Vec<Option<String>> = values.collect();
    let mut categories: Vec<String> = values.iter().flatten().cloned().collect();
    categories.sort_unstable();
    categories.dedup();
    let codes = values
        .iter()
        .map(|v| {
            v.as_ref()
                .and_then(|v| categories.binary_search(v).ok())
                .map(|c| c as u32)
        })
        .collect();
    Column::Categorical { categories, codes }
}

fn boolean(values: impl Iterator<Item = Option<bool>>) -> Column {
    Column::Categorical {
        categories: vec!["False".into(), "True".into()],
        codes: values.map(|v| v.map(u32::from)).collect(),
    }
}
