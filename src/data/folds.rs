//! Splits that leave one group of cells out at a time, for cross-validation.
use super::assign::{by_strata, column, strata};
use super::cells::Targets;
use super::dataset::Column;
use super::prepare::Prepared;
use super::random::SplitMix;
use super::split::SplitSettings;
use crate::error::DataError;
use crate::ops::MISSING;

/// The column that holds a fold's split: no column of a file that was read for something else.
const COLUMN: &str = "fold of --cross-validate";

/// One group and the split that leaves it out.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// Name of the group.
    pub group: String,
    /// Which rows of the file are its cells; they and some of the others are tested on.
    pub members: Vec<bool>,
    /// `train`, `validation` or `test` for every cell that takes part.
    sides: Column,
}

impl Fold {
    /// The data and settings of a run that leaves the group out.
    #[must_use]
    pub fn apply(&self, mut prepared: Prepared, base: &SplitSettings) -> (Prepared, SplitSettings) {
        prepared.columns.insert(COLUMN.into(), self.sides.clone());
        let settings = SplitSettings {
            split_by: Some(COLUMN.into()),
            group_by: None,
            ..base.clone()
        };
        (prepared, settings)
    }
}

/// A fold for every value of `name`: its labelled cells test, those of the other values are split at
/// random as the settings' fractions say. Cells without a value take no part.
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
    let (mut folds, parts) = (Vec::new(), ["train", "validation", "test"]);
    for (group, name) in names.iter().enumerate() {
        let inside = |cell: &u32| codes[*cell as usize] as usize == group;
        let mut others: Vec<u32> = cells.iter().copied().filter(|c| !inside(c)).collect();
        SplitMix::new(settings.seed).shuffle(&mut others);
        let sides = by_strata(&strata(&others, tasks, settings.stratify), settings);
        let mut members = vec![false; codes.len()];
        let own = cells.iter().filter(|c| inside(c));
        own.clone().for_each(|&c| members[c as usize] = true);
        if own.clone().count() == 0 || others.is_empty() {
            continue;
        }
        let mut of = vec![None; codes.len()];
        let test = sides.test.iter().chain(own);
        for (code, rows) in [
            (0, &sides.train),
            (1, &sides.validation),
            (2, &test.copied().collect()),
        ] {
            rows.iter().for_each(|&r| of[r as usize] = Some(code));
        }
        folds.push(Fold {
            group: name.clone(),
            members,
            sides: Column::Categorical {
                categories: parts.map(String::from).into(),
                codes: of,
            },
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
