//! Models of short runs of the demo, and the program that applies them.
#![allow(
    dead_code,
    unused_imports,
    reason = "not every test file that includes this one uses all of it"
)]
#[path = "program.rs"]
mod program;

pub use program::{text, writing, yoto};
use std::path::{Path, PathBuf};

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
    program::refused(&yoto(args), words);
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
