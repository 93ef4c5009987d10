//! Which cells train, validate and test: at random, by groups, or as a column says.
use super::cells::{Targets, Task};
use super::dataset::Column;
use super::labels;
use super::random::SplitMix;
use super::split::SplitSettings;
use crate::error::DataError;
use crate::ops::MISSING;
use std::collections::BTreeMap;

type Result<T> = std::result::Result<T, DataError>;

/// Rows of each side, ascending.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    pub(super) train: Vec<u32>,
    pub(super) validation: Vec<u32>,
    pub(super) test: Vec<u32>,
}

impl Assignment {
    /// Cells on any side.
    pub(super) fn len(&self) -> usize {
        self.train.len() + self.validation.len() + self.test.len()
    }
}

/// Parts that a class must be in, and the group of each cell where groups are kept together.
pub(super) fn parts(
    columns: &BTreeMap<String, Column>,
    settings: &SplitSettings,
) -> Result<(usize, Option<Vec<u32>>)> {
    let fractions = [settings.test_fraction, settings.validation_fraction];
    let needed = 1 + fractions.iter().filter(|f| **f > 0.0).count();
    match &settings.group_by {
        _ if settings.split_by.is_some() => Ok((1, None)),
        Some(name) => Ok((needed, Some(column(columns, name, "--group-by")?.1))),
        None => Ok((needed, None)),
    }
}

/// Of these cells the ones that a given split trains on; all where none is given.
pub(super) fn may_train(
    cells: &[u32],
    columns: &BTreeMap<String, Column>,
    settings: &SplitSettings,
) -> Result<Vec<u32>> {
    match &settings.split_by {
        Some(name) => Ok(given(cells, name, columns, &mut Vec::new())?.train),
        None => Ok(cells.to_vec()),
    }
}

/// Assigns every cell of `cells`.
pub(super) fn assign(
    mut cells: Vec<u32>,
    tasks: &[Task],
    columns: &BTreeMap<String, Column>,
    settings: &SplitSettings,
    notices: &mut Vec<String>,
) -> Result<Assignment> {
    let mut sides = if let Some(name) = &settings.split_by {
        given(&cells, name, columns, notices)?
    } else {
        fractions(settings)?;
        let mut random = SplitMix::new(settings.seed);
        if let Some(name) = &settings.group_by {
            grouped(&cells, name, columns, settings, &mut random, notices)?
        } else {
            random.shuffle(&mut cells);
            by_strata(&strata(&cells, tasks, settings.stratify), settings)
        }
    };
    if sides.train.is_empty() {
        return Err(DataError::new(
            format!("no cell is left to train on, of {} labelled", cells.len()),
            "lower --test-fraction and --validation-fraction, or give more cells",
        ));
    }
    for side in [&mut sides.train, &mut sides.validation, &mut sides.test] {
        side.sort_unstable();
    }
    Ok(sides)
}

fn fractions(settings: &SplitSettings) -> Result<()> {
    let (test, validation) = (settings.test_fraction, settings.validation_fraction);
    for (flag, f) in [
        ("--test-fraction", test),
        ("--validation-fraction", validation),
    ] {
        if !(0.0..1.0).contains(&f) {
            return Err(DataError::new(
                format!("{flag} is {f}"),
                "give a share of the cells, at least 0 and below 1",
            ));
        }
    }
    if test + validation >= 1.0 {
        return Err(DataError::new(
            format!(
                "--test-fraction {test} and --validation-fraction {validation} leave no cell to train on"
            ),
            "let them add up to less than 1",
        ));
    }
    Ok(())
}

/// Cells by class of the first classification, those without one apart; one stratum otherwise.
pub(super) fn strata(cells: &[u32], tasks: &[Task], stratify: bool) -> Vec<Vec<u32>> {
    let codes = tasks.iter().find_map(|t| match &t.targets {
        Targets::Classes(codes) if stratify => Some(codes),
        _ => None,
    });
    let mut strata: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for &cell in cells {
        let class = codes.map_or(MISSING, |codes| codes[cell as usize]);
        strata.entry(class).or_default().push(cell);
    }
    strata.into_values().collect()
}

/// Cells that a share stands for: rounded, but one at least where there are three cells.
fn target(n: usize, fraction: f64) -> usize {
    let rounded = (n as f64 * fraction).round() as usize;
    if fraction > 0.0 && n >= 3 {
        rounded.max(1)
    } else {
        rounded
    }
}

/// Shares of `total` in proportion to `sizes`, by largest remainder (ties to the earlier),
/// none above its cap.
fn largest_remainder(sizes: &[usize], caps: &[usize], total: usize) -> Vec<usize> {
    let all: usize = sizes.iter().sum();
    let quota: Vec<f64> = sizes
        .iter()
        .map(|s| *s as f64 * total as f64 / all.max(1) as f64)
        .collect();
    let mut share: Vec<usize> = quota
        .iter()
        .zip(caps)
        .map(|(q, cap)| (q.floor() as usize).min(*cap))
        .collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|a, b| {
        let rest = |i: usize| quota[i] - quota[i].floor();
        rest(*b).total_cmp(&rest(*a)).then(a.cmp(b))
    });
    let mut left = total.saturating_sub(share.iter().sum());
    while left > 0 {
        let before = left;
        for &i in &order {
            if left > 0 && share[i] < caps[i] {
                share[i] += 1;
                left -= 1;
            }
        }
        if left == before {
            break;
        }
    }
    share
}

/// Splits each stratum (already shuffled); each keeps a training cell.
pub(super) fn by_strata(strata: &[Vec<u32>], settings: &SplitSettings) -> Assignment {
    let sizes: Vec<usize> = strata.iter().map(Vec::len).collect();
    let n = sizes.iter().sum();
    let caps: Vec<usize> = sizes.iter().map(|s| s.saturating_sub(1)).collect();
    let test = largest_remainder(&sizes, &caps, target(n, settings.test_fraction));
    let caps: Vec<usize> = caps.iter().zip(&test).map(|(c, t)| c - t).collect();
    let validation = largest_remainder(&sizes, &caps, target(n, settings.validation_fraction));
    let mut sides = Assignment::default();
    for ((stratum, t), v) in strata.iter().zip(test).zip(validation) {
        sides.test.extend(&stratum[..t]);
        sides.validation.extend(&stratum[t..t + v]);
        sides.train.extend(&stratum[t + v..]);
    }
    sides
}

pub(super) fn column<'a>(
    columns: &'a BTreeMap<String, Column>,
    name: &str,
    flag: &str,
) -> Result<(Vec<String>, Vec<u32>, &'a Column)> {
    let column = columns.get(name).ok_or_else(|| {
        DataError::new(
            format!("the obs column {name:?} of {flag} was not read"),
            "this is a fault of yoto-gpu: please report it",
        )
    })?;
    let (names, codes) = labels::classes(column).ok_or_else(|| {
        DataError::new(
            format!("the obs column {name:?} of {flag} holds numbers, not groups"),
            format!("name a categorical column with {flag}"),
        )
    })?;
    Ok((names, codes, column))
}

/// Whole groups to the sides, in shuffled order, while each brings a side nearer to its share.
pub(super) fn grouped(
    cells: &[u32],
    name: &str,
    columns: &BTreeMap<String, Column>,
    settings: &SplitSettings,
    random: &mut SplitMix,
    notices: &mut Vec<String>,
) -> Result<Assignment> {
    let (names, codes, _) = column(columns, name, "--group-by")?;
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); names.len()];
    let mut without = 0;
    for &cell in cells {
        match codes[cell as usize] {
            MISSING => without += 1,
            group => members[group as usize].push(cell),
        }
    }
    if without > 0 {
        notices.push(format!(
            "{without} cells have no value of {name:?} (--group-by) and are left out"
        ));
    }
    members.retain(|m| !m.is_empty());
    let wanted = [settings.test_fraction, settings.validation_fraction];
    let needed = 1 + wanted.iter().filter(|f| **f > 0.0).count();
    if members.len() < needed {
        return Err(DataError::new(
            format!(
                "{name:?} (--group-by) has {} groups, but training, validation and test need {needed}",
                members.len()
            ),
            "use a column with more groups, or --validation-fraction 0",
        ));
    }
    random.shuffle(&mut members);
    let n: usize = members.iter().map(Vec::len).sum();
    let mut sides = Assignment::default();
    // groups that must stay for the sides that come later
    let mut reserve = needed - 1;
    for (side, fraction) in [&mut sides.test, &mut sides.validation]
        .into_iter()
        .zip(wanted)
    {
        if fraction > 0.0 {
            take_groups(&mut members, side, n as f64 * fraction, reserve);
            reserve -= 1;
        }
    }
    sides.train = members.concat();
    Ok(sides)
}

/// Moves at least one group to `side`, and others while they bring it nearer to `want` cells.
fn take_groups(groups: &mut Vec<Vec<u32>>, side: &mut Vec<u32>, want: f64, reserve: usize) {
    let mut at = 0;
    while at < groups.len() && groups.len() > reserve {
        let now = (side.len() as f64 - want).abs();
        let then = ((side.len() + groups[at].len()) as f64 - want).abs();
        if then < now {
            side.extend(groups.remove(at));
        } else {
            at += 1;
        }
    }
    if side.is_empty() {
        let smallest = (0..groups.len()).min_by_key(|i| groups[*i].len());
        if let Some(i) = smallest {
            side.extend(groups.remove(i));
        }
    }
}

/// Sides as a column names them.
fn given(
    cells: &[u32],
    name: &str,
    columns: &BTreeMap<String, Column>,
    notices: &mut Vec<String>,
) -> Result<Assignment> {
    let (names, codes, _) = column(columns, name, "--split-by")?;
    let mut sides = Assignment::default();
    let mut other = 0;
    for &cell in cells {
        let code = codes[cell as usize] as usize;
        let side = names.get(code).map(|s| s.trim().to_lowercase());
        match side.as_deref() {
            Some("train" | "training") => sides.train.push(cell),
            Some("validation" | "val" | "valid") => sides.validation.push(cell),
            Some("test") => sides.test.push(cell),
            _ => other += 1,
        }
    }
    if sides.train.is_empty() {
        let shown: Vec<String> = names.iter().take(5).map(|n| format!("{n:?}")).collect();
        return Err(DataError::new(
            format!(
                "no labelled cell has the value \"train\" in {name:?} (--split-by); it holds {}",
                shown.join(", ")
            ),
            "name a column with --split-by whose values are train, validation and test",
        ));
    }
    if other > 0 {
        notices.push(format!(
            "{other} cells are neither train, validation nor test in {name:?} (--split-by) and are left out"
        ));
    }
    Ok(sides)
}
