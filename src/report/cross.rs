//! Leave-one-group-out figures: how well panels hold for a donor that training never saw.
use super::predict::Scores;
use serde::Serialize;
use std::fmt::Write;

/// All folds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossValidation {
    /// Column of `obs` whose values were left out in turn.
    pub column: String,
    /// A row a group and task.
    pub groups: Vec<FoldScores>,
    /// Groups that could not be left out, and why.
    pub skipped: Vec<Skipped>,
    /// A row a task and measure.
    pub summary: Vec<Spread>,
}

/// Scores of one task in one fold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoldScores {
    /// The group that was left out.
    pub group: String,
    /// Task.
    pub task: String,
    /// Genes of the panel.
    pub k: usize,
    /// Labelled cells of the group that were tested on.
    pub cells: usize,
    /// More of its cells, of classes that no training cell has: in no figure.
    pub unseen: usize,
    /// On the group that was left out.
    pub across: Scores,
    /// On sealed cells of the groups that were trained on.
    pub within: Scores,
}

/// A group without figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Skipped {
    /// The group.
    pub group: String,
    /// What stood in the way.
    pub why: String,
}

/// One measure over all groups; NaN scores (a group without labelled cells) are left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Task.
    pub task: String,
    /// `accuracy`, `macro_f1`, `r2` or `explained`.
    pub measure: &'static str,
    /// Mean over the groups, each on the cells of the others.
    pub within_mean: f64,
    /// The lowest of these.
    pub within_worst: f64,
    /// Mean over the groups, each on the cells left out.
    pub across_mean: f64,
    /// The lowest of these.
    pub across_worst: f64,
    /// The group that has it.
    pub worst_group: String,
}

/// The measures that are compared, by name.
pub(super) fn measures(scores: &Scores) -> Vec<(&'static str, f64)> {
    match scores {
        Scores::Classes(c) => vec![("accuracy", c.accuracy), ("macro_f1", c.macro_f1)],
        Scores::Values(r) => vec![("r2", r.r2)],
        Scores::Reconstruction(r) => vec![("explained", r.explained)],
    }
}

/// Width of a column of names in a table for a person.
pub(super) fn widest<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(|name| name.chars().count()).fold(14, usize::max)
}

impl CrossValidation {
    /// Sums the folds up.
    #[must_use]
    pub fn new(column: &str, groups: Vec<FoldScores>, skipped: Vec<Skipped>) -> Self {
        let mut summary: Vec<Spread> = Vec::new();
        let mut tasks: Vec<&str> = Vec::new();
        for row in &groups {
            if !tasks.contains(&row.task.as_str()) {
                tasks.push(&row.task);
            }
        }
        for task in tasks {
            let rows: Vec<&FoldScores> = groups.iter().filter(|r| r.task == task).collect();
            for (i, (measure, _)) in measures(&rows[0].across).into_iter().enumerate() {
                let known = |of: fn(&FoldScores) -> &Scores| -> Vec<(f64, &str)> {
                    let value = |r: &&FoldScores| measures(of(r))[i].1;
                    let rows = rows.iter().map(|r| (value(r), r.group.as_str()));
                    rows.filter(|r| r.0.is_finite()).collect()
                };
                let mean = |v: &[(f64, &str)]| v.iter().map(|x| x.0).sum::<f64>() / v.len() as f64;
                let worst = |v: &[(f64, &str)]| -> (f64, String) {
                    let low = v.iter().min_by(|a, b| a.0.total_cmp(&b.0));
                    low.map_or((f64::NAN, String::new()), |x| (x.0, x.1.to_owned()))
                };
                let (within, across) = (known(|r| &r.within), known(|r| &r.across));
                let (across_worst, worst_group) = worst(&across);
                summary.push(Spread {
                    task: task.to_owned(),
                    measure,
                    within_mean: mean(&within),
                    within_worst: worst(&within).0,
                    across_mean: mean(&across),
                    across_worst,
                    worst_group,
                });
            }
        }
        Self {
            column: column.into(),
            groups,
            skipped,
            summary,
        }
    }

    /// The table for a person.
    pub(super) fn table(&self) -> String {
        let mut s = String::new();
        // writing to a string does not fail
        let _ = writeln!(
            s,
            "\nleaving out each {}, {} genes: within the others, and across to it",
            self.column,
            self.sizes()
        );
        let wide = widest(self.groups.iter().map(|r| r.group.as_str()));
        let task = widest(self.groups.iter().map(|r| r.task.as_str()));
        for row in &self.groups {
            let scores = measures(&row.across).into_iter().zip(measures(&row.within));
            let figures: Vec<String> = scores
                .map(|((name, across), (_, within))| format!("{name} {within:.3} | {across:.3}"))
                .collect();
            let unseen = match row.unseen {
                0 => String::new(),
                n => format!("  ({n} cells of classes not in training)"),
            };
            let _ = writeln!(
                s,
                "  {:<wide$} {:<task$} {:>6} cells  {}{unseen}",
                row.group,
                row.task,
                row.cells,
                figures.join("  ")
            );
        }
        for sum in &self.summary {
            let _ = writeln!(
                s,
                "  {}, {}: mean {:.3} | {:.3}, worst {:.3} | {:.3} ({})",
                sum.task,
                sum.measure,
                sum.within_mean,
                sum.across_mean,
                sum.within_worst,
                sum.across_worst,
                sum.worst_group
            );
        }
        for skipped in &self.skipped {
            let _ = writeln!(
                s,
                "  {} could not be left out: {}",
                skipped.group, skipped.why
            );
        }
        s
    }

    /// Genes of the panels, as text.
    fn sizes(&self) -> String {
        let of = || self.groups.iter().map(|g| g.k);
        match (of().min(), of().max()) {
            (Some(least), Some(most)) if least < most => format!("{least} to {most}"),
            (_, most) => most.unwrap_or(0).to_string(),
        }
    }

    /// `cross_validation.csv`: a row a group, task and measure.
    ///
    /// # Errors
    /// Memory alone; the writer is a vector.
    pub fn csv(&self) -> csv::Result<Vec<u8>> {
        let mut out = csv::Writer::from_writer(Vec::new());
        out.write_record([
            "group", "task", "k", "cells", "unseen", "measure", "within", "across",
        ])?;
        let figure = |x: f64| {
            if x.is_finite() {
                x.to_string()
            } else {
                String::new()
            }
        };
        for row in &self.groups {
            for ((measure, across), (_, within)) in
                measures(&row.across).into_iter().zip(measures(&row.within))
            {
                out.write_record([
                    row.group.as_str(),
                    &row.task,
                    &row.k.to_string(),
                    &row.cells.to_string(),
                    &row.unseen.to_string(),
                    measure,
                    &figure(within),
                    &figure(across),
                ])?;
            }
        }
        out.into_inner()
            .map_err(|e| csv::Error::from(e.into_error()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::classification;

    #[test]
    fn columns_stand_below_each_other_whatever_the_names() {
        let row = |group: &str, task: &str| FoldScores {
            group: group.into(),
            task: task.into(),
            k: 8,
            cells: 12,
            unseen: 0,
            across: Scores::Classes(classification(&[0, 1], &[0, 1], 2)),
            within: Scores::Classes(classification(&[0, 1], &[0, 0], 2)),
        };
        let long = "a donor with a long name";
        let groups = vec![row("a", "type"), row(long, "a rather long task")];
        let table = CrossValidation::new("donor", groups, Vec::new()).table();
        let rows = table.lines().filter(|l| l.contains(" cells  "));
        let places: Vec<Option<usize>> = rows.map(|l| l.find(" cells  ")).collect();
        assert!(places.len() == 2 && places[0] == places[1], "{table}");
    }
}
