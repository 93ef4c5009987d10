//! Genes that hold across batches: planted markers of all batches against decoys of one.
//!
//! Gene c marks class c in every batch, not very well. Decoy c marks it very well in the large first
//! batch, and in the other two says nothing. All cells together prefer the decoys.
#[path = "common/cells.rs"]
mod cells;

use cells::Random;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use yoto_gpu::cpu::Cpu;
use yoto_gpu::data::cells::{SealedTest, TrainingData};
use yoto_gpu::data::dataset::{Column, Csr, Dataset};
use yoto_gpu::data::prepare::{InputChoice, prepare};
use yoto_gpu::data::split::{SplitSettings, split};
use yoto_gpu::report::batches::BatchScores;
use yoto_gpu::report::predict::{Scores, predict};
use yoto_gpu::train::rank::round_robin;
use yoto_gpu::train::settings::{Fit, Recipe, Settings};
use yoto_gpu::train::{fit, settings::Relaxation};

const CLASSES: usize = 4;
const GENES: usize = 60;

/// 600 cells, of which the first batch has 360, and as many of each class in every batch.
fn cells(batch: Option<&str>, seed: u64) -> (TrainingData, SealedTest) {
    cells_of(batch, seed, &[])
}

/// The same, without the last class in some batches.
fn cells_of(batch: Option<&str>, seed: u64, lacking: &[usize]) -> (TrainingData, SealedTest) {
    let (mut random, n) = (Random(seed), 600);
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    let (mut classes, mut batches) = (Vec::new(), Vec::new());
    for i in 0..n {
        let (mut class, batch) = (i % CLASSES, [0, 0, 0, 1, 2][i / CLASSES % 5]);
        if class == CLASSES - 1 && lacking.contains(&batch) {
            class = i / CLASSES % (CLASSES - 1);
        }
        for g in 0..GENES {
            let (marker, decoy) = (g < CLASSES, (CLASSES..2 * CLASSES).contains(&g));
            let own = g % CLASSES == class;
            let level = match (marker, decoy, own) {
                (true, _, true) => 0.75,
                (true, _, false) => 0.25,
                (_, true, true) if batch == 0 => 0.99,
                (_, true, false) if batch == 0 => 0.01,
                // the decoys' level differs between batches too
                (_, true, _) => 0.5,
                _ => 0.3,
            };
            if random.unit() < level {
                indices.push(g as u32);
                values.push((0.5 + 1.5 * random.unit()) as f32);
            }
        }
        indptr.push(values.len());
        classes.push(Some(class as u32));
        batches.push(Some(batch as u32));
    }
    let column = |codes: Vec<Option<u32>>, name: &str, n: usize| Column::Categorical {
        categories: (0..n).map(|c| format!("{name}{c}")).collect(),
        codes,
    };
    let columns = BTreeMap::from([
        ("class".to_string(), column(classes, "class", CLASSES)),
        ("batch".to_string(), column(batches, "batch", 3)),
    ]);
    let dataset = Dataset {
        path: "planted".into(),
        x: Csr {
            n_obs: n,
            n_vars: GENES,
            indptr,
            indices,
            values,
        },
        obs_names: (0..n).map(|i| format!("cell{i}")).collect(),
        var_names: (0..GENES).map(|g| format!("gene{g}")).collect(),
        columns,
        notices: Vec::new(),
        gene_ids: yoto_gpu::data::gene_ids::GeneIds::default(),
        has_raw: false,
    };
    let prepared = prepare(dataset, &["class".into()], &[], InputChoice::Auto).unwrap();
    let settings = SplitSettings {
        batch: batch.map(Into::into),
        seed,
        ..SplitSettings::default()
    };
    let (data, sealed, _) = split(prepared, &settings).unwrap();
    (data, sealed)
}

fn run(data: &TrainingData, recipe: Recipe) -> Fit {
    let settings = Settings {
        genes: CLASSES,
        hidden: vec![16],
        batch_size: 64,
        seed: 1,
        relaxation: Relaxation::Sigmoid,
        recipe,
        ..Settings::default()
    };
    let stop = AtomicBool::new(false);
    let mut cpu = Cpu::<f32>::default();
    fit(&mut cpu, data, &settings, None, false, &stop, &mut |_| ()).unwrap()
}

/// No ranking, no scores: the rounds alone, from a random panel.
fn rounds() -> Recipe {
    Recipe {
        ranking: false,
        select_steps: 0,
        ..Recipe::default()
    }
}

/// Markers and decoys among some genes.
fn found(genes: impl Iterator<Item = u32>) -> (usize, usize) {
    let (mut markers, mut decoys) = (0, 0);
    for g in genes {
        markers += usize::from((g as usize) < CLASSES);
        decoys += usize::from((CLASSES..2 * CLASSES).contains(&(g as usize)));
    }
    (markers, decoys)
}

#[test]
fn the_ranking_takes_what_holds_in_every_batch() {
    for seed in 1..=5 {
        let first = |batch| {
            let (data, _) = cells(batch, seed);
            found(round_robin(&data).into_iter().take(CLASSES))
        };
        assert_eq!(first(Some("batch")), (CLASSES, 0), "seed {seed}");
        let (_, decoys) = first(None);
        assert!(decoys >= 3, "{decoys} decoys without --batch, seed {seed}");
    }
}

#[test]
fn rounds_find_and_keep_what_holds_in_every_batch() {
    let panel = |batch, seed| {
        let (data, _) = cells(batch, seed);
        let fit = run(&data, rounds());
        found(fit.model.genes.iter().map(|g| g.index))
    };
    for seed in 1..=3 {
        let (markers, decoys) = panel(Some("batch"), seed);
        assert!(
            markers >= CLASSES - 1 && decoys == 0,
            "{markers} {decoys}, seed {seed}"
        );
        let (_, decoys) = panel(None, seed);
        assert!(decoys >= 2, "{decoys} decoys without --batch, seed {seed}");
    }
}

#[test]
fn a_whole_run_holds_and_says_how_well() {
    let worst = |batch, seed| {
        let (data, sealed) = cells(batch, seed);
        let fit = run(&data, Recipe::default());
        let (_, with) = cells(Some("batch"), seed);
        assert_eq!(sealed.len(), with.len());
        let test = with.open(None).unwrap();
        let scores = BatchScores::new(&fit.model, &test, &predict(&fit.model, &test.x)).unwrap();
        assert_eq!(scores.groups.len(), 3);
        assert_eq!(scores.groups.iter().map(|g| g.cells).sum::<usize>(), 120);
        let accuracy = scores.groups.iter().map(|g| match g.test {
            Scores::Classes(c) => c.accuracy,
            Scores::Values(_) | Scores::Reconstruction(_) => f64::NAN,
        });
        let worst = accuracy.fold(f64::INFINITY, f64::min);
        (found(fit.model.genes.iter().map(|g| g.index)), worst)
    };
    let (mut with, mut without) = (0.0, 0.0);
    for seed in 1..=3 {
        let ((markers, decoys), accuracy) = worst(Some("batch"), seed);
        assert!(
            markers == CLASSES && decoys == 0,
            "{markers} {decoys}, seed {seed}"
        );
        with += accuracy / 3.0;
        let ((_, decoys), accuracy) = worst(None, seed);
        assert!(decoys >= 2, "{decoys} decoys without --batch, seed {seed}");
        without += accuracy / 3.0;
    }
    println!("worst batch, mean of 3: {with:.3} with --batch, {without:.3} without");
    assert!(with > without + 0.1, "{with} {without}");
}

#[test]
fn markers_of_a_class_that_a_batch_lacks_are_found() {
    for lacking in [1, 0] {
        let there = (1..=6).filter(|&seed| {
            let (data, _) = cells_of(Some("batch"), seed, &[lacking]);
            let fit = run(&data, rounds());
            let genes: Vec<u32> = fit.model.genes.iter().map(|g| g.index).collect();
            found(genes.iter().copied()).1 == 0 && genes.contains(&(CLASSES as u32 - 1))
        });
        let there = there.count();
        assert!(
            there >= 5,
            "{there} of 6 without the class in batch {lacking}"
        );
    }
}
