//! Reading and writing of files of results.
use super::schema::{KIND, Report, SCHEMA_VERSION};
pub use crate::report::target::Target;

use crate::error::DataError;
use serde_json::Value;
use std::path::Path;

const COMPARE: &str = "give files that `yoto-gpu bench --json FILE` wrote";

/// Reads a file of results.
///
/// # Errors
/// A file that cannot be read, that is no file of results, or of another schema.
pub fn read(path: &Path) -> Result<Report, DataError> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|e| {
        DataError::new(
            format!("{shown} cannot be read: {e}"),
            "check the path and its permissions",
        )
    })?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|e| DataError::new(format!("{shown} is not JSON: {e}"), COMPARE))?;
    if value["kind"] != KIND {
        return Err(DataError::new(
            format!("{shown} is not a result of yoto-gpu bench"),
            COMPARE,
        ));
    }
    let version = &value["schema_version"];
    if *version != SCHEMA_VERSION {
        return Err(DataError::new(
            format!("{shown} has schema_version {version}, this program reads {SCHEMA_VERSION}"),
            "measure again with this version, or compare with the version that wrote the file",
        ));
    }
    serde_json::from_value(value).map_err(|e| {
        DataError::new(
            format!("{shown} is a result of yoto-gpu bench with a fault: {e}"),
            COMPARE,
        )
    })
}
