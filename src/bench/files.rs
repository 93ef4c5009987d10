//! Reading and writing of files of results.
use super::schema::{KIND, Report, SCHEMA_VERSION};
use crate::error::{DataError, OutputError};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

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

/// A file that is to be written at the end of a long run; that it can be is found out before.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    force: bool,
}

impl Target {
    /// Claims a path; a file that is there is refused without `force`.
    ///
    /// # Errors
    /// A file that is there, or a folder that cannot be written.
    pub fn claim(path: &Path, force: bool) -> Result<Self, OutputError> {
        if path.exists() && !force {
            return Err(there(path));
        }
        if path.is_dir() {
            return Err(OutputError::new(
                format!("{} is a folder", path.display()),
                "name a file",
            ));
        }
        beside(path).map_err(|e| unwritable(path, &e))?;
        Ok(Self {
            path: path.into(),
            force,
        })
    }

    /// Writes the text and gives it its name.
    ///
    /// # Errors
    /// A full disk, or a file that another program wrote in between.
    pub fn write(self, text: &str) -> Result<(), OutputError> {
        let path = self.path;
        let whole = beside(&path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.flush()?;
            Ok(file)
        });
        let file = whole.map_err(|e| unwritable(&path, &e))?;
        let renamed = if self.force {
            file.persist(&path)
        } else {
            file.persist_noclobber(&path)
        };
        renamed.map(drop).map_err(|e| {
            if e.error.kind() == std::io::ErrorKind::AlreadyExists {
                there(&path)
            } else {
                unwritable(&path, &e.error)
            }
        })
    }
}

/// A file beside the path, gone again unless it is given a name. tempfile's are for their owner
/// alone; results are for whom the umask allows.
fn beside(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".yoto-gpu-bench-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(parent.unwrap_or(Path::new(".")))
}

fn there(path: &Path) -> OutputError {
    OutputError::new(
        format!("{} is there already", path.display()),
        "name another file, or replace it with --force",
    )
}

fn unwritable(path: &Path, e: &std::io::Error) -> OutputError {
    // the system's own words, without the name of the file beside
    let code = e.get_ref().and_then(|_| match e.kind() {
        std::io::ErrorKind::NotFound => Some("there is no such folder"),
        std::io::ErrorKind::PermissionDenied => Some("permission denied"),
        _ => None,
    });
    let e = code.map_or_else(|| e.to_string(), str::to_owned);
    OutputError::new(
        format!("{} cannot be written: {e}", path.display()),
        "name a file in a folder that can be written",
    )
}
