//! `yoto-gpu simulate`: its flags and what it does.
use super::place::{Piped, is_stdout};
use super::run::{Failure, Outcome};
use crate::simulate::{Compression, Settings, Simulation, write};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Flags of `simulate`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:
  yoto-gpu simulate --cells 100000 --genes 20000 --density 0.05 --markers 64 --classes 16 cells.h5ad
  yoto-gpu train cells.h5ad --label class --regress pseudotime --group-by donor --genes 64")]
pub struct SimulateArgs {
    /// File to write, - for stdout; obs has class, donor and pseudotime, var has role, marks and copy_of
    #[arg(value_name = "OUT.h5ad")]
    pub out: PathBuf,
    /// Cells
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub cells: usize,
    /// Genes, the planted ones included
    #[arg(long, value_name = "G", default_value_t = 2_000)]
    pub genes: usize,
    /// Share of the values that are not 0
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub density: f64,
    /// Marker genes, each high in one class; shared out among the classes in turn
    #[arg(long, value_name = "M", default_value_t = 32)]
    pub markers: usize,
    /// Classes
    #[arg(long, value_name = "C", default_value_t = 8)]
    pub classes: usize,
    /// Of these, classes with 1 % of the cells each
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub rare: usize,
    /// Redundant copies of each marker
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub copies: usize,
    /// Genes that vary like markers, but not with the class
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub decoys: usize,
    /// Genes that rise with pseudotime, the continuous target
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub gradients: usize,
    /// Donors
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub donors: usize,
    /// Standard deviation of the logarithm of each donor's factor on each gene
    #[arg(long, value_name = "SD", default_value_t = 0.0)]
    pub batch_effect: f64,
    /// Seed: the same one gives the same cells
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How X is stored
    #[arg(long, value_enum, default_value = "gzip")]
    pub compression: Compression,
    /// Replace OUT.h5ad
    #[arg(long)]
    pub force: bool,
}

/// Writes the file.
///
/// # Errors
/// Settings out of range, a file that cannot be written.
pub fn run(args: &SimulateArgs) -> Result<Outcome, Failure> {
    // a terminal is refused before the work
    let piped = is_stdout(&args.out).then(Piped::new).transpose()?;
    let simulation = Simulation::new(Settings {
        cells: args.cells,
        genes: args.genes,
        density: args.density,
        markers: args.markers,
        classes: args.classes,
        rare: args.rare,
        copies: args.copies,
        decoys: args.decoys,
        gradients: args.gradients,
        donors: args.donors,
        batch_effect: args.batch_effect,
        seed: args.seed,
    })?;
    let out = piped.as_ref().map_or(args.out.clone(), Piped::path);
    let nnz = write(&simulation, &out, args.compression, args.force)?;
    let density = nnz as f64 / (args.cells as f64 * args.genes as f64);
    let text = format!(
        "{}: {} cells x {} genes, {nnz} stored values ({:.2} %), {} markers of {} classes\n",
        args.out.display(),
        args.cells,
        args.genes,
        100.0 * density,
        args.markers,
        args.classes
    );
    let text = match piped {
        Some(piped) => {
            piped.send()?;
            // stdout has the file
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
            String::new()
        }
        None => text,
    };
    Ok(Outcome {
        text,
        stopped: false,
    })
}

impl ValueEnum for Compression {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Gzip, Self::None]
    }
    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Gzip => "gzip",
            Self::None => "none",
        }))
    }
}
