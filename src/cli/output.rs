//! Where the result of a run goes: flags of every subcommand that trains.
use super::values::at_least_one;
use clap::Args;
use std::path::PathBuf;

/// Where the result of a run goes, and how it is told.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// Directory for the results; made if absent, refused if it holds anything
    #[arg(
        long,
        value_name = "DIR",
        default_value = "run",
        help_heading = "Output"
    )]
    pub out: PathBuf,
    /// Replace the results of an earlier run in --out (other files there stay)
    #[arg(long, help_heading = "Output")]
    pub force: bool,
    /// Print one JSON object on stdout instead of a table
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Print nothing on stderr but errors
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
    /// Threads of the CPU [default: one a core]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Device")]
    pub threads: Option<u64>,
}
