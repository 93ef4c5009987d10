//! The directory of a run: claimed before the run, filled file by file, each written beside and renamed.
use super::confidence::{Confidence, confidence};
use super::explain::{Explanation, Separation, explain};
use super::explain_csv;
use super::genes::Facts;
use super::order::Order;
use super::order_csv;
use super::page;
use super::per_class::{Intervals, intervals};
use super::predict::{Predicted, Scores, decode, outputs_of, predictions_csv, scores};
use super::summary::{Summary, curve_csv};
use crate::data::cells::TestCells;
use crate::error::OutputError;
use crate::leftovers::{Leftover, note};
use crate::train::settings::Fit;
use serde_json::Value;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, OutputError>;

/// Every file that a run writes.
pub const FILES: [&str; 16] = [
    "model.safetensors",
    "panel.csv",
    "panel_by_class.csv",
    "candidates.csv",
    "explanations.csv",
    "metrics.json",
    page::FILE,
    page::PAGE,
    "cross_validation.csv",
    LOADINGS,
    "predictions.csv",
    "history.csv",
    "curve.csv",
    "config.json",
    COMPARISON,
    CHECKPOINT,
];
/// The components that a panel reconstructs (`--reconstruct`).
pub const LOADINGS: &str = "loadings.csv";
/// Several panels side by side (`evaluate-panel`).
pub const COMPARISON: &str = "comparison.csv";
/// The state of a run that was not finished.
pub const CHECKPOINT: &str = "checkpoint.bin";

/// Whether a directory may hold something already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It must be empty or absent.
    New,
    /// Files of an earlier run are replaced; others stay.
    Force,
    /// It holds a run to go on with.
    Resume,
}

/// A directory that a run may write to.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Directories that the claim made, innermost first.
    made: Vec<PathBuf>,
    /// The command line that repeats the run.
    command: String,
}

impl RunDir {
    /// Claims a directory before the long run: makes it, refuses one that holds something, tries
    /// to write.
    ///
    /// # Errors
    /// See [`Claim`]; a directory that cannot be made or written.
    pub fn claim(path: &Path, claim: Claim) -> Result<Self> {
        let shown = path.display();
        if claim == Claim::Resume {
            if !path.join(CHECKPOINT).is_file() {
                return Err(OutputError::new(
                    format!("{shown} holds no {CHECKPOINT} to resume from"),
                    "a finished run has none, nor has one that ended before its first epoch; start anew with --force",
                ));
            }
        } else if path.exists() && !path.is_dir() {
            return Err(OutputError::new(
                format!("--out {shown} is a file"),
                "name a directory",
            ));
        } else if claim == Claim::New
            && std::fs::read_dir(path).is_ok_and(|mut d| d.next().is_some())
        {
            return Err(OutputError::new(
                format!("--out {shown} is not empty"),
                "name another directory, or use --force to replace the results in it, or --resume to go on",
            ));
        }
        let unwritable = |e: std::io::Error| {
            OutputError::new(
                format!("--out {shown} cannot be written: {e}"),
                "name a directory that you may write to",
            )
        };
        let absent = |p: &&Path| !p.as_os_str().is_empty() && !p.exists();
        let dir = Self {
            path: path.into(),
            made: path
                .ancestors()
                .take_while(absent)
                .map(Into::into)
                .collect(),
            command: String::new(),
        };
        let probe = path.join(".yoto-gpu.tmp");
        let empty = || dir.made.iter().cloned().map(Leftover::Empty).collect();
        let make = || {
            std::fs::create_dir_all(path)?;
            std::fs::write(&probe, b"")?;
            std::fs::remove_file(&probe)
        };
        if let Err(e) = note(make, |()| empty()) {
            dir.abandon();
            return Err(unwritable(e));
        }
        if let Some(name) = FILES.iter().find(|f| path.join(f).is_dir()) {
            return Err(OutputError::new(
                format!("{} is a directory", path.join(name).display()),
                "a result is to be written there: name another --out",
            ));
        }
        Ok(dir)
    }

    /// The same, for a run that this command line repeats; one that is resumed keeps its own.
    #[must_use]
    pub fn repeated_by(mut self, command: String, claim: Claim) -> Self {
        let earlier = (claim == Claim::Resume).then(|| {
            let bytes = std::fs::read(self.join("config.json")).ok()?;
            let config: Value = serde_json::from_slice(&bytes).ok()?;
            config["command"].as_str().map(String::from)
        });
        self.command = earlier.flatten().unwrap_or(command);
        self
    }

    /// The command line that repeats the run, where it is known.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Removes the directories that the claim made, where nothing was written to them.
    pub fn abandon(&self) {
        for path in &self.made {
            // one that holds something stays, as it should
            let _ = std::fs::remove_dir(path);
        }
    }

    /// Begins a run: removes the results of an earlier one and writes `config.json`.
    ///
    /// # Errors
    /// As [`RunDir::write`].
    pub fn begin(&self, config: &Value) -> Result<()> {
        for name in FILES.iter().filter(|name| **name != CHECKPOINT) {
            // an absent file is what is wanted
            let _ = std::fs::remove_file(self.join(name));
        }
        for entry in std::fs::read_dir(&self.path)
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let size = name.to_str().and_then(|n| n.strip_prefix('k'));
            if size.is_some_and(|s| s.parse::<usize>().is_ok()) {
                for file in FILES {
                    let _ = std::fs::remove_file(entry.path().join(file));
                }
                // one that holds other files stays
                let _ = std::fs::remove_dir(entry.path());
            }
        }
        let mut config = config.clone();
        if let Value::Object(fields) = &mut config {
            fields.insert("command".into(), self.command.clone().into());
        }
        let text = serde_json::to_vec_pretty(&config).map_err(unwritten)?;
        self.write("config.json", &text)
    }

    /// A directory in this one, for a run of its own; files of an earlier run there are replaced.
    ///
    /// # Errors
    /// As [`RunDir::claim`].
    pub fn within(&self, name: &str) -> Result<Self> {
        let dir = Self::claim(&self.join(name), Claim::Force)?;
        Ok(dir.repeated_by(self.command.clone(), Claim::Force))
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of a file of the run.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file beside its place and renames it there, so that no half file is ever seen.
    ///
    /// # Errors
    /// A full disk or the like; the old file stays.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.join(name);
        let beside = path.with_extension("tmp");
        let folder = path.parent().unwrap_or(&self.path);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&beside, bytes))
            .and_then(|()| std::fs::rename(&beside, &path))
            .map_err(|e| {
                OutputError::new(
                    format!("{} cannot be written: {e}", path.display()),
                    "free some space, or name another --out",
                )
            })
    }

    /// Removes the checkpoint of a run that is done, or of another one.
    pub fn forget_checkpoint(&self) {
        // an absent file is what is wanted
        let _ = std::fs::remove_file(self.join(CHECKPOINT));
    }
}

fn unwritten(e: impl ToString) -> OutputError {
    OutputError::new(
        format!("a result could not be put into words: {}", e.to_string()),
        "report this as a bug",
    )
}

/// The results of one panel on the test cells.
#[derive(Debug)]
pub struct Panel<'a> {
    /// How it was trained.
    pub fit: &'a Fit,
    /// Its predictions for the test cells.
    pub predicted: Vec<Predicted>,
    /// Their scores.
    pub scores: Vec<Scores>,
    /// What each gene is among the others of the panel.
    pub facts: Vec<Facts>,
    /// 95 % intervals of the scores.
    pub intervals: Vec<Intervals>,
    /// What the probabilities are worth.
    pub confidence: Vec<Confidence>,
    /// What each gene is to each task.
    pub explanations: Vec<Explanation>,
    /// How it is ordered, where that was worked out.
    pub order: Option<Order>,
}

impl<'a> Panel<'a> {
    /// Applies a model to the test cells.
    #[must_use]
    pub fn new(fit: &'a Fit, separation: Separation, test: &TestCells) -> Self {
        let outputs = outputs_of(&fit.model, &test.x);
        let predicted = decode(&fit.model, &outputs.logits);
        let scores = scores(&fit.model, test, &predicted);
        let targets: Vec<_> = test.tasks.iter().map(|t| Some(&t.targets)).collect();
        Self {
            fit,
            scores,
            facts: separation.facts().to_vec(),
            intervals: intervals(&fit.model, test, &predicted),
            confidence: confidence(&fit.model, &outputs, &targets),
            predicted,
            explanations: explain(&fit.model, separation, test),
            order: None,
        }
    }

    /// The same with what a laboratory orders it by.
    #[must_use]
    pub fn with_order(self, order: Order) -> Self {
        Self {
            order: Some(order),
            ..self
        }
    }
}

/// Writes all results of a run: those of the panel `main` of `panels`, whose summary is given, and where
/// there are several sizes those of each in a directory of its own.
///
/// # Errors
/// As [`RunDir::write`].
pub fn write_results(
    dir: &RunDir,
    panels: &[Panel],
    main: usize,
    test: &TestCells,
    summary: &Summary,
    config: &Value,
) -> Result<()> {
    for (i, panel) in panels.iter().enumerate() {
        let size = format!("k{}/", panel.fit.model.genes.len());
        let places = [
            (i == main).then_some(""),
            (panels.len() > 1).then_some(&size),
        ];
        for place in places.into_iter().flatten() {
            write_panel(dir, place, panel, test, config)?;
        }
    }
    let mut history = csv::Writer::from_writer(Vec::new());
    for epoch in panels.iter().take(1).flat_map(|p| &p.fit.history) {
        history.serialize(epoch).map_err(unwritten)?;
    }
    dir.write("history.csv", &history.into_inner().map_err(unwritten)?)?;
    if let Some(curve) = &summary.curve {
        dir.write("curve.csv", &curve_csv(curve).map_err(unwritten)?)?;
    }
    if let Some(cross) = &summary.cross_validation {
        let table = cross.csv().map_err(unwritten)?;
        dir.write("cross_validation.csv", &table)?;
    }
    page::write(dir, panels, main, test, summary, config)?;
    let json = serde_json::to_vec_pretty(summary).map_err(unwritten)?;
    dir.write("metrics.json", &json)
}

fn write_panel(
    dir: &RunDir,
    place: &str,
    panel: &Panel,
    test: &TestCells,
    config: &Value,
) -> Result<()> {
    let model = &panel.fit.model;
    let bytes = model
        .to_bytes(config)
        .map_err(|e| OutputError::new(e.to_string(), e.hint()))?;
    dir.write(&format!("{place}model.safetensors"), &bytes)?;
    let order = panel.order.as_ref();
    let bytes = explain_csv::panel(model, &panel.explanations, order).map_err(unwritten)?;
    dir.write(&format!("{place}panel.csv"), &bytes)?;
    if let Some(order) = order {
        let bytes = order_csv::by_class(order).map_err(unwritten)?;
        dir.write(&format!("{place}panel_by_class.csv"), &bytes)?;
        let bytes = order_csv::candidates(order).map_err(unwritten)?;
        dir.write(&format!("{place}candidates.csv"), &bytes)?;
    }
    let bytes = explain_csv::explanations(&panel.explanations).map_err(unwritten)?;
    dir.write(&format!("{place}explanations.csv"), &bytes)?;
    let bytes = predictions_csv(model, test, &panel.predicted).map_err(unwritten)?;
    dir.write(&format!("{place}predictions.csv"), &bytes)
}
