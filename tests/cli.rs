//! The program as a user runs it: help, exit codes, files, JSON, errors.
#[path = "common/program.rs"]
mod program;

use program::{refused, text, yoto};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

/// A short run of the demo on the CPU.
fn demo(out: &Path, more: &[&str]) -> Output {
    let out = out.display().to_string();
    let mut args = vec![
        "train", "--device", "cpu", "--steps", "40", "--genes", "8", "--out", &out,
    ];
    args.extend(more);
    yoto(&args)
}

#[test]
fn help_names_every_flag_and_usage_errors_are_2() {
    let help = text(&yoto(&["train", "--help"]).stdout);
    for flag in [
        "--label",
        "--regress",
        "--genes",
        "--out",
        "--seed",
        "--device",
        "--hidden",
        "--epochs",
        "--steps",
        "--batch-size",
        "--lr",
        "--relaxation",
        "--test-fraction",
        "--validation-fraction",
        "--group-by",
        "--stratify",
        "--split-by",
        "--input",
        "--layer",
        "--raw",
        "--labels",
        "--min-genes",
        "--min-cells",
        "--max-genes-considered",
        "--exclude-genes",
        "--include-genes",
        "--candidates",
        "--rare-classes",
        "--json",
        "--quiet",
        "--resume",
        "--force",
        "--threads",
        "--recipe",
        "--task-weight",
        "--batch",
        "--reconstruct",
        "--cross-validate",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
    assert!(!help.contains("--no-such-flag"));
    for wrong in [
        &["train", "--no-such-flag"][..],
        &["train", "--lr", "-1"],
        &["train", "--epochs", "2", "--steps", "3"],
        &[
            "train",
            "--test-fraction",
            "0.6",
            "--validation-fraction",
            "0.5",
        ],
        &["train", "some.h5ad"],
        &["train", "--recipe", "{\"no_such_field\": 1}"],
        &["train", "--genes", "0"],
        &["train", "--genes", "16..8"],
        &["train", "--budget", "5"],
        &["train", "--task-weight", "cell_type"],
        &["train", "--task-weight", "cell_type=0"],
        &["train", "--task-weight", "donor=2"],
        &["nonsense"],
    ] {
        let output = yoto(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
    assert_eq!(yoto(&["--version"]).status.code(), Some(0));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the fields are there to be demanded")]
struct Summary {
    version: String,
    seed: u64,
    device: Device,
    data: Data,
    panel: Vec<Gene>,
    tasks: Vec<Task>,
    calibration: Vec<Calibration>,
    explanations: Vec<BTreeMap<String, Value>>,
    training: Training,
    out: String,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Device {
    name: String,
    backend: String,
    r#type: String,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    path: String,
    n_obs: usize,
    n_vars: usize,
    nnz: usize,
    train: usize,
    validation: usize,
    test: usize,
    filters: serde_json::Value,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gene {
    rank: usize,
    gene: String,
    score: f64,
    index: usize,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    name: String,
    kind: String,
    n_classes: Option<usize>,
    test: BTreeMap<String, Option<f64>>,
    intervals: BTreeMap<String, Option<[f64; 2]>>,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the fields are there to be demanded")]
struct Calibration {
    task: String,
    temperature: f64,
    validation_cells: usize,
    cells: usize,
    uncalibrated: Reliability,
    calibrated: Reliability,
    flagged: BTreeMap<String, usize>,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the fields are there to be demanded")]
struct Reliability {
    ece: f64,
    nll: f64,
    brier: f64,
    bins: Vec<BTreeMap<String, Option<f64>>>,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the fields are there to be demanded")]
struct Training {
    epochs: u64,
    steps: u64,
    seconds: f64,
    cells_per_second: f64,
    best_epoch: u64,
    contest: Option<Contest>,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contest {
    rounds: f64,
    boosting: f64,
    boosted: bool,
}

fn summary(output: &Output) -> Summary {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    assert_eq!(stdout.lines().count(), 1, "exactly one object");
    serde_json::from_str(&stdout).expect("the schema of the README")
}

fn rows(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_path(path)
        .expect("a CSV file");
    reader
        .records()
        .map(|r| r.expect("a row").iter().map(String::from).collect())
        .collect()
}

#[test]
fn json_schema_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let s = summary(&demo(
        &out,
        &[
            "--label",
            "cell_type",
            "--label",
            "donor",
            "--json",
            "--quiet",
        ],
    ));
    assert_eq!(
        (s.data.path.as_str(), s.data.n_obs, s.data.n_vars),
        ("demo", 1042, 2000)
    );
    assert_eq!(s.data.filters["genes"]["considered"], 2000);
    // few cells, two labels, fewer than 2.25 genes a class
    let contest = s.training.contest.as_ref().expect("two ways were tried");
    assert!(contest.rounds > 0.0 && contest.boosting > 0.0);
    assert_eq!(contest.boosted, contest.boosting < 0.9 * contest.rounds);
    assert_eq!(s.data.train + s.data.validation + s.data.test, 1042);
    assert!(
        s.data.test.abs_diff(208) < 5
            && s.data.validation.abs_diff(104) < 5
            && s.data.nnz > 900_000
    );
    assert_eq!(
        (
            s.device.name.as_str(),
            s.device.backend.as_str(),
            s.device.r#type.as_str()
        ),
        ("CPU", "native", "cpu")
    );
    assert_eq!(
        (s.panel.len(), s.panel[0].rank, s.training.steps),
        (8, 1, 40)
    );
    assert!(
        s.panel
            .windows(2)
            .all(|g| g[0].score >= g[1].score && g[0].index != g[1].index)
    );
    let names: Vec<&str> = s.tasks.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["cell_type", "donor"]);
    for task in &s.tasks {
        let keys: Vec<&str> = task.test.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            ["accuracy", "balanced_accuracy", "macro_f1", "weighted_f1"]
        );
        assert!(task.kind == "classification" && task.n_classes.is_some());
        assert!(task.intervals.keys().eq(task.test.keys()));
    }
    let calibrated: Vec<&str> = s.calibration.iter().map(|c| c.task.as_str()).collect();
    assert_eq!(calibrated, names);
    let panel = rows(&out.join("panel.csv"));
    assert_eq!(
        panel[0][..6],
        ["rank", "gene", "ensembl_id", "symbol", "score", "index"]
    );
    assert_eq!(panel[0][12..14], ["flags", "cell_type_marks"]);
    assert_eq!((panel[0].len(), panel[0][22].as_str()), (23, "donor_loses"));
    let of_tasks = [&s.explanations[0]["task"], &s.explanations[1]["task"]];
    assert_eq!(
        (s.explanations.len(), of_tasks),
        (16, [&"cell_type".into(), &"donor".into()])
    );
    let first = &s.explanations[0];
    let keys: Vec<&str> = first.keys().map(String::as_str).collect();
    let expected = "accuracy_drop gene loses macro_f1_drop marks separates task";
    assert_eq!(keys.join(" "), expected);
    assert_eq!(first["gene"], s.panel[0].gene.as_str());
    let best = &first["separates"][0];
    assert!(
        best["cells"].as_u64() > Some(0) && best["auroc"].as_f64() <= Some(1.0),
        "{best}"
    );
    assert_eq!(rows(&out.join("explanations.csv")).len(), 1 + 8 * (10 + 4));
    assert_eq!(panel[1][1], s.panel[0].gene);
    assert_eq!(panel.len(), 9);
    let predictions = rows(&out.join("predictions.csv"));
    assert_eq!(
        predictions[0][..4],
        [
            "obs_names",
            "split",
            "cell_type_true",
            "cell_type_predicted"
        ]
    );
    assert_eq!(predictions.len(), s.data.test + 1);
    let right =
        predictions[1..].iter().filter(|r| r[2] == r[3]).count() as f64 / s.data.test as f64;
    assert!((right - s.tasks[0].test["accuracy"].unwrap()).abs() < 1e-9);
    assert_eq!(
        rows(&out.join("history.csv")).len() as u64,
        s.training.epochs + 1
    );
    let metrics = std::fs::read_to_string(out.join("metrics.json")).unwrap();
    serde_json::from_str::<Summary>(&metrics).expect("metrics.json is the same object");
    let (model, settings) =
        yoto_gpu::model::panel_model::PanelModel::load(&out.join("model.safetensors")).unwrap();
    assert_eq!(model.genes[0].name, s.panel[0].gene);
    assert_eq!(
        model.layers[0].w.len(),
        8 * 64,
        "weights of the panel's genes only"
    );
    assert_eq!(settings["settings"]["genes"], "8");
    assert!(!out.join("checkpoint.bin").exists());

    // the same command again: refused, nothing touched; with --force the same bytes
    let before = std::fs::read(out.join("model.safetensors")).unwrap();
    refused(&demo(&out, &["--json"]), &["not empty", "--force"]);
    assert_eq!(
        std::fs::read(out.join("model.safetensors")).unwrap(),
        before
    );
    std::fs::write(out.join("mine.txt"), "mine").unwrap();
    summary(&demo(
        &out,
        &[
            "--label",
            "cell_type",
            "--label",
            "donor",
            "--json",
            "--force",
        ],
    ));
    assert_eq!(
        std::fs::read(out.join("model.safetensors")).unwrap(),
        before
    );
    assert!(out.join("mine.txt").exists());
    summary(&demo(
        &out,
        &[
            "--label",
            "cell_type",
            "--label",
            "donor",
            "--json",
            "--force",
            "--seed",
            "1",
        ],
    ));
    assert_ne!(
        std::fs::read(out.join("model.safetensors")).unwrap(),
        before
    );
}

#[test]
fn test_figures_and_probabilities_are_those_of_a_good_model() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let s = summary(&demo(
        &out,
        &["--steps", "300", "--genes", "16", "--json", "--quiet"],
    ));
    assert!(
        s.tasks[0].test["accuracy"].unwrap() > 0.85 && s.tasks[0].test["macro_f1"].unwrap() > 0.7
    );
    let predictions = rows(&out.join("predictions.csv"));
    let probability = |row: &Vec<String>| row[4].parse::<f64>().unwrap();
    assert!(
        predictions[1..]
            .iter()
            .all(|r| (0.1..=1.0).contains(&probability(r))),
        "10 classes"
    );
    let of = |right: bool| {
        let p: Vec<f64> = predictions[1..]
            .iter()
            .filter(|r| (r[2] == r[3]) == right)
            .map(probability)
            .collect();
        p.iter().sum::<f64>() / p.len() as f64
    };
    assert!(
        of(true) > of(false),
        "right predictions are surer than wrong ones"
    );
}

#[test]
fn table_on_stdout_and_log_on_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(&folder.path().join("a"), &[]);
    assert_eq!(output.status.code(), Some(0));
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(stdout.contains("rank  gene") && stdout.contains("macro-F1"));
    assert!(stderr.contains("epoch ") && stderr.contains("training on CPU"));
    let quiet = demo(&folder.path().join("b"), &["--quiet"]);
    assert!(quiet.stderr.is_empty(), "{}", text(&quiet.stderr));
}

#[test]
fn bad_input_is_one_error_and_one_hint() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    refused(
        &demo(&out, &["--label", "cell_typ"]),
        &["cell_typ", "cell_type"],
    );
    refused(
        &demo(&out, &["--regress", "cell_type", "--label", "donor"]),
        &["cell_type"],
    );
    refused(
        &demo(&out, &["--genes", "2001"]),
        &["--genes 2001", "1 to 2000"],
    );
    refused(
        &demo(&out, &["--device", "no such gpu"]),
        &["no such gpu", "--device cpu"],
    );
    refused(&demo(&out, &["--resume"]), &["config.json", "--resume"]);
    let missing = folder.path().join("absent.h5ad").display().to_string();
    let at = |path: &str| {
        yoto(&[
            "train",
            path,
            "--label",
            "x",
            "--device",
            "cpu",
            "--out",
            &out.display().to_string(),
        ])
    };
    refused(&at(&missing), &["absent.h5ad"]);
    let broken = folder.path().join("broken.h5ad");
    std::fs::write(&broken, "this is no HDF5").unwrap();
    refused(&at(&broken.display().to_string()), &["broken.h5ad", "HDF5"]);
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    refused(&demo(&file, &[]), &["--out"]);
    refused(
        &demo(&file.join("below"), &[]),
        &["--out", "cannot be written"],
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}
