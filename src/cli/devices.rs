//! `yoto-gpu devices`: its flags and what it does.
use super::run::{Failure, Outcome};
use crate::bench::listing::listing;
use clap::Args;

/// Flags of `devices`.
#[derive(Clone, Debug, Args)]
pub struct DevicesArgs {
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Runs `devices`.
///
/// # Errors
/// None as things stand: a machine without any adapter has the CPU path.
pub fn run(args: &DevicesArgs) -> Result<Outcome, Failure> {
    let listing = listing()?;
    let text = if args.json {
        serde_json::to_string_pretty(&listing).unwrap_or_default() + "\n"
    } else {
        listing.text()
    };
    Ok(Outcome {
        text,
        stopped: false,
    })
}
