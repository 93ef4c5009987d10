//! Training on made-up cells: what it finds, that it repeats itself, that it can be resumed.
#[path = "common/cells.rs"]
mod cells;
mod common;

use cells::planted;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use yoto_gpu::cpu::Cpu;
use yoto_gpu::data::cells::{Targets, Task, TaskKind, TrainingData};
use yoto_gpu::data::dataset::{Column, Csr, Dataset};
use yoto_gpu::data::prepare::{InputChoice, prepare};
use yoto_gpu::data::split::{SplitSettings, split};
use yoto_gpu::error::TrainError;
use yoto_gpu::model::panel_model::PanelModel;
use yoto_gpu::ops::MISSING;
use yoto_gpu::train::fit;
use yoto_gpu::train::settings::{Fit, Recipe, Relaxation, Settings};

const CLASSES: usize = 6;

fn settings(recipe: Recipe) -> Settings {
    Settings {
        genes: CLASSES,
        hidden: vec![16],
        batch_size: 32,
        seed: 1,
        recipe,
        ..Settings::default()
    }
}

/// Scores from zero and Gumbel noise alone: no ranking, no rounds.
fn learned() -> Recipe {
    Recipe {
        ranking: false,
        select_steps: 250,
        lr_scores: 0.05,
        rounds: 0,
        finish_steps: 60,
        warm_steps: 20,
        ..Recipe::default()
    }
}

fn run(data: &TrainingData, settings: &Settings) -> Fit {
    fit(
        &mut Cpu::<f32>::default(),
        data,
        settings,
        None,
        false,
        &AtomicBool::new(false),
        &mut |_| (),
    )
    .unwrap()
}

fn panel(model: &PanelModel) -> Vec<u32> {
    let mut genes: Vec<u32> = model.genes.iter().map(|g| g.index).collect();
    genes.sort_unstable();
    genes
}

fn accuracy(fit: &Fit) -> f64 {
    fit.history.last().and_then(|e| e.validation_score).unwrap()
}

#[test]
fn planted_genes_are_found_by_each_way_of_selecting() {
    let data = planted(400, 100, 120, CLASSES, 1 << 20, 1);
    let rounds = Recipe {
        ranking: false,
        select_steps: 0,
        ..Recipe::default()
    };
    for s in [
        settings(Recipe::default()),
        settings(rounds),
        settings(learned()),
    ] {
        let fit = run(&data, &s);
        assert_eq!(
            panel(&fit.model),
            (0..CLASSES as u32).collect::<Vec<_>>(),
            "{s:?}"
        );
        assert!(accuracy(&fit) > 0.8, "{s:?}: {}", accuracy(&fit));
        assert!(fit.model.genes.windows(2).all(|g| g[0].score >= g[1].score));
    }
    // SoftSort's gradient is weaker here: alone it finds most, with rounds all
    let softsort = |recipe| Settings {
        relaxation: Relaxation::Softsort,
        ..settings(recipe)
    };
    let found = |s: &Settings| {
        panel(&run(&data, s).model)
            .iter()
            .filter(|&&g| g < CLASSES as u32)
            .count()
    };
    assert!(found(&softsort(learned())) >= 4);
    assert_eq!(
        found(&softsort(Recipe {
            rounds: 8,
            ..learned()
        })),
        CLASSES
    );
    // without any way of selecting, a random panel: the test can tell
    let nothing = Recipe {
        ranking: false,
        select_steps: 0,
        rounds: 0,
        ..Recipe::default()
    };
    let fit = run(&data, &settings(nothing));
    assert_ne!(panel(&fit.model), (0..CLASSES as u32).collect::<Vec<_>>());
    assert!(accuracy(&fit) < 0.6);
}

#[test]
fn panels_are_exact_at_both_ends_of_k() {
    let data = planted(60, 20, 12, 3, 1 << 20, 2);
    for recipe in [
        Recipe::default(),
        Recipe {
            select_steps: 100,
            ..Recipe::default()
        },
    ] {
        for k in [1, 12] {
            let s = Settings {
                genes: k,
                steps: Some(120),
                ..settings(recipe.clone())
            };
            let mut genes = panel(&run(&data, &s).model);
            genes.dedup();
            assert_eq!(genes.len(), k);
        }
    }
    for k in [0, 13] {
        let s = Settings {
            genes: k,
            ..settings(Recipe::default())
        };
        let stop = AtomicBool::new(false);
        let error = fit(
            &mut Cpu::<f32>::default(),
            &data,
            &s,
            None,
            false,
            &stop,
            &mut |_| (),
        )
        .unwrap_err();
        assert!(matches!(error, TrainError::Data(_)), "{error}");
    }
}

/// Bytes of everything that a model predicts with.
fn bits(model: &PanelModel) -> Vec<u32> {
    let layers = model.layers.iter().flat_map(|l| l.w.iter().chain(&l.b));
    let genes = model
        .genes
        .iter()
        .flat_map(|g| [g.index as f32, g.score, g.mean, g.inv_sd, g.clip]);
    layers.copied().chain(genes).map(f32::to_bits).collect()
}

#[test]
fn two_runs_are_bitwise_equal_and_seeds_differ() {
    let data = planted(200, 50, 60, 4, 2000, 3);
    let recipe = Recipe {
        select_steps: 60,
        ..Recipe::default()
    };
    let s = Settings {
        steps: Some(300),
        ..settings(recipe)
    };
    let (a, b) = (run(&data, &s), run(&data, &s));
    assert_eq!(bits(&a.model), bits(&b.model));
    assert_eq!(a.history, b.history);
    let c = run(
        &data,
        &Settings {
            seed: 2,
            ..s.clone()
        },
    );
    assert_ne!(bits(&a.model), bits(&c.model));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    assert_eq!(
        bits(&a.model),
        bits(&pool.install(|| run(&data, &s)).model),
        "the number of threads shows"
    );
}

/// Runs until `epochs` epochs are done, then stops as Ctrl-C does.
fn stop_after(data: &TrainingData, s: &Settings, path: &Path, resume: bool, epochs: usize) -> Fit {
    let stop = AtomicBool::new(false);
    let mut seen = 0;
    let mut count = |_: yoto_gpu::train::settings::Progress| {
        seen += 1;
        stop.store(seen >= epochs, Ordering::Relaxed);
    };
    fit(
        &mut Cpu::<f32>::default(),
        data,
        s,
        Some(path),
        resume,
        &stop,
        &mut count,
    )
    .unwrap()
}

#[test]
fn a_stopped_and_resumed_run_equals_an_unbroken_one() {
    let data = planted(100, 30, 40, 4, 1 << 20, 4);
    let recipe = Recipe {
        select_steps: 60,
        rounds: 3,
        round_steps: 20,
        warm_steps: 20,
        finish_steps: 40,
        ..Recipe::default()
    };
    let s = settings(recipe);
    let folder = tempfile::tempdir().unwrap();
    let unbroken = run(&data, &s);
    assert!(!unbroken.stopped);
    // stops fall into every phase: epochs have three steps
    for first in [1, 7, 19, 21, 25, 28, 34, 45] {
        let path = folder.path().join(format!("{first}.bin"));
        let broken = stop_after(&data, &s, &path, false, first);
        assert!(
            broken.stopped && broken.model.genes.len() == CLASSES,
            "{first}"
        );
        let resumed = stop_after(&data, &s, &path, true, usize::MAX);
        assert_eq!(
            bits(&resumed.model),
            bits(&unbroken.model),
            "stopped after epoch {first}"
        );
        assert_eq!(resumed.history, unbroken.history);
        assert_eq!(
            (resumed.best_epoch, resumed.steps),
            (unbroken.best_epoch, unbroken.steps)
        );
    }
    // a checkpoint of other settings, and a broken one, are refused
    let path = folder.path().join("1.bin");
    let stop = AtomicBool::new(false);
    let other = Settings {
        lr: 0.1,
        ..s.clone()
    };
    let mut cpu = Cpu::<f32>::default();
    assert!(matches!(
        fit(
            &mut cpu,
            &data,
            &other,
            Some(&path),
            true,
            &stop,
            &mut |_| ()
        ),
        Err(TrainError::Checkpoint { .. })
    ));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(
        fit(&mut cpu, &data, &s, Some(&path), true, &stop, &mut |_| ()),
        Err(TrainError::Checkpoint { .. })
    ));
}

#[test]
fn cells_without_a_label_add_nothing_to_its_task() {
    let mut data = planted(120, 40, 30, 3, 1 << 20, 5);
    let s = Settings {
        steps: Some(150),
        ..settings(Recipe::default())
    };
    let values: Vec<f32> = (0..160)
        .map(|i| if i % 2 == 0 { f32::NAN } else { (i % 3) as f32 })
        .collect();
    let kind = TaskKind::Regression { mean: 1.0, sd: 0.8 };
    data.tasks.push(Task {
        name: "age".into(),
        kind,
        targets: Targets::Values(values),
    });
    let both = run(&data, &s);
    assert!(accuracy(&both) > 0.5, "{}", accuracy(&both));
    // a task without any label leaves the other one's network as it is without that task
    let Targets::Values(values) = &mut data.tasks[1].targets else {
        panic!()
    };
    values.fill(f32::NAN);
    let silent = run(&data, &s);
    assert!(silent.history.iter().all(|e| e.train_loss.is_finite()));
    assert_ne!(bits(&both.model), bits(&silent.model));
    let Targets::Classes(labels) = &mut data.tasks[0].targets else {
        panic!()
    };
    labels.fill(MISSING);
    let fit = run(&data, &s);
    assert!(
        fit.history.iter().all(|e| e.train_loss == 0.0),
        "cells without labels made a loss"
    );
}

/// Whether two runs' losses and scores stay within `bound` of each other, epoch by epoch.
fn curves_agree(a: &Fit, b: &Fit, bound: f64) -> bool {
    let close = |x: f64, y: f64| (x - y).abs() <= bound * (1.0 + x.abs()); // never true of NaN
    a.history.len() == b.history.len()
        && a.history.iter().zip(&b.history).all(|(a, b)| {
            let validation = a
                .validation_loss
                .zip(b.validation_loss)
                .is_some_and(|(x, y)| close(x, y));
            close(a.train_loss, b.train_loss) && validation
        })
}

#[test]
fn gpu_and_cpu_train_alike_and_a_gpu_repeats_and_resumes_itself() {
    if common::gpu().is_none() {
        return;
    }
    let data = planted(96, 32, 48, 4, 400, 6);
    assert!(data.cells.pages.len() > 1);
    let recipe = Recipe {
        select_steps: 24,
        rounds: 2,
        round_steps: 9,
        warm_steps: 9,
        finish_steps: 18,
        ..Recipe::default()
    };
    for relaxation in [Relaxation::Sigmoid, Relaxation::Softsort] {
        let s = Settings {
            genes: 4,
            relaxation,
            ..settings(recipe.clone())
        };
        let on_gpu = |path: Option<&Path>, resume: bool, epochs: usize| {
            let (stop, mut seen) = (AtomicBool::new(false), 0);
            let mut count = |_: yoto_gpu::train::settings::Progress| {
                seen += 1;
                stop.store(seen >= epochs, Ordering::Relaxed);
            };
            fit(
                &mut common::gpu().unwrap(),
                &data,
                &s,
                path,
                resume,
                &stop,
                &mut count,
            )
            .unwrap()
        };
        let (cpu, gpu) = (run(&data, &s), on_gpu(None, false, usize::MAX));
        assert!(
            curves_agree(&cpu, &gpu, 1e-3),
            "{:?}\n{:?}",
            cpu.history,
            gpu.history
        );
        assert_eq!(panel(&cpu.model), panel(&gpu.model));
        let other = run(
            &data,
            &Settings {
                seed: 2,
                ..s.clone()
            },
        );
        assert!(
            !curves_agree(&cpu, &other, 1e-3),
            "the bound sees no difference between seeds"
        );
        assert_eq!(
            bits(&gpu.model),
            bits(&on_gpu(None, false, usize::MAX).model)
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.bin");
        for stopped_after in [3, 14] {
            assert!(on_gpu(Some(&path), false, stopped_after).stopped);
            assert_eq!(
                bits(&gpu.model),
                bits(&on_gpu(Some(&path), true, usize::MAX).model)
            );
        }
    }
}

/// Cells with a marker a class, as a file would hold them.
fn dataset() -> Dataset {
    let (n, genes) = (150usize, 20u32);
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for i in 0..n {
        for g in (0..genes)
            .filter(|&g| (i * 7 + g as usize * 5).is_multiple_of(3) || g as usize == i % 3)
        {
            indices.push(g);
            values.push(
                1.0 + ((i + g as usize) % 4) as f32 + if g as usize == i % 3 { 9.0 } else { 0.0 },
            );
        }
        indptr.push(values.len());
    }
    let codes = (0..n).map(|i| Some((i % 3) as u32)).collect();
    let column = Column::Categorical {
        categories: ["a", "b", "c"].map(String::from).to_vec(),
        codes,
    };
    Dataset {
        gene_ids: yoto_gpu::data::gene_ids::GeneIds::default(),
        has_raw: false,
        path: "made up".into(),
        x: Csr {
            n_obs: n,
            n_vars: genes as usize,
            indptr,
            indices,
            values,
        },
        obs_names: (0..n).map(|i| format!("cell{i}")).collect(),
        var_names: (0..genes).map(|g| format!("gene{g}")).collect(),
        columns: [("class".to_string(), column)].into(),
        notices: Vec::new(),
    }
}

#[test]
fn test_cells_are_never_read_in_training() {
    let split_settings = SplitSettings {
        seed: 3,
        // the clip hangs on the classes as well
        spare_outputs: 8,
        page_words: 1 << 20,
        ..SplitSettings::default()
    };
    let trained = |data: Dataset| {
        let prepared = prepare(data, &["class".into()], &[], InputChoice::Log).unwrap();
        let (data, _sealed, summary) = split(prepared, &split_settings).unwrap();
        let s = Settings {
            genes: 3,
            steps: Some(120),
            ..settings(Recipe::default())
        };
        (bits(&run(&data, &s).model), summary)
    };
    let change = |rows: &[u32]| {
        let mut data = dataset();
        for &row in rows {
            let range = data.x.indptr[row as usize]..data.x.indptr[row as usize + 1];
            data.x.values[range]
                .iter_mut()
                .for_each(|v| *v = *v * 3.0 + 5.0);
        }
        trained(data).0
    };
    let (model, summary) = trained(dataset());
    assert_eq!(summary.test_rows.len(), 30);
    assert_eq!(change(&summary.test_rows), model);
    assert_ne!(
        change(&summary.training_rows[..30]),
        model,
        "training cells do matter"
    );
}
