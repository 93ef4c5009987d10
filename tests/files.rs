//! Files of other formats as a user gives them to the program.
#[path = "common/program.rs"]
mod program;

use program::yoto;
use std::path::{Path, PathBuf};
use std::process::Output;

fn fixture(name: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats");
    fixtures.join(name).display().to_string()
}

/// Two genes of a file, a few steps on the CPU.
fn train(file: &str, out: &Path, more: &[&str]) -> Output {
    let out = out.display().to_string();
    let mut args = vec![
        "train",
        file,
        "--device",
        "cpu",
        "--steps",
        "4",
        "--genes",
        "2",
        "--hidden",
        "4",
        "--out",
        &out,
        "--force",
        "--test-fraction",
        "0.3",
        "--validation-fraction",
        "0.2",
    ];
    args.extend(more);
    yoto(&args)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_format_trains() {
    let dir = tempfile::tempdir().expect("tempdir");
    let labels = fixture("labels.tsv");
    let from_table = ["--labels", &labels, "--label", "kind"];
    let mut notes = 0;
    for (name, more) in [
        ("anndata_0.6.h5ad", &["--raw", "--label", "cell_type"][..]),
        (
            "anndata_0.7.h5ad",
            &["--label", "cell_type", "--regress", "score"],
        ),
        (
            "modern.h5ad",
            &["--layer", "uint16", "--label", "cell_type"],
        ),
        ("dense.csv", &["--label", "cell_type", "--regress", "batch"]),
        ("loompy.loom", &["--layer", "spliced", "--regress", "score"]),
        ("tenx_v3", &from_table),
        ("tenx_v2.h5", &from_table),
        ("long.csv.gz", &from_table),
    ] {
        let output = train(&fixture(name), &dir.path().join("run"), more);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
        if more.contains(&"--labels") {
            assert!(
                stderr(&output).contains("11 of 12 cells have a row"),
                "{}",
                stderr(&output)
            );
        }
        // what one step of reading finds, those after it hand on
        let said = stderr(&output);
        let mut own: Vec<&str> = said.lines().filter(|l| l.starts_with("note: ")).collect();
        notes += own.len();
        let all = own.len();
        own.sort_unstable();
        own.dedup();
        assert_eq!(own.len(), all, "{name}: {said}");
    }
    assert!(notes > 7, "{notes}");
}

#[test]
fn scaled_values_offer_raw() {
    let dir = tempfile::tempdir().expect("tempdir");
    let out = dir.path().join("run");
    for name in ["anndata_0.6.h5ad", "modern.h5ad"] {
        let output = train(&fixture(name), &out, &["--label", "cell_type"]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.contains("negative value")
                && text.contains("hint: scaled")
                && text.contains("--raw"),
            "{text}"
        );
    }
    assert!(!out.exists(), "nothing is left behind");
    let both = train(&fixture("modern.h5ad"), &out, &["--raw", "--layer", "int8"]);
    assert_eq!(both.status.code(), Some(2));
    let demo = yoto(&["train", "--raw"]);
    assert_eq!(demo.status.code(), Some(2), "{}", stderr(&demo));
}

#[test]
fn inspect_prints_a_table_or_json() {
    let output = yoto(&["inspect", &fixture("anndata_0.6.h5ad")]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0));
    for part in [
        "AnnData 0.6",
        "12 cells x 7 genes",
        "scaled",
        "cell_type   categorical  2",
        "--label cell_type --raw",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let output = yoto(&["inspect", "--json", &fixture("tenx_v3.h5")]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!((&value["n_obs"], &value["n_vars"]), (&12.into(), &7.into()));
    assert_eq!(value["matrices"][0]["looks_like"], "counts");
    assert_eq!(value["obs"], serde_json::json!([]));
    let output = yoto(&["inspect", "absent.h5ad"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("error: absent.h5ad: there is no such file\nhint: "),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_inspect_proposes_works() {
    let dir = tempfile::tempdir().expect("tempdir");
    let output = yoto(&["inspect", "--json", &fixture("modern.h5ad")]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    let line = value["next"].as_str().expect("a command line").to_owned();
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(words[..3], ["yoto-gpu", "train", &*fixture("modern.h5ad")]);
    let flags: Vec<&str> = words[3..]
        .iter()
        .copied()
        .take_while(|w| *w != "--genes")
        .collect();
    let output = train(words[2], &dir.path().join("run"), &flags);
    assert_eq!(output.status.code(), Some(0), "{line}: {}", stderr(&output));
    // values per million are no logs
    let fpkm = dir.path().join("fpkm.csv");
    let rows = (0..40).map(|i| {
        format!(
            "c{i},type{},{}.5,{}.25,{}.75\n",
            i % 2,
            40 * i,
            900 - 20 * i,
            7 * i
        )
    });
    let table = "cell,cell_type,CD3D,CD19,LYZ\n".to_string() + &rows.collect::<String>();
    std::fs::write(&fpkm, table).expect("a table");
    let output = yoto(&["inspect", &fpkm.display().to_string()]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("normalised, not logs"), "{said}");
    let label = ["--label", "cell_type"];
    let output = train(
        &fpkm.display().to_string(),
        &dir.path().join("fpkm"),
        &label,
    );
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("up to 1560.5") && said.contains("taken as FPKM"),
        "{said}"
    );
    let modern = yoto(&["inspect", &fixture("modern.h5ad")]);
    assert!(!String::from_utf8_lossy(&modern.stdout).contains("--input"));
}

#[test]
fn convert_writes_whole_files_or_none() {
    let dir = tempfile::tempdir().expect("tempdir");
    let to: PathBuf = dir.path().join("out.h5ad");
    let to_text = to.display().to_string();
    let labels = fixture("labels.tsv");
    let output = yoto(&[
        "convert",
        &fixture("tenx_v3"),
        &to_text,
        "--labels",
        &labels,
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("note: ") && output.stdout.is_empty());
    let output = yoto(&["inspect", &to_text]);
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("kind        categorical  2       3"),
        "{output:?}"
    );
    let before = std::fs::read(&to).expect("written");
    let again = yoto(&["convert", &fixture("dense.csv"), &to_text]);
    assert_eq!(again.status.code(), Some(1));
    let bad = yoto(&["convert", &fixture("filters.h5ad"), &to_text, "--force"]);
    assert!(stderr(&bad).contains("bitshuffle"), "{}", stderr(&bad));
    assert_eq!(std::fs::read(&to).expect("still there"), before);
    assert_eq!(std::fs::read_dir(dir.path()).expect("dir").count(), 1);
}
