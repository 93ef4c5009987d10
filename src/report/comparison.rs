//! Several panels under one split, side by side.
use super::summary::Summary;
use crate::error::OutputError;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// A panel, as the user named it, and its results.
pub type Row = (String, Summary);

/// A panel in the JSON object.
#[derive(Debug, Serialize)]
pub struct Entry<'a> {
    /// As the user named it.
    pub given: &'a str,
    /// Its results, as those of a run.
    #[serde(flatten)]
    pub summary: &'a Summary,
}

/// All panels as one JSON object.
#[derive(Debug, Serialize)]
pub struct Object<'a> {
    /// In the order of the command line.
    pub panels: Vec<Entry<'a>>,
}

/// The object that `--json` prints.
#[must_use]
pub fn object(rows: &[Row]) -> Object<'_> {
    Object {
        panels: rows.iter().map(entry).collect(),
    }
}

fn entry((given, summary): &Row) -> Entry<'_> {
    Entry { given, summary }
}

/// Names of the figures, and those of each panel: measures of every task, and the validation's.
fn figures(rows: &[Row]) -> (Vec<String>, Vec<Vec<f64>>) {
    let of = |(_, summary): &Row| -> Vec<(String, f64)> {
        let several = summary.tasks.len() > 1;
        let mut all = Vec::new();
        for task in &summary.tasks {
            for (measure, value) in task.all_measures() {
                let name = if several {
                    format!("{}_{measure}", task.name())
                } else {
                    measure.to_owned()
                };
                all.push((name, value));
            }
        }
        all
    };
    let all: Vec<Vec<(String, f64)>> = rows.iter().map(of).collect();
    let names = all.first().into_iter().flatten().map(|f| f.0.clone());
    let values = all.iter().map(|row| row.iter().map(|f| f.1).collect());
    (names.collect(), values.collect())
}

/// `comparison.csv`: a row a panel, with its genes and every figure of the test cells.
///
/// # Errors
/// None in practice: it is written to memory.
pub fn csv(rows: &[Row]) -> Result<Vec<u8>, OutputError> {
    let (names, values) = figures(rows);
    let write = || -> csv::Result<Vec<u8>> {
        let mut out = csv::Writer::from_writer(Vec::new());
        let head = ["panel", "genes"].map(String::from);
        out.write_record(head.iter().chain(&names))?;
        for ((given, summary), values) in rows.iter().zip(&values) {
            let mut row = vec![given.clone(), summary.panel.len().to_string()];
            row.extend(values.iter().map(|v| match v.is_finite() {
                true => v.to_string(),
                false => String::new(),
            }));
            out.write_record(&row)?;
        }
        out.into_inner().map_err(|e| e.into_error().into())
    };
    write().map_err(|e| {
        OutputError::new(
            format!("the comparison could not be put into words: {e}"),
            "report this as a bug",
        )
    })
}

/// The table for a person.
#[must_use]
pub fn text(rows: &[Row], out: &Path) -> String {
    let (names, values) = figures(rows);
    let mut s = String::new();
    // writing to a string does not fail
    if let Some((_, first)) = rows.first() {
        let d = &first.data;
        let _ = writeln!(
            s,
            "{}: {} cells x {} genes; {} train, {} validation, {} test cells\n",
            d.path, d.n_obs, d.n_vars, d.train, d.validation, d.test
        );
    }
    let widest = rows.iter().map(|r| r.0.chars().count()).max().unwrap_or(0);
    let first = widest.max("panel".len());
    let _ = write!(s, "{:<first$}  genes", "panel");
    names.iter().for_each(|n| s += &format!("  {n:>9}"));
    s.push('\n');
    for ((given, summary), values) in rows.iter().zip(&values) {
        let _ = write!(s, "{given:<first$}  {:>5}", summary.panel.len());
        for (name, value) in names.iter().zip(values) {
            let width = name.chars().count().max(9);
            let figure = if value.is_finite() {
                format!("{value:.3}")
            } else {
                "-".into()
            };
            let _ = write!(s, "  {figure:>width$}");
        }
        s.push('\n');
    }
    let device = rows.first().map_or("", |r| r.1.device.name.as_str());
    let _ = writeln!(s, "\non {device}; results in {}", out.display());
    s
}
