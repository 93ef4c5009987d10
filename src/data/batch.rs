//! The batches of `--batch`.
use super::assign;
use super::cells::Batches;
use super::dataset::Column;
use crate::error::DataError;
use crate::ops::MISSING;
use std::collections::BTreeMap;

/// The batch of every cell of the file; cells without one are a batch of their own.
pub(super) fn batches(
    columns: &BTreeMap<String, Column>,
    name: &str,
    training: &[u32],
    notices: &mut Vec<String>,
) -> Result<Batches, DataError> {
    let (mut names, mut of, _) = assign::column(columns, name, "--batch")?;
    let without = of.iter().filter(|b| **b == MISSING).count();
    if without > 0 {
        let own = names.len() as u32;
        names.push("(none)".into());
        of.iter_mut()
            .filter(|b| **b == MISSING)
            .for_each(|b| *b = own);
        notices.push(format!(
            "{without} cells have no value of {name:?} (--batch) and count as a batch of their own"
        ));
    }
    let mut seen = vec![false; names.len()];
    training
        .iter()
        .for_each(|r| seen[of[*r as usize] as usize] = true);
    if seen.iter().filter(|s| **s).count() < 2 {
        return Err(DataError::new(
            format!("the training cells have one value of {name:?} (--batch)"),
            "name a column with two batches or more, or leave --batch out",
        ));
    }
    Ok(Batches {
        column: name.into(),
        names,
        of,
    })
}
