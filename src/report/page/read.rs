//! `report.json` back from the folder of a run.
use super::data::{KIND, Kind, Report, SCHEMA_VERSION};
use super::{FILE, PAGE};
use crate::error::DataError;
use serde_json::Value;
use std::path::Path;

/// Reads the report of a run.
///
/// # Errors
/// A path that is no folder of a run, one that an earlier version wrote, a file that is damaged or of
/// another version of the fields.
pub fn read(run: &Path) -> Result<Report, DataError> {
    let shown = run.display();
    let path = run.join(FILE);
    let named = path.display();
    if !run.is_dir() {
        let what = if run.exists() {
            "is a file, not the folder of a run"
        } else {
            "is not there"
        };
        return Err(DataError::new(
            format!("{shown} {what}"),
            "give the folder that `yoto-gpu train --out` wrote",
        ));
    }
    let bytes = std::fs::read(&path).map_err(|e| absent(run, &e))?;
    let again = "bring the file back from a copy, or train again";
    let broken = |what: String| DataError::new(format!("{named} {what}"), again);
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|e| broken(format!("is not the JSON it should be: {e}")))?;
    if value["kind"] != KIND {
        return Err(broken("is not a report of yoto-gpu train".into()));
    }
    let version = &value["schema_version"];
    if *version != SCHEMA_VERSION {
        return Err(DataError::new(
            format!("{named} has schema_version {version}, this program reads {SCHEMA_VERSION}"),
            format!("open {PAGE} beside it, or use the version of yoto-gpu that wrote it"),
        ));
    }
    let report: Report =
        serde_json::from_value(value).map_err(|e| broken(format!("is damaged: {e}")))?;
    match fault(&report) {
        Some(what) => Err(broken(format!("is damaged: {what}"))),
        None => Ok(report),
    }
}

/// Why there is no report in a folder.
fn absent(run: &Path, e: &std::io::Error) -> DataError {
    let shown = run.display();
    let has = |name: &str| run.join(name).is_file();
    let (what, hint) = if e.kind() != std::io::ErrorKind::NotFound {
        (
            format!("{} cannot be read: {e}", run.join(FILE).display()),
            "check its permissions".to_owned(),
        )
    } else if has("metrics.json") {
        (
            format!("{shown} holds a run, but no {FILE}: an earlier version of yoto-gpu wrote it"),
            "train again with this version (config.json in it has the settings)".into(),
        )
    } else if has("model.safetensors") && run.join("..").join(FILE).is_file() {
        (
            format!("{shown} is one size of a run, and the report is of the whole run"),
            "give the folder above it".into(),
        )
    } else if has("checkpoint.bin") {
        (
            format!("{shown} holds a run that is not finished"),
            "finish it with `yoto-gpu train --resume --out` and this folder".into(),
        )
    } else {
        (
            format!("{shown} is not the folder of a run: it has no {FILE}"),
            "give the folder that `yoto-gpu train --out` wrote".into(),
        )
    };
    DataError::new(what, hint)
}

/// Lists of different lengths or codes of no class, which would be drawn wrongly.
fn fault(report: &Report) -> Option<String> {
    let genes = report.panel.len();
    let points = report.map.as_ref().map(|m| m.points.len());
    if let Some(gene) = report
        .panel
        .iter()
        .find(|g| g.roles.len() != report.tasks.len())
    {
        return Some(format!("the gene {:?} has not a role a task", gene.gene));
    }
    for task in &report.tasks {
        let wrong = |what: &str| Some(format!("task {:?}: {what}", task.name));
        match &task.of {
            Kind::Classification {
                classes,
                confusion,
                shown,
                ..
            } => {
                let n = classes.len();
                let fits = |list: &Vec<Option<f64>>| list.len() == genes;
                if !classes
                    .iter()
                    .all(|c| fits(&c.mean) && fits(&c.detected) && fits(&c.auroc))
                {
                    return wrong("a class has not a value a gene");
                }
                if confusion.iter().any(|c| c[0] >= n || c[1] >= n) {
                    return wrong("the confusion matrix names a class that there is not");
                }
                if shown
                    .iter()
                    .any(|s| s.1 >= n || s.0.is_some_and(|t| t >= n))
                {
                    return wrong("a cell has a class that there is not");
                }
                if points.is_some_and(|p| p != shown.len()) {
                    return wrong("the map has not a place a cell");
                }
            }
            Kind::Regression { shown } => {
                if points.is_some_and(|p| p != shown.len()) {
                    return wrong("the map has not a place a cell");
                }
            }
            Kind::Reconstruction { .. } => {}
        }
    }
    None
}
