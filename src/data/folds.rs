//! Splits that leave one group of cells out at a time, for cross-validation.
use super::assign::{Assignment, by_strata, column, grouped, may_train, parts, strata};
use super::cells::Task;
use super::dataset::Column;
use super::prepare::Prepared;
use super::random::SplitMix;
use super::rare::{self, RareClasses};
use super::split::SplitSettings;
use crate::error::DataError;
use crate::ops::MISSING;
use std::collections::HashSet;
use std::sync::Arc;

/// The column that holds a fold's split: no column of a file that was read for something else.
const COLUMN: &str = "fold of --cross-validate";

/// One group and the split that leaves it out.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// Name of the group.
    pub group: String,
    /// Which rows of the file are its cells; they and some of the others are tested on.
    pub members: Vec<bool>,
    /// Labels with rare classes as the whole data have them, where any were dropped or merged.
    tasks: Option<Arc<Vec<Task>>>,
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
        if let Some(tasks) = &self.tasks {
            prepared.tasks.clone_from(tasks);
        }
        let settings = SplitSettings {
            split_by: Some(COLUMN.into()),
            group_by: None,
            batch: base.batch.clone().filter(|_| !self.one_batch),
            rare_classes: RareClasses::Keep,
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
    let mut handled = None;
    if settings.rare_classes != RareClasses::Keep {
        // which classes there are is the same in every fold, and as in the run beside them
        let mut tasks = prepared.tasks.clone();
        let (needed, groups) = parts(&prepared.columns, settings)?;
        let all: Vec<u32> = (0..codes.len() as u32).collect();
        let cells = may_train(&all, &prepared.columns, settings)?;
        let (choice, mut told) = (settings.rare_classes, Vec::new());
        rare::handle(
            &mut tasks,
            &cells,
            needed,
            groups.as_deref(),
            choice,
            &mut told,
        )?;
        handled = Some(Arc::new(tasks));
    }
    let tasks = handled.as_deref().unwrap_or(&prepared.tasks);
    let labelled = |i: usize| settings.unlabelled || tasks.iter().any(|t| t.targets.has(i));
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
    let (mut folds, sides_of) = (Vec::new(), ["train", "validation", "test"]);
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
                let own = own.clone().map(|&c| of[c as usize]);
                let own: HashSet<u32> = own.filter(|&g| g != MISSING).collect();
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
                categories: sides_of.map(String::from).into(),
                codes: of,
            }
        };
        folds.push(Fold {
            group: name.clone(),
            members,
            tasks: handled.clone(),
            one_batch,
            notices,
            sides: sides.map(column),
        });
    }
    if folds.len() < 2 {
        return Err(DataError::new(
            format!(
                "{}: the labelled cells can be left out by {} values of {name:?} (--cross-validate)",
                prepared.path,
                folds.len()
            ),
            "name a column with two values or more, such as the donor",
        ));
    }
    Ok(folds)
}
