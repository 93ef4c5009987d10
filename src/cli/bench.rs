//! `yoto-gpu bench`: its flags, and what becomes of a result.
use super::check::CheckArgs;
use super::place::Place;
use super::run::{Failure, Outcome};
use crate::bench::simulate::Size;
use crate::bench::{compare, files, html, run as bench, text};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Flags of `bench`.
#[derive(Clone, Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  yoto-gpu bench --json mine.json                       the best device, small size
  yoto-gpu bench --size reference --device nvidia
  yoto-gpu bench --all-devices --json all.json
  yoto-gpu bench compare mine.json yours.json --html page.html"
)]
pub struct BenchArgs {
    /// Something else than measuring.
    #[command(subcommand)]
    pub action: Option<BenchAction>,
    /// Known cases instead of figures.
    #[command(flatten)]
    pub check: CheckArgs,
    /// Device: auto (the best real GPU, else the CPU path), gpu (the best adapter), cpu, or a part of
    /// an adapter's name [default: auto; with --check all of them]
    #[arg(long, value_name = "DEVICE", help_heading = "Device")]
    pub device: Option<String>,
    /// Every adapter and the CPU path, one after another
    #[arg(long, conflicts_with = "device", help_heading = "Device")]
    pub all_devices: bool,
    /// Threads of the CPU [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Device")]
    pub threads: Option<u64>,
    /// small (2000,200,64,32,16), reference (20000,2000,256,128,64), large (40000,4000,4096,512,256),
    /// or genes, nonzeros a cell, cells a batch, hidden units, genes of the panel
    #[arg(
        long,
        default_value = "small",
        value_name = "SIZE",
        help_heading = "What is measured"
    )]
    pub size: Size,
    /// Simulated cells [default: four batches, at least 2048]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000), help_heading = "What is measured")]
    pub cells: Option<u64>,
    /// Seed of data, weights and noise
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u64).range(..4_000_000_000), help_heading = "What is measured")]
    pub seed: u64,
    /// Samples of each kernel; whole steps are timed at least as often
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "What is measured")]
    pub repeats: u32,
    /// Networks that train in one set of dispatches [default: 1; at the small size on a real GPU the
    /// throughput of 8 and 32 is measured as well]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u64).range(1..=4096), help_heading = "What is measured")]
    pub models: Option<u64>,
    /// Write the result as JSON to FILE; without FILE or with - print it instead of the table
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Replace FILE where it is there already
    #[arg(long, requires = "json", help_heading = "Output")]
    pub force: bool,
    /// Print nothing on stderr but errors
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

/// What `bench` can do beside measuring.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchAction {
    /// Print results side by side, with ratios to the first
    Compare(CompareArgs),
    /// Read X of a file and say how long that took
    Read(super::read::ReadArgs),
}

/// Flags of `bench compare`.
#[derive(Clone, Debug, Args)]
pub struct CompareArgs {
    /// Files that `bench --json FILE` wrote; every device in them is a column
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write a page with roofline plots and the tables; - prints it in place of the tables
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Replace the page where it is there already
    #[arg(long, requires = "html")]
    pub force: bool,
}

/// Runs `bench`; `begin`: when the program began.
///
/// # Errors
/// A device that is not there or fails, a file that cannot be read or written, as a sentence and a
/// hint.
pub fn run(args: &BenchArgs, begin: Instant) -> Result<Outcome, Failure> {
    let text = match &args.action {
        Some(BenchAction::Read(args)) => return super::read::run(args),
        Some(BenchAction::Compare(args)) => side_by_side(args)?,
        None => measured(args, begin)?,
    };
    Ok(Outcome {
        text,
        stopped: false,
    })
}

fn measured(args: &BenchArgs, begin: Instant) -> Result<String, Failure> {
    let file = args.json.as_deref().filter(|p| *p != Path::new("-"));
    let target = file
        .map(|p| files::Target::claim(p, args.force))
        .transpose()?;
    super::stages::set_threads(args.threads)?;
    let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let plan = bench::Plan {
        device: args.device.clone().unwrap_or_else(|| "auto".into()),
        all_devices: args.all_devices,
        size: args.size,
        cells: args.cells.map(count),
        seed: args.seed,
        repeats: args.repeats,
        models: args.models.map(count),
        begin,
    };
    let mut say = |line: &str| {
        if !args.quiet {
            // whoever no longer listens is none the worse for it
            let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{line}\n"));
        }
    };
    let report = bench::run(&plan, &mut say)?;
    let json = || {
        serde_json::to_string_pretty(&report)
            .map(|t| t + "\n")
            .map_err(|e| Failure {
                what: format!("the result could not be put into words: {e}"),
                hint: "report this as a bug".into(),
            })
    };
    match target {
        Some(target) => target.write(&json()?)?,
        None if args.json.is_some() => return json(),
        None => {}
    }
    Ok(text::text(&report))
}

fn side_by_side(args: &CompareArgs) -> Result<String, Failure> {
    let place = args.html.as_deref();
    let place = place.map(|p| Place::claim(p, args.force)).transpose()?;
    let mut reports = Vec::new();
    for path in &args.files {
        reports.push((path.display().to_string(), files::read(path)?));
    }
    let columns = compare::columns(reports);
    if columns.is_empty() {
        return Err(Failure {
            what: "the files hold no device".into(),
            hint: "measure with yoto-gpu bench --json FILE".into(),
        });
    }
    let printed = match place {
        Some(place) => place.deliver(html::page(&columns)?)?,
        None => String::new(),
    };
    Ok(if printed.is_empty() {
        compare::text(&columns)
    } else {
        printed
    })
}
