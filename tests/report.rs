//! The page of a run, without a browser: well-formed, safe from names, the same bytes, errors.
#[path = "report/markup.rs"]
mod markup;
#[path = "report/runs.rs"]
mod runs;

use markup::{Element, faults, parse};
use runs::program::{refused, yoto};
use runs::{hostile, made_up, plainly, train};
use serde_json::Value;
use std::path::Path;
use yoto_gpu::report::page::data::{Kind, Report};
use yoto_gpu::report::page::html;

fn checked(html: &str) -> Vec<Element> {
    let elements = parse(html).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(faults(&elements, html), Vec::<String>::new());
    elements
}

fn plots(elements: &[Element]) -> usize {
    let is = |e: &&Element| e.name == "svg" && e.attribute("role") == Some("img");
    elements.iter().filter(is).count()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("is there")).expect("is JSON")
}

#[test]
fn train_writes_the_page_and_report_draws_it_again() {
    let dir = tempfile::tempdir().expect("dir");
    let run = dir.path().join("it's <b>");
    train(&run, &["--genes", "4,8"]);
    let page = std::fs::read_to_string(run.join("report.html")).expect("page");
    let elements = checked(&page);
    assert!(plots(&elements) >= 8, "{}", plots(&elements));
    for words in [
        "A panel of 8 genes for <bdi>cell_type</bdi>",
        "95 % interval",
        "How many genes are enough",
        "Confusion matrix",
        "Reliability diagram",
        "--genes 4,8",
        "it&#39;\\&#39;&#39;s &lt;b&gt;",
    ] {
        assert!(page.contains(words), "{words}");
    }
    // what metrics.json says is what the page says
    let (metrics, report) = (
        json(&run.join("metrics.json")),
        json(&run.join("report.json")),
    );
    let accuracy = metrics["tasks"][0]["test"]["accuracy"]
        .as_f64()
        .expect("accuracy");
    let figure = &report["tasks"][0]["figures"][0];
    assert_eq!(figure["value"].as_f64(), Some(accuracy));
    assert!(page.contains(&format!("<strong>{accuracy:.3}</strong>")));
    let (low, high) = (
        figure["interval"][0].as_f64(),
        figure["interval"][1].as_f64(),
    );
    assert!(low < Some(accuracy) && Some(accuracy) < high, "{figure}");
    let confusion = report["tasks"][0]["confusion"]
        .as_array()
        .expect("confusion");
    let cells: u64 = confusion.iter().filter_map(|c| c[2].as_u64()).sum();
    assert_eq!(Some(cells), metrics["data"]["test"].as_u64());
    let shown = |name: &str| report["map"][name].as_array().map(Vec::len);
    assert_eq!(shown("points"), Some(208));

    // the same bytes, and nothing but the two files is needed
    std::fs::remove_file(run.join("report.html")).expect("removed");
    let shown = run.display().to_string();
    let drawn = yoto(&["report", &shown]);
    assert!(drawn.status.success());
    let again = std::fs::read_to_string(run.join("report.html")).expect("page");
    assert!(again == page, "the page is drawn otherwise");
    let piped = yoto(&["report", &shown, "--out", "-"]);
    assert!(piped.stdout == page.as_bytes());
    // a file that is there is not replaced without being asked
    let other = dir.path().join("other.html");
    std::fs::write(&other, "mine").expect("written");
    let other = other.display().to_string();
    refused(
        &yoto(&["report", &shown, "--out", &other]),
        &["other.html", "--force"],
    );
    assert_eq!(std::fs::read(&other).expect("there"), b"mine");
    assert!(
        yoto(&["report", &shown, "--out", &other, "--force"])
            .status
            .success()
    );
    assert!(std::fs::read(&other).expect("there") == page.as_bytes());

    // a size of it is told from a run
    let size = run.join("k4").display().to_string();
    refused(&yoto(&["report", &size]), &["one size", "folder above"]);
}

#[test]
fn runs_without_test_or_validation_cells_have_a_page() {
    let dir = tempfile::tempdir().expect("dir");
    let run = dir.path().join("run");
    let flags = [
        "--genes",
        "4",
        "--test-fraction",
        "0",
        "--validation-fraction",
        "0",
    ];
    train(&run, &flags);
    let page = std::fs::read_to_string(run.join("report.html")).expect("page");
    checked(&page);
    assert!(page.contains("No cells were kept for testing"));
    assert!(!page.contains("NaN"));
}

#[test]
fn hostile_names_are_only_text() {
    let report = made_up(16, 8, 200, &hostile);
    let page = html(std::slice::from_ref(&report)).expect("drawn");
    let elements = checked(&page);
    for attack in ["<script", "<img", "<!--", "\u{0}", "\u{1b}"] {
        assert!(!page.contains(attack), "{attack:?}");
    }
    // and each is there to be read
    let all: String = elements
        .iter()
        .filter(|e| e.name == "main")
        .map(|e| e.text.as_str())
        .collect();
    for i in [0, 1, 2, 3, 4, 5] {
        assert!(all.contains(&hostile("gene", i)), "{}", hostile("gene", i));
    }
    // several of them, too
    checked(&html(&[report.clone(), report]).expect("drawn"));
}

#[test]
fn pages_of_any_size_are_well_formed_and_small() {
    for (genes, classes, cells) in [
        (1, 2, 0),
        (8, 2, 3),
        (2, 47, 1500),
        (500, 50, 1500),
        (30, 300, 1500),
    ] {
        let page = html(&[made_up(genes, classes, cells, &plainly)]).expect("drawn");
        let elements = checked(&page);
        assert!(plots(&elements) >= 4, "{genes} {classes} {cells}");
        assert!(
            page.len() < 2_000_000,
            "{genes} {classes}: {} bytes",
            page.len()
        );
        assert!(
            !page.contains("NaN") && !page.contains("inf"),
            "{genes} {classes} {cells}"
        );
    }
    let report = made_up(32, 10, 200, &plainly);
    let page = html(std::slice::from_ref(&report)).expect("drawn");
    assert!(
        page == html(&[report]).expect("drawn"),
        "not the same bytes"
    );
}

#[test]
fn negative_numbers_have_a_minus_sign() {
    let mut report = made_up(8, 3, 60, &plainly);
    report.panel[7].score = -0.0004;
    report.panel[6].roles[0].drop = Some(-0.02);
    report.tasks[0].figures[0].value = Some(-0.3);
    let page = html(&[report]).expect("drawn");
    checked(&page);
    for number in ["−0.0004", "−0.020", "−0.300"] {
        assert!(page.contains(number), "{number}");
    }
    let hyphen = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    assert_eq!(page.split(">-").skip(1).find(|part| hyphen(part)), None);
}

/// What a run may lack.
#[test]
fn runs_with_nothing_to_show_have_a_page() {
    let mut report = made_up(4, 3, 30, &plainly);
    report.history.clear();
    report.curve.clear();
    report.hierarchy.clear();
    (report.map, report.batches) = (None, None);
    (report.cross_validation, report.repeats) = (None, None);
    report.stopped = true;
    for task in &mut report.tasks {
        task.cells = 0;
        task.figures
            .iter_mut()
            .for_each(|f| (f.value, f.interval) = (None, None));
        match &mut task.of {
            Kind::Classification {
                confusion,
                calibration,
                shown,
                ..
            } => {
                confusion.clear();
                calibration.clear();
                shown.clear();
            }
            Kind::Regression { shown } => shown.clear(),
            Kind::Reconstruction { .. } => {}
        }
    }
    let page = html(&[report]).expect("drawn");
    checked(&page);
    assert!(page.contains("stopped before its end"));
}

#[test]
fn several_runs_stand_side_by_side() {
    let dir = tempfile::tempdir().expect("dir");
    let named = |shift: usize, folder: &'static str| {
        let name = move |what: &str, i: usize| match what {
            "gene" => format!("gene {}", i + shift),
            "folder" => folder.into(),
            _ => plainly(what, i),
        };
        let mut report: Report = made_up(10, 3, 60, &name);
        report.curve.clear();
        let run = dir.path().join(folder);
        std::fs::create_dir(&run).expect("made");
        let bytes = serde_json::to_vec(&report).expect("JSON");
        std::fs::write(run.join("report.json"), bytes).expect("written");
        run.display().to_string()
    };
    // genes 0..10, 4..14 and 8..18: 2 in all, 6 and 6 and 2 in pairs
    let runs = [named(0, "first"), named(4, "second"), named(8, "third")];
    let args: Vec<&str> = std::iter::once("report")
        .chain(runs.iter().map(String::as_str))
        .collect();
    let output = yoto(&args);
    assert!(output.status.success());
    let page = String::from_utf8(output.stdout).expect("UTF-8");
    checked(&page);
    for words in [
        "3 runs side by side",
        "18 genes are in any of the panels, 2 in all of them",
        "<bdi>A first</bdi> and <bdi>B second</bdi>: 6",
        "<bdi>A first</bdi> and <bdi>C third</bdi>: 2",
        "Run <bdi>C third</bdi>",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn what_is_no_run_is_one_error() {
    let dir = tempfile::tempdir().expect("dir");
    let path = |name: &str| dir.path().join(name);
    let report = |name: &str| yoto(&["report", &path(name).display().to_string()]);
    refused(&report("nowhere"), &["is not there", "train --out"]);
    std::fs::create_dir(path("run")).expect("made");
    refused(&report("run"), &["is not the folder of a run"]);
    std::fs::write(path("run/checkpoint.bin"), "x").expect("written");
    refused(&report("run"), &["not finished", "--resume"]);
    std::fs::write(path("run/metrics.json"), "{}").expect("written");
    refused(&report("run"), &["earlier version", "train again"]);
    refused(&report("run/metrics.json"), &["is a file"]);

    let whole = made_up(5, 3, 20, &plainly);
    let write = |value: &Value| {
        let bytes = serde_json::to_vec(value).expect("JSON");
        std::fs::write(path("run/report.json"), bytes).expect("written");
    };
    let value = serde_json::to_value(&whole).expect("JSON");
    write(&value);
    assert!(report("run").status.success());
    type Damage = fn(&mut Value);
    let damages: [(Damage, &str); 8] = [
        (|v| v["kind"] = "other".into(), "is not a report"),
        (|v| v["schema_version"] = 99.into(), "schema_version 99"),
        (|v| v["panel"] = Value::Null, "damaged"),
        (
            |v| v["tasks"][0]["confusion"][0][1] = 7.into(),
            "class that there is not",
        ),
        (
            |v| v["tasks"][0]["shown"][0][1] = 3.into(),
            "class that there is not",
        ),
        (
            |v| v["tasks"][0]["classes"][0]["mean"] = Value::Array(vec![]),
            "a value a gene",
        ),
        (
            |v| v["map"]["points"] = Value::Array(vec![]),
            "a place a cell",
        ),
        (
            |v| v["panel"][2]["roles"] = Value::Array(vec![]),
            "a role a task",
        ),
    ];
    for (damage, words) in damages {
        let mut broken = value.clone();
        damage(&mut broken);
        write(&broken);
        refused(&report("run"), &["report.json", words]);
    }
    let text = value.to_string();
    for len in [0, 1, text.len() / 2, text.len() - 1] {
        std::fs::write(path("run/report.json"), &text[..len]).expect("written");
        refused(&report("run"), &["report.json", "not the JSON"]);
    }
    // the page that was there is as it was
    assert!(path("run/report.html").is_file());
}

#[test]
fn a_resumed_run_keeps_the_command_that_began_it() {
    let dir = tempfile::tempdir().expect("dir");
    let run = dir.path().join("run");
    train(&run, &["--genes", "4", "--seed", "7"]);
    let config = json(&run.join("config.json"));
    let command = config["command"].as_str().expect("a command");
    let begin = "yoto-gpu train --device cpu --steps 40 --out ";
    assert!(
        command.starts_with(begin) && command.ends_with("-q --genes 4 --seed 7"),
        "{command}"
    );
    assert_eq!(json(&run.join("report.json"))["command"], config["command"]);
    use yoto_gpu::report::files::{CHECKPOINT, Claim, RunDir};
    std::fs::write(run.join(CHECKPOINT), "x").expect("written");
    let resumed = RunDir::claim(&run, Claim::Resume).expect("claimed");
    let resumed = resumed.repeated_by("yoto-gpu train --resume".into(), Claim::Resume);
    assert_eq!(resumed.command(), command);
    let anew = RunDir::claim(&run, Claim::Force).expect("claimed");
    assert_eq!(anew.repeated_by("x".into(), Claim::Force).command(), "x");
}
