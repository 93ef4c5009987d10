//! The embedded demo: 1,042 cells x 2,000 genes of human pancreas (`DEMO_LICENSE.md`).
use super::dataset::Dataset;
use super::h5ad;
use crate::error::DataError;
use std::io::Write;

const BYTES: &[u8] = include_bytes!("demo_baron_small_counts.h5ad");

/// Reads the demo.
///
/// # Errors
/// A column that it does not have; a temporary folder that cannot be written.
pub fn dataset(wanted: &[String]) -> Result<Dataset, DataError> {
    let full = |e: std::io::Error| {
        DataError::new(
            format!("the demo cannot be unpacked: {e}"),
            "set TMPDIR to a folder with 5 MB of space",
        )
    };
    let mut file = tempfile::Builder::new()
        .suffix(".h5ad")
        .tempfile()
        .map_err(full)?;
    file.write_all(BYTES).map_err(full)?;
    h5ad::read_as(file.path(), "demo", wanted)
}
