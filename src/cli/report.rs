//! `yoto-gpu report`: its flags and what it does.
use super::run::{Failure, Outcome};
use crate::bench::files::Target;
use crate::report::page;
use clap::Args;
use std::path::{Path, PathBuf};

/// Flags of `report`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  yoto-gpu report run                                   draws run/report.html again
  yoto-gpu report run8 run16 run32 --out compare.html   three runs side by side")]
pub struct ReportArgs {
    /// Folders that `train --out` wrote; several are set side by side
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// The page to write, or - for stdout [default: report.html in RUN; with several, stdout]
    #[arg(long, short, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
    /// Replace FILE.html where it is there already
    #[arg(long, requires = "out")]
    pub force: bool,
}

/// Runs `report`.
///
/// # Errors
/// A folder that is no run, a damaged `report.json`, a page that cannot be written.
pub fn run(args: &ReportArgs) -> Result<Outcome, Failure> {
    let reports = args.runs.iter().map(|run| page::read::read(run));
    let reports: Vec<_> = reports.collect::<Result<_, _>>()?;
    let html = page::html(&reports)?;
    let own = match (&args.runs[..], &args.out) {
        ([run], None) => Some(run.join(page::PAGE)),
        _ => None,
    };
    let path = args.out.as_deref().or(own.as_deref());
    let text = match path.filter(|p| *p != Path::new("-")) {
        Some(path) => {
            // the page of a run is drawn again in its place
            Target::claim(path, args.force || own.is_some())?.write(&html)?;
            format!("{}\n", path.display())
        }
        None => html,
    };
    Ok(Outcome {
        text,
        stopped: false,
    })
}
