//! Reconstruction of all genes: components, what is explained, panels without labels.
#[path = "common/cells.rs"]
mod cells;

use cells::{Random, planted};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use yoto_gpu::cpu::Cpu;
use yoto_gpu::data::cells::{Targets, TestCells, TrainingData};
use yoto_gpu::data::components::Components;
use yoto_gpu::data::dataset::{Csr, Dataset};
use yoto_gpu::data::packed::unpack;
use yoto_gpu::data::prepare::{InputChoice, prepare};
use yoto_gpu::data::split::{SplitSettings, split};
use yoto_gpu::metrics::reconstruction;
use yoto_gpu::train::fit;
use yoto_gpu::train::settings::{Recipe, Settings};

const GENES: usize = 40;
const CLASSES: usize = 5;

/// Standardised values, cells x genes, zeros and all.
fn dense(data: &TrainingData) -> Vec<Vec<f64>> {
    let one = |cell: usize| {
        let mut row = vec![0.0f64; GENES];
        for &entry in data.cells.cell(cell) {
            let (g, v) = unpack(entry);
            row[g] = f64::from(v);
        }
        for (g, v) in row.iter_mut().enumerate() {
            *v = (*v - f64::from(data.stats.mean[g])) * f64::from(data.stats.inv_sd[g]);
        }
        row
    };
    (0..data.cells.n_cells).map(one).collect()
}

/// How far C p is from variance times p at most, over the variance.
fn residual(x: &[Vec<f64>], components: &Components, d: usize, variance: f64) -> f64 {
    let p = |g: usize| f64::from(components.loadings[g * components.n + d]);
    let mut product = vec![0.0f64; GENES];
    for row in x {
        let y: f64 = row.iter().enumerate().map(|(g, v)| v * p(g)).sum();
        let n = x.len() as f64;
        product
            .iter_mut()
            .zip(row)
            .for_each(|(c, v)| *c += y * v / n);
    }
    let far = product
        .iter()
        .enumerate()
        .map(|(g, c)| (c - variance * p(g)).abs());
    far.fold(0.0, f64::max) / variance
}

#[test]
fn components_are_those_of_the_dense_matrix() {
    let data = planted(300, 0, GENES, CLASSES, 2000, 8);
    let x = dense(&data);
    let c = Components::new(&data, CLASSES, 1).unwrap();
    assert!(c.variance.windows(2).all(|v| v[0] >= v[1]) && c.variance[3] > 1.3);
    // five classes make four directions that stand out
    for d in 0..4 {
        let r = residual(&x, &c, d, c.variance[d]);
        assert!(r < 1e-2, "component {d}: {r}");
        assert!(
            residual(&x, &c, d, 1.1 * c.variance[d]) > 2e-2,
            "the test can tell"
        );
    }
    for i in 0..c.n {
        for j in 0..c.n {
            let dot: f64 = (c.loadings.chunks_exact(c.n))
                .map(|row| f64::from(row[i]) * f64::from(row[j]))
                .sum();
            assert!(
                (dot - f64::from(u8::from(i == j))).abs() < 1e-5,
                "{i} {j}: {dot}"
            );
        }
    }
    let alone = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    assert_eq!(
        alone.install(|| Components::new(&data, CLASSES, 1).unwrap()),
        c
    );
    for n in [0, GENES + 1] {
        let error = Components::new(&data, n, 1).unwrap_err();
        assert!(error.what.contains("--reconstruct"), "{error}");
    }
}

#[test]
fn what_is_explained_is_what_the_dense_matrix_says() {
    let data = planted(300, 60, GENES, CLASSES, 2000, 9);
    let x = dense(&data);
    let c = Components::new(&data, 6, 1).unwrap();
    // the validation cells as test cells
    let mut csr = Csr {
        n_obs: 60,
        n_vars: GENES,
        indptr: vec![0],
        indices: Vec::new(),
        values: Vec::new(),
    };
    for cell in 300..360 {
        for &entry in data.cells.cell(cell) {
            csr.indices.push(unpack(entry).0 as u32);
            csr.values.push(unpack(entry).1);
        }
        csr.indptr.push(csr.values.len());
    }
    let mut test = TestCells {
        x: csr,
        obs_names: vec![String::new(); 60],
        tasks: Vec::new(),
        squares: Vec::new(),
        batches: None,
    };
    c.add_to_test(&mut test);
    let tasks = c.tasks(&data);
    let values = |tasks: &[yoto_gpu::data::cells::Task], d: usize| match &tasks[d].targets {
        Targets::Values(v) => v.clone(),
        Targets::Classes(_) => panic!(),
    };
    let truth: Vec<Vec<f32>> = (0..6).map(|d| values(&test.tasks, d)).collect();
    for (d, t) in truth.iter().enumerate() {
        assert_eq!(
            t[..],
            values(&tasks, d)[300..],
            "the same cells, the same components"
        );
    }
    // some prediction: the truth, less and less of it
    let predicted: Vec<Vec<f32>> = (truth.iter().enumerate())
        .map(|(d, t)| t.iter().map(|y| y * (1.0 - 0.15 * d as f32)).collect())
        .collect();
    let pairs: Vec<(&[f32], &[f32])> = (truth.iter().zip(&predicted))
        .map(|(t, p)| (t.as_slice(), p.as_slice()))
        .collect();
    let share = |y: &[Vec<f32>]| {
        let (mut error, mut total) = (0.0f64, 0.0f64);
        for (cell, row) in x[300..].iter().enumerate() {
            for (g, v) in row.iter().enumerate() {
                let p: f64 = (0..6)
                    .map(|d| f64::from(y[d][cell]) * f64::from(c.loadings[g * 6 + d]))
                    .sum();
                error += (v - p).powi(2);
                total += v * v;
            }
        }
        1.0 - error / total
    };
    let r = reconstruction(&pairs, &test.squares, |_| true);
    assert!(
        (r.explained - share(&predicted)).abs() < 1e-5,
        "{r:?} {}",
        share(&predicted)
    );
    assert!(
        (r.ceiling - share(&truth)).abs() < 1e-5,
        "{r:?} {}",
        share(&truth)
    );
    assert!(r.explained < r.ceiling - 1e-3);
    assert!(
        reconstruction(&pairs, &test.squares, |_| false)
            .explained
            .is_nan()
    );
}

/// Cells of five kinds that nothing names: genes 4 c to 4 c + 3 go up together in kind c, the other 40
/// genes go their own ways.
fn modules(seed: u64) -> TrainingData {
    let (mut random, n, n_genes) = (Random(seed), 480, 60);
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for i in 0..n {
        for g in 0..n_genes {
            let level = match g / 4 {
                c if c == i % CLASSES => 0.9,
                c if c < CLASSES => 0.1,
                _ => 0.4,
            };
            if random.unit() < level {
                indices.push(g as u32);
                values.push((0.5 + 1.5 * random.unit()) as f32);
            }
        }
        indptr.push(values.len());
    }
    let dataset = Dataset {
        gene_ids: yoto_gpu::data::gene_ids::GeneIds::default(),
        has_raw: false,
        path: "modules".into(),
        x: Csr {
            n_obs: n,
            n_vars: n_genes,
            indptr,
            indices,
            values,
        },
        obs_names: (0..n).map(|i| format!("cell{i}")).collect(),
        var_names: (0..n_genes).map(|g| format!("gene{g}")).collect(),
        columns: BTreeMap::new(),
        notices: Vec::new(),
    };
    let prepared = prepare(dataset, &[], &[], InputChoice::Auto).unwrap();
    let settings = SplitSettings {
        unlabelled: true,
        ..SplitSettings::default()
    };
    split(prepared, &settings).unwrap().0
}

#[test]
fn a_panel_without_labels_takes_one_of_each_module() {
    let found = |seed, recipe| {
        let mut data = modules(seed);
        let c = Components::new(&data, CLASSES - 1, 1).unwrap();
        data.tasks = c.tasks(&data);
        let settings = Settings {
            genes: CLASSES,
            hidden: vec![16],
            batch_size: 32,
            recipe,
            ..Settings::default()
        };
        let stop = AtomicBool::new(false);
        let mut cpu = Cpu::<f32>::default();
        let fit = fit(&mut cpu, &data, &settings, None, false, &stop, &mut |_| ()).unwrap();
        let modules: BTreeSet<usize> = (fit.model.genes.iter())
            .map(|g| g.index as usize / 4)
            .filter(|&m| m < CLASSES)
            .collect();
        modules.len()
    };
    let nothing = || Recipe {
        ranking: false,
        select_steps: 0,
        rounds: 0,
        ..Recipe::default()
    };
    for seed in 1..=2 {
        let n = found(seed, Recipe::default());
        assert!(n >= CLASSES - 1, "{n} of {CLASSES} modules, seed {seed}");
        assert!(found(seed, nothing()) < CLASSES - 1, "a random panel");
    }
}

#[test]
fn the_program_reconstructs_without_labels_and_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| -> Value {
        let out = folder.path().join(name);
        let output = Command::new(env!("CARGO_BIN_EXE_yoto-gpu"))
            .args([
                "train", "--device", "cpu", "--steps", "200", "--genes", "16", "--json",
            ])
            .args(["--quiet", "--reconstruct=8", "--out"])
            .arg(&out)
            .args(more)
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let alone = run("alone", &[]);
    let task = &alone["tasks"][0];
    assert_eq!(alone["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(
        (task["kind"].as_str(), task["components"].as_u64()),
        (Some("reconstruction"), Some(8))
    );
    let figure = |task: &Value, name: &str| task["test"][name].as_f64().unwrap();
    let (explained, ceiling) = (figure(task, "explained"), figure(task, "ceiling"));
    assert!(
        explained > 0.5 * ceiling && explained < ceiling && ceiling < 1.0,
        "{task}"
    );
    assert!(alone["explanations"][0]["explained_drop"].as_f64().unwrap() > 0.0);
    let loadings = std::fs::read_to_string(folder.path().join("alone/loadings.csv")).unwrap();
    assert_eq!(loadings.lines().count(), 2001);
    assert_eq!(loadings.lines().next().unwrap().split(',').count(), 4 + 8);
    let both = run(
        "both",
        &[
            "--label",
            "cell_type",
            "--task-weight",
            "reconstruction=0.5",
        ],
    );
    let names: Vec<&str> = (both["tasks"].as_array().unwrap().iter())
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["cell_type", "reconstruction"]);
    assert!(figure(&both["tasks"][0], "accuracy") > 0.8);
    let predictions = std::fs::read_to_string(folder.path().join("both/predictions.csv")).unwrap();
    let header = "obs_names,split,cell_type_true,cell_type_predicted,cell_type_probability";
    assert_eq!(predictions.lines().next(), Some(header));
}
