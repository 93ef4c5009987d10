//! Nested panels nest, rules hold in every panel, the majority's panel is that of the votes.
#[path = "common/cells.rs"]
mod cells;

use cells::planted;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use yoto_gpu::cpu::Cpu;
use yoto_gpu::data::cells::{Targets, TrainingData};
use yoto_gpu::data::dataset::Csr;
use yoto_gpu::data::packed::{Packed, unpack};
use yoto_gpu::report::repeats::Repeats;
use yoto_gpu::train::consensus::{consensus, groups};
use yoto_gpu::train::fit_all;
use yoto_gpu::train::lab::{Lab, apply, rules};
use yoto_gpu::train::panels::{Trained, fit_panels, on_panel};
use yoto_gpu::train::rules::Rules;
use yoto_gpu::train::settings::{Fit, Progress, Recipe, Settings};

fn settings(genes: usize, nested: &[usize]) -> Settings {
    Settings {
        genes,
        nested: nested.to_vec(),
        hidden: vec![8],
        batch_size: 16,
        recipe: Recipe {
            select_steps: 20,
            warm_steps: 5,
            rounds: 2,
            round_steps: 5,
            nested_rounds: 2,
            finish_steps: 13,
            ..Recipe::default()
        },
        ..Settings::default()
    }
}

fn run(
    data: &TrainingData,
    s: &Settings,
    repeats: usize,
    checkpoint: Option<&Path>,
    resume: bool,
    epochs: usize,
) -> Vec<Vec<Fit>> {
    let (stop, mut seen) = (AtomicBool::new(false), 0);
    let mut on_epoch = |_: Progress| {
        seen += 1;
        stop.store(seen == epochs, Ordering::Relaxed);
    };
    let mut cpu = Cpu::<f32>::default();
    fit_all(
        &mut cpu,
        data,
        s,
        repeats,
        checkpoint,
        resume,
        &stop,
        &mut on_epoch,
    )
    .unwrap()
}

fn trained(data: &TrainingData, s: &Settings, repeats: usize) -> Trained {
    let (mut cpu, stop) = (Cpu::<f32>::default(), AtomicBool::new(false));
    fit_panels(&mut cpu, data, s, repeats, None, false, &stop, &mut |_| ()).unwrap()
}

fn genes(fit: &Fit) -> BTreeSet<u32> {
    fit.model.genes.iter().map(|g| g.index).collect()
}

fn bits(fit: &Fit) -> Vec<u32> {
    let layers = fit.model.layers.iter().flat_map(|l| l.w.iter().chain(&l.b));
    let of_genes = fit.model.genes.iter().map(|g| g.index ^ g.score.to_bits());
    layers.map(|x| x.to_bits()).chain(of_genes).collect()
}

#[test]
fn nested_panels_nest_and_are_networks_of_their_own() {
    let data = planted(120, 40, 60, 4, 1 << 20, 3);
    let fits = run(&data, &settings(12, &[6, 3]), 2, None, false, 0);
    for run in &fits {
        let sizes: Vec<usize> = run.iter().map(|f| f.model.genes.len()).collect();
        assert_eq!(sizes, [12, 6, 3]);
        assert!(genes(&run[2]).is_subset(&genes(&run[1])));
        assert!(genes(&run[1]).is_subset(&genes(&run[0])));
        let of_run = |f: &Fit| (f.history.len(), f.steps);
        assert_eq!(of_run(&run[0]), of_run(&run[2]));
        assert!(run[0].best_epoch < run[1].best_epoch && run[1].best_epoch < run[2].best_epoch);
        for fit in run {
            assert!(fit.best_score.is_some_and(|s| (0.0..=1.0).contains(&s)));
            assert_eq!(fit.model.layers[0].n_in, fit.model.genes.len());
        }
    }
    // the largest panel is what it is without the smaller ones
    let alone = run(&data, &settings(12, &[]), 1, None, false, 0);
    assert_eq!(genes(&alone[0][0]), genes(&fits[0][0]));
    assert!(bits(&alone[0][0]) == bits(&fits[0][0]));
}

#[test]
fn nested_panels_resume_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.bin");
    let data = planted(120, 40, 60, 4, 1 << 20, 3);
    let s = settings(12, &[6, 3]);
    let whole = run(&data, &s, 2, None, false, 0);
    let mut between = BTreeSet::new();
    for epochs in [1, 8, 11, 14] {
        let cut = run(&data, &s, 2, Some(&path), false, epochs);
        between.insert(cut[0].len());
        let resumed = run(&data, &s, 2, Some(&path), true, 0);
        for (a, b) in whole.iter().flatten().zip(resumed.iter().flatten()) {
            assert!(bits(a) == bits(b), "after {epochs} epochs");
        }
    }
    assert!(
        between.len() > 1,
        "some stops were after the first size: {between:?}"
    );
}

#[test]
fn rules_hold_in_every_panel_of_every_run() {
    let data = planted(120, 40, 60, 4, 1 << 20, 3);
    let free = run(&data, &settings(10, &[6]), 1, None, false, 0);
    // beside genes 0 to 3, which alone mark the classes
    let chosen = free[0][0].model.genes.iter().map(|g| g.index);
    let favourites: Vec<u32> = chosen.filter(|&g| g > 3).collect();
    let at = |index: u32| data.gene_index.binary_search(&index).unwrap() as u32;
    let name = |g: u32| data.gene_names[g as usize].clone();
    let mut data = data.clone();
    let unwanted = (0..60u32)
        .rev()
        .find(|g| !favourites.iter().any(|f| at(*f) == *g))
        .unwrap();
    data.include = vec![unwanted];
    // what it likes best is one family, of which two may be in, and dear
    let family = favourites
        .iter()
        .map(|&i| (name(at(i)), vec!["liked".to_string()]));
    let costs = favourites[..3].iter().map(|&i| (name(at(i)), 3.0));
    let lab = Lab {
        max_per_family: Some(2),
        families: family.collect(),
        costs: costs.collect(),
        budget: Some(12.0),
        min_markers_per_class: 1,
        ..Lab::default()
    };
    let mut s = settings(10, &[6]);
    apply(&mut s, &data, rules(&data, &lab).unwrap(), false).unwrap();
    assert!(!s.rules.families.is_empty() && !s.rules.loads.is_empty());
    let marked: BTreeSet<_> = s.rules.marks.iter().flatten().collect();
    assert_eq!(
        marked.len(),
        s.rules.classes.len(),
        "each class has a marker"
    );
    for trained in [trained(&data, &s, 1), trained(&data, &s, 3)] {
        let runs = trained.agreements.iter().flat_map(|a| &a.runs);
        let all: Vec<&Fit> = trained.fits.iter().chain(runs).collect();
        assert!(all.len() >= 2);
        for fit in all {
            let panel: Vec<u32> = fit.model.genes.iter().map(|g| at(g.index)).collect();
            assert!(panel.contains(&unwanted), "always in");
            let liked = fit
                .model
                .genes
                .iter()
                .filter(|g| favourites.contains(&g.index))
                .count();
            assert!(liked <= 2, "{liked} of a family");
            let cost: f64 = panel.iter().map(|&g| s.rules.costs[g as usize]).sum();
            assert!(cost <= 12.0, "{cost}");
            let classes: BTreeSet<_> = panel
                .iter()
                .filter_map(|&g| s.rules.marks[g as usize])
                .collect();
            assert_eq!(
                classes.len(),
                s.rules.classes.len(),
                "a marker of each class"
            );
        }
    }
    // without rules none of this is so
    assert!(!favourites.iter().any(|&f| at(f) == unwanted));
    assert!(favourites.len() > 2);
}

#[test]
fn rules_that_cannot_be_met_are_named() {
    let data = planted(60, 20, 40, 4, 1 << 20, 3);
    let refused = |lab: Lab, k: usize| {
        let mut s = settings(k, &[]);
        let error = rules(&data, &lab)
            .and_then(|r| apply(&mut s, &data, r, false))
            .unwrap_err();
        assert!(!error.hint().is_empty());
        error.what
    };
    let markers = refused(
        Lab {
            min_markers_per_class: 3,
            ..Lab::default()
        },
        8,
    );
    assert!(
        markers.contains("--min-markers-per-class 3") && markers.contains("12 genes"),
        "{markers}"
    );
    let dark = refused(
        Lab {
            max_crowding: Some(0.0),
            ..Lab::default()
        },
        8,
    );
    assert!(dark.contains("--max-crowding 0"), "{dark}");
    let none = refused(
        Lab {
            min_mean: Some(1e6),
            ..Lab::default()
        },
        8,
    );
    assert!(none.contains("--min-mean"), "{none}");
    let unknown = Lab {
        costs: [("nobody".to_string(), 2.0)].into(),
        budget: Some(4.0),
        ..Lab::default()
    };
    assert!(refused(unknown, 8).contains("--costs names no gene"));
    // of several sizes those that are possible stay, where that is asked for
    let lab = Lab {
        min_markers_per_class: 1,
        ..Lab::default()
    };
    for (any_size, left) in [(true, Some(vec![10, 4])), (false, None)] {
        let mut s = settings(10, &[4, 3]);
        let applied = apply(&mut s, &data, rules(&data, &lab).unwrap(), any_size);
        assert_eq!(applied.is_ok().then(|| s.sizes()), left);
    }
}

#[test]
fn the_majority_counts_genes_that_replace_each_other_as_one() {
    let mut data = planted(200, 20, 40, 4, 1 << 20, 3);
    // gene 1 becomes a copy of gene 0
    let mut x = Csr::zeros(0, 40);
    for cell in 0..220 {
        let all = data.cells.cell(cell).iter().map(|&e| unpack(e));
        let zero = all.clone().find(|e| e.0 == 0).map(|e| e.1);
        let both = zero.map(|v| [(0, v), (1, v)]).into_iter().flatten();
        for (gene, value) in both.chain(all.filter(|e| e.0 > 1)) {
            x.indices.push(gene as u32);
            x.values.push(value);
        }
        x.indptr.push(x.values.len());
        x.n_obs += 1;
    }
    let (rows, columns): (Vec<u32>, Vec<u32>) = ((0..220).collect(), (0..40).collect());
    data.cells = Packed::new(&x, &rows, &columns, 40, 1 << 20, |_, v| v);
    let panels = vec![vec![0, 5, 6], vec![1, 5, 7], vec![0, 5, 8], vec![1, 5, 9]];
    let found = groups(&data, &panels);
    let names = |i: usize| found[i].genes.iter().map(|c| c.gene).collect::<Vec<_>>();
    assert_eq!((names(0), found[0].share), (vec![0, 1], 1.0));
    assert_eq!((names(1), found[1].share), (vec![5], 1.0));
    assert_eq!(
        consensus(&found, &Rules::default(), 2, None),
        Some(vec![0, 5])
    );
    // two genes that stand together do not replace each other, however alike
    let together = groups(&data, &vec![vec![0, 1, 5]; 4]);
    assert!(together.iter().all(|g| g.genes.len() == 1));
    assert_eq!(
        consensus(&found, &Rules::default(), 2, Some(&[1, 6, 7])),
        Some(vec![1, 6])
    );
    // a larger panel has genes that no run of this size chose
    assert_eq!(
        consensus(&found, &Rules::default(), 3, Some(&[1, 6, 30])),
        Some(vec![1, 6, 30])
    );
    assert_eq!(consensus(&found, &Rules::default(), 9, None), None);
}

#[test]
fn the_majority_is_the_result_with_a_network_of_its_own() {
    let data = planted(120, 40, 60, 4, 1 << 20, 3);
    let s = settings(8, &[4]);
    let trained = trained(&data, &s, 4);
    assert_eq!((trained.fits.len(), trained.agreements.len()), (2, 2));
    assert!(genes(&trained.fits[1]).is_subset(&genes(&trained.fits[0])));
    let agreement = &trained.agreements[0];
    assert_eq!((agreement.runs.len(), agreement.best_run), (4, None));
    let votes = consensus(&agreement.groups, &Rules::default(), 8, None).unwrap();
    let index: BTreeSet<u32> = votes.iter().map(|&g| data.gene_index[g as usize]).collect();
    assert_eq!(genes(&trained.fits[0]), index);
    let (mut cpu, stop) = (Cpu::<f32>::default(), AtomicBool::new(false));
    let again = on_panel(&mut cpu, &data, &s, votes, &stop, &mut |_| ()).unwrap();
    assert!(bits(&again) == bits(&trained.fits[0]));
    let report = Repeats::new(agreement, &data, 7);
    assert_eq!((report.n, report.result), (4, "consensus"));
    assert!(report.jaccard > 0.0 && report.jaccard <= 1.0);
    let total: f64 = report.genes.iter().map(|g| g.share).sum();
    assert!((total - 8.0).abs() < 1e-9, "each run has 8 genes: {total}");
}

#[test]
fn panels_of_the_majority_nest_whatever_the_runs_chose() {
    let data = planted(120, 40, 60, 4, 1 << 20, 3);
    let mut differ = 0;
    for seed in 0..12 {
        let mut s = settings(16, &[10, 4]);
        // at random: runs agree on little
        (s.recipe.ranking, s.recipe.select_steps, s.recipe.rounds) = (false, 0, 0);
        s.seed = seed;
        let of_rules = Lab {
            min_markers_per_class: usize::from(seed % 2 == 0),
            ..Lab::default()
        };
        apply(&mut s, &data, rules(&data, &of_rules).unwrap(), false).unwrap();
        let found = trained(&data, &s, 3);
        let result: Vec<_> = found.fits.iter().map(genes).collect();
        assert!(
            result[1].is_subset(&result[0]) && result[2].is_subset(&result[1]),
            "{seed}"
        );
        let runs = |size: usize| &found.agreements[size].runs;
        let best = found.agreements[0].best_run;
        assert!(
            found.agreements.iter().all(|a| a.best_run == best),
            "{seed}"
        );
        differ += usize::from((0..3).any(|r| !genes(&runs(1)[r]).is_subset(&result[0])));
    }
    assert!(differ > 3, "runs that agree show nothing: {differ}");
}

#[test]
fn a_stop_while_the_majority_trains_leaves_the_best_run_and_says_so() {
    let data = planted(120, 40, 60, 4, 1 << 20, 3);
    let s = settings(8, &[4]);
    let last = fit_all_epochs(&data, &s);
    for (stop_at, finished) in [(last + 1, false), (u64::MAX, true)] {
        let (mut cpu, stop, mut seen) = (Cpu::<f32>::default(), AtomicBool::new(false), 0);
        let mut on_epoch = |_: Progress| {
            seen += 1;
            stop.store(seen == stop_at, Ordering::Relaxed);
        };
        let found = fit_panels(&mut cpu, &data, &s, 3, None, false, &stop, &mut on_epoch).unwrap();
        let best = found.agreements[0].best_run;
        assert_eq!(best.is_none(), finished);
        assert!(found.fits.iter().all(|f| f.stopped != finished));
        let run = |size: usize, r: usize| &found.agreements[size].runs[r];
        for (size, fit) in found.fits.iter().enumerate() {
            assert!(best.is_none_or(|r| bits(fit) == bits(run(size, r))));
        }
    }
}

/// Epochs that the runs tell of before the majority's networks.
fn fit_all_epochs(data: &TrainingData, s: &Settings) -> u64 {
    let (mut cpu, stop, mut seen) = (Cpu::<f32>::default(), AtomicBool::new(false), 0);
    let mut on_epoch = |_: Progress| seen += 1;
    fit_all(&mut cpu, data, s, 3, None, false, &stop, &mut on_epoch).unwrap();
    seen
}

#[test]
fn a_run_goes_on_with_the_rules_and_labels_that_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.bin");
    let data = planted(120, 40, 60, 4, 1 << 20, 3);
    let with_cost = |cost: f64| {
        let mut s = settings(8, &[]);
        let lab = Lab {
            costs: [("gene7".to_string(), cost)].into(),
            budget: Some(20.0),
            ..Lab::default()
        };
        apply(&mut s, &data, rules(&data, &lab).unwrap(), false).unwrap();
        s
    };
    let resumed = |data: &TrainingData, s: &Settings| {
        run(data, &with_cost(2.0), 1, Some(&path), false, 3);
        let (mut cpu, stop) = (Cpu::<f32>::default(), AtomicBool::new(false));
        let mut silent = |_: Progress| ();
        let found = fit_all(&mut cpu, data, s, 1, Some(&path), true, &stop, &mut silent);
        found.map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(resumed(&data, &with_cost(2.0)), Ok(()));
    let other = resumed(&data, &with_cost(3.0)).unwrap_err();
    assert!(other.contains("other settings, data"), "{other}");
    // the same shape, one label changed
    let mut relabelled = data.clone();
    if let Targets::Classes(y) = &mut relabelled.tasks[0].targets {
        y.swap(0, 1);
    }
    run(&data, &with_cost(2.0), 1, Some(&path), false, 3);
    let (mut cpu, stop) = (Cpu::<f32>::default(), AtomicBool::new(false));
    let s = with_cost(2.0);
    let found = fit_all(
        &mut cpu,
        &relabelled,
        &s,
        1,
        Some(&path),
        true,
        &stop,
        &mut |_| (),
    );
    assert!(found.is_err_and(|e| e.to_string().contains("other settings, data")));
}
