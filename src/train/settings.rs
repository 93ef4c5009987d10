//! Every setting of training, what it tells while it runs, and what it gives back.
use super::beside::Beside;
use super::contest::Contest;
pub use super::recipe::Recipe;
use super::rules::Rules;
use super::trail::Left;
use crate::data::cells::{Task, TaskKind};
use crate::data::components;
use crate::model::panel_model::PanelModel;
pub use crate::model::selector::Relaxation;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Settings of training; all of them stand in `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Genes of the panel; of the largest one where there are several.
    pub genes: usize,
    /// What every panel keeps to.
    #[serde(skip)]
    pub rules: Arc<Rules>,
    /// Smaller panels, descending; each lies within the one before.
    pub nested: Vec<usize>,
    /// Considered genes of a panel that is given, ascending: only its network is trained.
    pub panel: Option<Vec<u32>>,
    /// Whether boosting finds the largest panel, in place of `select` and the rounds; decided by
    /// [`super::contest`].
    #[serde(skip)]
    pub boosts: bool,
    /// Seed of everything random.
    pub seed: u64,
    /// Widths of the hidden layers; none makes a linear model.
    pub hidden: Vec<usize>,
    /// Steps of the whole run; `None` takes the recipe's.
    pub steps: Option<u64>,
    /// Epochs of the whole run, instead of steps.
    pub epochs: Option<u64>,
    /// Cells a step.
    pub batch_size: usize,
    /// Learning rate of the weights.
    pub lr: f32,
    /// Relaxation of the selection phase.
    pub relaxation: Relaxation,
    /// Weight of each task's loss by its name; 1 where it is not named.
    pub task_weights: BTreeMap<String, f32>,
    /// The recipe: phases, regularisation.
    pub recipe: Recipe,
}

impl Settings {
    /// Panel sizes, descending.
    #[must_use]
    pub fn sizes(&self) -> Vec<usize> {
        std::iter::once(self.genes)
            .chain(self.nested.iter().copied())
            .collect()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            genes: 32,
            rules: Arc::default(),
            nested: Vec::new(),
            panel: None,
            boosts: false,
            seed: 0,
            hidden: vec![64],
            steps: None,
            epochs: None,
            batch_size: 128,
            lr: 5e-3,
            relaxation: Relaxation::Sigmoid,
            task_weights: BTreeMap::new(),
            recipe: Recipe::default(),
        }
    }
}

impl Settings {
    /// Weights of the tasks' losses, in the order of the tasks; components share that of the
    /// reconstruction by their variance.
    #[must_use]
    pub fn weights_of(&self, tasks: &[Task]) -> Vec<f32> {
        let weight = |name: &str| self.task_weights.get(name).copied().unwrap_or(1.0);
        let of = |t: &Task| match t.kind {
            TaskKind::Component { share, .. } => weight(components::TASK) * share as f32,
            _ => weight(&t.name),
        };
        tasks.iter().map(of).collect()
    }
}

/// One row of `history.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// 1, 2, ...
    pub epoch: u64,
    /// Steps done at its end.
    pub step: u64,
    /// `select`, `refine` or `finish`.
    pub phase: String,
    /// Mean training loss of its steps.
    pub train_loss: f64,
    /// Validation loss of the hard panel; `None` without validation cells.
    pub validation_loss: Option<f64>,
    /// Validation score of the hard panel: mean over tasks of macro-F1, or R2 for numbers.
    pub validation_score: Option<f64>,
}

/// What training tells while it runs.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The epoch that just ended.
    pub epoch: &'a Epoch,
    /// Epochs of the whole run.
    pub epochs: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Training cells a second, so far.
    pub cells_per_second: f64,
}

/// What training gives back.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The best model of its size.
    pub model: PanelModel,
    /// A row an epoch.
    pub history: Vec<Epoch>,
    /// Steps done.
    pub steps: u64,
    /// Epoch the model is of.
    pub best_epoch: u64,
    /// Its validation loss; 0 without validation cells or where the run ended before.
    pub best_loss: f64,
    /// Its validation score; `None` without validation cells or where the run ended before.
    pub best_score: Option<f64>,
    /// Genes that left the panel on the way, or were tried; of each the last time.
    pub left: Vec<Left>,
    /// Genes beside the panel that would save the most, the most first.
    pub beside: Vec<Beside>,
    /// What cross-validation said of the two ways to the largest panel; `None` where there was one.
    pub contest: Option<Contest>,
    /// Wall seconds of training (all sessions of a resumed run).
    pub seconds: f64,
    /// Training cells a second.
    pub cells_per_second: f64,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}
