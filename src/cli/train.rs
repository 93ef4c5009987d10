//! `yoto-gpu train`: its flags.
//!
//! [`TrainConfig`] holds what decides the result and is what `config.json` keeps; the rest of
//! [`TrainArgs`] only says where the result goes.
use super::flags::FlagArgs;
use super::network::NetworkArgs;
use super::output::OutputArgs;
use super::rules::RuleArgs;
use super::sizes::Sizes;
use super::source::SourceArgs;
use super::values::{at_least_one, share};
use crate::train::settings::{Relaxation, Settings};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// Flags of `train`.
#[derive(Clone, Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "Examples:
  yoto-gpu train --genes 32 --out run                      the embedded demo
  yoto-gpu train pbmc.h5ad --label cell_type --genes 64
  yoto-gpu train pbmc.h5ad --label cell_type --label condition --regress age --group-by donor"
)]
pub struct TrainArgs {
    /// What decides the result.
    #[command(flatten)]
    pub config: TrainConfig,
    /// Where the result goes.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Go on from the last checkpoint in --out, with the settings of its config.json
    #[arg(long, conflicts_with = "force", help_heading = "Output")]
    pub resume: bool,
}

/// What decides the result of `train`.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Data, tasks and split.
    #[command(flatten)]
    #[serde(flatten)]
    pub source: SourceArgs,

    /// Genes of the panel; several sizes (8,16,32 or, doubling, 8..64) give nested panels from one run;
    /// auto takes the smallest of 4 to 128 that is as good as the best, by validation score
    #[arg(
        long,
        short = 'k',
        value_name = "K",
        default_value = "32",
        help_heading = "Panel and network"
    )]
    pub genes: Sizes,
    /// How much validation score (mean of macro-F1 or R2) --genes auto gives for fewer genes
    #[arg(long, value_name = "SCORE", default_value_t = 0.01, value_parser = share, help_heading = "Panel and network")]
    #[serde(default = "tolerance")]
    pub tolerance: f64,

    /// What the panel must keep to.
    #[command(flatten)]
    #[serde(default)]
    pub rules: RuleArgs,
    /// Bounds of flags.
    #[command(flatten)]
    #[serde(default)]
    pub flags: FlagArgs,
    /// How the choice of genes is relaxed to carry a gradient, where elimination does not find the panel
    #[arg(
        long,
        value_enum,
        default_value = "sigmoid",
        help_heading = "Panel and network"
    )]
    pub relaxation: Relaxation,

    /// Network, training and device.
    #[command(flatten)]
    #[serde(flatten)]
    pub network: NetworkArgs,
    /// Runs with this and the next seeds, side by side in one set of launches; the panel of the majority is
    /// the result, metrics.json says how often each gene was chosen and which replace each other
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = at_least_one, help_heading = "Training")]
    #[serde(default = "one")]
    pub repeats: u64,
}

impl TrainConfig {
    /// The settings of training.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            genes: self.genes.sizes()[0],
            nested: self.genes.sizes()[1..].to_vec(),
            relaxation: self.relaxation,
            ..self.network.settings(&self.source.task_weight)
        }
    }
}

impl ValueEnum for Relaxation {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Sigmoid, Self::Softsort]
    }
    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Sigmoid => PossibleValue::new("sigmoid").help("Sigmoids that sum to k"),
            Self::Softsort => PossibleValue::new("softsort").help("Rows of a soft sorting"),
        })
    }
}

fn one() -> u64 {
    1
}

fn tolerance() -> f64 {
    0.01
}
