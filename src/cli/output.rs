//! Where the result of a run goes: flags of every subcommand that trains.
use super::place::is_stdout;
use super::run::{Failure, Outcome};
use super::values::at_least_one;
use crate::leftovers::temporary_folder;
use clap::Args;
use std::path::{Path, PathBuf};

/// Where the result of a run goes, and how it is told.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// Directory for the results; made if absent, refused if it holds anything; - keeps nothing and prints
    /// panel.csv (comparison.csv of several panels) in place of the table
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

impl OutputArgs {
    /// Runs `with` with a directory to write to: --out, or for `-` a temporary one, whose `table` is then
    /// what stdout has (with --json the object all the same).
    pub(super) fn with_directory(
        &self,
        table: &str,
        with: impl FnOnce(&Path) -> Result<Outcome, Failure>,
    ) -> Result<Outcome, Failure> {
        if !is_stdout(&self.out) {
            return with(&self.out);
        }
        let failed = |e: std::io::Error| Failure {
            what: format!("--out -: the temporary directory of the run: {e}"),
            hint: "set TMPDIR to a directory that can be written, or name one with --out".into(),
        };
        let folder = temporary_folder().map_err(failed)?;
        let mut outcome = with(folder.path())?;
        let table = folder.path().join(table);
        // stopped before the first step, a run leaves nothing
        if !self.json && (table.exists() || !outcome.stopped) {
            outcome.text = std::fs::read_to_string(table).map_err(failed)?;
        }
        Ok(outcome)
    }
}
