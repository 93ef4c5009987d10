//! Files that are not whole yet and folders that hold no result: a signal that ends the program takes them with it.
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::{NamedTempFile, TempDir};

/// What is taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// A file that gets its name when it is whole, or is gone by then.
    File(PathBuf),
    /// A temporary folder with all that it holds.
    Folder(PathBuf),
    /// A folder, where nothing was written to it.
    Empty(PathBuf),
}

static NOTED: Mutex<Vec<Leftover>> = Mutex::new(Vec::new());

fn noted() -> MutexGuard<'static, Vec<Leftover>> {
    NOTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes something and notes what it leaves. A signal waits for both: one that came between them would leave it.
///
/// # Errors
/// What `make` finds.
pub fn note<T, E>(
    make: impl FnOnce() -> Result<T, E>,
    leaves: impl FnOnce(&T) -> Vec<Leftover>,
) -> Result<T, E> {
    let mut noted = noted();
    let made = make()?;
    noted.extend(leaves(&made));
    Ok(made)
}

/// Makes a file at a path that is not yet its own, or writes it anew.
///
/// # Errors
/// What `make` finds.
pub fn file_at<T, E>(path: &Path, make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    note(make, |_| vec![Leftover::File(path.into())])
}

/// A temporary file, gone again unless it is given a name.
///
/// # Errors
/// One that cannot be made.
pub fn temporary_file(
    make: impl FnOnce() -> std::io::Result<NamedTempFile>,
) -> std::io::Result<NamedTempFile> {
    note(make, |made| vec![Leftover::File(made.path().into())])
}

/// A temporary file beside the path. tempfile's are for their owner alone; results are for whom the umask allows.
///
/// # Errors
/// A folder that is not there or cannot be written.
pub fn beside(path: &Path, suffix: &str) -> std::io::Result<NamedTempFile> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".yoto-gpu-").suffix(suffix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    temporary_file(|| builder.tempfile_in(parent.unwrap_or(Path::new("."))))
}

/// A temporary folder.
///
/// # Errors
/// One that cannot be made.
pub fn temporary_folder() -> std::io::Result<TempDir> {
    let path = |made: &TempDir| vec![Leftover::Folder(made.path().into())];
    note(tempfile::tempdir, path)
}

/// Ends the program without what was noted; nothing more is made meanwhile.
pub fn end(code: i32) -> ! {
    let noted = noted();
    take_away(&noted);
    std::process::exit(code)
}

fn take_away(noted: &[Leftover]) {
    for leftover in noted {
        // what is whole by now has another name, and a folder that holds something stays
        let _ = match leftover {
            Leftover::File(path) => std::fs::remove_file(path),
            Leftover::Folder(path) => std::fs::remove_dir_all(path),
            Leftover::Empty(path) => std::fs::remove_dir(path),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_goes_and_results_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["scratch", "empty", "results"] {
            std::fs::create_dir(at(name)).expect("a folder");
        }
        for name in ["part", "scratch/values", "results/panel.csv"] {
            std::fs::write(at(name), "x").expect("a file");
        }
        take_away(&[
            Leftover::File(at("part")),
            Leftover::File(at("renamed before")),
            Leftover::Folder(at("scratch")),
            Leftover::Empty(at("empty")),
            Leftover::Empty(at("results")),
        ]);
        let there = |name: &&str| at(name).exists();
        let names = ["part", "scratch", "empty", "results/panel.csv"];
        assert!(names.iter().filter(|n| there(n)).eq(&["results/panel.csv"]));
    }
}
