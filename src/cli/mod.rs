//! Flags and their help, one file a subcommand; what they do is the business of the stages.
pub mod apply;
pub mod bench;
pub mod check;
pub mod convert;
mod cross;
pub mod devices;
pub mod evaluate;
pub mod evaluate_panel;
pub mod export;
pub mod filters;
pub mod flags;
pub mod inspect;
pub mod network;
pub mod output;
pub mod pages;
pub mod panel_choice;
mod place;
pub mod predict;
pub mod progress;
pub mod read;
pub mod reading;
mod ready;
pub mod report;
pub mod rules;
pub mod run;
pub mod signals;
pub mod simulate;
pub mod sizes;
pub mod source;
mod stages;
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
    /// With --version: say what the program is built from, and which adapters are there (for bug reports)
    #[arg(long)]
    pub verbose: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Pick a panel of k genes and train the network that reads only them
    Train(Box<train::TrainArgs>),
    /// Train the network alone on a panel that is given, or on several to compare them
    EvaluatePanel(Box<evaluate_panel::EvaluatePanelArgs>),
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
    /// Draw the page of a run again, or of several side by side
    Report(report::ReportArgs),
    /// List the adapters, what the kernels need of them, and which one `--device auto` takes
    Devices(devices::DevicesArgs),
    /// Print the panel of a run for other programs
    Export(export::ExportArgs),
    /// Measure a device, its kernels and the training step on simulated data, or check the kernels
    Bench(Box<bench::BenchArgs>),
    /// Print a script that completes the command line in a shell
    Completions(pages::CompletionsArgs),
    /// Print a manual page, or write all of them
    Man(pages::ManArgs),
}
