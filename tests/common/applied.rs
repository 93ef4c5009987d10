//! The program as a user runs it, and a short run of the demo.
#![allow(
    dead_code,
    reason = "not every test file that includes this one uses all of it"
)]
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{PoisonError, RwLock};

/// A child gets every file that is open where it is made, and HDF5's lock of one that is written with it.
static WRITING: RwLock<()> = RwLock::new(());

/// Writes files by `write` while no program is started.
pub fn writing<R>(write: impl FnOnce() -> R) -> R {
    let _alone = WRITING.write().unwrap_or_else(PoisonError::into_inner);
    write()
}

fn output(command: &mut Command) -> Output {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = {
        let _none_writes = WRITING.read().unwrap_or_else(PoisonError::into_inner);
        command.spawn().expect("the program starts")
    };
    child.wait_with_output().expect("the program ends")
}

/// The embedded demo as a file.
pub fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/demo_baron_small_counts.h5ad")
}

/// A fixture.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

pub fn yoto(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yoto-gpu"));
    command.args(args).env("NO_COLOR", "1");
    output(&mut command)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Runs the program, which must not fail; gives stdout and stderr.
pub fn done(args: &[&str]) -> (String, String) {
    let output = yoto(args);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{args:?}: {err}");
    (out, err)
}

/// Runs the program, which must end with 1, one error and one hint with these words, and nothing on stdout.
pub fn refused(args: &[&str], words: &[&str]) {
    let output = yoto(args);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {err}");
    assert!(output.stdout.is_empty());
    for sign in ["error: ", "hint: "] {
        let n = err.lines().filter(|l| l.starts_with(sign)).count();
        assert_eq!(n, 1, "{err}");
    }
    for word in words {
        assert!(err.contains(word), "{word:?} is not in {err}");
    }
}

/// Trains a short run on the CPU; `more` are further arguments.
pub fn train(data: &Path, out: &Path, more: &[&str]) {
    let fixed = ["--device", "cpu", "--steps", "120", "--quiet", "--out"];
    let all = [&["train", arg(data)], &fixed[..], &[arg(out)], more].concat();
    done(&all);
}

/// Rows of a CSV file, the header first.
pub fn rows(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(bytes);
    let fields = |r: csv::StringRecord| r.iter().map(String::from).collect();
    reader
        .records()
        .map(|r| fields(r.expect("a row")))
        .collect()
}

/// A column of such rows.
pub fn column(rows: &[Vec<String>], name: &str) -> Vec<String> {
    let at = rows[0].iter().position(|h| h == name).expect("the column");
    rows[1..].iter().map(|r| r[at].clone()).collect()
}
