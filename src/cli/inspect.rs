//! `yoto-gpu inspect`: its flags and what it does.
use super::run::{Failure, Outcome};
use crate::data;
use clap::Args;
use std::path::PathBuf;

/// Flags of `inspect`.
#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// File or directory of any format that `train` reads
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Runs `inspect`.
///
/// # Errors
/// Of the file, as a sentence and a hint.
pub fn run(args: &InspectArgs) -> Result<Outcome, Failure> {
    let found = data::inspect::inspect(&args.file)?;
    let text = if args.json {
        serde_json::to_string_pretty(&found).unwrap_or_default() + "\n"
    } else {
        found.text()
    };
    Ok(Outcome {
        text,
        stopped: false,
    })
}
