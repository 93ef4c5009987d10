//! `evaluate-panel`: given panels under the split and with the report of `train`.
#[path = "common/program.rs"]
mod program;

use program::{printed, refused, rows, text, writing, yoto};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;
use yoto_gpu::simulate::{Compression, Role, Settings, Simulation, write};

struct Planted {
    folder: tempfile::TempDir,
    data: PathBuf,
    /// Names of the marker genes.
    markers: Vec<String>,
}

/// 700 cells of 4 classes with 8 markers among 200 genes.
fn planted() -> Planted {
    made(Settings {
        cells: 700,
        genes: 200,
        density: 0.2,
        markers: 8,
        classes: 4,
        decoys: 4,
        gradients: 2,
        donors: 4,
        seed: 5,
        ..Settings::default()
    })
}

fn made(settings: Settings) -> Planted {
    let folder = tempfile::tempdir().expect("folder");
    let simulation = Simulation::new(settings).expect("makes");
    let data = folder.path().join("cells.h5ad");
    writing(|| write(&simulation, &data, Compression::None, false)).expect("writes");
    let names = simulation.var_names();
    let is_marker = |r: &Role| matches!(r, Role::Marker { .. });
    let markers = names.iter().zip(simulation.roles());
    let markers = markers
        .filter(|(_, r)| is_marker(r))
        .map(|(n, _)| n.clone());
    Planted {
        markers: markers.collect(),
        data,
        folder,
    }
}

impl Planted {
    fn run(&self, command: &str, out: &str, more: &[&str]) -> Output {
        let (data, out) = (
            self.data.display().to_string(),
            self.out(out).display().to_string(),
        );
        let mut args = vec![
            command, &data, "--label", "class", "--device", "cpu", "--json", "--out", &out,
        ];
        args.extend(more);
        yoto(&args)
    }
    fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn genes_file(&self, name: &str, content: &str) -> String {
        let path = self.out(name);
        std::fs::write(&path, content).expect("writes");
        path.display().to_string()
    }
}

fn object(output: &Output) -> Value {
    serde_json::from_str(&printed(output)).expect("JSON")
}

fn accuracy(run: &Value) -> f64 {
    run["tasks"][0]["test"]["accuracy"]
        .as_f64()
        .expect("accuracy")
}

fn genes(run: &Value) -> BTreeSet<String> {
    let panel = run["panel"].as_array().expect("panel");
    panel
        .iter()
        .map(|g| g["gene"].as_str().expect("name").to_owned())
        .collect()
}

fn test_cells(folder: &Path) -> Vec<(String, String)> {
    let rows = rows(&folder.join("predictions.csv"));
    rows.iter()
        .map(|r| (r["obs_names"].clone(), r["true"].clone()))
        .collect()
}

#[test]
fn planted_markers_beat_random_genes_under_the_split_of_train() {
    let p = planted();
    let list = format!("# planted\n\n{}\n", p.markers.join("\n"));
    let file = p.genes_file("planted.txt", &list);
    let compared = p.run(
        "evaluate-panel",
        "compared",
        &[
            "--panel",
            &file,
            "--panel",
            "random:8",
            "--panel",
            "markers:8",
            "--panel",
            "hvg:8",
            "--seed",
            "3",
        ],
    );
    let compared = object(&compared);
    let panels = compared["panels"].as_array().expect("panels");
    let given: Vec<&str> = panels.iter().filter_map(|p| p["given"].as_str()).collect();
    assert_eq!(given, [file.as_str(), "random:8", "markers:8", "hvg:8"]);
    let planted: BTreeSet<String> = p.markers.iter().cloned().collect();
    assert_eq!(genes(&panels[0]), planted);
    assert_eq!(
        genes(&panels[2]),
        planted,
        "the best markers are the planted ones"
    );
    assert_ne!(genes(&panels[1]), planted);
    let [markers, random] = [0, 1].map(|i| accuracy(&panels[i]));
    assert!(
        markers > 0.9 && markers > random + 0.2,
        "{markers} {random}"
    );
    // the files of a run, one directory a panel, and the table of all
    let out = p.out("compared");
    for name in ["planted", "random8", "markers8", "hvg8"] {
        for file in [
            "panel.csv",
            "predictions.csv",
            "model.safetensors",
            "metrics.json",
            "config.json",
            "history.csv",
        ] {
            assert!(out.join(name).join(file).is_file(), "{name}/{file}");
        }
    }
    let table = rows(&out.join("comparison.csv"));
    let shown: Vec<f64> = table
        .iter()
        .map(|r| r["accuracy"].parse().expect("number"))
        .collect();
    assert_eq!(shown, [0, 1, 2, 3].map(|i| accuracy(&panels[i])));
    assert!(table.iter().all(|r| r["genes"] == "8"));
    // the same cells are tested as by train with the seed, and others with another
    object(&p.run(
        "train",
        "own",
        &["--genes", "8", "--seed", "3", "--steps", "200"],
    ));
    object(&p.run(
        "train",
        "other",
        &["--genes", "8", "--seed", "4", "--steps", "20"],
    ));
    let own = test_cells(&p.out("own"));
    assert_eq!(own.len(), 140);
    for name in ["planted", "random8"] {
        assert_eq!(test_cells(&out.join(name)), own, "{name}");
    }
    assert_ne!(test_cells(&p.out("other")), own);
}

#[test]
fn the_panel_of_a_run_evaluated_again_does_as_well() {
    let p = planted();
    let run = object(&p.run("train", "run", &["--genes", "8"]));
    let file = p.out("run/panel.csv").display().to_string();
    let again = object(&p.run("evaluate-panel", "again", &["--panel", &file]));
    assert_eq!(genes(&again), genes(&run));
    let (a, b) = (accuracy(&run), accuracy(&again));
    assert!(a > 0.9 && (a - b).abs() < 0.06, "{a} {b}");
    assert!(!p.out("again/comparison.csv").exists());
    let folds = &[
        "--panel",
        "markers:8",
        "--cross-validate",
        "donor",
        "--steps",
        "60",
    ];
    let folds = object(&p.run("evaluate-panel", "folds", folds));
    assert_eq!(
        folds["cross_validation"]["groups"].as_array().map(Vec::len),
        Some(4)
    );
}

#[test]
fn no_panel_takes_the_place_of_another_or_of_a_result_file() {
    let p = planted();
    let genes = p.markers.join("\n");
    let files = [
        "comparison.csv.txt",
        "Config.JSON.txt",
        "one.txt",
        "ONE.csv",
    ];
    let files = files.map(|name| p.genes_file(name, &genes));
    let panels: Vec<&str> = files.iter().flat_map(|f| ["--panel", f.as_str()]).collect();
    let steps = ["--steps", "20"];
    let output = p.run("evaluate-panel", "several", &[&panels[..], &steps].concat());
    assert_eq!(object(&output)["panels"].as_array().map(Vec::len), Some(4));
    for label in ["comparison.csv-2", "Config.JSON-2", "one", "ONE-2"] {
        let folder = p.out("several").join(label);
        assert!(folder.join("metrics.json").is_file(), "{label}");
    }
    assert_eq!(rows(&p.out("several/comparison.csv")).len(), 4);
}

#[test]
fn random_panels_follow_the_seed_and_baselines_see_training_cells_alone() {
    let p = planted();
    let run = |out: &str, more: &[&str]| {
        let mut args = vec!["--steps", "20"];
        args.extend(more);
        genes(&object(&p.run("evaluate-panel", out, &args)))
    };
    let a = run("a", &["--panel", "random:8"]);
    assert_eq!(run("b", &["--panel", "random:8"]), a);
    assert_ne!(run("c", &["--panel", "random:8", "--seed", "1"]), a);
    // which cells are trained on decides
    let most = |out: &str, seed: &str| run(out, &["--panel", "hvg:30", "--seed", seed]);
    assert_ne!(most("d", "0"), most("e", "1"));
    // filters bind what baselines choose from
    let without = &p.markers[0];
    let left = run("f", &["--panel", "markers:8", "--exclude-genes", without]);
    assert!(left.len() == 8 && !left.contains(without));
}

#[test]
fn wrong_panels_are_named() {
    let p = planted();
    let run = |more: &[&str]| p.run("evaluate-panel", "out", more);
    let (a, b) = (&p.markers[0], &p.markers[1]);
    let odd = p.genes_file(
        "odd.csv",
        &format!("rank,gene\n1,{a}\n2,{b}\n3,{a}\n4,{a}x\n5,nothing\n"),
    );
    refused(
        &run(&["--panel", &odd]),
        &[
            "2 of the 4 genes",
            "nothing",
            "did you mean",
            "--skip-missing",
        ],
    );
    assert!(!p.out("out").exists(), "nothing is left behind");
    let skipped = p.run(
        "evaluate-panel",
        "skipped",
        &["--panel", &odd, "--skip-missing", "--steps", "20"],
    );
    assert_eq!(genes(&object(&skipped)), [a.clone(), b.clone()].into());
    let said = text(&skipped.stderr);
    assert!(
        said.contains("1 gene is named more than once") && said.contains("nothing"),
        "{said}"
    );
    let nothing = p.genes_file("none.txt", "x1\nx2\n");
    refused(
        &run(&["--panel", &nothing, "--skip-missing"]),
        &["2 of the 2 genes are no genes"],
    );
    refused(
        &run(&["--panel", &p.genes_file("empty.txt", "# none\n")]),
        &["holds no gene name"],
    );
    refused(
        &run(&["--panel", "absent.txt"]),
        &["absent.txt", "cannot be read"],
    );
    refused(&run(&["--panel", "hvg:201"]), &["hvg:201", "ask for 1 to "]);
    let excluded = p.genes_file("excluded.txt", a);
    refused(
        &run(&["--panel", &excluded, "--exclude-genes", a]),
        &["not considered", a],
    );
    for usage in [
        &["--panel", "hvg"][..],
        &["--panel", "random:0"],
        &["--panel", "hvg:4", "--include-genes", "INS"],
        &["--panel", "hvg:4", "--genes", "4"],
        &["--panel", "hvg:4", "--repeats", "2"],
        &["--panel", "hvg:4", "--resume"],
        &[],
    ] {
        let output = run(usage);
        assert_eq!(output.status.code(), Some(2), "{usage:?}");
    }
    // a directory that holds something stays as it is
    std::fs::create_dir(p.out("out")).expect("folder");
    std::fs::write(p.out("out/mine"), "mine").expect("writes");
    refused(&run(&["--panel", "hvg:4"]), &["is not empty", "--force"]);
    assert_eq!(
        std::fs::read_dir(p.out("out")).map(Iterator::count).ok(),
        Some(1)
    );
}

/// `sc.pp.highly_variable_genes(a, n_top_genes=24)` of scanpy 1.11 on log1p of counts per 10,000 of the cells
/// that are trained on, those of the demo's donor human1, each gene clipped at its mean + 8 sd as training does.
#[test]
fn variable_genes_are_those_of_scanpy() {
    let folder = tempfile::tempdir().expect("folder");
    let labels = folder.path().join("parts.csv");
    let out = folder.path().join("out").display().to_string();
    let demo = folder.path().join("demo.h5ad");
    std::fs::write(&demo, yoto_gpu::data::demo::BYTES).expect("writes");
    let options = yoto_gpu::data::Options {
        columns: vec!["donor".into()],
        ..Default::default()
    };
    let dataset = yoto_gpu::data::open(&demo, &options).expect("opens");
    let yoto_gpu::data::dataset::Column::Categorical { categories, codes } =
        &dataset.columns["donor"]
    else {
        panic!("donor is no category");
    };
    let mut table = "cell,part\n".to_owned();
    for (cell, code) in dataset.obs_names.iter().zip(codes) {
        let first = code.is_some_and(|c| categories[c as usize] == "human1");
        table += &format!("{cell},{}\n", if first { "train" } else { "test" });
    }
    std::fs::write(&labels, table).expect("writes");
    let (demo, labels) = (demo.display().to_string(), labels.display().to_string());
    let run = yoto(&[
        "evaluate-panel",
        &demo,
        "--label",
        "cell_type",
        "--labels",
        &labels,
        "--split-by",
        "part",
        "--panel",
        "hvg:24",
        "--steps",
        "20",
        "--device",
        "cpu",
        "--json",
        "--out",
        &out,
    ]);
    let scanpy: BTreeSet<String> = SCANPY.split_whitespace().map(str::to_owned).collect();
    assert_eq!(scanpy.len(), 24);
    assert_eq!(genes(&object(&run)), scanpy);
}

const SCANPY: &str = "ALDOB ARL4C CD74 CTGF CUZD1 FUCA1 G0S2 G6PC2 HLA.DRA IGFBP3 IGFBP5 IRX2 LCN2 LOXL4 LYZ MT1E MT1G MT1X OAF OLFM4 PTGS2 REG3A SPP1 TIMP3";

/// With genes to spare for five classes values are clipped where the markers of the rarest one are, 1 % of the cells: 10 sd.
#[test]
fn extremes_of_a_rare_class_are_kept_where_there_are_genes_to_spare() {
    let p = made(Settings {
        cells: 1000,
        genes: 200,
        density: 0.2,
        markers: 10,
        classes: 5,
        rare: 1,
        ..Settings::default()
    });
    let clips_in = |command: &str, out: &str, within: &str, more: &[&str]| {
        let run = p.run(command, out, &[&["--steps", "20"], more].concat());
        assert!(run.status.success(), "{}", text(&run.stderr));
        let path = p.out(out).join(within).join("model.safetensors");
        let (model, _) = yoto_gpu::model::panel_model::PanelModel::load(&path).expect("a model");
        let mut clips: Vec<_> = model.genes.into_iter().map(|g| (g.name, g.clip)).collect();
        clips.sort_by(|a, b| a.0.cmp(&b.0));
        clips
    };
    let clips = |command: &str, out: &str, more: &[&str]| clips_in(command, out, "", more);
    let trained = clips("train", "a", &["--genes", "12"]);
    let panel = p.out("a/panel.csv").display().to_string();
    let given = clips("evaluate-panel", "b", &["--panel", &panel]);
    assert_eq!(trained, given);
    let none_to_spare = ["--panel", &panel, "--recipe", r#"{"eliminate_from": 2.5}"#];
    let at_8 = clips("evaluate-panel", "c", &none_to_spare);
    for (at_10, at_8) in given.iter().zip(&at_8) {
        assert!(at_10.0 == at_8.0 && at_10.1 > at_8.1, "{at_10:?} {at_8:?}");
    }
    assert_eq!(given.len(), 12);
    // a panel is treated as if it were the only one, whatever stands beside it
    let small = ["--panel", "markers:8"];
    let alone = clips("evaluate-panel", "d", &small);
    let both = [&["--panel", "markers:30"], &small[..]].concat();
    assert_eq!(alone, clips_in("evaluate-panel", "e", "markers8", &both));
    let reports = ["d/metrics.json", "e/markers8/metrics.json"].map(|f| {
        let bytes = std::fs::read(p.out(f)).expect("a report");
        let all: Value = serde_json::from_slice(&bytes).expect("an object");
        all["tasks"].clone()
    });
    assert_eq!(reports[0], reports[1]);
    let large = clips_in("evaluate-panel", "f", "markers30", &both);
    let wider = |a: &(String, f32)| large.iter().any(|b| a.0 == b.0 && b.1 > a.1);
    assert!(
        alone.iter().any(wider),
        "the two are prepared alike: {large:?}"
    );
    let rows = std::fs::read_to_string(p.out("f/comparison.csv")).expect("a table");
    let named: Vec<&str> = rows.lines().skip(1).map(|l| &l[..9]).collect();
    assert_eq!(
        named,
        ["markers:3", "markers:8"],
        "in the order that was asked for"
    );
}
