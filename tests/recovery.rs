//! Planted markers are found among their copies, decoys, batch effects and rare classes, and a broken recipe
//! does not find them.
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use yoto_gpu::cpu::Cpu;
use yoto_gpu::data::prepare::{InputChoice, prepare};
use yoto_gpu::data::split::{SplitSettings, split};
use yoto_gpu::simulate::{Role, Settings as Made, Simulation};
use yoto_gpu::train::panels::fit_panels;
use yoto_gpu::train::settings::{Fit, Recipe, Settings};

const CLASSES: usize = 8;
const MARKERS: usize = 16;

fn made(seed: u64) -> Simulation {
    Simulation::new(Made {
        cells: 1600,
        genes: 400,
        density: 0.15,
        markers: MARKERS,
        classes: CLASSES,
        rare: 1,
        copies: 2,
        decoys: 40,
        gradients: 0,
        donors: 4,
        batch_effect: 0.3,
        seed,
    })
    .expect("makes")
}

/// What the panels of 16 genes (or as many as were asked for), and of half as many within it, recovered: classes that have a marker, different
/// markers (a copy counts as its marker), genes that are no marker.
struct Recovered {
    classes: [usize; 2],
    markers: [usize; 2],
    wrong: [usize; 2],
    rare: bool,
}

fn recover(seed: u64, recipe: Recipe) -> Recovered {
    recover_sizes(seed, MARKERS, recipe)
}

/// Panels of `genes` genes and of half as many within it, and what they were trained on.
fn trained(seed: u64, genes: usize, recipe: Recipe) -> (Simulation, Vec<Fit>) {
    let made = made(seed);
    let label = ["class".to_string()];
    let prepared = prepare(made.dataset(), &label, &[], InputChoice::Auto).expect("prepares");
    let settings = SplitSettings {
        seed,
        test_fraction: 0.1,
        ..SplitSettings::default()
    };
    let (data, _, _) = split(prepared, &settings).expect("splits");
    let settings = Settings {
        genes,
        nested: vec![genes / 2],
        hidden: vec![32],
        seed,
        recipe,
        ..Settings::default()
    };
    let (mut cpu, stop) = (Cpu::<f32>::default(), AtomicBool::new(false));
    let fits = fit_panels(
        &mut cpu,
        &data,
        &settings,
        1,
        None,
        false,
        &stop,
        &mut |_| (),
    )
    .expect("trains")
    .fits;
    (made, fits)
}

fn recover_sizes(seed: u64, genes: usize, recipe: Recipe) -> Recovered {
    let (made, fits) = trained(seed, genes, recipe);
    let mut found = Recovered {
        classes: [0; 2],
        markers: [0; 2],
        wrong: [0; 2],
        rare: false,
    };
    for (i, fit) in fits.iter().enumerate() {
        let of = |gene: u32| match made.roles()[gene as usize] {
            Role::Marker { class } => Some((gene, class)),
            Role::Copy { of } => match made.roles()[of as usize] {
                Role::Marker { class } => Some((of, class)),
                _ => None,
            },
            _ => None,
        };
        let genes = fit.model.genes.iter().map(|g| of(g.index));
        found.wrong[i] = genes.clone().filter(Option::is_none).count();
        let hits: Vec<(u32, u32)> = genes.flatten().collect();
        let classes: BTreeSet<u32> = hits.iter().map(|h| h.1).collect();
        let markers: BTreeSet<u32> = hits.iter().map(|h| h.0).collect();
        found.rare |= i == 0 && classes.contains(&(CLASSES as u32 - 1));
        (found.classes[i], found.markers[i]) = (classes.len(), markers.len());
    }
    found
}

#[test]
fn planted_markers_are_recovered() {
    for seed in [1, 2] {
        let found = recover(seed, Recipe::default());
        assert_eq!(
            found.classes[0], CLASSES,
            "a marker of each class, seed {seed}"
        );
        assert!(found.rare, "one of the class with 1 % of the cells");
        assert!(found.markers[0] >= 14, "{} markers of 16", found.markers[0]);
        assert!(found.wrong[0] <= 1, "{} others", found.wrong[0]);
        assert!(
            found.classes[1] >= 7,
            "{} classes by 8 genes",
            found.classes[1]
        );
        assert!(found.wrong[1] == 0, "{} others of 8", found.wrong[1]);
    }
}

#[test]
fn a_broken_recipe_recovers_less() {
    // neither ranked, nor selected, nor refined
    let blind = Recipe {
        ranking: false,
        select_steps: 0,
        rounds: 0,
        ..Recipe::default()
    };
    let found = recover(1, blind);
    assert!(
        found.markers[0] < 10 && found.wrong[0] > 5,
        "{}",
        found.wrong[0]
    );
    // ranked alone: copies of the same marker
    let ranked = Recipe {
        select_steps: 0,
        rounds: 0,
        ..Recipe::default()
    };
    let found = recover(1, ranked);
    assert!(
        found.markers[0] < 14,
        "{} markers by the ranking",
        found.markers[0]
    );
}

/// Genes of 48 that are neither a marker nor a copy of one, where there are 16 markers and 32 copies.
fn wrong_of_48(recipe: Recipe) -> usize {
    recover_sizes(1, 3 * MARKERS, recipe).wrong[0]
}

#[test]
fn genes_to_spare_back_up_the_markers() {
    // by elimination: where all genes are taken to be there at a time, a copy is of no use
    let seen = |eliminate_seen| Recipe {
        eliminate_seen,
        ..Recipe::default()
    };
    let (wrong, blind) = (wrong_of_48(seen(4.0)), wrong_of_48(seen(1e6)));
    assert!(wrong <= 4 && wrong + 12 <= blind, "{wrong} against {blind}");
    // by rounds
    let left_out = |judge_dropout| Recipe {
        eliminate_from: 1e6,
        judge_dropout,
        ..Recipe::default()
    };
    let (wrong, blind) = (wrong_of_48(left_out(0.5)), wrong_of_48(left_out(0.0)));
    assert!(wrong <= 8 && wrong + 4 <= blind, "{wrong} against {blind}");
}

#[test]
fn a_rare_class_is_judged_by_its_weight() {
    // fewer genes than classes: one class, of 1 % of the cells, has to stand back, or not
    let rare = |power| {
        let recipe = Recipe {
            judge_class_weight_power: power,
            ..Recipe::default()
        };
        recover_sizes(1, CLASSES - 2, recipe).rare
    };
    assert!(rare(2.0), "a class of 1 % that weighs as much as others");
    assert!(!rare(-1.0), "a class of 1 % that weighs nothing");
}

#[test]
fn reported_losses_are_those_of_training() {
    let losses = |rounds, power| {
        let recipe = Recipe {
            rounds,
            nested_rounds: 0,
            thin_share: 1.0,
            judge_class_weight_power: power,
            ..Recipe::default()
        };
        let (_, fits) = trained(1, 6, recipe);
        let fit = &fits[0];
        let scores = fit.model.genes.iter().map(|g| (g.index, g.score.to_bits()));
        let gains = fit.beside.iter().map(|b| (b.gene, b.gain.to_bits()));
        scores.chain(gains).collect::<Vec<_>>()
    };
    assert_eq!(losses(0, 2.0), losses(0, -1.0), "nothing was judged");
    assert_ne!(losses(2, 2.0), losses(2, -1.0), "a round judges by it");
}
