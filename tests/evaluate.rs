//! `evaluate`: the figures of training on the same cells, and what new labels do to them.
#[path = "common/applied.rs"]
mod applied;

use applied::{arg, column, demo, done, refused, rows, train, yoto};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn run(dir: &Path) -> PathBuf {
    let out = dir.join("run");
    let flags = ["--label", "cell_type", "--label", "donor", "--genes", "8"];
    train(&demo(), &out, &flags);
    out
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// A table with `label` of some cells.
fn table(dir: &Path, name: &str, cells: &[String], label: impl Fn(usize) -> String) -> PathBuf {
    let mut text = "cell,truth\n".to_owned();
    for (i, cell) in cells.iter().enumerate() {
        text += &format!("{cell},{}\n", label(i));
    }
    let path = dir.join(name);
    std::fs::write(&path, text).expect("a file");
    path
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn the_test_cells_have_the_figures_of_training() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = run(dir.path());
    let own = rows(&std::fs::read(run.join("predictions.csv")).expect("predictions.csv"));
    let (cells, truth) = (column(&own, "obs_names"), column(&own, "cell_type_true"));
    let labels = table(dir.path(), "test.csv", &cells, |i| truth[i].clone());
    let base = [
        "evaluate",
        arg(&run),
        arg(&demo()),
        "--labels",
        arg(&labels),
    ]
    .map(String::from);
    let base: Vec<&str> = base.iter().map(String::as_str).collect();
    let with = |more: &[&str]| done(&[&base[..], &["--label", "cell_type=truth"], more].concat()).0;
    let found = json(&with(&["--json"]));
    let task = &found["tasks"][0];
    let metrics = std::fs::read_to_string(run.join("metrics.json")).expect("metrics.json");
    let metrics = json(&metrics);
    assert_eq!(task["scores"], metrics["tasks"][0]["test"]);
    let same = |a: &Value, b: &Value| assert!((number(a) - number(b)).abs() < 1e-9, "{a} {b}");
    for part in ["ece", "nll", "brier"] {
        let theirs = &metrics["calibration"][0]["calibrated"][part];
        same(&task["calibration"]["calibrated"][part], theirs);
    }
    // cells are drawn by their place among the labelled ones
    assert_eq!(task["intervals"], metrics["tasks"][0]["intervals"]);
    for (name, score) in task["scores"].as_object().expect("scores") {
        let [low, high] = [0, 1].map(|i| number(&task["intervals"][name][i]));
        let score = number(score);
        assert!(
            low <= score + 0.02 && score <= high + 0.02 && low < high,
            "{name}"
        );
        // accuracy of 208 cells: 1.96 standard errors to each side
        let width = 2.0 * 1.96 * (score * (1.0 - score) / cells.len() as f64).sqrt();
        assert!(
            name != "accuracy" || (high - low - width).abs() < 0.3 * width,
            "{low} {high}"
        );
    }
    assert_eq!(task["cells"], cells.len());
    assert_eq!(task["unlabelled"], 1042 - cells.len());
    // the tables agree with each other
    let matrix: Vec<Vec<u64>> = serde_json::from_value(task["confusion"].clone()).expect("counts");
    let classes = task["classes"].as_array().expect("classes");
    assert_eq!(matrix.iter().flatten().sum::<u64>(), cells.len() as u64);
    let right: u64 = (0..matrix.len()).map(|i| matrix[i][i]).sum();
    same(
        &task["scores"]["accuracy"],
        &(right as f64 / cells.len() as f64).into(),
    );
    for (c, class) in classes.iter().enumerate() {
        let support: u64 = matrix[c].iter().sum();
        assert_eq!(class["support"], support);
        if support > 0 {
            same(
                &class["recall"],
                &(matrix[c][c] as f64 / support as f64).into(),
            );
        } else {
            assert!(class["recall"].is_null());
        }
    }
    // the same bytes again; another seed draws others
    assert_eq!(json(&with(&["--json"])), found);
    let other = json(&with(&["--json", "--seed", "5"]));
    assert_eq!(other["tasks"][0]["scores"], task["scores"]);
    assert_ne!(other["tasks"][0]["intervals"], task["intervals"]);
    // tables, files and stdout
    let text = with(&[]);
    for part in [
        "accuracy",
        "macro-F1",
        "class",
        "support",
        "calibration error",
        "obs column truth",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let file = dir.path().join("e.json");
    assert_eq!(with(&["--out", arg(&file)]), text);
    assert_eq!(
        json(&std::fs::read_to_string(&file).expect("the file")),
        found
    );
    assert_eq!(json(&with(&["--out", "-"])), found);
    let again = [
        &base[..],
        &["--label", "cell_type=truth", "--out", arg(&file)],
    ]
    .concat();
    refused(&again, &["is there already"]);
    // without a label every task whose column is there
    let (all, _) = done(&["evaluate", arg(&run), arg(&demo()), "--json"]);
    let names: Vec<String> = json(&all)["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .map(|t| t["name"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(names, ["cell_type", "donor"]);
}

#[test]
fn labels_that_training_never_saw_are_in_no_figure() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = run(dir.path());
    let (csv, _) = done(&["predict", arg(&run), arg(&demo())]);
    let csv = rows(csv.as_bytes());
    let (cells, predicted) = (
        column(&csv, "obs_names"),
        column(&csv, "cell_type_predicted"),
    );
    // right by construction, but for every tenth cell, whose label is new, and every eleventh, without one
    let labels = table(dir.path(), "new.csv", &cells, |i| match i {
        i if i % 10 == 0 => "martian".into(),
        i if i % 11 == 0 => String::new(),
        i => predicted[i].clone(),
    });
    let labels = arg(&labels);
    let base = ["evaluate", arg(&run), "DATA", "--labels", labels, "--label"];
    let demo = demo();
    let base = base.map(|a| if a == "DATA" { arg(&demo) } else { a });
    let (text, said) = done(&[&base[..], &["cell_type=truth", "--json"]].concat());
    let found = json(&text);
    let task = &found["tasks"][0];
    assert_eq!(task["scores"]["accuracy"], 1.0);
    assert_eq!(task["unseen"][0]["label"], "martian");
    assert_eq!(task["unseen"][0]["cells"], 105);
    assert_eq!(task["unlabelled"], 85);
    assert_eq!(task["cells"], 1042 - 105 - 85);
    assert!(
        said.contains("105 cells have the label \"martian\""),
        "{said}"
    );
    // none is known, no such task, numbers for classes, twice
    let foreign = table(dir.path(), "foreign.csv", &cells, |i| format!("x{}", i % 3));
    let mut none = base;
    none[4] = arg(&foreign);
    let words = [
        "no label that the model knows: x0, x1, x2",
        "the model knows: ",
    ];
    refused(&[&none[..], &["cell_type=truth"]].concat(), &words);
    refused(
        &[&base[..], &["age"]].concat(),
        &["no task \"age\"", "cell_type, donor"],
    );
    let as_number = [&base[..5], &["--regress", "cell_type"]].concat();
    refused(&as_number, &["predicts classes", "--label"]);
    refused(
        &[&base[..], &["donor", "--label", "donor=truth"]].concat(),
        &["asked for twice"],
    );
    let twice = [&base[..], &["donor", "--label", "donor"]].concat();
    assert_eq!(yoto(&twice).status.code(), Some(2));
    let csv = dir.path().join("no_obs.csv");
    std::fs::write(&csv, "cell,A,B\nx,1,2\n").expect("a file");
    refused(
        &["evaluate", arg(&run), arg(&csv)],
        &["no task of the model is a column of obs"],
    );
}

/// Reconstruction and numbers, all sizes and repeats: intervals and calibration are there, and no more.
#[test]
fn every_kind_of_run_has_intervals_and_calibration() {
    let dir = tempfile::tempdir().expect("tempdir");
    let made = dir.path().join("made.h5ad");
    let fixed = [
        "simulate",
        "--cells",
        "600",
        "--genes",
        "120",
        "--classes",
        "3",
        "--markers",
        "9",
        "--density",
        "0.2",
    ];
    done(&[&fixed[..], &[arg(&made)]].concat());
    let run = dir.path().join("run");
    let flags = [
        "--label",
        "class",
        "--regress",
        "pseudotime",
        "--reconstruct=4",
        "--genes",
        "4,8",
        "--repeats",
        "2",
    ];
    train(&made, &run, &flags);
    let metrics = std::fs::read_to_string(run.join("metrics.json")).expect("metrics.json");
    let metrics = json(&metrics);
    for task in metrics["tasks"].as_array().expect("tasks") {
        let test = task["test"].as_object().expect("scores");
        assert_eq!(
            task["intervals"].as_object().expect("intervals").len(),
            test.len()
        );
        for (name, score) in test {
            let of = |i: usize| number(&task["intervals"][name][i]);
            assert!(
                of(0) <= number(score) && number(score) <= of(1),
                "{name} {task}"
            );
        }
    }
    let calibration = metrics["calibration"].as_array().expect("a list");
    assert_eq!(calibration.len(), 1);
    let own = &calibration[0];
    assert!(number(&own["temperature"]) > 0.0 && own["validation_cells"].as_u64() > Some(30));
    let bins = own["calibrated"]["bins"].as_array().expect("bins");
    let cells: u64 = bins
        .iter()
        .map(|b| b["cells"].as_u64().expect("cells"))
        .sum();
    assert_eq!((bins.len(), Some(cells)), (15, own["cells"].as_u64()));
    for k in ["", "k4/"] {
        let model = run.join(format!("{k}model.safetensors"));
        let found = json(&done(&["evaluate", arg(&model), arg(&made), "--json"]).0);
        let kinds: Vec<&str> = found["tasks"]
            .as_array()
            .expect("tasks")
            .iter()
            .map(|t| t["kind"].as_str().expect("a kind"))
            .collect();
        assert_eq!(kinds, ["classification", "regression"]);
        let r = &found["tasks"][1];
        let [low, high] = [0, 1].map(|i| number(&r["intervals"]["r2"][i]));
        assert!(low <= number(&r["scores"]["r2"]) && number(&r["scores"]["r2"]) <= high);
        assert!(r.get("calibration").is_none() && r.get("confusion").is_none());
    }
}
