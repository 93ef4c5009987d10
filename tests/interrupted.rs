//! Runs that are stopped, resumed, or held to a limit of memory, as a user has them.
#[path = "common/program.rs"]
mod program;

use program::{refused, text, yoto};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
#[cfg(unix)]
fn a_stopped_run_leaves_results_and_resumes_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let args = |out: &Path| {
        let out = out.display().to_string();
        [
            "train", "--device", "cpu", "--steps", "900", "--genes", "8", "--out",
        ]
        .map(String::from)
        .into_iter()
        .chain([out])
        .collect::<Vec<_>>()
    };
    assert_eq!(yoto(&args(&whole)).status.code(), Some(0));
    let mut child = Command::new(env!("CARGO_BIN_EXE_yoto-gpu"))
        .args(args(&broken))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let checkpoint = broken.join("checkpoint.bin");
    while !checkpoint.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(130), "it ended before it could be stopped");
    assert!(checkpoint.exists() && broken.join("model.safetensors").exists());
    let mut other = args(&broken);
    other.extend(["--resume", "--lr", "0.1"].map(String::from));
    refused(&yoto(&other), &["--lr", "0.005", "0.1"]);
    let mut resume = args(&broken);
    resume.push("--resume".into());
    let output = yoto(&resume);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    // what was compared before is not compared again
    assert!(!said.contains("two ways"), "{said}");
    for file in [
        "model.safetensors",
        "panel.csv",
        "predictions.csv",
        "history.csv",
    ] {
        assert_eq!(
            std::fs::read(whole.join(file)).unwrap(),
            std::fs::read(broken.join(file)).unwrap(),
            "{file}"
        );
    }
    assert!(!checkpoint.exists());
}

#[test]
#[cfg(unix)]
fn a_stop_before_the_first_step_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let out = run.display().to_string();
    // few cells: cross-validation comes first, and of so many steps it does not end
    let stopped = |out: &str, more: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_yoto-gpu"))
            .args(["train", "--device", "cpu", "--genes", "8", "--steps"])
            .args(["1000000", "--out", out])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        said.by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains("two ways to the panel"))
            .expect("begins");
        let kill = ["-INT", &child.id().to_string()];
        Command::new("kill").args(kill).status().unwrap();
        let rest: Vec<String> = said.map(Result::unwrap).collect();
        let ended = child.wait_with_output().unwrap();
        let all = rest.join("\n");
        assert_eq!(
            (ended.status.code(), ended.stdout.len()),
            (Some(130), 0),
            "{all}"
        );
        assert!(all.contains("before the first step"), "{all}");
    };
    stopped(&out, &[]);
    assert!(!run.exists());
    stopped("-", &[]);
    let whole = [
        "train", "--device", "cpu", "--genes", "8", "--steps", "40", "--out", &out,
    ];
    assert_eq!(yoto(&whole).status.code(), Some(0));
    let files = || {
        let entries = std::fs::read_dir(&run).unwrap().map(Result::unwrap);
        let file = |e: std::fs::DirEntry| (e.file_name(), std::fs::read(e.path()).unwrap());
        entries.map(file).collect::<BTreeMap<_, _>>()
    };
    let before = files();
    stopped(&out, &["--force"]);
    assert!(before.len() > 8 && files() == before);
    // where there is one way only, none are compared
    let one = ["--genes", "32", "--steps", "40", "--force", "--out", &out];
    let said = text(&yoto(&[&["train", "--device", "cpu"], &one[..]].concat()).stderr);
    assert!(
        said.contains("training on CPU") && !said.contains("two ways"),
        "{said}"
    );
}

#[test]
#[cfg(unix)]
fn a_stop_before_there_is_a_result_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, place) = (folder.path().join("cells.h5ad"), folder.path().join("here"));
    std::fs::create_dir(&place).unwrap();
    let [file, here] = [&data, &place].map(|p| p.display().to_string());
    let to = |name: &str| place.join(name).display().to_string();
    let simulate = |out: &str| {
        let words = "simulate --cells 20000 --genes 2000 --density 0.1".split(' ');
        words
            .map(String::from)
            .chain([out.into()])
            .collect::<Vec<_>>()
    };
    assert_eq!(yoto(&simulate(&file)).status.code(), Some(0));
    let train = |out: &str| {
        let words = "--label class --device cpu --genes 8 --steps 1000000 --out".split(' ');
        let before = ["train".into(), file.clone()].into_iter();
        let after = words.map(String::from).chain([out.into()]);
        before.chain(after).collect::<Vec<_>>()
    };
    let convert = ["convert", &file, &to("other.h5ad")].map(String::from);
    // a signal may come at any moment after something is made: to what a run makes it is sent many times
    for (args, appears, times) in [
        (train(&to("run")), "run", 100),
        (train("-"), ".tmp*", 30),
        (convert.to_vec(), ".yoto-gpu-*", 10),
        (simulate(&to("more.h5ad")), ".more.h5ad.tmp", 10),
    ] {
        let mut in_time = 0;
        for _ in 0..times {
            let child = Command::new(env!("CARGO_BIN_EXE_yoto-gpu"))
                .args(&args)
                .env("TMPDIR", &here)
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // sh has kill built in: no process is started between seeing it and the signal
            let watch = format!(
                r#"until set -- "$1" "$2" "$1"/{appears}; [ -e "$3" ]; do kill -0 $2 2> /dev/null || exit; done; kill -INT $2"#
            );
            let mut watching = Command::new("sh")
                .args(["-c", &watch, "sh", &here, &child.id().to_string()])
                .spawn()
                .unwrap();
            let ended = child.wait_with_output().unwrap();
            watching.wait().unwrap();
            let said = text(&ended.stderr);
            assert_eq!(ended.status.code(), Some(130), "{args:?}: {said}");
            let names = || {
                let entries = std::fs::read_dir(&place).unwrap().map(Result::unwrap);
                entries.map(|e| e.file_name()).collect::<Vec<_>>()
            };
            // on a busy machine it may have read the cells by then, and has results to keep
            if said.contains("training on CPU") {
                let _ = std::fs::remove_dir_all(to("run"));
            } else {
                in_time += 1;
            }
            assert!(names().is_empty(), "{args:?} left {:?}: {said}", names());
        }
        assert!(
            5 * in_time > times,
            "{args:?}: {in_time} of {times} in time"
        );
    }
}

#[test]
fn simulated_cells_train_under_a_limit_of_memory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cells.h5ad").display().to_string();
    let simulate = [
        "simulate",
        "--cells",
        "600",
        "--genes",
        "300",
        "--density",
        "0.1",
        "--markers",
        "4",
        "--classes",
        "4",
        &file,
    ];
    let made = yoto(&simulate);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    assert!(text(&made.stdout).contains("600 cells x 300 genes"));
    refused(&yoto(&simulate), &["exists", "--force"]);
    let read: serde_json::Value =
        serde_json::from_slice(&yoto(&["bench", "read", &file]).stdout).unwrap();
    assert_eq!(
        (&read["n_obs"], &read["n_vars"]),
        (&600.into(), &300.into())
    );

    let out = dir.path().join("run").display().to_string();
    let train = |memory: &str| {
        yoto(&[
            "train",
            &file,
            "--label",
            "class",
            "--device",
            "cpu",
            "--genes",
            "4",
            "--steps",
            "60",
            "--include-genes",
            "gene7",
            "--memory",
            memory,
            "--out",
            &out,
        ])
    };
    refused(&train("1MiB"), &["1 MiB of memory", "give at least"]);
    assert_eq!(train("8").status.code(), Some(2), "a number without a unit");
    let done = train("8GiB");
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{said}");
    if cfg!(target_os = "linux") {
        assert!(
            said.contains("peak memory") && said.contains("of 8.00 GiB"),
            "{said}"
        );
    }
}
