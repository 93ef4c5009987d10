//! `export`, `completions`, `man`, `--version --verbose`, and results that go to stdout.
#[path = "common/program.rs"]
mod program;

use program::{printed, refused, text, yoto};
use std::path::{Path, PathBuf};
use std::process::Command;

const PANEL: &str = "rank,gene,ensembl_id,symbol,score,index\n\
    1,INS,ENSG00000254647,,0.5,3\n2,\"odd, name\",,,0.4,1\n3,GCG,ENSG00000115263.15,,0.1,0\n";

/// A directory as a run with sizes 2 and 3 leaves it, as far as export reads it.
fn sizes() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("folder");
    let put = |place: &str, content: &str| {
        let file = folder.path().join(place).join("panel.csv");
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("folder");
        std::fs::write(file, content).expect("writes");
    };
    let two: Vec<&str> = PANEL.lines().take(3).collect();
    put("", PANEL);
    put("k3", PANEL);
    put("k2", &(two.join("\n") + "\n"));
    let path = folder.path().display().to_string();
    (folder, path)
}

#[test]
fn every_format_says_what_its_reader_wants() {
    let (folder, run) = sizes();
    let export = |more: &[&str]| {
        let all: Vec<&str> = ["export", &run]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        yoto(&all)
    };
    assert_eq!(printed(&export(&[])), "INS\nodd, name\nGCG\n");
    assert_eq!(printed(&export(&["--size", "2"])), "INS\nodd, name\n");
    let csv = printed(&export(&["--format", "csv"]));
    assert_eq!(
        csv,
        "gene,ensembl_id\nINS,ENSG00000254647\n\"odd, name\",\nGCG,ENSG00000115263.15\n"
    );
    let ids = export(&["--format", "fasta-ids"]);
    assert_eq!(
        printed(&ids),
        "ENSG00000254647\nodd, name\nENSG00000115263.15\n"
    );
    assert!(
        text(&ids.stderr).contains("1 of 3 genes have no Ensembl id"),
        "{}",
        text(&ids.stderr)
    );
    let one = printed(&export(&["--format", "spapros", "--size", "3"]));
    assert_eq!(
        one,
        "index,selection\nINS,True\n\"odd, name\",True\nGCG,True\n"
    );
    let both = printed(&export(&["--format", "spapros"]));
    assert_eq!(
        both,
        "index,k2,k3\nINS,True,True\n\"odd, name\",True,True\nGCG,False,True\n"
    );
    // into a file, never over one
    let file = folder.path().join("genes.txt");
    let name = file.display().to_string();
    assert_eq!(printed(&export(&["--out", &name])), "");
    assert_eq!(
        std::fs::read_to_string(&file).expect("reads"),
        "INS\nodd, name\nGCG\n"
    );
    refused(
        &export(&["--out", &name, "--size", "2"]),
        &["there already", "--force"],
    );
    assert_eq!(
        printed(&export(&["--out", &name, "--size", "2", "--force"])),
        ""
    );
    assert_eq!(
        std::fs::read_to_string(&file).expect("reads"),
        "INS\nodd, name\n"
    );
    // a panel.csv by its own name
    let own = folder.path().join("k2/panel.csv").display().to_string();
    assert_eq!(printed(&yoto(&["export", &own])), "INS\nodd, name\n");
}

#[test]
fn what_cannot_be_exported_is_named() {
    let (folder, run) = sizes();
    refused(&yoto(&["export", "no-such-run"]), &["no-such-run", "--out"]);
    refused(
        &yoto(&["export", &run, "--size", "7"]),
        &["no panel of 7 genes", "2 3"],
    );
    let place = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("writes");
        path.display().to_string()
    };
    refused(
        &yoto(&["export", &place("a.csv", "name\nINS\n")]),
        &["no column \"gene\""],
    );
    refused(
        &yoto(&["export", &place("b.csv", "rank,gene\n")]),
        &["holds no gene"],
    );
    refused(
        &yoto(&["export", &place("c.csv", "rank,gene\n1,INS,3\n")]),
        &["c.csv"],
    );
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).expect("folder");
    refused(
        &yoto(&["export", &empty.display().to_string()]),
        &["holds no panel.csv"],
    );
    assert_eq!(
        yoto(&["export", &run, "--format", "docx"]).status.code(),
        Some(2)
    );
}

/// A Python with pandas: `YOTO_PYTHON`, else python3 or python where that has it.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("YOTO_PYTHON").map(PathBuf::from);
    let usual = ["python3", "python"].map(PathBuf::from);
    let has_pandas = |p: &PathBuf| {
        let tried = Command::new(p).args(["-c", "import pandas"]).output();
        tried.is_ok_and(|o| o.status.success())
    };
    named.into_iter().chain(usual).find(has_pandas)
}

#[test]
fn pandas_reads_the_probe_sets_as_spapros_does() {
    let Some(python) = python() else {
        let required =
            std::env::var("YOTO_REQUIRE_PYTHON").is_ok_and(|v| !v.is_empty() && v != "0");
        assert!(!required, "a Python with pandas is required");
        println!("SKIPPED, no Python with pandas");
        return;
    };
    let (folder, run) = sizes();
    let file = folder.path().join("sets.csv");
    let name = file.display().to_string();
    printed(&yoto(&[
        "export", &run, "--format", "spapros", "--out", &name,
    ]));
    // get_genes of spapros/evaluation/evaluation_pipeline.py
    let script = "import sys, pandas as pd\n\
        for s in pd.read_csv(sys.argv[1], index_col=0).columns.to_list():\n\
        \x20   t = pd.read_csv(sys.argv[1], usecols=['index', s], index_col=0)\n\
        \x20   print(s, t.loc[t[s]].index.to_list())\n";
    let out = Command::new(python)
        .args(["-c", script, &name])
        .output()
        .expect("runs");
    let read = printed(&out);
    assert_eq!(
        read,
        "k2 ['INS', 'odd, name']\nk3 ['INS', 'odd, name', 'GCG']\n"
    );
}

#[test]
fn shells_and_man_know_every_subcommand() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = printed(&yoto(&["completions", shell]));
        for word in ["evaluate-panel", "skip-missing", "min-detection"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(yoto(&["completions", "tcsh"]).status.code(), Some(2));
    let page = printed(&yoto(&["man"]));
    assert!(
        page.contains(".TH yoto-gpu 1") && page.contains("evaluate"),
        "{page}"
    );
    let page = printed(&yoto(&["man", "evaluate-panel"]));
    assert!(page.contains(".TH yoto-gpu-evaluate-panel 1") && page.contains("skip\\-missing"));
    refused(&yoto(&["man", "nonsense"]), &["nonsense", "train, "]);
    let folder = tempfile::tempdir().expect("folder");
    let out = folder.path().join("man1").display().to_string();
    printed(&yoto(&["man", "--out", &out]));
    for page in [
        "yoto-gpu.1",
        "yoto-gpu-train.1",
        "yoto-gpu-bench-compare.1",
        "yoto-gpu-export.1",
    ] {
        let text = std::fs::read_to_string(Path::new(&out).join(page)).expect("a page");
        assert!(text.contains(".SH NAME"), "{page}");
    }
    refused(&yoto(&["man", "train", "--out", &out]), &["--out"]);
}

#[test]
fn the_long_version_is_for_bug_reports() {
    let short = printed(&yoto(&["--version"]));
    assert_eq!(short, format!("yoto-gpu {}\n", env!("CARGO_PKG_VERSION")));
    for args in [
        ["--version", "--verbose"],
        ["-V", "--verbose"],
        ["--verbose", "-V"],
    ] {
        // no adapter: no Vulkan driver can be found
        let mut command = Command::new(env!("CARGO_BIN_EXE_yoto-gpu"));
        let output = command
            .args(args)
            .env("VK_ICD_FILENAMES", "/nonexistent")
            .output();
        let long = printed(&output.expect("runs"));
        for word in [
            "commit",
            "wgpu",
            "HDF5",
            "linux",
            "CPU (native, cpu)",
            "; auto",
        ] {
            assert!(
                long.contains(word) || (word == "linux" && !cfg!(target_os = "linux")),
                "{word}: {long}"
            );
        }
    }
    assert_eq!(yoto(&["--verbose", "devices"]).status.code(), Some(2));
}

#[test]
fn files_go_to_stdout_where_a_dash_stands_for_them() {
    let folder = tempfile::tempdir().expect("folder");
    let small = [
        "--cells",
        "200",
        "--genes",
        "100",
        "--density",
        "0.3",
        "--markers",
        "4",
        "--classes",
        "2",
    ];
    let simulate = |out: &str| yoto(&[&["simulate", out], &small[..]].concat());
    let (piped, file) = (simulate("-"), folder.path().join("cells.h5ad"));
    let name = file.display().to_string();
    printed(&simulate(&name));
    assert!(piped.status.success() && piped.stdout.starts_with(b"\x89HDF\r\n"));
    assert!(text(&piped.stderr).contains("200 cells x 100 genes"));
    let again = folder.path().join("piped.h5ad");
    std::fs::write(&again, &piped.stdout).expect("writes");
    let x = |path: &Path| {
        yoto_gpu::data::open(path, &Default::default())
            .expect("opens")
            .x
    };
    assert_eq!(x(&again), x(&file));
    let converted = yoto(&["convert", &name, "-"]);
    assert!(converted.status.success());
    std::fs::write(&again, &converted.stdout).expect("writes");
    assert_eq!(x(&again), x(&file));
    // a run of which nothing is kept
    let here = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yoto-gpu"));
        let all = ["--device", "cpu", "--quiet", "--steps", "20", "--out", "-"];
        command.args(args).args(all).current_dir(folder.path());
        command.output().expect("runs")
    };
    let before = std::fs::read_dir(folder.path()).map(Iterator::count).ok();
    let panel = printed(&here(&["train", "--genes", "4"]));
    assert!(
        panel.starts_with("rank,gene,ensembl_id,") && panel.lines().count() == 5,
        "{panel}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&printed(&here(&["train", "--genes", "4", "--json"]))).expect("JSON");
    assert_eq!(
        (&json["out"], json["panel"].as_array().map(Vec::len)),
        (&"-".into(), Some(4))
    );
    let table = printed(&here(&[
        "evaluate-panel",
        "--panel",
        "hvg:4",
        "--panel",
        "random:4",
    ]));
    assert!(
        table.starts_with("panel,genes,accuracy,") && table.lines().count() == 3,
        "{table}"
    );
    refused(&here(&["train", "--resume"]), &["--resume", "--out -"]);
    assert_eq!(
        std::fs::read_dir(folder.path()).map(Iterator::count).ok(),
        before
    );
}

/// Binary files are not sent to a terminal (`script` of util-linux gives one).
#[test]
#[cfg(target_os = "linux")]
fn a_terminal_gets_no_binary_file() {
    let command = format!(
        "{} simulate --cells 20 --genes 100 --density 0.5 --markers 4 -",
        env!("CARGO_BIN_EXE_yoto-gpu")
    );
    let run = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .output();
    let Ok(run) = run else {
        println!("SKIPPED, no script(1)");
        return;
    };
    let said = text(&run.stdout);
    assert!(
        said.contains("terminal") && said.contains("hint: "),
        "{said}"
    );
    assert!(!said.contains("HDF\r"), "no bytes of the file");
}
