//! From a file's values and columns to the values and tasks that a model sees.
use super::cells::{Targets, Task, TaskKind, Transform};
use super::dataset::{Column, Csr, Dataset};
use crate::error::DataError;
use crate::ops::MISSING;
use rayon::prelude::*;
use std::collections::BTreeMap;

type Result<T> = std::result::Result<T, DataError>;

/// How the values of X are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputChoice {
    /// Counts where all values are integers, log values otherwise.
    Auto,
    /// Counts: log1p of counts per 10,000.
    Counts,
    /// Log values, taken as they are.
    Log,
    /// Detected or not.
    Binary,
}

/// Transformed cells and their tasks.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Path as the user wrote it, or `demo`.
    pub path: String,
    /// Transformed values.
    pub x: Csr,
    /// Cell names.
    pub obs_names: Vec<String>,
    /// Gene names.
    pub var_names: Vec<String>,
    /// What was done to the values.
    pub transform: Transform,
    /// Tasks with the labels of all cells.
    pub tasks: Vec<Task>,
    /// All columns that were read, for groups and given splits.
    pub columns: BTreeMap<String, Column>,
    /// Notices for the user.
    pub notices: Vec<String>,
}

/// Counts per this many.
const TOTAL: f64 = 1e4;
/// Most values that an integer column may have as a label.
const MAX_CLASSES: usize = 100;
/// Above this, log values are surely something else (f16 holds 65,504).
const MAX_LOG: f32 = 60_000.0;

/// Transforms X in place and makes the tasks.
///
/// # Errors
/// Values that do not fit the choice; a label with fewer than two classes or of the wrong kind.
pub fn prepare(
    dataset: Dataset,
    labels: &[String],
    regress: &[String],
    input: InputChoice,
) -> Result<Prepared> {
    let Dataset {
        path,
        mut x,
        obs_names,
        var_names,
        columns,
        mut notices,
    } = dataset;
    let mut tasks = Vec::new();
    for name in labels {
        tasks.push(classes(column(&columns, name, &path)?, name, &path)?);
    }
    for name in regress {
        tasks.push(number(column(&columns, name, &path)?, name, &path)?);
    }
    if let Some(twice) =
        (1..tasks.len()).find(|&i| tasks[..i].iter().any(|t: &Task| t.name == tasks[i].name))
    {
        let what = format!("{:?} is asked for twice", tasks[twice].name);
        return Err(DataError::new(what, "name each column once"));
    }
    let integers = x.values.par_iter().all(|v| v.fract() == 0.0);
    let transform = match input {
        InputChoice::Auto if integers => Transform::Counts,
        InputChoice::Auto => {
            notices.push(
                "X is not all integers and is taken as log values (--input to override)"
                    .to_string(),
            );
            Transform::Log
        }
        InputChoice::Counts => Transform::Counts,
        InputChoice::Log => Transform::Log,
        InputChoice::Binary => Transform::Binary,
    };
    match transform {
        Transform::Counts => log_counts(&mut x, &mut notices),
        Transform::Log => {
            let top = x.values.iter().fold(0.0f32, |m, &v| m.max(v));
            if top > MAX_LOG {
                return Err(DataError::new(
                    format!("{path:?}: X reaches {top}, which no log value does"),
                    "use --input counts, or take the logarithm first",
                ));
            }
            if top > 50.0 {
                notices.push(format!(
                    "X reaches {top}, much for log values; use --input counts for counts or FPKM"
                ));
            }
        }
        Transform::Binary => x.values.par_iter_mut().for_each(|v| *v = 1.0),
    }
    Ok(Prepared {
        path,
        x,
        obs_names,
        var_names,
        transform,
        tasks,
        columns,
        notices,
    })
}

fn column<'c>(columns: &'c BTreeMap<String, Column>, name: &str, path: &str) -> Result<&'c Column> {
    columns.get(name).ok_or_else(|| {
        DataError::new(
            format!("{path:?}: column {name:?} was not read"),
            "name it when reading",
        )
    })
}

/// `log1p(x 10,000 / total of the cell)`, totals over all genes.
fn log_counts(x: &mut Csr, notices: &mut Vec<String>) {
    let mut empty = 0;
    for i in 0..x.n_obs {
        let row = &mut x.values[x.indptr[i]..x.indptr[i + 1]];
        let total: f64 = row.iter().map(|&v| f64::from(v)).sum();
        if row.is_empty() {
            empty += 1;
        }
        row.iter_mut()
            .for_each(|v| *v = (f64::from(*v) * TOTAL / total).ln_1p() as f32);
    }
    if empty > 0 {
        notices.push(format!("{empty} cells have no counts at all"));
    }
}

fn classes(column: &Column, name: &str, path: &str) -> Result<Task> {
    let (categories, codes) = match column {
        Column::Categorical { categories, codes } => (categories.clone(), codes.clone()),
        Column::Numeric(values) => whole_numbers(values, name, path)?,
    };
    let mut used = vec![false; categories.len()];
    codes
        .iter()
        .flatten()
        .for_each(|&c| used[c as usize] = true);
    let mut new = vec![MISSING; categories.len()];
    let mut classes = Vec::new();
    for (i, category) in categories.into_iter().enumerate().filter(|(i, _)| used[*i]) {
        new[i] = classes.len() as u32;
        classes.push(category);
    }
    if classes.len() < 2 {
        let found = classes.first().map_or("no value at all".to_string(), |c| {
            format!("one class, {c:?}")
        });
        return Err(DataError::new(
            format!("{path:?}: obs/{name} has {found}"),
            "a --label needs at least two classes",
        ));
    }
    let labels = codes
        .iter()
        .map(|c| c.map_or(MISSING, |c| new[c as usize]))
        .collect();
    Ok(Task {
        name: name.to_string(),
        kind: TaskKind::Classification { classes },
        targets: Targets::Classes(labels),
    })
}

/// A numeric column as classes, where it holds few whole numbers.
fn whole_numbers(
    values: &[f64],
    name: &str,
    path: &str,
) -> Result<(Vec<String>, Vec<Option<u32>>)> {
    let mut distinct: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    distinct.sort_unstable_by(f64::total_cmp);
    distinct.dedup();
    if distinct.iter().any(|v| v.fract() != 0.0) || distinct.len() > MAX_CLASSES {
        return Err(DataError::new(
            format!(
                "{path:?}: obs/{name} is numeric ({} values)",
                distinct.len()
            ),
            format!("use --regress {name} for numbers; a --label needs categories"),
        ));
    }
    let code = |v: &f64| {
        distinct
            .binary_search_by(|d| d.total_cmp(v))
            .ok()
            .map(|c| c as u32)
    };
    Ok((
        distinct.iter().map(|v| format!("{v}")).collect(),
        values.iter().map(code).collect(),
    ))
}

fn number(column: &Column, name: &str, path: &str) -> Result<Task> {
    let Column::Numeric(values) = column else {
        return Err(DataError::new(
            format!("{path:?}: obs/{name} is categorical"),
            format!("use --label {name} for classes"),
        ));
    };
    if let Some(i) = values.iter().position(|v| v.is_infinite()) {
        return Err(DataError::new(
            format!("{path:?}: obs/{name} is {} at row {i}", values[i]),
            "replace it by a number or leave it empty",
        ));
    }
    let known: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    if known.iter().all(|&v| v == known[0]) {
        return Err(DataError::new(
            format!("{path:?}: obs/{name} has no two different numbers"),
            "a --regress needs numbers that vary",
        ));
    }
    let targets = Targets::Values(values.iter().map(|&v| v as f32).collect());
    // the split sets mean and standard deviation from the training cells
    Ok(Task {
        name: name.to_string(),
        kind: TaskKind::Regression { mean: 0.0, sd: 1.0 },
        targets,
    })
}
