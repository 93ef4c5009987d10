//! What `predict` refuses, and that nothing is lost where it fails.
#[path = "common/applied.rs"]
mod applied;

use applied::{arg, column, demo, done, fixture, refused, rows, text, train, writing, yoto};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use yoto_gpu::data::panel::{self, Request, Wanted};
use yoto_gpu::data::{Options, open};
use yoto_gpu::model::panel_model::{PanelGene, PanelModel};

/// A run on the demo with 8 genes.
fn run(dir: &Path) -> PathBuf {
    let out = dir.join("run");
    train(&demo(), &out, &["--label", "cell_type", "--genes", "8"]);
    out
}

/// Names left in a folder, sorted.
fn listed(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("the folder");
    let mut names: Vec<String> = entries
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn models_that_are_none_are_named() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = run(dir.path());
    let model = std::fs::read(run.join("model.safetensors")).expect("the model");
    let demo = demo();
    let out = dir.path().join("p.csv");
    let with = |bytes: &[u8], words: &[&str]| {
        let path = dir.path().join("changed.safetensors");
        std::fs::write(&path, bytes).expect("a file");
        refused(
            &["predict", arg(&path), arg(&demo), "--out", arg(&out)],
            words,
        );
        refused(&["evaluate", arg(&path), arg(&demo)], words);
    };
    let mut flipped = model.clone();
    let last = flipped.len() - 9;
    flipped[last] ^= 4;
    with(&flipped, &["changed.safetensors", "damaged", "checksum"]);
    with(&model[..model.len() / 2], &["damaged"]);
    with(&model[..300], &["cut short or damaged"]);
    with(b"", &["an empty file"]);
    with(b"rank,gene,score,index\n", &["this is no model"]);
    let format = b"\\\"format\\\":";
    let at = model.windows(format.len()).position(|w| w == format);
    let at = at.expect("the format") + format.len();
    assert_eq!(model[at], b'2');
    let mut newer = model.clone();
    newer[at] = b'7';
    with(
        &newer,
        &[
            "was written by yoto-gpu 0.1.0 in format 7",
            "use that version",
        ],
    );
    let swapped = ["predict", arg(&demo), arg(&run)];
    refused(
        &swapped,
        &["this is no model but an HDF5 file", "the model comes first"],
    );
    refused(
        &["predict", arg(dir.path()), arg(&demo)],
        &["holds no model.safetensors"],
    );
    refused(
        &["predict", "/no/such/model", arg(&demo)],
        &["/no/such/model"],
    );
    refused(
        &["predict", arg(&run), "/no/such.h5ad"],
        &["there is no such file"],
    );
    assert!(!out.exists());
}

/// The demo with other gene names, the own ones in this column of `var`.
fn renamed(dir: &Path, column: &str, name: impl Fn(usize, &str) -> String) -> PathBuf {
    let path = dir.join("renamed.h5ad");
    std::fs::write(&path, std::fs::read(demo()).expect("the demo")).expect("a copy");
    let old = open(&demo(), &Options::default())
        .expect("the demo")
        .var_names;
    writing(|| rename(&path, column, &old, &name));
    path
}

fn rename(path: &Path, column: &str, old: &[String], name: &dyn Fn(usize, &str) -> String) {
    let file = hdf5::File::open_rw(path).expect("HDF5");
    let var = file.group("var").expect("var");
    let index: hdf5::types::VarLenUnicode = var
        .attr("_index")
        .and_then(|a| a.read_scalar())
        .expect("the index");
    let unicode = |s: &str| s.parse::<hdf5::types::VarLenUnicode>().expect("text");
    let names: Vec<_> = old
        .iter()
        .enumerate()
        .map(|(i, n)| unicode(&name(i, n)))
        .collect();
    let own: Vec<_> = old.iter().map(|n| unicode(n)).collect();
    var.unlink(&index).expect("the index");
    for (name, values) in [(index.as_str(), &names), (column, &own)] {
        var.new_dataset_builder()
            .with_data(values)
            .create(name)
            .expect("a column");
    }
}

fn wanted(gene: &PanelGene) -> Wanted<'_> {
    Wanted {
        name: &gene.name,
        mean: gene.mean,
    }
}

#[test]
fn genes_match_by_case_version_or_column_and_absent_ones_are_named() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = run(dir.path());
    let genes = rows(&std::fs::read(run.join("panel.csv")).expect("panel.csv"));
    let genes = column(&genes, "gene");
    let (expected, _) = done(&["predict", arg(&run), arg(&demo())]);
    let lower = renamed(dir.path(), "symbol", |_, n| n.to_lowercase());
    let (same, said) = done(&["predict", arg(&run), arg(&lower)]);
    assert!(same == expected);
    assert!(
        said.contains("8 genes of the model were matched by letters of another case"),
        "{said}"
    );
    let ids = renamed(dir.path(), "symbol", |i, _| format!("ENSG{i:011}.3"));
    let base = ["predict", arg(&run), arg(&ids)];
    refused(
        &base,
        &[
            "none of the model's 8 genes",
            "--gene-column \"symbol\"",
            &genes[0],
        ],
    );
    refused(
        &[&base[..], &["--gene-column", "no"]].concat(),
        &["no var column \"no\"", "symbol"],
    );
    let (same, _) = done(&[&base[..], &["--gene-column", "symbol"]].concat());
    assert!(same == expected);
    // one that is not there
    let one = |_: usize, n: &str| if n == genes[1] { "absent" } else { n }.to_owned();
    let base = |path: &Path| ["predict", arg(&run), arg(path)].map(String::from);
    let with = |path: &Path, more: &[&str], words: &[&str]| {
        let base = base(path);
        let base: Vec<&str> = base.iter().map(String::as_str).collect();
        refused(&[&base[..], more].concat(), words);
    };
    let path = renamed(dir.path(), "symbol", one);
    let what = "1 of the model's 8 genes are not in the file";
    with(&path, &[], &[what, &genes[1], "--gene-column \"symbol\""]);
    with(
        &path,
        &["--gene-column", "symbol", "--layer", "x"],
        &["no layer"],
    );
    let (others, said) = done(&["predict", arg(&run), arg(&path), "--max-missing", "1"]);
    assert!(others != expected && others.lines().count() == expected.lines().count());
    assert!(
        said.contains("warning: 1 of the model's 8 genes") && said.contains(&genes[1]),
        "{said}"
    );
    // it stands at its training mean
    let (model, _) = PanelModel::load(&run.join("model.safetensors")).expect("the model");
    let request = Request {
        genes: model.genes.iter().map(wanted).collect(),
        transform: model.transform,
        detected_genes: model.calibration.detected_genes,
        options: Options::default(),
        gene_column: None,
        totals: None,
        partial_totals: false,
        max_missing: 1,
    };
    let cells = panel::read(&path, &request).expect("the cells");
    let at = model.genes.iter().position(|g| g.name == genes[1]);
    let at = at.expect("the gene");
    assert!(model.genes[at].mean > 0.0 && cells.found[at].is_none());
    let stands = |cell: &[f32]| cell[at] == model.genes[at].mean;
    assert!(cells.values.chunks_exact(8).all(stands));
    // one that may be two: neither has the exact name
    let other = |n: &str| genes[0][..1].to_uppercase() + &n[1..].to_lowercase();
    let two = |i: usize, n: &str| match n {
        n if n == genes[0] => n.to_lowercase(),
        _ if i == 3 => other(&genes[0]),
        n => n.to_owned(),
    };
    let path = renamed(dir.path(), "symbol", two);
    with(&path, &[], &["may be 2 genes of the file", "--gene-column"]);
    // two of exactly one name: as in training the first keeps it, but that is said
    let twice = |i: usize, n: &str| {
        if i == 3 {
            genes[0].clone()
        } else {
            n.to_owned()
        }
    };
    let path = renamed(dir.path(), "symbol", twice);
    let out = dir.path().join("twice.csv");
    let output = yoto(&["predict", arg(&run), arg(&path), "--out", arg(&out)]);
    let said = text(&output.stderr);
    assert!(
        output.status.success() && said.contains("several times"),
        "{said}"
    );
    assert!(said.contains(&genes[0]), "{said}");
}

#[test]
fn columns_of_two_predictions_keep_apart_or_nothing_is_written() {
    let dir = tempfile::tempdir().expect("tempdir");
    let labels = dir.path().join("labels.csv");
    let mut table = "cell,a,a_probability\n".to_string();
    for (i, cell) in open(&demo(), &Options::default())
        .expect("the demo")
        .obs_names
        .iter()
        .enumerate()
    {
        table += &format!("{cell},x{},y{}\n", i % 2, i % 3);
    }
    std::fs::write(&labels, table).expect("a table");
    let out = dir.path().join("run");
    let two = [
        "--labels",
        arg(&labels),
        "--label",
        "a",
        "--label",
        "a_probability",
        "--genes",
        "4",
        "--steps",
        "20",
    ];
    train(&demo(), &out, &two);
    let copy = dir.path().join("copy.h5ad");
    refused(
        &["predict", arg(&out), arg(&demo()), "--out", arg(&copy)],
        &["yoto_a_probability", "--format csv"],
    );
    assert!(!copy.exists());
}

#[test]
fn no_file_is_replaced_unasked_and_none_that_is_read() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = run(dir.path());
    let data = dir.path().join("data.h5ad");
    std::fs::write(&data, std::fs::read(demo()).expect("the demo")).expect("a copy");
    let link = dir.path().join("link.h5ad");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&data, &link).expect("a link");
    #[cfg(unix)]
    refused(
        &[
            "predict",
            arg(&run),
            arg(&data),
            "--force",
            "--out",
            arg(&link),
        ],
        &["itself"],
    );
    let hard = dir.path().join("hard.h5ad");
    std::fs::hard_link(&data, &hard).expect("a link");
    for out in [&data, &hard, &run.join("model.safetensors")] {
        let args = [
            "predict",
            arg(&run),
            arg(&data),
            "--format",
            "h5ad",
            "--force",
            "--out",
            arg(out),
        ];
        refused(&args, &["itself", "what is read is never written"]);
    }
    for out in [&data, &hard] {
        let args = ["convert", arg(&data), arg(out), "--force"];
        refused(&args, &["itself", "what is read is never written"]);
    }
    let table = dir.path().join("table.csv");
    refused(
        &["convert", arg(&data), arg(&table)],
        &["table.csv", ".h5ad"],
    );
    assert!(!table.exists());
    assert!(std::fs::read(&data).expect("data") == std::fs::read(demo()).expect("the demo"));
    let out = dir.path().join("p.csv");
    std::fs::write(&out, "mine").expect("a file");
    refused(
        &["predict", arg(&run), arg(&data), "--out", arg(&out)],
        &["is there already", "--force"],
    );
    assert_eq!(std::fs::read(&out).expect("the file"), b"mine");
    done(&[
        "predict",
        arg(&run),
        arg(&data),
        "--out",
        arg(&out),
        "--force",
    ]);
    assert!(
        std::fs::read(&out)
            .expect("the file")
            .starts_with(b"obs_names,")
    );
    refused(
        &["predict", arg(&run), arg(&data), "--out", "/no/such/p.csv"],
        &["no such folder"],
    );
    let wrong: [&[&str]; 4] = [
        &["--out", "p.bin"],
        &["--out", "p"],
        &["--out", "-", "--format", "h5ad"],
        &["--totals", "x", "--partial-totals"],
    ];
    for more in wrong {
        let args = [&["predict", arg(&run), arg(&data)], more].concat();
        assert_eq!(yoto(&args).status.code(), Some(2), "{more:?}");
    }
}

#[test]
fn a_file_that_is_being_written_is_refused() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = run(dir.path());
    let data = dir.path().join("data.h5ad");
    std::fs::write(&data, std::fs::read(demo()).expect("the demo")).expect("a copy");
    // as HDF5's library locks a file that it may write
    let lock = std::fs::File::open(&data).expect("the file");
    if lock.try_lock().is_err() {
        println!("SKIPPED: no locks on this file system");
        return;
    }
    refused(
        &["predict", arg(&run), arg(&data)],
        &["another program has the file open", "close it"],
    );
    lock.unlock().expect("unlocked");
    lock.lock_shared().expect("a reader's lock");
    done(&["predict", arg(&run), arg(&data), "--quiet"]);
}

/// Runs the program where files may have `blocks` of 512 bytes at most.
#[cfg(unix)]
fn short_of_space(blocks: u64, args: &[&str]) -> Output {
    let mut command = Command::new("sh");
    // without the signal, so that writing fails as on a full disk
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_yoto-gpu")]);
    command.args(args).output().expect("a shell")
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_file() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = run(dir.path());
    let demo = demo();
    let size = std::fs::metadata(&demo).expect("the demo").len() / 512;
    // the copy does not fit; the copy fits and what is added does not; tables
    for (name, blocks) in [
        ("a.h5ad", size / 2),
        ("a.h5ad", size + 8),
        ("a.csv", 16),
        ("a.parquet", 16),
    ] {
        let out = dir.path().join(name);
        std::fs::write(&out, "mine").expect("a file");
        let before = listed(dir.path());
        let args = [
            "predict",
            arg(&run),
            arg(&demo),
            "--force",
            "--out",
            arg(&out),
        ];
        let output = short_of_space(blocks, &args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(
            said.contains("error: ") && said.contains("space"),
            "{name}: {said}"
        );
        assert_eq!(std::fs::read(&out).expect("the file"), b"mine", "{name}");
        assert_eq!(listed(dir.path()), before, "nothing is left behind");
        assert_eq!(
            short_of_space(1 << 20, &args).status.code(),
            Some(0),
            "{name}"
        );
    }
    if Path::new("/dev/full").exists() {
        refused(
            &[
                "predict",
                arg(&run),
                arg(&demo),
                "--out",
                "/dev/full",
                "--format",
                "csv",
            ],
            &["/dev/full", "space"],
        );
    }
}

#[test]
fn values_that_cannot_be_are_named() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = dir.path().join("run");
    let small = [
        "--layer",
        "uint16",
        "--label",
        "cell_type",
        "--genes",
        "2",
        "--test-fraction",
        "0.3",
    ];
    let file = fixture("formats/modern.h5ad");
    train(&file, &run, &small);
    // X of the fixture is scaled
    refused(
        &["predict", arg(&run), arg(&file)],
        &["negative value", "--raw"],
    );
    refused(
        &["predict", arg(&run), arg(&file), "--layer", "no"],
        &["no layer \"no\""],
    );
    done(&["predict", arg(&run), arg(&file), "--layer", "uint16"]);
    let totals = |column: &str, words: &[&str]| {
        let base = [
            "predict",
            arg(&run),
            arg(&file),
            "--layer",
            "uint16",
            "--totals",
        ];
        refused(&[&base[..], &[column]].concat(), words);
    };
    totals("cell_type", &["holds words", "total_counts"]);
    totals("no", &["\"no\""]);
}
