//! Labels from a table of their own, by cell name.
use super::input::Result;
use super::table::{bad, reader, typed};
use super::values::Values;
use crate::error::DataError;
use csv::StringRecord;
use std::collections::HashMap;
use std::path::Path;

/// The columns of the table, in the order of the cells.
pub(crate) struct LabelFile {
    columns: Vec<(String, Values)>,
    /// How many cells have a row.
    pub(crate) notice: String,
}

impl LabelFile {
    /// Reads a table whose rows are named by the first column that holds names of cells.
    pub(crate) fn read(path: &Path, obs_names: &[String]) -> Result<Self> {
        let (mut reader, mut header) = reader(path)?;
        let mut rows: Vec<StringRecord> = Vec::new();
        for row in reader.records() {
            rows.push(row.map_err(|e| bad(path, &e))?);
        }
        // R leaves the name of the first column out
        if rows.first().is_some_and(|r| r.len() == header.len() + 1) {
            header.insert(0, String::new());
        }
        let mut place: HashMap<&str, Vec<usize>> = HashMap::new();
        for (i, name) in obs_names.iter().enumerate() {
            place.entry(name).or_default().push(i);
        }
        let hits = |c: usize| {
            let named = rows
                .iter()
                .filter(|r| r.get(c).is_some_and(|f| place.contains_key(f.trim())));
            named.count()
        };
        let (matched, key) = (0..header.len())
            .map(|c| (hits(c), c))
            .max_by_key(|(n, c)| (*n, std::cmp::Reverse(*c)))
            .unwrap_or_default();
        let shown = path.display();
        if matched == 0 {
            let theirs = rows.first().and_then(|r| r.get(0)).unwrap_or_default();
            let ours = obs_names.first().map_or("", String::as_str);
            return Err(DataError::new(
                format!("{shown}: no row is named as a cell of the data is"),
                format!(
                    "cells are named such as {ours:?}, rows such as {theirs:?}: the names must be equal"
                ),
            ));
        }
        let mut fields: Vec<Vec<String>> = vec![vec![String::new(); obs_names.len()]; header.len()];
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (i, row) in rows.iter().enumerate() {
            let name = row.get(key).unwrap_or_default().trim();
            if let Some(first) = seen.insert(name, i)
                && place.contains_key(name)
                && rows[first] != *row
            {
                return Err(DataError::new(
                    format!("{shown}: the cell {name:?} has two rows with different values"),
                    "keep one row a cell",
                ));
            }
            for cell in place.get(name).into_iter().flatten() {
                for (column, field) in fields.iter_mut().zip(row) {
                    column[*cell] = field.trim().to_owned();
                }
            }
        }
        let cells = obs_names
            .iter()
            .filter(|n| seen.contains_key(n.as_str()))
            .count();
        let foreign = seen.len() - place.keys().filter(|n| seen.contains_key(*n)).count();
        let notice = format!(
            "{shown}: {cells} of {} cells have a row{}",
            obs_names.len(),
            match foreign {
                0 => String::new(),
                n => format!("; {n} rows are of cells that are not in the data"),
            }
        );
        let all = header.into_iter().zip(fields).enumerate();
        let columns = all
            .filter(|(i, _)| *i != key)
            .map(|(_, (h, f))| (h, typed(f)));
        Ok(Self {
            columns: columns.collect(),
            notice,
        })
    }

    /// A column.
    pub(crate) fn column(&self, name: &str) -> Option<&Values> {
        self.columns.iter().find(|c| c.0 == name).map(|c| &c.1)
    }
    /// Names of the columns.
    pub(crate) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|c| c.0.clone()).collect()
    }
}
