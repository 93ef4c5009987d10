//! The embedded demo: human pancreas cells; see `DEMO_LICENSE.md` beside the file.
use super::dataset::Dataset;
use super::open::{Options, open};
use crate::error::DataError;
use crate::leftovers::temporary_file;
use std::io::Write;

/// The demo as the `.h5ad` file it is.
pub const BYTES: &[u8] = include_bytes!("demo_baron_small_counts.h5ad");
/// The label that a run on the demo takes where none is given.
pub const LABEL: &str = "cell_type";

/// Reads the demo; its `path` is `demo`. The reader wants a file, so it passes through a temporary one.
///
/// # Errors
/// A [`DataError`] where the temporary file cannot be written, or a column is not in the demo.
pub fn dataset(columns: &[String]) -> Result<Dataset, DataError> {
    let io = |e: std::io::Error| {
        DataError::new(
            format!("the demo cannot be unpacked to a temporary file: {e}"),
            "set TMPDIR to a directory that can be written, with 2 MB free",
        )
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix("yoto-gpu-demo-").suffix(".h5ad");
    let mut file = temporary_file(|| builder.tempfile()).map_err(io)?;
    file.write_all(BYTES).map_err(io)?;
    file.flush().map_err(io)?;
    let path = file.into_temp_path();
    let shown = path.display().to_string();
    let options = Options {
        columns: columns.to_vec(),
        ..Options::default()
    };
    let dataset = open(&path, &options)
        .map_err(|e| DataError::new(e.what.replacen(&shown, "demo", 1), e.hint))?;
    Ok(Dataset {
        path: "demo".into(),
        ..dataset
    })
}
