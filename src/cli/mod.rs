//! Flags and their help, one file a subcommand; what they do is the business of the stages.
pub mod apply;
pub mod bench;
pub mod check;
pub mod convert;
mod cross;
pub mod devices;
pub mod evaluate;
pub mod filters;
pub mod inspect;
pub mod predict;
pub mod progress;
pub mod read;
pub mod reading;
pub mod rules;
pub mod run;
pub mod simulate;
pub mod sizes;
pub mod train;
mod values;
pub mod weights;

use clap::{Parser, Subcommand};

/// The command line.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "yoto-gpu",
    version,
    about = "Picks the few genes that matter in single-cell data and trains the network that uses them",
    after_help = "Exit status: 0 done, 1 bad data or device, 2 wrong usage, 130 stopped by Ctrl-C (results \
                  of the best model so far are written).",
    max_term_width = 100
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Pick a panel of k genes and train the network that reads only them
    Train(Box<train::TrainArgs>),
    /// Apply a trained model to new cells: labels, probabilities, numbers
    Predict(Box<predict::PredictArgs>),
    /// Score a trained model on new cells with labels
    Evaluate(Box<evaluate::EvaluateArgs>),
    /// Say what is in a file, without reading it whole, and how to train on it
    Inspect(inspect::InspectArgs),
    /// Write any file that train reads as a modern .h5ad
    Convert(convert::ConvertArgs),
    /// Make an .h5ad file of counts with planted marker genes
    Simulate(simulate::SimulateArgs),
    /// List the adapters, what the kernels need of them, and which one `--device auto` takes
    Devices(devices::DevicesArgs),
    /// Measure a device, its kernels and the training step on simulated data, or check the kernels
    Bench(Box<bench::BenchArgs>),
}
