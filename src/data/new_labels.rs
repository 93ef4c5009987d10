//! Labels of new cells for the tasks of a model that was trained elsewhere.
use super::cells::{Targets, TaskKind};
use super::dataset::Column;
use super::genes::listed;
use super::input::Result;
use super::labels;
use crate::error::DataError;
use crate::ops::MISSING;

/// The labels of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct NewLabels {
    /// Codes of the model's classes or values; missing where the cell has no label, or one that training
    /// never saw.
    pub targets: Targets,
    /// Labels that training never saw, and the cells that have them.
    pub unseen: Vec<(String, Vec<u32>)>,
    /// Cells without a label.
    pub unlabelled: usize,
}

/// The labels in a column of `obs` for a task of the model.
///
/// # Errors
/// A column of another kind than the task, or without a label that the model knows.
pub fn new_labels(name: &str, column: &Column, kind: &TaskKind) -> Result<NewLabels> {
    let TaskKind::Classification { classes } = kind else {
        let targets = labels::regression(name, column)?.targets;
        let unlabelled = match &targets {
            Targets::Values(v) => v.iter().filter(|v| v.is_nan()).count(),
            Targets::Classes(_) => 0,
        };
        return Ok(NewLabels {
            targets,
            unseen: Vec::new(),
            unlabelled,
        });
    };
    let Some((names, codes)) = labels::classes(column) else {
        return Err(DataError::new(
            format!("the obs column {name:?} holds numbers, not classes"),
            "name the column with the labels: --label TASK=COLUMN",
        ));
    };
    let place = |n: &String| classes.iter().position(|c| c == n);
    let of: Vec<Option<usize>> = names.iter().map(place).collect();
    if of.iter().all(Option::is_none) {
        let found = if names.is_empty() {
            "has no value for any cell".to_owned()
        } else {
            format!("has no label that the model knows: {}", listed(&names))
        };
        return Err(DataError::new(
            format!("the obs column {name:?} {found}"),
            format!("the model knows: {}", listed(classes)),
        ));
    }
    let mut cells_of = vec![Vec::new(); names.len()];
    for (cell, &code) in (0u32..).zip(&codes) {
        if let Some(cells) = cells_of.get_mut(code as usize) {
            cells.push(cell);
        }
    }
    let all = names.into_iter().zip(cells_of).zip(&of);
    let unseen = all.filter(|(_, known)| known.is_none());
    let unseen = unseen.map(|(one, _)| one).collect();
    let code = |c: &u32| {
        let known = of.get(*c as usize).copied().flatten();
        known.map_or(MISSING, |k| k as u32)
    };
    Ok(NewLabels {
        unlabelled: codes.iter().filter(|c| **c == MISSING).count(),
        targets: Targets::Classes(codes.iter().map(code).collect()),
        unseen,
    })
}
