//! `predict`: the same answers from any file that holds the panel, in every format.
#[path = "common/applied.rs"]
mod applied;

use applied::{arg, column, demo, done, fixture, refused, rows, text, train, yoto};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use yoto_gpu::data::dataset::{Column, Dataset};
use yoto_gpu::data::{Options, open};

/// A run on the demo, of two labels.
fn run(dir: &Path) -> PathBuf {
    let out = dir.join("run");
    let flags = ["--label", "cell_type", "--label", "donor", "--genes", "8"];
    train(&demo(), &out, &flags);
    out
}

fn read(path: &Path, columns: &[&str]) -> Dataset {
    let columns = columns.iter().map(ToString::to_string).collect();
    let options = Options {
        columns,
        ..Options::default()
    };
    open(path, &options).expect("the file")
}

/// Counts of the panel's genes as a table, in another order than the panel's, and the totals over all genes.
fn panel_tables(run: &Path, dir: &Path) -> (PathBuf, PathBuf) {
    let panel = rows(&std::fs::read(run.join("panel.csv")).expect("panel.csv"));
    let mut genes: Vec<usize> = column(&panel, "index")
        .iter()
        .map(|i| i.parse().expect("an index"))
        .collect();
    genes.sort_unstable();
    let data = read(&demo(), &[]);
    let names: Vec<&str> = genes.iter().map(|g| data.var_names[*g].as_str()).collect();
    let mut counts = format!("cell,{}\n", names.join(","));
    let mut totals = "cell,total\n".to_owned();
    for (i, cell) in data.obs_names.iter().enumerate() {
        let (columns, values) = data.x.row(i);
        let of = |g: &usize| {
            let at = columns.binary_search(&(*g as u32));
            at.map_or(0.0, |at| values[at]).to_string()
        };
        let row: Vec<String> = genes.iter().map(of).collect();
        writeln!(counts, "{cell},{}", row.join(",")).expect("a string");
        let total: f64 = values.iter().map(|v| f64::from(*v)).sum();
        writeln!(totals, "{cell},{total}").expect("a string");
    }
    let paths = (dir.join("panel_counts.csv"), dir.join("totals.csv"));
    std::fs::write(&paths.0, counts).expect("a file");
    std::fs::write(&paths.1, totals).expect("a file");
    paths
}

#[test]
fn any_file_with_the_panel_gives_the_same_answers() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = run(dir.path());
    let whole = dir.path().join("whole.csv");
    done(&["predict", arg(&run), arg(&demo()), "--out", arg(&whole)]);
    let whole = std::fs::read(&whole).expect("predictions");
    let all = rows(&whole);
    assert_eq!(all.len(), 1043);
    assert_eq!(
        all[0][..4],
        [
            "obs_names",
            "cell_type_predicted",
            "cell_type_probability",
            "cell_type_flag"
        ]
    );
    // the test cells of training, digit by digit
    let own = rows(&std::fs::read(run.join("predictions.csv")).expect("predictions.csv"));
    let names = column(&all, "obs_names");
    let place = |name: &String| names.iter().position(|n| n == name).expect("the cell");
    for head in [
        "cell_type_predicted",
        "cell_type_probability",
        "donor_probability",
    ] {
        let (ours, theirs) = (column(&all, head), column(&own, head));
        for (cell, value) in column(&own, "obs_names").iter().zip(&theirs) {
            assert_eq!(&ours[place(cell)], value, "{head} of {cell}");
        }
    }
    // probabilities add up to 1
    for row in &all[1..] {
        let share = |i: usize| row[i].parse::<f64>().expect("a share");
        let sum: f64 = (4..14).map(share).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }
    // they are the calibrated ones: their likelihood is that of metrics.json
    let metrics = std::fs::read(run.join("metrics.json")).expect("metrics.json");
    let metrics: serde_json::Value = serde_json::from_slice(&metrics).expect("JSON");
    let nll = |with: &str| {
        metrics["calibration"][0][with]["nll"]
            .as_f64()
            .expect("a number")
    };
    let truth = column(&own, "cell_type_true");
    let minus_ln = |(cell, class): (&String, &String)| {
        let head = format!("cell_type_probability_{class}");
        let at = all[0].iter().position(|h| *h == head).expect("the class");
        // six decimals: what is less is at most that
        let p: f64 = all[1 + place(cell)][at].parse().expect("a share");
        -p.max(1e-7).ln()
    };
    let cells = column(&own, "obs_names");
    let sum: f64 = cells.iter().zip(&truth).map(minus_ln).sum();
    let mean = sum / cells.len() as f64;
    assert!(
        (mean - nll("calibrated")).abs() < 1e-3,
        "{mean} {}",
        nll("calibrated")
    );
    assert!((nll("calibrated") - nll("uncalibrated")).abs() > 3e-3);
    let (counts, totals) = panel_tables(&run, dir.path());
    let (counts, totals) = (arg(&counts), arg(&totals));
    let print = ["--out", "-"];
    let of = |more: &[&str]| done(&[&["predict", arg(&run)], more, &print].concat());
    let with = ["--labels", totals, "--totals", "total"];
    assert!(of(&[&[counts], &with[..]].concat()).0.as_bytes() == whole);
    let small = dir.path().join("small.h5ad");
    done(&["convert", counts, arg(&small), "--labels", totals]);
    let (text, said) = of(&[arg(&small), "--totals", "total"]);
    assert!(text.as_bytes() == whole);
    assert!(said.contains("cell_type: 1042 cells, "), "{said}");
    // a negative control: totals over the panel alone are others
    let (partial, _) = of(&[arg(&small), "--partial-totals"]);
    assert_eq!(rows(partial.as_bytes()).len(), 1043);
    assert!(partial.as_bytes() != whole);
    let probabilities = of(&[arg(&demo()), "--no-probabilities", "--quiet"]);
    assert_eq!(rows(probabilities.0.as_bytes())[0].len(), 7);
    assert!(probabilities.1.is_empty());
    // what a panel alone cannot say
    let words = [
        "has only 8 genes to take totals over (training: over 2000)",
        "--totals total",
    ];
    let file = dir.path().join("none.csv");
    let base = ["predict", arg(&run), arg(&small), "--out", arg(&file)];
    refused(&base, &words[..1]);
    let with = |column: &'static str| [&base[..], &["--totals", column]].concat();
    refused(&with("no_such"), &["no_such"]);
    assert!(!file.exists());
}

#[test]
fn parquet_has_the_columns_of_the_table() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = dir.path().join("run");
    train(&demo(), &run, &["--label", "cell_type", "--genes", "4"]);
    let file = dir.path().join("p.parquet");
    let (csv, _) = done(&["predict", arg(&run), arg(&demo()), "--out", "-"]);
    done(&["predict", arg(&run), arg(&demo()), "--out", arg(&file)]);
    let csv = rows(csv.as_bytes());
    let reader = SerializedFileReader::new(std::fs::File::open(&file).expect("the file"));
    let reader = reader.expect("a Parquet file");
    let schema = reader.metadata().file_metadata().schema_descr();
    let heads: Vec<&str> = schema.columns().iter().map(|c| c.name()).collect();
    assert_eq!(heads, csv[0]);
    let mut n = 0;
    for (row, expected) in reader.get_row_iter(None).expect("rows").zip(&csv[1..]) {
        let row = row.expect("a row");
        assert_eq!(row.get_string(0).expect("a name"), &expected[0]);
        assert_eq!(row.get_string(1).expect("a class"), &expected[1]);
        assert_eq!(
            format!("{:.6}", row.get_float(2).expect("a share")),
            expected[2]
        );
        assert_eq!(row.get_string(3).expect("a flag"), &expected[3]);
        n += 1;
    }
    assert_eq!(n, 1042);
}

/// A Python with anndata: `YOTO_PYTHON`, or `python3` where it has it.
fn python() -> Option<String> {
    let python = std::env::var("YOTO_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = Command::new(&python)
        .args(["-c", "import anndata"])
        .output();
    found.is_ok_and(|o| o.status.success()).then_some(python)
}

#[test]
fn a_copy_of_the_file_gets_the_predictions() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = run(dir.path());
    let (csv, _) = done(&["predict", arg(&run), arg(&demo()), "--out", "-"]);
    let csv = rows(csv.as_bytes());
    let file = dir.path().join("annotated.h5ad");
    let before = std::fs::read(demo()).expect("the demo");
    done(&["predict", arg(&run), arg(&demo()), "--out", arg(&file)]);
    assert!(std::fs::read(demo()).expect("the demo") == before);
    let columns = [
        "cell_type",
        "donor",
        "yoto_cell_type",
        "yoto_cell_type_probability",
        "yoto_donor_flag",
    ];
    let (old, new) = (read(&demo(), &columns[..2]), read(&file, &columns));
    assert_eq!((&old.x, &old.obs_names), (&new.x, &new.obs_names));
    assert_eq!(old.var_names, new.var_names);
    assert!(old.columns.iter().all(|(name, c)| new.columns[name] == *c));
    let words = |name: &str| -> Vec<String> {
        let Column::Categorical { categories, codes } = &new.columns[name] else {
            panic!("{name} is no categorical")
        };
        let word = |c: &Option<u32>| categories[c.expect("a code") as usize].clone();
        codes.iter().map(word).collect()
    };
    assert_eq!(words("yoto_cell_type"), column(&csv, "cell_type_predicted"));
    assert_eq!(words("yoto_donor_flag"), column(&csv, "donor_flag"));
    let Column::Numeric(shares) = &new.columns["yoto_cell_type_probability"] else {
        panic!("no numbers")
    };
    for (share, text) in shares.iter().zip(column(&csv, "cell_type_probability")) {
        assert_eq!(format!("{share:.6}"), text);
    }
    let h5 = hdf5::File::open(&file).expect("HDF5's own library opens it");
    assert_eq!(h5.dataset("obsm/X_yoto").expect("obsm").shape(), [1042, 64]);
    let panel: Vec<bool> = h5
        .dataset("var/yoto_panel")
        .expect("var")
        .read_raw()
        .expect("bools");
    let score: Vec<f64> = h5
        .dataset("var/yoto_score")
        .expect("var")
        .read_raw()
        .expect("floats");
    let listed = rows(&std::fs::read(run.join("panel.csv")).expect("panel.csv"));
    let mut own: Vec<usize> = column(&listed, "index")
        .iter()
        .map(|i| i.parse().expect("n"))
        .collect();
    own.sort_unstable();
    let marked: Vec<usize> = (0..panel.len()).filter(|&g| panel[g]).collect();
    assert_eq!(marked, own);
    assert!((0..panel.len()).all(|g| panel[g] == score[g].is_finite()));
    for name in ["version", "settings", "panel", "temperatures", "missing"] {
        assert!(h5.link_exists(&format!("uns/yoto/{name}")), "{name}");
    }
    drop(h5);
    // once more over what is there: no column twice
    let again = dir.path().join("again.h5ad");
    let (_, said) = done(&["predict", arg(&run), arg(&file), "--out", arg(&again)]);
    assert!(
        said.contains("are replaced in the copy: yoto_cell_type"),
        "{said}"
    );
    let inspect = |path: &Path| done(&["inspect", arg(path)]).0.replace(arg(path), "");
    let lines = |text: String| text.lines().count();
    assert_eq!(lines(inspect(&again)), lines(inspect(&file)));
    let Some(python) = python() else {
        println!("SKIPPED: no Python with anndata (YOTO_PYTHON names one)");
        return;
    };
    let script = "
import sys, anndata, numpy as np, warnings
warnings.simplefilter('ignore')
old, new, again = (anndata.read_h5ad(p) for p in sys.argv[1:])
assert (old.X != new.X).nnz == 0 and list(old.obs) == list(new.obs)[:len(old.obs.columns)]
assert all((old.obs[c].astype(str) == new.obs[c].astype(str)).all() for c in old.obs)
assert new.obs['yoto_cell_type'].dtype == 'category' and new.obs['yoto_donor_probability'].between(0, 1).all()
assert new.obsm['X_yoto'].shape == (1042, 64) and np.isfinite(new.obsm['X_yoto']).all()
assert new.var['yoto_panel'].dtype == bool and new.var['yoto_panel'].sum() == 8
assert set(new.uns['yoto']['panel']) == set(new.var_names[new.var['yoto_panel']])
assert len(new.uns['yoto']['temperatures']) == 2 and list(new.obs) == list(again.obs)
";
    let mut command = Command::new(python);
    command.args(["-c", script, arg(&demo()), arg(&file), arg(&again)]);
    let output = command.output().expect("Python starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn files_of_every_format_get_an_annotated_copy() {
    let dir = tempfile::tempdir().expect("tempdir");
    let labels = fixture("formats/labels.tsv");
    let labels = arg(&labels);
    let mut made = Vec::new();
    for (name, more) in [
        ("anndata_0.7.h5ad", &["--label", "cell_type"][..]),
        ("anndata_0.6.h5ad", &["--raw", "--label", "cell_type"]),
        (
            "modern.h5ad",
            &["--layer", "uint16", "--label", "cell_type"],
        ),
        ("tenx_v3.h5", &["--labels", labels, "--label", "kind"]),
        ("loompy.loom", &["--layer", "spliced", "--regress", "score"]),
        ("dense.csv", &["--regress", "batch"]),
    ] {
        let run = dir.path().join("run");
        let out = dir.path().join(format!("{}.h5ad", made.len()));
        let small = [
            "--genes",
            "2",
            "--hidden",
            "none",
            "--force",
            "--test-fraction",
            "0.3",
        ];
        train(
            &fixture(&format!("formats/{name}")),
            &run,
            &[&small[..], more].concat(),
        );
        let reading = more
            .iter()
            .position(|m| m.ends_with("label") || m.ends_with("regress"));
        let reading = &more[..reading.expect("a task")];
        let file = fixture(&format!("formats/{name}"));
        let fixed = [
            "predict",
            arg(&run),
            arg(&file),
            "--force",
            "--out",
            arg(&out),
        ];
        let (_, said) = done(&[&fixed[..], reading].concat());
        let plain = name.starts_with("anndata_0.7") || name == "modern.h5ad";
        assert_eq!(said.contains("converted first"), !plain, "{name}: {said}");
        let task = more[more.len() - 1];
        let new = read(&out, &[&format!("yoto_{task}")]);
        assert_eq!(new.obs_names.len(), 12, "{name}");
        made.push(out);
    }
    if let Some(python) = python() {
        let script = "
import sys, anndata
for path in sys.argv[1:]:
    a = anndata.read_h5ad(path)
    assert a.obsm['X_yoto'].shape == (12, 2) and 'yoto_score' in a.var, path
";
        let mut command = Command::new(python);
        command.args(["-c", script]).args(&made);
        let output = command.output().expect("Python starts");
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

#[test]
fn a_class_that_was_left_out_is_flagged_more_often() {
    let dir = tempfile::tempdir().expect("tempdir");
    let data = read(&demo(), &["cell_type"]);
    let Column::Categorical { categories, codes } = &data.columns["cell_type"] else {
        panic!("no classes")
    };
    let left_out = "delta";
    let is_out = |i: usize| categories[codes[i].expect("a label") as usize] == left_out;
    let mut parts = "cell,known\n".to_owned();
    for (i, name) in data.obs_names.iter().enumerate() {
        let class = &categories[codes[i].expect("a label") as usize];
        let known = if is_out(i) { "" } else { class };
        writeln!(parts, "{name},{known}").expect("a string");
    }
    let table = dir.path().join("known.csv");
    std::fs::write(&table, parts).expect("a file");
    let run = dir.path().join("run");
    let flags = [
        "--labels",
        arg(&table),
        "--label",
        "known",
        "--genes",
        "16",
        "--steps",
        "400",
    ];
    done(
        &[
            &[
                "train",
                arg(&demo()),
                "--device",
                "cpu",
                "--quiet",
                "--out",
                arg(&run),
            ],
            &flags[..],
        ]
        .concat(),
    );
    let (csv, _) = done(&["predict", arg(&run), arg(&demo()), "--no-probabilities"]);
    let flags = column(&rows(csv.as_bytes()), "flag");
    let share = |out: bool| {
        let own: Vec<&String> = (0..flags.len())
            .filter(|&i| is_out(i) == out)
            .map(|i| &flags[i])
            .collect();
        own.iter().filter(|f| **f != "ok").count() as f64 / own.len() as f64
    };
    assert!(
        share(true) > 3.0 * share(false),
        "{} {}",
        share(true),
        share(false)
    );
    assert!(share(false) < 0.15, "{}", share(false));
}

#[test]
fn without_validation_cells_nothing_is_flagged() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = dir.path().join("run");
    let out = arg(&run);
    let flags = [
        "train",
        "--device",
        "cpu",
        "--steps",
        "20",
        "--genes",
        "4",
        "--validation-fraction",
        "0",
    ];
    let (_, said) = done(&[&flags[..], &["--out", out]].concat());
    assert!(said.contains("probabilities are not calibrated"), "{said}");
    let (csv, said) = done(&["predict", out, arg(&demo()), "--no-probabilities"]);
    assert!(said.contains("the model was not calibrated"), "{said}");
    assert_eq!(
        rows(csv.as_bytes())[0],
        ["obs_names", "predicted", "probability"]
    );
    let metrics = std::fs::read_to_string(run.join("metrics.json")).expect("metrics.json");
    let metrics: serde_json::Value = serde_json::from_str(&metrics).expect("JSON");
    let own = &metrics["calibration"][0];
    assert_eq!(
        (&own["temperature"], &own["validation_cells"]),
        (&1.0.into(), &0.into())
    );
    assert_eq!(own["calibrated"], own["uncalibrated"]);
}

#[test]
fn whoever_reads_no_further_is_no_error() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = dir.path().join("run");
    train(
        &demo(),
        &run,
        &["--label", "cell_type", "--genes", "4", "--reconstruct=3"],
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_yoto-gpu"));
    command.args(["predict", arg(&run), arg(&demo())]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let (csv, _) = done(&["predict", arg(&run), arg(&demo()), "--no-probabilities"]);
    let heads = rows(csv.as_bytes()).remove(0);
    assert_eq!(
        heads[4..],
        ["reconstruction 1", "reconstruction 2", "reconstruction 3"]
    );
    assert_eq!(yoto(&["predict", arg(&run)]).status.code(), Some(2));
}
