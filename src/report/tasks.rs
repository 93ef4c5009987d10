//! The tasks of a model with their test scores.
use super::cross::measures;
use super::per_class::Intervals;
use super::predict::{Scores, reported};
use crate::data::cells::TaskKind;
use crate::metrics::{Classification, Reconstruction, Regression};
use crate::model::panel_model::PanelModel;
use serde::Serialize;

/// A task and its test scores.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Task {
    /// Of classes.
    Classification {
        /// Column of `obs`.
        name: String,
        /// `classification`.
        kind: &'static str,
        /// Classes.
        n_classes: usize,
        /// Scores.
        test: Classification,
        /// Their 95 % intervals.
        intervals: Intervals,
    },
    /// Of numbers.
    Regression {
        /// Column of `obs`.
        name: String,
        /// `regression`.
        kind: &'static str,
        /// Scores.
        test: Regression,
        /// Their 95 % intervals.
        intervals: Intervals,
    },
    /// Of the components of the expression (`--reconstruct`).
    Reconstruction {
        /// `reconstruction`.
        name: String,
        /// `reconstruction`.
        kind: &'static str,
        /// Components.
        components: usize,
        /// Scores.
        test: Reconstruction,
        /// Their 95 % intervals.
        intervals: Intervals,
    },
}

impl Task {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Classification { name, .. }
            | Self::Regression { name, .. }
            | Self::Reconstruction { name, .. } => name,
        }
    }

    /// The scores that tables compare, by name.
    #[must_use]
    pub fn measures(&self) -> Vec<(&'static str, f64)> {
        measures(&match self {
            Self::Classification { test, .. } => Scores::Classes(*test),
            Self::Regression { test, .. } => Scores::Values(*test),
            Self::Reconstruction { test, .. } => Scores::Reconstruction(*test),
        })
    }

    /// All scores, by their names in `metrics.json`.
    #[must_use]
    pub fn all_measures(&self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Classification { test: t, .. } => vec![
                ("accuracy", t.accuracy),
                ("balanced_accuracy", t.balanced_accuracy),
                ("macro_f1", t.macro_f1),
                ("weighted_f1", t.weighted_f1),
            ],
            Self::Regression { test: t, .. } => {
                vec![("r2", t.r2), ("pearson", t.pearson), ("mae", t.mae)]
            }
            Self::Reconstruction { test: t, .. } => vec![("explained", t.explained)],
        }
    }

    /// A line for a person.
    pub(super) fn text(&self) -> String {
        let line = match self {
            Self::Classification {
                name,
                n_classes,
                test: t,
                ..
            } => format!(
                "\ntest, {name} ({n_classes} classes): accuracy {:.3}, balanced accuracy {:.3}, macro-F1 {:.3}, weighted F1 {:.3}",
                t.accuracy, t.balanced_accuracy, t.macro_f1, t.weighted_f1
            ),
            Self::Reconstruction {
                name,
                components,
                test: t,
                ..
            } => format!(
                "\ntest, {name}: {:.1} % of the variance of all genes explained, {:.1} % by the {components} components themselves",
                100.0 * t.explained,
                100.0 * t.ceiling
            ),
            Self::Regression { name, test: t, .. } => {
                format!(
                    "\ntest, {name}: R2 {:.3}, Pearson {:.3}, mean absolute error {:.4}",
                    t.r2, t.pearson, t.mae
                )
            }
        };
        line + "\n"
    }
}

/// The tasks of a model and their scores, in the order of [`reported`].
pub(super) fn tasks(model: &PanelModel, scores: &[Scores], intervals: &[Intervals]) -> Vec<Task> {
    let one = |(((t, name), score), intervals): (((usize, String), &Scores), &Intervals)| {
        let intervals = intervals.clone();
        match (&model.tasks[t].kind, *score) {
            (TaskKind::Component { .. }, Scores::Reconstruction(test)) => {
                let all = model.tasks.iter().filter(|t| t.kind.is_component());
                Some(Task::Reconstruction {
                    name,
                    kind: "reconstruction",
                    components: all.count(),
                    test,
                    intervals,
                })
            }
            (TaskKind::Classification { classes }, Scores::Classes(test)) => {
                Some(Task::Classification {
                    name,
                    kind: "classification",
                    n_classes: classes.len(),
                    test,
                    intervals,
                })
            }
            (TaskKind::Regression { .. }, Scores::Values(test)) => Some(Task::Regression {
                name,
                kind: "regression",
                test,
                intervals,
            }),
            _ => None,
        }
    };
    reported(model)
        .into_iter()
        .zip(scores)
        .zip(intervals)
        .filter_map(one)
        .collect()
}
