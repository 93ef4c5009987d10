//! Results that go to a file or, for `-`, to stdout.
use super::run::Failure;
use crate::bench::files::Target;
use crate::leftovers::temporary_folder;
use std::io::{IsTerminal, Write};
use std::path::Path;

/// Whether a path stands for stdout.
pub(super) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// A file that is claimed before the work, or stdout.
pub(super) struct Place(Option<Target>);

impl Place {
    /// Claims the file, where it is one.
    pub(super) fn claim(path: &Path, force: bool) -> Result<Self, Failure> {
        let target = (!is_stdout(path)).then(|| Target::claim(path, force));
        Ok(Self(target.transpose()?))
    }

    /// Writes the file; gives back what is for stdout.
    pub(super) fn deliver(self, text: String) -> Result<String, Failure> {
        match self.0 {
            Some(target) => {
                target.write(&text)?;
                Ok(String::new())
            }
            None => Ok(text),
        }
    }
}

/// An .h5ad file that goes to stdout: it is written to a temporary file, since HDF5 goes back and forth.
pub(super) struct Piped(tempfile::TempDir);

impl Piped {
    /// Refuses a terminal, makes the folder for the file.
    pub(super) fn new() -> Result<Self, Failure> {
        if std::io::stdout().is_terminal() {
            return Err(Failure {
                what: "OUT.h5ad is - (stdout), which is a terminal; the file is binary".into(),
                hint: "name a file, or send it to a program or a file: ... - > cells.h5ad".into(),
            });
        }
        let folder = temporary_folder().map_err(|e| Failure {
            what: format!("no temporary folder could be made: {e}"),
            hint: "set TMPDIR to a folder that can be written".into(),
        })?;
        Ok(Self(folder))
    }

    /// Where the file is to be written.
    pub(super) fn path(&self) -> std::path::PathBuf {
        self.0.path().join("out.h5ad")
    }

    /// Copies it to stdout. A reader that has enough is none the worse.
    pub(super) fn send(self) -> Result<(), Failure> {
        let copy = || {
            let mut file = std::fs::File::open(self.path())?;
            let mut out = std::io::stdout().lock();
            std::io::copy(&mut file, &mut out)?;
            out.flush()
        };
        match copy() {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure {
                what: format!("stdout cannot be written: {e}"),
                hint: "name a file in place of -".into(),
            }),
            _ => Ok(()),
        }
    }
}
