//! The panel of a larger size: backward elimination by a ridge regression.
//!
//! A panel that has several genes for each class is judged badly by a network that has all of them: with any one left
//! out little is lost, and what is lost hangs on a few cells. The regression has its weights as if most were missing: to
//! add `ridge` times the gene's variance is, in expectation, to leave genes out at random and scale up the others, a share
//! `ridge / (1 + ridge)` of them (Bishop 1995, Wager et al. 2013); with [`Recipe::eliminate_seen`] = 4 and a ridge of
//! k / 4 about four of the k genes are there at a time. So weights spread over genes that make up for one another, and a
//! gene counts for what the residual of all is larger without it.
//!
//! [`Recipe::eliminate_seen`]: super::settings::Recipe::eliminate_seen
use super::batches::key;
use super::ridge::System;
use super::settings::Settings;
use super::stages::n_out;
use super::trail::{Left, When};
use crate::data::cells::{Targets, TrainingData};
use crate::model::net::Targets as Weights;
use crate::reference::noise::{STREAM_INIT, philox};

/// Fewer outputs make a linear model see too little. Donors, samples and conditions (2 to 4 classes) differ in
/// other genes in each cell type: without elimination macro-F1 was 0.2 to 3 points better there at k = 32 and 64.
const LEAST_OUTPUTS: usize = 5;

/// How many of the sizes, the largest first, are found by elimination: those with enough genes for each of several
/// outputs. None where what holds across batches decides, genes add up to a limit, or nothing is ranked.
pub(super) fn eliminated(settings: &Settings, data: &TrainingData) -> usize {
    let (recipe, rules, n_out) = (&settings.recipe, &settings.rules, n_out(data));
    let can = recipe.ranking
        && settings.panel.is_none()
        && data.batches.is_none()
        && rules.loads.is_empty()
        && rules.least_markers == 0
        && n_out >= LEAST_OUTPUTS;
    let spare = |&k: &usize| can && n_out <= recipe.spare_outputs(k);
    settings.sizes().into_iter().take_while(spare).count()
}

/// What elimination makes of a ranking.
pub(super) struct Eliminated {
    /// The genes that stay, the most useful first, then those that left, the last first, then those that it did not
    /// look at.
    pub order: Vec<u32>,
    /// The last ones that left.
    pub left: Vec<Left>,
}

/// Eliminates all but k genes. `cells`: those to go by; each has a random weight by the seed (mean 1, variance 1/16), so
/// that runs of several seeds show how far the choice hangs on the cells that are there.
pub(super) fn eliminate(
    data: &TrainingData,
    settings: &Settings,
    cells: &[u32],
    seed: u64,
    ranking: &[u32],
) -> Eliminated {
    let (rules, k) = (&settings.rules, settings.genes);
    let most = settings.recipe.eliminate_candidates.max(2 * k);
    let others = ranking.iter().copied();
    let others = others.filter(|g| rules.allows(*g) && !rules.include.contains(g));
    let included = rules.include.iter().copied();
    let mut genes: Vec<u32> = included.chain(others).take(most).collect();
    genes.sort_unstable();
    let weights = weights(data, settings, cells, seed);
    let mut system = System::new(data, settings, &genes, cells, &weights);
    system.discount_chance(data, &genes, cells, settings.recipe.eliminate_chance);
    let ridge = k as f64 / f64::from(settings.recipe.eliminate_seen);
    let all = system
        .solve(ridge)
        .eliminate(genes, k, &|gene| rules.include.contains(&gene));
    let mut taken = vec![false; data.cells.n_genes];
    all.iter().for_each(|&(g, _)| taken[g as usize] = true);
    let rest = ranking.iter().copied().filter(|&g| !taken[g as usize]);
    let last = all
        .get(k.saturating_sub(1))
        .map_or(0.0, |&(_, worth)| worth);
    let gone = all.iter().skip(k).take(4 * k + 64).enumerate();
    let left = gone.map(|(before_last, &(gene, loss))| Left {
        gene,
        size: 0,
        when: When::Eliminated { before_last },
        loss,
        last,
    });
    Eliminated {
        order: all.iter().map(|&(g, _)| g).chain(rest).collect(),
        left: left.collect(),
    }
}

/// Weights of cells: the mean of their classes' weights in training, times a gamma deviate of mean 1 and variance 1/16.
pub(super) fn weights(
    data: &TrainingData,
    settings: &Settings,
    cells: &[u32],
    seed: u64,
) -> Vec<f64> {
    let power = settings.recipe.class_weight_power;
    let of_classes = Weights::class_weights(&data.tasks, data.n_train, power);
    let of = |&cell: &u32| {
        let own = data.tasks.iter().zip(&of_classes);
        let own = own.filter_map(|(task, weights)| match &task.targets {
            Targets::Classes(y) => Some(
                weights
                    .get(y[cell as usize] as usize)
                    .map_or(1.0, |&w| f64::from(w)),
            ),
            Targets::Values(_) => None,
        });
        let (n, sum) = own.fold((0.0, 0.0), |(n, sum), w| (n + 1.0, sum + w));
        near_one(cell, 0, seed) * if n > 0.0 { sum / n } else { 1.0 }
    };
    cells.iter().map(of).collect()
}

/// A random weight of a cell (draw 0, 1, ...), of mean 1 and standard deviation 1/4 (gamma): with it a choice without
/// anything else random in it shows by the seed how far it hangs on the cells at hand.
pub(super) fn near_one(cell: u32, draw: u32, seed: u64) -> f64 {
    let uniform = |word: u32| (f64::from(word) + 0.5) / 4_294_967_296.0;
    let words = (0..4).flat_map(|i| philox([cell, i, draw, 1], [key(seed), STREAM_INIT]));
    words.map(|w| -uniform(w).ln()).sum::<f64>() / 16.0
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cpu::Cpu;
    use crate::data::cells::Batches;
    use crate::data::packed::unpack;
    use crate::data::prepare::{InputChoice, prepare};
    use crate::data::split::{SplitSettings, split};
    use crate::ops::MISSING;
    use crate::simulate::{Settings as Made, Simulation};
    use crate::train::fit::fit_all;
    use crate::train::rules::Rules;
    use crate::train::settings::{Fit, Recipe};
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    /// Cells of four classes, of which every fifth is not labelled, and a number.
    pub(in crate::train) fn training_data() -> TrainingData {
        let made = Simulation::new(Made {
            cells: 3600, // more than a tile
            genes: 60,
            density: 0.3,
            markers: 8,
            classes: 4,
            rare: 0,
            copies: 0,
            decoys: 0,
            gradients: 1,
            donors: 1,
            batch_effect: 0.0,
            seed: 3,
        });
        let dataset = made.expect("makes").dataset();
        let (label, number) = (["class".to_string()], ["pseudotime".to_string()]);
        let prepared = prepare(dataset, &label, &number, InputChoice::Auto).expect("prepares");
        let (mut data, _, _) = split(prepared, &SplitSettings::default()).expect("splits");
        if let Targets::Classes(y) = &mut data.tasks[0].targets {
            y.iter_mut().step_by(5).for_each(|y| *y = MISSING);
        }
        data
    }

    /// Among cells of which one has a gene, and that one is of a class of four: whether the gene is in the panel.
    fn takes_lone_gene(eliminate_chance: f64) -> bool {
        const GENE: u32 = 30;
        let data = training_data();
        let Targets::Classes(labels) = &data.tasks[0].targets else {
            panic!("a class label");
        };
        let has = |cell: &u32| {
            let mut all = data.cells.cell(*cell as usize).iter();
            all.any(|&e| unpack(e).0 == GENE as usize)
        };
        let rare = |cell: &u32| labels[*cell as usize] == 3;
        let train = 0..data.n_train as u32;
        let mut cells: Vec<u32> = train.clone().filter(|c| !rare(c) && !has(c)).collect();
        cells.extend(train.clone().find(|c| rare(c) && has(c)));
        cells.extend(train.filter(|c| rare(c) && !has(c)).take(3));
        assert_eq!(cells.iter().filter(|c| rare(c)).count(), 4);
        let settings = Settings {
            genes: 12,
            recipe: Recipe {
                eliminate_chance,
                ..Recipe::default()
            },
            ..Settings::default()
        };
        let ranking: Vec<u32> = (0..data.cells.n_genes as u32).collect();
        let order = eliminate(&data, &settings, &cells, 1, &ranking).order;
        order[..12].contains(&GENE)
    }

    #[test]
    fn a_gene_that_one_cell_has_is_no_marker() {
        assert!(!takes_lone_gene(Recipe::default().eliminate_chance));
        assert!(takes_lone_gene(0.0));
    }

    #[test]
    fn only_where_there_are_genes_to_spare_for_several_outputs() {
        let data = training_data();
        let asked = |genes: usize, change: &dyn Fn(&mut Settings)| {
            let mut settings = Settings {
                genes,
                ..Settings::default()
            };
            change(&mut settings);
            eliminated(&settings, &data) > 0
        };
        // four classes and a number
        assert!(asked(12, &|_| ()) && !asked(11, &|_| ()));
        assert!(!asked(13, &|s| s.recipe.ranking = false));
        assert!(!asked(13, &|s| s.panel = Some((0..13).collect())));
        assert!(!asked(13, &|s| {
            s.rules = Arc::new(Rules {
                least_markers: 1,
                ..Rules::default()
            });
        }));
        let mut several = data.clone();
        several.batches = Some(Batches {
            column: "donor".into(),
            names: vec!["a".into()],
            of: vec![0; data.cells.n_cells],
        });
        assert_eq!(eliminated(&Settings::default(), &several), 0);
        for task in 0..2 {
            let mut fewer = data.clone();
            fewer.tasks.remove(task);
            assert_eq!(eliminated(&Settings::default(), &fewer), 0);
        }
    }

    #[test]
    fn smaller_panels_with_genes_to_spare_are_what_elimination_leaves_of_the_larger() {
        let mut data = training_data();
        data.n_train = data.n_train.min(900);
        let with = |eliminate_from: f32| {
            let settings = Settings {
                genes: 24,
                nested: vec![12, 6],
                hidden: vec![8],
                steps: Some(80),
                seed: 3,
                recipe: Recipe {
                    eliminate_from,
                    ..Recipe::default()
                },
                ..Settings::default()
            };
            let (mut cpu, never) = (Cpu::<f32>::default(), AtomicBool::new(false));
            let all = fit_all(
                &mut cpu,
                &data,
                &settings,
                1,
                None,
                false,
                &never,
                &mut |_| (),
            );
            let fits = all.expect("trains").remove(0);
            let panel = |fit: &Fit| -> Vec<u32> {
                let of = |index| {
                    data.gene_index
                        .binary_search(&index)
                        .expect("is considered") as u32
                };
                let mut genes: Vec<u32> = fit.model.genes.iter().map(|g| of(g.index)).collect();
                genes.sort_unstable();
                genes
            };
            let panels: Vec<Vec<u32>> = fits.iter().map(panel).collect();
            let left = fits[2].left.clone();
            (settings, panels, left)
        };
        let (settings, panels, left) = with(2.25);
        // four classes and a number: 6 genes are too few
        assert_eq!(eliminated(&settings, &data), 2);
        let mut cells: Vec<u32> = (0..data.n_train as u32).collect();
        cells.truncate(settings.recipe.statistic_cells);
        let to = |genes: usize, from: &[u32]| {
            let settings = Settings {
                genes,
                nested: Vec::new(),
                ..settings.clone()
            };
            let all = eliminate(&data, &settings, &cells, settings.seed, from);
            let mut kept = all.order[..genes].to_vec();
            kept.sort_unstable();
            (kept, all.order)
        };
        let (kept, order) = to(12, &panels[0]);
        assert_eq!(panels[1], kept);
        let of = |size: usize| left.iter().filter(move |l| l.size == size);
        let gone: BTreeSet<u32> = of(1).map(|l| l.gene).collect();
        assert_eq!(gone, order[12..].iter().copied().collect());
        let by_elimination = |l: &Left| matches!(l.when, When::Eliminated { .. });
        assert!(of(1).all(by_elimination) && !of(2).any(by_elimination));
        assert!(panels[2].iter().all(|g| panels[1].contains(g)));
        // without it, rounds choose
        let (none, rounds, left) = with(1e6);
        assert_eq!(eliminated(&none, &data), 0);
        assert!(!left.iter().any(by_elimination));
        assert_ne!(rounds, panels);
    }
}
