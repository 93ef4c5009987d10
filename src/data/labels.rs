//! From `obs` columns to tasks.
use super::cells::{Targets, Task, TaskKind};
use super::dataset::Column;
use crate::error::DataError;
use crate::ops::MISSING;
use std::collections::BTreeMap;

/// Distinct integers that still count as classes.
const MOST_INTEGER_CLASSES: usize = 100;
/// Largest integer that a class name can be (beyond, f64 skips integers).
const LARGEST_INTEGER: f64 = 9_007_199_254_740_992.0;

/// The tasks of the `labels` and of the `regress` columns, in that order.
///
/// # Errors
/// A [`DataError`]: a column named twice, or one that cannot be what is asked of it.
pub(super) fn tasks(
    columns: &BTreeMap<String, Column>,
    labels: &[String],
    regress: &[String],
) -> Result<Vec<Task>, DataError> {
    let mut tasks: Vec<Task> = Vec::new();
    for (name, is_label) in labels
        .iter()
        .map(|l| (l, true))
        .chain(regress.iter().map(|r| (r, false)))
    {
        if tasks.iter().any(|t| t.name == *name) {
            return Err(DataError::new(
                format!("the obs column {name:?} is asked for twice"),
                "name each column once, as --label or as --regress",
            ));
        }
        let column = columns.get(name).ok_or_else(|| {
            DataError::new(
                format!("the obs column {name:?} was not read"),
                "this is a fault of yoto-gpu: please report it",
            )
        })?;
        tasks.push(if is_label {
            classification(name, column)?
        } else {
            regression(name, column)?
        });
    }
    Ok(tasks)
}

/// Classes of a column and the class of each cell: categories in use, in the file's order;
/// integers by value. `None` where a number column has fractions or too many values.
pub(super) fn classes(column: &Column) -> Option<(Vec<String>, Vec<u32>)> {
    match column {
        Column::Categorical { categories, codes } => {
            let mut used = vec![false; categories.len()];
            for code in codes.iter().flatten() {
                used[*code as usize] = true;
            }
            let mut map = vec![MISSING; categories.len()];
            let mut names = Vec::new();
            for (code, name) in categories.iter().enumerate().filter(|(c, _)| used[*c]) {
                map[code] = names.len() as u32;
                names.push(name.clone());
            }
            let of = |code: &Option<u32>| code.map_or(MISSING, |c| map[c as usize]);
            Some((names, codes.iter().map(of).collect()))
        }
        Column::Numeric(values) => {
            let integer = |v: &f64| v.fract() == 0.0 && v.abs() < LARGEST_INTEGER;
            if !values.iter().all(|v| v.is_nan() || integer(v)) {
                return None;
            }
            let mut distinct: Vec<i64> = Vec::new();
            for v in values.iter().filter(|v| !v.is_nan()) {
                let v = *v as i64;
                if let Err(at) = distinct.binary_search(&v) {
                    if distinct.len() == MOST_INTEGER_CLASSES {
                        return None;
                    }
                    distinct.insert(at, v);
                }
            }
            let of = |v: &f64| {
                let found = distinct.binary_search(&(*v as i64)).ok();
                found.filter(|_| !v.is_nan()).map_or(MISSING, |c| c as u32)
            };
            let codes = values.iter().map(of).collect();
            Some((distinct.iter().map(i64::to_string).collect(), codes))
        }
    }
}

fn classification(name: &str, column: &Column) -> Result<Task, DataError> {
    let Some((names, codes)) = classes(column) else {
        return Err(DataError::new(
            format!("the obs column {name:?} holds numbers, not classes"),
            format!("predict numbers with --regress {name}"),
        ));
    };
    match names.as_slice() {
        [] => Err(all_missing(name)),
        [only] => Err(DataError::new(
            format!("the label {name:?} has one class, {only:?}: there is nothing to tell apart"),
            "name a column with two classes or more",
        )),
        _ => Ok(Task {
            name: name.to_owned(),
            kind: TaskKind::Classification { classes: names },
            targets: Targets::Classes(codes),
        }),
    }
}

fn all_missing(name: &str) -> DataError {
    DataError::new(
        format!("the obs column {name:?} has no value for any cell"),
        "name a column that has values",
    )
}

pub(super) fn regression(name: &str, column: &Column) -> Result<Task, DataError> {
    let values: Vec<f32> = match column {
        Column::Numeric(values) => values.iter().map(|v| *v as f32).collect(),
        Column::Categorical { categories, codes } if categories.as_slice() == ["False", "True"] => {
            codes
                .iter()
                .map(|c| c.map_or(f32::NAN, |c| c as f32))
                .collect()
        }
        Column::Categorical { .. } => {
            return Err(DataError::new(
                format!("the obs column {name:?} holds classes, not numbers"),
                format!("predict classes with --label {name}"),
            ));
        }
    };
    if values.iter().all(|v| v.is_nan()) {
        return Err(all_missing(name));
    }
    if let Some(row) = values.iter().position(|v| v.is_infinite()) {
        return Err(DataError::new(
            format!("the obs column {name:?} is infinite (or beyond f32) in row {row}"),
            "set such values to NaN: they then count as missing",
        ));
    }
    Ok(Task {
        name: name.to_owned(),
        kind: TaskKind::Regression { mean: 0.0, sd: 1.0 },
        targets: Targets::Values(values),
    })
}
