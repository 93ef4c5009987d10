//! `yoto-gpu bench read`: how fast X of a file is read, and what it takes.
use super::run::{Failure, Outcome};
use crate::bench::host::peak_memory;
use crate::data::cells::Transform;
use crate::data::store::Room;
use crate::data::{Options, open_rows};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// Flags of `bench read`.
#[derive(Clone, Debug, Args)]
pub struct ReadArgs {
    /// An .h5ad file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Put the values into a temporary file in DIR instead of memory, as `train` does where they do not
    /// fit
    #[arg(long, value_name = "DIR")]
    pub disk: Option<PathBuf>,
}

/// Reads X and prints one JSON object: seconds of the reading, shape, stored values, their sum (taken
/// afterwards, to be compared), and the most memory that the process held while reading.
///
/// # Errors
/// A file that cannot be read.
pub fn run(args: &ReadArgs) -> Result<Outcome, Failure> {
    let begin = Instant::now();
    let file = |dir| Room::File {
        dir,
        turning: 1 << 30,
    };
    let room = |_, _, _| Ok(args.disk.clone().map_or(Room::Memory, file));
    let (_, x) = open_rows(&args.file, &Options::default(), &room)?;
    let (seconds, peak) = (begin.elapsed().as_secs_f64(), peak_memory());
    let rows: Vec<u32> = (0..x.n_obs() as u32).collect();
    let mut sum = 0.0f64;
    x.visit(&rows, Transform::AsIs, &mut |_, _, values| {
        sum += values.iter().map(|v| f64::from(*v)).sum::<f64>();
    })?;
    let object = json!({
        "seconds": seconds,
        "n_obs": x.n_obs(),
        "n_vars": x.n_vars(),
        "nnz": x.nnz(),
        "sum": sum,
        "peak_memory_bytes": peak,
    });
    Ok(Outcome {
        text: format!("{object}\n"),
        stopped: false,
    })
}
