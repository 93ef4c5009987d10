//! The program as a user runs it.
use std::path::Path;
use std::process::{Command, Output};

/// Runs it with these arguments.
pub fn yoto<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yoto-gpu"));
    let command = command.args(args).env("NO_COLOR", "1");
    command.output().expect("the program starts")
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
        let own = |l: &&str| l.starts_with(sign) && !l.contains("XDG_RUNTIME_DIR");
        assert_eq!(stderr.lines().filter(own).count(), 1, "{stderr}");
    }
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in {stderr}");
    }
}

#[allow(
    dead_code,
    reason = "not every test file that includes this one uses it"
)]
/// Rows of a table, each by its columns' names.
pub fn rows(path: &Path) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut csv =
        csv::Reader::from_path(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let rows = csv.deserialize().collect::<Result<Vec<_>, _>>();
    rows.expect("rows")
}
