//! The program as a user runs it.
#![allow(
    dead_code,
    reason = "not every test file that includes this one uses all of it"
)]
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{PoisonError, RwLock};

/// A child gets every file that is open where it is made, and HDF5's lock of one that is written with it.
static WRITING: RwLock<()> = RwLock::new(());

/// Writes files by `write` while no program is started.
pub fn writing<R>(write: impl FnOnce() -> R) -> R {
    let _alone = WRITING.write().unwrap_or_else(PoisonError::into_inner);
    write()
}

/// Runs it with these arguments.
pub fn yoto<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yoto-gpu"));
    // as where nobody is logged in at the screen, whose absence drivers must not call an error
    let command = command.args(args).env_remove("XDG_RUNTIME_DIR");
    let command = command.env_remove("NODEVICE_SELECT").env("NO_COLOR", "1");
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = {
        let _none_writes = WRITING.read().unwrap_or_else(PoisonError::into_inner);
        command.spawn().expect("the program starts")
    };
    child.wait_with_output().expect("the program ends")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What it printed, where it did what it was asked for.
pub fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Exit code 1, one `error:` and one `hint:` line with these words, nothing on stdout.
pub fn refused(output: &Output, words: &[&str]) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(output.stdout.is_empty());
    for sign in ["error: ", "hint: "] {
        let own = |l: &&str| l.starts_with(sign);
        assert_eq!(stderr.lines().filter(own).count(), 1, "{stderr}");
    }
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in {stderr}");
    }
}

/// Rows of a table, each by its columns' names.
pub fn rows(path: &Path) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut csv =
        csv::Reader::from_path(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let rows = csv.deserialize().collect::<Result<Vec<_>, _>>();
    rows.expect("rows")
}
