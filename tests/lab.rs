//! Rules of the laboratory, as a user has them: tables of families and costs, bounds on what the cells really have.
#[path = "common/program.rs"]
mod program;

use program::{refused, text, yoto};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;
use yoto_gpu::data::cells::{Targets, TrainingData};
use yoto_gpu::data::dataset::Dataset;
use yoto_gpu::data::packed::unpack;
use yoto_gpu::data::prepare::{InputChoice, prepare};
use yoto_gpu::data::split::{SplitSettings, split};
use yoto_gpu::simulate::{Settings as Made, Simulation};
use yoto_gpu::train::lab::{Lab, rules};

fn train(out: &Path, more: &[&str]) -> Output {
    let out = out.display().to_string();
    let all = [
        "train", "--device", "cpu", "--quiet", "--json", "--out", &out,
    ];
    let all: Vec<String> = all.iter().chain(more).map(ToString::to_string).collect();
    yoto(&all)
}

fn object(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one object")
}

fn panel(run: &Value) -> Vec<String> {
    let genes = run["panel"].as_array().expect("a panel").iter();
    genes
        .filter_map(|g| g["gene"].as_str())
        .map(String::from)
        .collect()
}

fn file(folder: &Path, name: &str, content: &str) -> String {
    let path: PathBuf = folder.join(name);
    std::fs::write(&path, content).expect("writes");
    path.display().to_string()
}

/// Cells of a label with a class of 1 %, and of another label that is finer.
fn cells() -> (Dataset, TrainingData, Vec<u32>) {
    let made = Simulation::new(Made {
        cells: 1200,
        genes: 120,
        density: 0.2,
        markers: 12,
        classes: 4,
        rare: 1,
        donors: 3,
        batch_effect: 0.3,
        seed: 4,
        ..Made::default()
    });
    let dataset = made.expect("makes").dataset();
    let labels = ["class".to_string(), "donor".to_string()];
    let prepared = prepare(dataset.clone(), &labels, &[], InputChoice::Auto).expect("prepares");
    let (data, _, summary) = split(prepared, &SplitSettings::default()).expect("splits");
    let rows = summary.training_rows[..data.n_train].to_vec();
    (dataset, data, rows)
}

/// Means per 10,000 counts of the cells of each class of the t-th label (classes x considered genes), from the counts.
fn means(dataset: &Dataset, data: &TrainingData, rows: &[u32], t: usize) -> Vec<Vec<f64>> {
    let Targets::Classes(of) = &data.tasks[t].targets else {
        panic!("classes");
    };
    let classes = data.profiles[t].classes.len();
    let mut sums = vec![vec![0.0; data.gene_index.len()]; classes];
    let mut n = vec![0.0; classes];
    for (cell, &row) in rows.iter().enumerate() {
        let (genes, counts) = dataset.x.row(row as usize);
        let total: f64 = counts.iter().map(|&c| f64::from(c)).sum();
        let class = of[cell] as usize;
        n[class] += 1.0;
        for (g, &count) in genes.iter().zip(counts) {
            if let Ok(gene) = data.gene_index.binary_search(g) {
                sums[class][gene] += f64::from(count) * 1e4 / total;
            }
        }
    }
    for (sums, n) in sums.iter_mut().zip(n) {
        sums.iter_mut().for_each(|s| *s /= n);
    }
    sums
}

#[test]
fn class_means_are_those_of_the_counts_and_nothing_is_clipped() {
    let (dataset, data, rows) = cells();
    let mut clipped = 0;
    for (t, profile) in data.profiles.iter().enumerate() {
        let wanted = means(&dataset, &data, &rows, t);
        for (c, wanted) in wanted.iter().enumerate() {
            for (g, &wanted) in wanted.iter().enumerate() {
                let found = f64::from(profile.mean[c][g]);
                assert!(
                    (found - wanted).abs() <= 1e-4 * wanted.max(1.0),
                    "{found} {wanted}"
                );
            }
        }
        // what training sees is clipped, and would be wrong here
        let Targets::Classes(of) = &data.tasks[t].targets else {
            panic!("classes");
        };
        for (c, wanted) in wanted.iter().enumerate() {
            let own = || (0..data.n_train).filter(|&cell| of[cell] as usize == c);
            let mut sums = vec![0.0; data.gene_index.len()];
            for &entry in own().flat_map(|cell| data.cells.cell(cell)) {
                let (gene, value) = unpack(entry);
                sums[gene] += f64::from(value).exp_m1();
            }
            let n = own().count() as f64;
            assert_eq!(profile.cells[c], own().count());
            let wrong = |g: &usize| sums[*g] / n < 0.9 * wanted[*g];
            clipped += (0..sums.len()).filter(wrong).count();
        }
    }
    assert!(
        clipped > 0,
        "nothing is clipped here: the test shows nothing"
    );
    // the same counts per 10,000, whatever of them is trained on
    let labels = ["class".to_string(), "donor".to_string()];
    let counts = prepare(dataset, &labels, &[], InputChoice::LogCounts).expect("prepares");
    let (other, ..) = split(counts, &SplitSettings::default()).expect("splits");
    for (a, b) in data.profiles.iter().zip(other.profiles.iter()) {
        let pairs = a.mean.iter().flatten().zip(b.mean.iter().flatten());
        for (a, b) in pairs {
            assert!((a - b).abs() <= 1e-4 * a.max(1.0), "{a} {b}");
        }
        assert!(a.level != b.level);
    }
}

#[test]
fn bounds_and_crowding_are_of_every_class_of_every_label() {
    let (dataset, data, rows) = cells();
    let all: Vec<_> = (0..2).map(|t| means(&dataset, &data, &rows, t)).collect();
    let highest = |t: usize, g: usize| all[t].iter().map(|c| c[g]).fold(0.0, f64::max);
    let n = data.gene_index.len();
    // between what is highest in a class of the first label and of the second
    let g = (0..n).max_by(|&a, &b| {
        let apart = |g: usize| highest(1, g) / highest(0, g);
        apart(a).total_cmp(&apart(b))
    });
    let g = g.expect("genes");
    assert!(highest(1, g) > highest(0, g) * 1.05);
    let most = f64::midpoint(highest(0, g), highest(1, g));
    let lab = Lab {
        max_mean: Some(most as f32),
        max_crowding: Some(50.0),
        ..Lab::default()
    };
    let found = rules(&data, &lab).expect("rules");
    for gene in 0..n {
        let within = highest(0, gene).max(highest(1, gene)) <= most;
        assert_eq!(found.allows(gene as u32), within, "{gene}");
    }
    assert!(!found.allows(g as u32));
    let classes: usize = data.profiles.iter().map(|p| p.classes.len()).sum();
    assert_eq!((data.profiles.len(), found.loads.len()), (2, classes));
}

#[test]
fn tables_may_name_their_columns_and_genes_several_families() {
    let folder = tempfile::tempdir().expect("folder");
    let dir = folder.path();
    let hormones = ["INS", "GCG", "PPY", "SST", "IAPP", "TTR"];
    let mut rows = "family,note,gene\n".to_string();
    for gene in hormones {
        rows += &format!("hormone,x,{gene}\nother {gene},x,{gene}\n");
    }
    rows += ",x,REG1A\n,x,PRSS1\n,x,CTRB2\n";
    let families = file(dir, "families.csv", &rows);
    let run = |out: &str, more: &[&str]| {
        let all = [
            "--families",
            &families,
            "--max-per-family",
            "2",
            "--steps",
            "60",
        ];
        train(&dir.join(out), &[&all, more].concat())
    };
    let of = |run: &Value| {
        panel(run)
            .iter()
            .filter(|g| hormones.contains(&g.as_str()))
            .count()
    };
    let asked = ["--genes", "12", "--include-genes", "REG1A,PRSS1,CTRB2"];
    // an empty cell is no family: three genes without one are in
    let kept = object(&run("a", &asked));
    assert_eq!(of(&kept), 2);
    let free = object(&train(
        &dir.join("free"),
        &["--genes", "12", "--steps", "60"],
    ));
    assert!(of(&free) > 2, "{:?}", panel(&free));
    for (name, content, says) in [
        (
            "twice.csv",
            "gene,cost\nINS,2\nINS,3\n",
            "INS costs 2 and 3",
        ),
        ("one.csv", "gene,cost\nINS\n", "twice"),
        ("none.csv", "gene,cost\nINS,free\n", "INS costs \"free\""),
    ] {
        let costs = file(dir, name, content);
        let output = train(&dir.join("b"), &["--costs", &costs, "--budget", "20"]);
        let says = if name == "one.csv" { "one.csv" } else { says };
        refused(&output, &[says, "hint"]);
    }
}

#[test]
fn a_budget_is_spent_and_says_which_sizes_it_has_no_genes_for() {
    let folder = tempfile::tempdir().expect("folder");
    let dear = ["INS", "GCG", "PPY", "SST", "IAPP", "TTR", "REG1A", "PRSS1"];
    let rows: String = dear.iter().map(|g| format!("{g},6.1\n")).collect();
    let costs = file(folder.path(), "costs.csv", &rows);
    let run = |out: &str, genes: &str, budget: &str| {
        let out = folder.path().join(out).display().to_string();
        let all = [
            "train", "--device", "cpu", "--json", "--steps", "60", "--out", &out,
        ];
        let more = ["--genes", genes, "--costs", &costs, "--budget", budget];
        let output = yoto(
            &all.iter()
                .chain(&more)
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
        );
        (object(&output), text(&output.stderr).to_string())
    };
    let cost = |panel: &[String]| -> f64 {
        let of = |g: &String| if dear.contains(&g.as_str()) { 6.1 } else { 1.0 };
        panel.iter().map(of).sum()
    };
    // 20 genes of 1, or one of 6.1 among fewer: the 12 asked for are there, some of them dear
    let (twelve, said) = run("a", "12", "20");
    let genes = panel(&twelve);
    assert!(genes.len() == 12 && cost(&genes) <= 20.0, "{genes:?}");
    assert!(
        cost(&genes) > 12.0,
        "one that is dear could be afforded: {genes:?}"
    );
    assert!(!said.contains("under the rules"), "{said}");
    let (most, said) = run("b", "4,8,16", "9.5");
    assert_eq!(panel(&most).len(), 9);
    assert!(said.contains("panels have 9, 8, 4 genes, not 16"), "{said}");
}

#[test]
fn auto_leaves_out_sizes_that_the_rules_have_no_panel_of() {
    let folder = tempfile::tempdir().expect("folder");
    let auto = |out: &str, more: &[&str]| {
        let all = ["--genes", "auto", "--steps", "40"];
        let run = object(&train(&folder.path().join(out), &[&all, more].concat()));
        let curve = run["curve"].as_array().expect("a curve").clone();
        curve
            .iter()
            .filter_map(|c| c["k"].as_u64())
            .collect::<BTreeSet<u64>>()
    };
    let included = auto("a", &["--include-genes", "INS,GCG,PPY,SST,IAPP"]);
    assert_eq!(included.first(), Some(&6));
    let candidates = file(folder.path(), "few.txt", "INS\nGCG\nPPY\nSST\nIAPP\n");
    let few = auto("b", &["--candidates", &candidates]);
    assert_eq!(few, BTreeSet::from([4, 5]));
    let marked = auto(
        "c",
        &["--min-markers-per-class", "1", "--max-crowding", "300"],
    );
    assert_eq!(marked.first(), Some(&12));
}

#[test]
fn numbers_that_bound_nothing_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let out = folder.path().join("run");
    for wrong in [
        "--max-crowding=nan",
        "--max-crowding=-1",
        "--min-mean=nan",
        "--max-mean=inf",
    ] {
        let output = train(&out, &[wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(
            text(&output.stderr).contains(&wrong[..10]),
            "{}",
            text(&output.stderr)
        );
    }
    let crossed = train(&out, &["--min-mean", "10", "--max-mean", "1"]);
    refused(&crossed, &["--min-mean 10 is above --max-mean 1"]);
    let dark = train(&out, &["--genes", "64", "--max-crowding", "0.01"]);
    refused(
        &dark,
        &[
            "--max-crowding 0.01 in",
            "the lowest that 64 genes add up to is",
        ],
    );
    assert!(!out.exists());
}

#[test]
fn a_run_is_not_resumed_under_other_rules() {
    let folder = tempfile::tempdir().expect("folder");
    let out = folder.path().join("run");
    let costs = file(folder.path(), "costs.csv", "INS,2\nGCG,3\n");
    let asked = ["--costs", &costs, "--budget", "30", "--max-crowding", "900"];
    object(&train(&out, &[&asked[..], &["--steps", "30"]].concat()));
    let other = train(&out, &["--resume", "--max-crowding", "120"]);
    refused(&other, &["--max-crowding was 900.0", "120.0"]);
}

#[test]
fn rules_are_kept_or_named() {
    let folder = tempfile::tempdir().expect("folder");
    let costs = folder.path().join("costs.csv");
    std::fs::write(&costs, "gene,cost\nINS,3\nGCG,3\nPPY,3\nSST,3\n").expect("writes");
    let costs = costs.display().to_string();
    let rules = [
        "--costs",
        &costs,
        "--budget",
        "10",
        "--max-per-family",
        "1",
        "--steps",
        "60",
    ];
    let run = |out: &str, more: &[&str]| {
        let all: Vec<&str> = rules.iter().chain(more).copied().collect();
        train(&folder.path().join(out), &all)
    };
    let kept = object(&run("a", &["--genes", "9", "--include-genes", "INS"]));
    let panel: Vec<&str> = kept["panel"]
        .as_array()
        .expect("panel")
        .iter()
        .filter_map(|g| g["gene"].as_str())
        .collect();
    assert!(panel.contains(&"INS"), "{panel:?}");
    let dear = |g: &&&str| ["INS", "GCG", "PPY", "SST"].contains(*g);
    let cost = panel.len() + 2 * panel.iter().filter(dear).count();
    assert!(cost <= 10, "{cost}: {panel:?}");
    let family = |name: &str| {
        let end = name.find(|c: char| !c.is_ascii_alphabetic())?;
        (end >= 2).then(|| name[..end].to_string())
    };
    let families: Vec<String> = panel.iter().filter_map(|g| family(g)).collect();
    let distinct: BTreeSet<&String> = families.iter().collect();
    assert_eq!(distinct.len(), families.len(), "{panel:?}");
    let refused = run("b", &["--genes", "9", "--min-markers-per-class", "1"]);
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("--min-markers-per-class 1 over 10 classes"),
        "{stderr}"
    );
    assert!(stderr.contains("hint: "), "{stderr}");
    assert!(!folder.path().join("b").exists(), "nothing is left behind");
}
