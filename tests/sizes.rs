//! `train --genes 4,8 --repeats 2` and the rules of the laboratory, as a user runs them.
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

fn train(out: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_yoto-gpu"))
        .args(["train", "--device", "cpu", "--json", "--quiet", "--out"])
        .arg(out)
        .args(more)
        .output()
        .expect("runs")
}

fn object(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn genes(path: &Path) -> BTreeSet<String> {
    let mut csv = csv::Reader::from_path(path.join("panel.csv")).expect("panel.csv");
    csv.records()
        .map(|r| r.expect("row")[1].to_string())
        .collect()
}

#[test]
fn several_sizes_and_repeats_have_files_of_their_own() {
    let folder = tempfile::tempdir().expect("folder");
    let out = folder.path().join("run");
    let run = object(&train(
        &out,
        &["--genes", "4,8", "--repeats", "2", "--steps", "120"],
    ));
    let curve = run["curve"].as_array().expect("curve");
    let k: Vec<_> = curve.iter().map(|p| p["k"].as_u64()).collect();
    assert_eq!(k, [Some(4), Some(8)]);
    assert_eq!(run["panel"].as_array().map(Vec::len), Some(8));
    let result = &curve[1]["tasks"][0]["test"];
    assert_eq!(
        *result, run["tasks"][0]["test"],
        "the main panel is the largest"
    );
    let (four, eight) = (genes(&out.join("k4")), genes(&out.join("k8")));
    assert_eq!((four.len(), eight.len()), (4, 8));
    assert!(four.is_subset(&eight));
    assert_eq!(eight, genes(&out));
    for file in ["model.safetensors", "predictions.csv", "explanations.csv"] {
        assert!(out.join("k4").join(file).is_file(), "{file}");
    }
    let csv = std::fs::read_to_string(out.join("curve.csv")).expect("curve.csv");
    assert!(
        csv.starts_with("k,validation_loss,validation_score,accuracy,macro_f1\n4,"),
        "{csv}"
    );
    assert_eq!(run["repeats"]["result"], "consensus");
    assert_eq!(run["repeats"]["n"], 2);
    // a later run with one size takes the old sizes away
    object(&train(&out, &["--genes", "4", "--steps", "30", "--force"]));
    assert!(!out.join("k4").exists() && !out.join("curve.csv").exists());
}

#[test]
fn auto_takes_one_of_its_sizes() {
    let folder = tempfile::tempdir().expect("folder");
    let auto = |out: &str, tolerance: &str| {
        let out = folder.path().join(out);
        object(&train(
            &out,
            &[
                "--genes",
                "auto",
                "--tolerance",
                tolerance,
                "--steps",
                "300",
            ],
        ))
    };
    let (loose, strict) = (auto("a", "0.9"), auto("b", "0"));
    let size = |run: &Value| run["panel"].as_array().map_or(0, Vec::len);
    assert_eq!(
        (size(&loose), loose["curve"].as_array().map(Vec::len)),
        (4, Some(11))
    );
    let score = |p: &Value| p["validation_score"].as_f64().expect("score");
    let curve = strict["curve"].as_array().expect("curve");
    let best = curve.iter().map(score).fold(0.0, f64::max);
    let smallest = curve.iter().find(|p| score(p) == best).expect("a best one");
    assert_eq!(smallest["k"].as_u64(), Some(size(&strict) as u64));
    assert!(size(&strict) > 4);
}
