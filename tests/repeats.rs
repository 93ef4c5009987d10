//! Several networks that train side by side are those of single runs, bit for bit.
#[path = "common/cells.rs"]
mod cells;
mod common;

use cells::planted;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use yoto_gpu::cpu::Cpu;
use yoto_gpu::data::cells::TrainingData;
use yoto_gpu::ops::Ops;
use yoto_gpu::report::repeats::Repeats;
use yoto_gpu::train::consensus::groups;
use yoto_gpu::train::panels::Agreement;
use yoto_gpu::train::settings::{Fit, Recipe, Relaxation, Settings};
use yoto_gpu::train::{fit, fit_all};

fn settings(seed: u64, hidden: &[usize], relaxation: Relaxation) -> Settings {
    Settings {
        genes: 5,
        hidden: hidden.to_vec(),
        batch_size: 16,
        seed,
        relaxation,
        recipe: Recipe {
            select_steps: 20,
            warm_steps: 5,
            rounds: 2,
            round_steps: 5,
            finish_steps: 12,
            ranking_scale: 0.3,
            lr_scores: 0.05,
            // what is left out at random where genes are judged is each network's own
            judge_needed: 0.0,
            ..Recipe::default()
        },
        ..Settings::default()
    }
}

fn all<O: Ops>(
    ops: &mut O,
    data: &TrainingData,
    s: &Settings,
    repeats: usize,
    checkpoint: Option<&Path>,
    resume: bool,
    epochs: usize,
) -> Vec<Fit> {
    let stop = AtomicBool::new(false);
    let mut seen = 0;
    let mut on_epoch = |_: yoto_gpu::train::settings::Progress| {
        seen += 1;
        if seen == epochs {
            stop.store(true, Ordering::Relaxed);
        }
    };
    fit_all(
        ops,
        data,
        s,
        repeats,
        checkpoint,
        resume,
        &stop,
        &mut on_epoch,
    )
    .unwrap()
    .into_iter()
    .flatten()
    .collect()
}

/// Everything that training left, in bits.
fn bits(fit: &Fit) -> Vec<u64> {
    let genes = fit.model.genes.iter();
    let mut out: Vec<u64> = genes
        .flat_map(|g| [u64::from(g.index), u64::from(g.score.to_bits())])
        .collect();
    for layer in &fit.model.layers {
        out.extend(
            layer
                .w
                .iter()
                .chain(&layer.b)
                .map(|x| u64::from(x.to_bits())),
        );
    }
    for epoch in &fit.history {
        let figures = [
            Some(epoch.train_loss),
            epoch.validation_loss,
            epoch.validation_score,
        ];
        out.extend(figures.map(|x| x.unwrap_or(-1.0).to_bits()));
    }
    out
}

fn side_by_side_equals_alone<O: Ops>(make: impl Fn() -> Option<O>) {
    // one page and several; one hidden layer, two, none; both relaxations; a panel found by elimination
    for (page_words, hidden, relaxation, genes) in [
        (1 << 20, &[12][..], Relaxation::Sigmoid, 5),
        (300, &[70, 6][..], Relaxation::Sigmoid, 5),
        (300, &[][..], Relaxation::Softsort, 5),
        (300, &[12][..], Relaxation::Sigmoid, 15),
    ] {
        let data = planted(90, 30, 50, if genes == 5 { 4 } else { 6 }, page_words, 3);
        assert_eq!(data.cells.pages.len() > 1, page_words == 300);
        let Some(mut ops) = make() else { return };
        let of = |seed| Settings {
            genes,
            ..settings(seed, hidden, relaxation)
        };
        let s = of(7);
        let fits = all(&mut ops, &data, &s, 3, None, false, 0);
        assert_eq!(fits.len(), 3);
        for (r, together) in fits.iter().enumerate() {
            let Some(mut ops) = make() else { return };
            let single = of(7 + r as u64);
            let stop = AtomicBool::new(false);
            let alone = fit(&mut ops, &data, &single, None, false, &stop, &mut |_| ()).unwrap();
            assert!(
                bits(&alone) == bits(together),
                "run {r} of {hidden:?} {relaxation:?}"
            );
            let other = (r + 1) % 3;
            assert!(bits(&alone) != bits(&fits[other]), "seeds differ");
            let selects = alone.history.iter().any(|e| e.phase == "select");
            assert_eq!(selects, genes == 5);
        }
    }
}

#[test]
fn side_by_side_equals_alone_on_the_cpu() {
    side_by_side_equals_alone(|| Some(Cpu::<f32>::default()));
}

#[test]
fn side_by_side_equals_alone_on_a_gpu() {
    side_by_side_equals_alone(common::gpu);
}

#[test]
fn repeats_resume_bit_for_bit() {
    let data = planted(90, 30, 50, 6, 1 << 20, 3);
    let s = settings(7, &[12], Relaxation::Sigmoid);
    let eliminated = Settings {
        genes: 15,
        ..s.clone()
    };
    let folder = tempfile::tempdir().unwrap();
    // the last one's checkpoint is looked at below
    for s in [&eliminated, &s] {
        let path = folder.path().join("checkpoint.bin");
        let whole = all(&mut Cpu::<f32>::default(), &data, s, 2, None, false, 0);
        let selects = whole[0].history.iter().any(|e| e.phase == "select");
        assert_eq!(selects, s.genes == 5);
        // within the first phase, and within the finish
        for epochs in [2, 9] {
            let go = |resume, epochs| {
                let mut cpu = Cpu::<f32>::default();
                all(&mut cpu, &data, s, 2, Some(&path), resume, epochs)
            };
            go(false, epochs);
            let resumed = go(true, 0);
            for (a, b) in whole.iter().zip(&resumed) {
                assert!(bits(a) == bits(b), "after {epochs} epochs");
                assert_eq!(a.left, b.left, "what left the panel is kept");
            }
        }
    }
    let path = folder.path().join("checkpoint.bin");
    let stop = AtomicBool::new(false);
    let mut cpu = Cpu::<f32>::default();
    let other = fit_all(
        &mut cpu,
        &data,
        &s,
        3,
        Some(&path),
        true,
        &stop,
        &mut |_| (),
    );
    assert!(other.is_err(), "a checkpoint of another number of repeats");
}

#[test]
fn too_many_repeats_are_refused() {
    let data = planted(40, 0, 20, 2, 1 << 20, 3);
    let stop = AtomicBool::new(false);
    for (seed, repeats) in [(0, 0), (0, 100_000), (u64::from(u32::MAX), 2)] {
        let s = settings(seed, &[4], Relaxation::Sigmoid);
        let mut cpu = Cpu::<f32>::default();
        let result = fit_all(
            &mut cpu,
            &data,
            &s,
            repeats,
            None,
            false,
            &stop,
            &mut |_| (),
        );
        let message = result.unwrap_err().to_string();
        assert!(message.contains("--repeats"), "{message}");
    }
}

#[test]
fn agreement_of_panels_is_counted() {
    let data = planted(90, 30, 50, 4, 1 << 20, 3);
    let s = settings(7, &[12], Relaxation::Sigmoid);
    let mut fits = all(&mut Cpu::<f32>::default(), &data, &s, 2, None, false, 0);
    fits[1] = fits[0].clone();
    (fits[0].best_loss, fits[1].best_loss) = (0.5, 0.4);
    let last = &mut fits[1].model.genes[4];
    (last.index, last.name) = (999, "other".into());
    let panels: Vec<Vec<u32>> = fits
        .iter()
        .map(|f| f.model.genes.iter().map(|g| g.index % 50).collect())
        .collect();
    let agreement = Agreement {
        groups: groups(&data, &panels),
        runs: fits,
        best_run: Some(1),
    };
    let repeats = Repeats::new(&agreement, &data, 7);
    assert_eq!((repeats.best_seed, repeats.n), (8, 2));
    assert_eq!(repeats.result, "best run");
    assert!((repeats.jaccard - 4.0 / 6.0).abs() < 1e-12);
    assert_eq!(repeats.genes.len(), 6);
    assert_eq!((repeats.genes[3].share, repeats.genes[4].share), (1.0, 0.5));
}
