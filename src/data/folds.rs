//! Splits that leave one group of cells out at a time, for cross-validation.
use super::assign::{Assignment, by_strata, column, grouped, strata};
use super::cells::Targets;
use super::dataset::Column;
use super::prepare::Prepared;
use super::random::SplitMix;
use super::split::SplitSettings;
use crate::error::DataError;
use crate::ops::MISSING;
use std::collections::HashSet;

/// The column that holds a fold's split: no column of a file that was read for something else.
const COLUMN: &str = "fold of --cross-validate";

/// One group and the split that leaves it out.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// Name of the group.
    pub group: String,
    /// Which rows of the file are its cells; they and some of the others are tested on.
    pub members: Vec<bool>,
    /// Whether its training cells are of one batch: then there is none to hold across.
    one_batch: bool,
    /// What the user should know of it.
    pub notices: Vec<String>,
    /// `train`, `validation` or `test` for every cell that takes part; or why the others cannot be split.
    sides: Result<Column, String>,
}

impl Fold {
    /// The data and settings of a run that leaves the group out.
    ///
    /// # Errors
    /// Why the other cells cannot be split.
    pub fn apply(
        &self,
        mut prepared: Prepared,
        base: &SplitSettings,
    ) -> Result<(Prepared, SplitSettings), String> {
        prepared.columns.insert(COLUMN.into(), self.sides.clone()?);
        let settings = SplitSettings {
            split_by: Some(COLUMN.into()),
            group_by: None,
            batch: base.batch.clone().filter(|_| !self.one_batch),
            ..base.clone()
        };
        Ok((prepared, settings))
    }
}

/// A fold for every value of `name`: its labelled cells test, those of the other values are split at
/// random as the settings' fractions say; with `group_by` (another column) by its groups, without the cells of those that
/// the fold's own cells are of. Cells without a value take no part.
///
/// # Errors
/// A [`DataError`]: a column of numbers that are no groups, fewer than two groups.
pub fn leave_one_out(
    prepared: &Prepared,
    name: &str,
    settings: &SplitSettings,
) -> Result<Vec<Fold>, DataError> {
    let (names, codes, _) = column(&prepared.columns, name, "--cross-validate")?;
    let tasks = &prepared.tasks;
    let labelled = |i: usize| {
        settings.unlabelled
            || tasks.iter().any(|t| match &t.targets {
                Targets::Classes(codes) => codes[i] != MISSING,
                Targets::Values(values) => !values[i].is_nan(),
            })
    };
    let cells: Vec<u32> = (0..codes.len())
        .filter(|&i| codes[i] != MISSING && labelled(i))
        .map(|i| i as u32)
        .collect();
    // groups of the same column are left out as a whole; of the others, which are trained on, some cells test
    let kept_together = match settings.group_by.as_deref().filter(|by| *by != name) {
        Some(by) => Some((by, column(&prepared.columns, by, "--group-by")?.1)),
        None => None,
    };
    let batch = match settings.batch.as_deref() {
        Some(by) => Some(column(&prepared.columns, by, "--batch")?.1),
        None => None,
    };
    let (mut folds, parts) = (Vec::new(), ["train", "validation", "test"]);
    for (group, name) in names.iter().enumerate() {
        let inside = |cell: &u32| codes[*cell as usize] as usize == group;
        let mut others: Vec<u32> = cells.iter().copied().filter(|c| !inside(c)).collect();
        let mut notices = Vec::new();
        let mut members = vec![false; codes.len()];
        let own = cells.iter().filter(|c| inside(c));
        own.clone().for_each(|&c| members[c as usize] = true);
        if own.clone().count() == 0 || others.is_empty() {
            continue;
        }
        let mut random = SplitMix::new(settings.seed);
        let sides = match &kept_together {
            Some((by, of)) => {
                let own: HashSet<u32> = own.clone().map(|&c| of[c as usize]).collect();
                let before = others.len();
                others.retain(|&c| !own.contains(&of[c as usize]));
                if others.len() < before {
                    notices.push(format!(
                        "{} other cells are left out: the group has cells of the same {by} (--group-by)",
                        before - others.len()
                    ));
                }
                grouped(
                    &others,
                    by,
                    &prepared.columns,
                    settings,
                    &mut random,
                    &mut notices,
                )
                .map_err(|e| e.what)
            }
            None => {
                random.shuffle(&mut others);
                Ok(by_strata(
                    &strata(&others, tasks, settings.stratify),
                    settings,
                ))
            }
        };
        let batches = |train: &[u32]| match &batch {
            Some(of) => train
                .iter()
                .map(|&c| of[c as usize])
                .collect::<HashSet<u32>>()
                .len(),
            None => 0,
        };
        let one_batch = sides.as_ref().is_ok_and(|s| batches(&s.train) == 1);
        if one_batch {
            notices
                .push("its training cells are of one batch: it is trained without --batch".into());
        }
        let column = |sides: Assignment| {
            let mut of = vec![None; codes.len()];
            let all = [(0, sides.train), (1, sides.validation), (2, sides.test)];
            for (code, rows) in all {
                rows.iter().for_each(|&r| of[r as usize] = Some(code));
            }
            own.for_each(|&r| of[r as usize] = Some(2));
            Column::Categorical {
                categories: parts.map(String::from).into(),
                codes: of,
            }
        };
        folds.push(Fold {
            group: name.clone(),
            members,
            one_batch,
            notices,
            sides: sides.map(column),
        });
    }
    if folds.len() < 2 {
        return Err(DataError::new(
            format!(
                "{}: the labelled cells have {} values of {name:?} (--cross-validate)",
                prepared.path,
                names.len().min(1)
            ),
            "name a column with two values or more, such as the donor",
        ));
    }
    Ok(folds)
}
