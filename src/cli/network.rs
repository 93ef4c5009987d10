//! The network, its training and the device: flags of every subcommand that trains.
use super::values::{at_least_one, positive};
use super::weights::TaskWeight;
use crate::data::budget::Bytes;
use crate::train::settings::{Recipe, Settings};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Network, training and device; part of `config.json`.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct NetworkArgs {
    /// Widths of the hidden layers, such as 128,64; none for a linear model
    #[arg(
        long,
        value_name = "WIDTHS",
        default_value = "64",
        help_heading = "Panel and network"
    )]
    pub hidden: Widths,

    /// Length of the run in passes over the training cells [default: the recipe's number of steps]
    #[arg(long, value_name = "N", value_parser = at_least_one, conflicts_with = "steps", help_heading = "Training")]
    pub epochs: Option<u64>,
    /// Length of the run in steps
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Training")]
    pub steps: Option<u64>,
    /// Cells a step
    #[arg(long, value_name = "CELLS", default_value_t = 128, value_parser = at_least_one, help_heading = "Training")]
    pub batch_size: u64,
    /// Learning rate of the weights
    #[arg(long, default_value_t = 5e-3, value_parser = positive, help_heading = "Training")]
    pub lr: f32,
    /// Seed of the split, the first weights, the order of the cells and the noise
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Training")]
    pub seed: u64,

    /// Overrides of the recipe's phases and regularisation, as JSON; config.json shows all of them
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = recipe, help_heading = "Training")]
    pub recipe: Recipe,

    /// Most memory of the host that the run may take, such as 8GiB: cells that do not fit stream from disk
    /// [default: four fifths of what is free]
    #[arg(long, value_name = "SIZE", help_heading = "Device")]
    pub memory: Option<Bytes>,
    /// auto (the best real GPU, else the CPU), gpu (a software one too), cpu, or a part of an
    /// adapter's name
    #[arg(
        long,
        value_name = "WHICH",
        default_value = "auto",
        help_heading = "Device"
    )]
    pub device: String,
}

impl NetworkArgs {
    /// The settings of training, as far as they are the network's; `weights`: of the tasks.
    #[must_use]
    pub fn settings(&self, weights: &[TaskWeight]) -> Settings {
        Settings {
            seed: self.seed,
            hidden: self.hidden.0.clone(),
            steps: self.steps,
            epochs: self.epochs,
            batch_size: usize::try_from(self.batch_size).unwrap_or(usize::MAX),
            lr: self.lr,
            task_weights: (weights.iter())
                .map(|w| (w.name.clone(), w.weight))
                .collect(),
            recipe: self.recipe.clone(),
            ..Settings::default()
        }
    }
}

/// Widths of hidden layers, as `128,64` or `none`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Widths(pub Vec<usize>);

impl FromStr for Widths {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        text.split(',')
            .map(|part| match part.trim().parse() {
                Ok(width) if width > 0 => Ok(width),
                _ => Err("widths are whole numbers above 0 with commas between, or none".into()),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn recipe(text: &str) -> Result<Recipe, String> {
    let recipe: Recipe = serde_json::from_str(text).map_err(|e| e.to_string())?;
    recipe.check()?;
    Ok(recipe)
}
