//! Classes with too few cells (or donors) to be in every part of a split.
use super::cells::{Targets, Task, TaskKind};
use crate::error::DataError;
use crate::ops::MISSING;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What becomes of a class that is too small for the split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RareClasses {
    /// Its cells lose their label.
    Drop,
    /// All of them become one class, `other`; dropped where that is too small too.
    Merge,
    /// It stays.
    #[default]
    Keep,
}

/// A class that was too small.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RareClass {
    /// Column of `obs`.
    pub task: String,
    /// Class.
    pub class: String,
    /// Its cells (of those that could be used).
    pub cells: usize,
    /// `dropped`, `merged` or `kept`.
    pub handled: &'static str,
}

/// Finds the classes of every task that have fewer than `needed` members among `cells`, and does
/// with them as `choice` says. A member is a cell, or a group where cells come in `groups`.
///
/// # Errors
/// A [`DataError`] where fewer than two classes would be left.
pub(super) fn handle(
    tasks: &mut [Task],
    cells: &[u32],
    needed: usize,
    groups: Option<&[u32]>,
    choice: RareClasses,
    notices: &mut Vec<String>,
) -> Result<Vec<RareClass>, DataError> {
    let mut found = Vec::new();
    for task in tasks {
        let (TaskKind::Classification { classes }, Targets::Classes(codes)) =
            (&mut task.kind, &mut task.targets)
        else {
            continue;
        };
        let (sizes, members) = count(codes, cells, classes.len(), groups);
        let small: Vec<usize> = (0..classes.len())
            .filter(|c| members[*c] < needed)
            .collect();
        if small.is_empty() {
            continue;
        }
        let together: usize = small.iter().map(|c| members[*c]).sum();
        let handled = match choice {
            RareClasses::Keep => "kept",
            RareClasses::Merge if together >= needed && small.len() > 1 => "merged",
            RareClasses::Drop | RareClasses::Merge => "dropped",
        };
        let list = |c: &usize| format!("{:?} ({})", classes[*c], sizes[*c]);
        let shown: Vec<String> = small.iter().take(8).map(list).collect();
        let more = small.len() - shown.len();
        notices.push(format!(
            "label {:?}: {} of {} classes have fewer than {needed} {} and cannot be in every part of \
             the split; {handled} (--rare-classes): {}{}",
            task.name,
            small.len(),
            classes.len(),
            if groups.is_some() { "groups" } else { "cells" },
            shown.join(", "),
            if more > 0 { format!(" and {more} more") } else { String::new() }
        ));
        found.extend(small.iter().map(|&c| RareClass {
            task: task.name.clone(),
            class: classes[c].clone(),
            cells: sizes[c],
            handled,
        }));
        if handled == "kept" {
            continue;
        }
        let names = std::mem::take(classes);
        let mut map = vec![MISSING; names.len()];
        for (c, name) in names.iter().enumerate().filter(|(c, _)| !small.contains(c)) {
            map[c] = classes.len() as u32;
            classes.push(name.clone());
        }
        if handled == "merged" {
            let other = classes.len() as u32;
            small.iter().for_each(|&c| map[c] = other);
            classes.push(unused("other", classes));
        }
        if classes.len() < 2 {
            return Err(DataError::new(
                format!(
                    "label {:?}: {} classes are left of {} when those with fewer than {needed} are {handled}",
                    task.name,
                    classes.len(),
                    names.len()
                ),
                "use --rare-classes keep, or a label with larger classes",
            ));
        }
        for code in codes.iter_mut().filter(|c| **c != MISSING) {
            *code = map[*code as usize];
        }
    }
    Ok(found)
}

/// Cells of each class, and their cells or distinct groups.
fn count(
    codes: &[u32],
    cells: &[u32],
    n_classes: usize,
    groups: Option<&[u32]>,
) -> (Vec<usize>, Vec<usize>) {
    let mut sizes = vec![0; n_classes];
    let mut seen: Vec<HashSet<u32>> = vec![HashSet::new(); n_classes];
    for &cell in cells {
        let class = codes[cell as usize];
        if class == MISSING {
            continue;
        }
        sizes[class as usize] += 1;
        if let Some(groups) = groups {
            seen[class as usize].insert(groups[cell as usize]);
        }
    }
    let members = match groups {
        Some(_) => seen.iter().map(HashSet::len).collect(),
        None => sizes.clone(),
    };
    (sizes, members)
}

/// `name`, or `name-1`, ... where that is taken.
fn unused(name: &str, taken: &[String]) -> String {
    let mut candidate = name.to_owned();
    let mut n = 0;
    while taken.contains(&candidate) {
        n += 1;
        candidate = format!("{name}-{n}");
    }
    candidate
}
