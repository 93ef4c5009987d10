//! Test figures of each batch.
use super::cross::{measures, widest};
use super::predict::{Predicted, Scores, reported, score};
use crate::data::cells::{Targets, TestCells};
use crate::model::panel_model::PanelModel;
use crate::ops::MISSING;
use serde::Serialize;
use std::fmt::Write;

/// Scores of the test cells, batch by batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BatchScores {
    /// Column of `obs`.
    pub column: String,
    /// A row a batch and task.
    pub groups: Vec<OneBatch>,
}

/// Scores of one task in one batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OneBatch {
    /// The batch.
    pub batch: String,
    /// Task.
    pub task: String,
    /// Its labelled test cells.
    pub cells: usize,
    /// On them.
    pub test: Scores,
}

impl BatchScores {
    /// Scores each batch that has labelled test cells; `None` where no batches were asked for.
    #[must_use]
    pub fn new(model: &PanelModel, test: &TestCells, predicted: &[Predicted]) -> Option<Self> {
        let batches = test.batches.as_ref()?;
        let mut groups = Vec::new();
        for (b, name) in batches.names.iter().enumerate() {
            let inside = |cell: usize| batches.of[cell] as usize == b;
            for (t, task) in reported(model) {
                let labelled = |cell: usize| match &test.tasks[t].targets {
                    Targets::Classes(y) => y[cell] != MISSING,
                    Targets::Values(v) => !v[cell].is_nan(),
                };
                let all = 0..batches.of.len();
                let cells = all.filter(|&c| inside(c) && labelled(c)).count();
                if cells > 0 {
                    groups.push(OneBatch {
                        batch: name.clone(),
                        task,
                        cells,
                        test: score(model, test, predicted, t, inside),
                    });
                }
            }
        }
        Some(Self {
            column: batches.column.clone(),
            groups,
        })
    }

    /// The table for a person.
    pub(super) fn table(&self) -> String {
        // writing to a string does not fail
        let mut s = format!("\ntest, each {}\n", self.column);
        let wide = widest(self.groups.iter().map(|r| r.batch.as_str()));
        let task = widest(self.groups.iter().map(|r| r.task.as_str()));
        for row in &self.groups {
            let figures = measures(&row.test).into_iter();
            let figures: Vec<String> = figures.map(|(n, x)| format!("{n} {x:.3}")).collect();
            let _ = writeln!(
                s,
                "  {:<wide$} {:<task$} {:>6} cells  {}",
                row.batch,
                row.task,
                row.cells,
                figures.join("  ")
            );
        }
        s
    }
}
