//! `yoto-gpu convert`: its flags and what it does.
use super::place::{Piped, is_stdout};
use super::progress::Reporter;
use super::reading::ReadingArgs;
use super::run::{Failure, Outcome};
use crate::data::{self, Conversion};
use crate::report::target::{Target, is_device};
use clap::Args;
use std::path::{Path, PathBuf};

/// Flags of `convert`.
#[derive(Clone, Debug, Args)]
pub struct ConvertArgs {
    /// File or directory of any format that `train` reads
    #[arg(value_name = "IN")]
    pub from: PathBuf,
    /// The .h5ad file to write, in the layout of AnnData 0.8 and later; - for stdout
    #[arg(value_name = "OUT.h5ad")]
    pub to: PathBuf,
    /// What becomes X of the new file, and further columns of its obs.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Replace OUT.h5ad where it is there already
    #[arg(long)]
    pub force: bool,
    /// Print nothing but errors
    #[arg(long, short)]
    pub quiet: bool,
}

/// Runs `convert`.
///
/// # Errors
/// Of either file, as a sentence and a hint.
pub fn run(args: &ConvertArgs) -> Result<Outcome, Failure> {
    let how = Conversion {
        which: args.reading.which(),
        labels: args.reading.labels.clone(),
        force: args.force,
    };
    let reporter = Reporter::new(args.quiet);
    let h5ad = args
        .to
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("h5ad"));
    if !h5ad && !is_device(&args.to) && !is_stdout(&args.to) {
        return Err(Failure {
            what: format!(
                "{} is no name of an .h5ad file, which convert writes",
                args.to.display()
            ),
            hint: "name a file that ends in .h5ad, or - for stdout".into(),
        });
    }
    let labels = args.reading.labels.as_deref();
    let read: Vec<&Path> = std::iter::once(args.from.as_path()).chain(labels).collect();
    Target::not_one_of(&args.to, &read)?;
    let piped = is_stdout(&args.to).then(Piped::new).transpose()?;
    let to = piped.as_ref().map_or(args.to.clone(), Piped::path);
    for notice in data::convert(&args.from, &to, &how)? {
        reporter.note(&notice);
    }
    piped.map(Piped::send).transpose()?;
    Ok(Outcome {
        text: String::new(),
        stopped: false,
    })
}
