//! A file that is to be written at the end of a long run: claimed before, written beside and renamed, so that
//! it is whole or as it was.
use crate::error::OutputError;
use crate::leftovers::beside;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::TempPath;

type Result<T> = std::result::Result<T, OutputError>;

/// Whether a path is a pipe, a terminal or the like, which is written as it stands: a file beside could not be renamed
/// to it.
#[must_use]
pub fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir())
}

/// A path that may be written.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    force: bool,
}

impl Target {
    /// Claims a path; a file that is there is refused without `force`.
    ///
    /// # Errors
    /// A file that is there, something that is no file, or a folder that cannot be written.
    pub fn claim(path: &Path, force: bool) -> Result<Self> {
        let target = Self {
            path: path.into(),
            force,
        };
        if path.is_dir() {
            return Err(OutputError::new(
                format!("{} is a folder", path.display()),
                "name a file",
            ));
        }
        if is_device(path) {
            return Ok(target);
        }
        if path.exists() && !force {
            return Err(there(path));
        }
        beside(path, "").map_err(|e| unwritable(path, &e))?;
        Ok(target)
    }

    /// As [`Target::claim`], for a path that must be none of the files that are read.
    ///
    /// # Errors
    /// As [`Target::claim`]; where it is one of these files, by whatever name.
    pub fn apart_from(path: &Path, force: bool, read: &[&Path]) -> Result<Self> {
        Self::not_one_of(path, read)?;
        Self::claim(path, force)
    }

    /// Refuses a path that is one of the files that are read, by whatever name.
    ///
    /// # Errors
    /// Such a path.
    pub fn not_one_of(path: &Path, read: &[&Path]) -> Result<()> {
        let whole = |p: &Path| p.canonicalize().ok();
        let own = whole(path);
        if let Some(other) = read
            .iter()
            .find(|r| own.is_some() && (whole(r) == own || same(path, r)))
        {
            return Err(OutputError::new(
                format!("{} is {} itself", path.display(), other.display()),
                "name another file: what is read is never written",
            ));
        }
        Ok(())
    }

    /// Writes the text and gives it its name.
    ///
    /// # Errors
    /// As [`Target::write_with`].
    pub fn write(self, text: &str) -> Result<()> {
        self.write_with(|file| file.write_all(text.as_bytes()))
    }

    /// Lets `fill` write, and gives the file its name.
    ///
    /// # Errors
    /// A full disk, or a file that another program wrote in between; the old file stays.
    pub fn write_with(self, fill: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
        let path = &self.path;
        if is_device(&self.path) {
            let written = File::options()
                .write(true)
                .open(path)
                .and_then(|mut f| fill(&mut f).and_then(|()| f.flush()));
            return written.map_err(|e| unwritable(path, &e));
        }
        let whole = beside(path, "").and_then(|mut file| {
            fill(file.as_file_mut())?;
            file.flush()?;
            Ok(file)
        });
        let file = whole.map_err(|e| unwritable(path, &e))?;
        self.rename(file.into_temp_path())
    }

    /// Lets `make` fill an empty file at a path beside, which then gets its name.
    ///
    /// # Errors
    /// What `make` finds, which leaves nothing behind; as [`Target::write_with`].
    pub fn make_with<T, E: From<OutputError>>(
        self,
        suffix: &str,
        make: impl FnOnce(&Path) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        if is_device(&self.path) {
            return Err(E::from(OutputError::new(
                format!("{} is no file", self.path.display()),
                "this format goes to a file alone: name one",
            )));
        }
        let file = beside(&self.path, suffix).map_err(|e| unwritable(&self.path, &e))?;
        let file = file.into_temp_path();
        let made = make(&file)?;
        self.rename(file)?;
        Ok(made)
    }

    fn rename(&self, file: TempPath) -> Result<()> {
        let path = &self.path;
        let renamed = if self.force {
            file.persist(path)
        } else {
            file.persist_noclobber(path)
        };
        renamed.map_err(|e| {
            if e.error.kind() == ErrorKind::AlreadyExists {
                there(path)
            } else {
                unwritable(path, &e.error)
            }
        })
    }
}

/// Whether two paths are one file under two names (a hard link).
#[cfg(unix)]
fn same(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let of = |p: &Path| std::fs::metadata(p).ok().map(|m| (m.dev(), m.ino()));
    of(a).is_some() && of(a) == of(b)
}
#[cfg(not(unix))]
fn same(_: &Path, _: &Path) -> bool {
    false
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
        ErrorKind::NotFound => Some("there is no such folder"),
        ErrorKind::PermissionDenied => Some("permission denied"),
        _ => None,
    });
    let hint = match e.kind() {
        ErrorKind::StorageFull | ErrorKind::FileTooLarge | ErrorKind::QuotaExceeded => {
            "free some space, or name a file on another disk; what was there before is untouched"
        }
        _ => "name a file in a folder that can be written",
    };
    let e = code.map_or_else(|| e.to_string(), str::to_owned);
    OutputError::new(format!("{} cannot be written: {e}", path.display()), hint)
}
