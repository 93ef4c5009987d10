//! Every setting of training, what it tells while it runs, and what it gives back.
use crate::model::panel_model::PanelModel;
use serde::{Deserialize, Serialize};

/// Which relaxation of top-k carries the gradient (method.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relaxation {
    /// A: capped-sum sigmoid.
    Sigmoid,
    /// B: SoftSort rows.
    Softsort,
}

/// Settings of training; all of them stand in `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Genes of the panel.
    pub genes: usize,
    /// Seed of everything random.
    pub seed: u64,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Steps of the whole run; `None` takes the default of the recipe.
    pub steps: Option<u64>,
    /// Epochs of the whole run, instead of steps.
    pub epochs: Option<u64>,
    /// Cells a step.
    pub batch_size: usize,
    /// Learning rate of the weights.
    pub lr: f32,
    /// Relaxation of the selection phase.
    pub relaxation: Relaxation,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            genes: 32,
            seed: 0,
            hidden: vec![64],
            steps: None,
            epochs: None,
            batch_size: 128,
            lr: 5e-3,
            relaxation: Relaxation::Sigmoid,
        }
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
    /// Mean training loss of its steps (hard mask where the phase has one).
    pub train_loss: f64,
    /// Validation loss of the hard panel; `None` without validation cells.
    pub validation_loss: Option<f64>,
    /// Validation score of the hard panel: mean over tasks of macro-F1, or R2 for numbers.
    pub validation_score: Option<f64>,
    /// Seconds since the start of training.
    pub seconds: f64,
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
    /// The best model.
    pub model: PanelModel,
    /// A row an epoch.
    pub history: Vec<Epoch>,
    /// Steps done.
    pub steps: u64,
    /// Epoch the model is of.
    pub best_epoch: u64,
    /// Wall seconds of training (all sessions of a resumed run).
    pub seconds: f64,
    /// Training cells a second.
    pub cells_per_second: f64,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}
