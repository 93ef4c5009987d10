//! For few cells: which of two ways to a panel, rounds or boosting, tells cells better that it has not seen.
use super::batches::order;
use super::fit::fit;
use super::settings::Settings;
use super::start::stands;
use crate::data::cells::{Targets, Task, TaskKind, TrainingData};
use crate::data::packed::{MAX_PAGE_WORDS, unpack};
use crate::error::TrainError;
use crate::model::net::Targets as Weights;
use crate::model::panel_model::PanelModel;
use crate::ops::MISSING;
use crate::ops::Ops;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};

/// Parts of the training cells, each judged by networks that were trained on the others.
const FOLDS: usize = 5;

/// Parts after which it ends where boosting is behind.
const ENOUGH: usize = 2;

/// Seed of what is random here: the same for all seeds of a run, so that they go the same way.
const SEED: u64 = 0;

/// What cross-validation over the training cells said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contest {
    /// Mean loss of cells held out, weighted by class as in training, of networks on panels by the rounds.
    pub rounds: f64,
    /// The same of panels by boosting.
    pub boosting: f64,
    /// Whether the panel is that of boosting.
    pub boosted: bool,
}

impl Contest {
    /// In a sentence.
    #[must_use]
    pub fn text(&self) -> String {
        let ways = [("Rounds", self.rounds), ("Boosting", self.boosting)];
        let [(found, own), (_, other)] = if self.boosted {
            [ways[1], ways[0]]
        } else {
            ways
        };
        let other_way = if self.boosted { "rounds" } else { "boosting" };
        format!(
            "{found} found the panel: in cross-validation over the training cells such panels have a loss of {own:.3}, \
             those by {other_way} of {other:.3}."
        )
    }
}

/// Whether there are two ways to the panel, and so few cells that they are worth a comparison. Boosting knows neither
/// rules nor batches nor numbers, and was measured on nothing else.
fn contested(settings: &Settings, data: &TrainingData) -> bool {
    let recipe = &settings.recipe;
    let classes = |t: &Task| matches!(t.kind, TaskKind::Classification { .. });
    recipe.ranking
        && recipe.rounds > 0
        && (2 * FOLDS..=recipe.boost_cells).contains(&data.n_train)
        && settings.panel.is_none()
        && settings.rules.is_empty()
        && data.batches.is_none()
        && data.stream.is_none()
        && data.tasks.iter().all(classes)
        && !stands(settings, data)
}

/// Trains networks both ways on four fifths of the training cells in turn and judges them on the others; `None` where
/// there is no choice, or where it is stopped.
///
/// # Errors
/// As [`fit`].
pub(super) fn contest<O: Ops>(
    ops: &mut O,
    data: &TrainingData,
    settings: &Settings,
    stop: &AtomicBool,
) -> Result<Option<Contest>, TrainError> {
    if !contested(settings, data) {
        return Ok(None);
    }
    let (mut losses, mut cells) = ([0.0; 2], 0);
    for (done, fold) in folds(data).iter().enumerate() {
        // what is behind so far is not going to be ahead by a tenth
        if done >= ENOUGH && losses[1] > losses[0] {
            break;
        }
        cells += fold.len();
        let part = without(data, fold, ops.max_elements().min(MAX_PAGE_WORDS));
        let mut own = Settings {
            seed: SEED,
            nested: Vec::new(),
            ..settings.clone()
        };
        own.recipe.boost_cells = 0;
        for loss in &mut losses {
            let fit = fit(ops, &part, &own, None, false, stop, &mut |_| ())?;
            if fit.stopped || stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            *loss += loss_of(&fit.model, data, settings, fold);
            own.boosts = true;
        }
    }
    let [rounds, boosting] = losses.map(|l| l / cells.max(1) as f64);
    Ok(Some(Contest {
        rounds,
        boosting,
        boosted: boosting < settings.recipe.boost_below * rounds,
    }))
}

/// The settings with what was decided.
pub(super) fn decided(settings: &Settings, contest: Option<Contest>) -> Settings {
    Settings {
        boosts: settings.boosts || contest.is_some_and(|c| c.boosted),
        ..settings.clone()
    }
}

/// The training cells in parts, classes of the first label spread evenly.
fn folds(data: &TrainingData) -> Vec<Vec<u32>> {
    let mut cells = order(data.n_train, SEED, u64::MAX - 2);
    if let Some(Targets::Classes(y)) = data.tasks.first().map(|t| &t.targets) {
        cells.sort_by_key(|&cell| y[cell as usize]);
    }
    let part = |fold: usize| {
        let own = cells.iter().skip(fold).step_by(FOLDS);
        let mut own: Vec<u32> = own.copied().collect();
        own.sort_unstable();
        own
    };
    (0..FOLDS).map(part).collect()
}

/// The training cells but those of `fold`, and no validation cells.
fn without(data: &TrainingData, fold: &[u32], page_words: usize) -> TrainingData {
    let others = (0..data.n_train as u32).filter(|cell| fold.binary_search(cell).is_err());
    let cells: Vec<u32> = others.collect();
    TrainingData {
        cells: data.cells.take(&cells, page_words),
        n_train: cells.len(),
        n_validation: 0,
        tasks: data.tasks.iter().map(|t| t.subset(&cells)).collect(),
        ..data.clone()
    }
}

/// The sum of the losses of `cells`, by the weights of classes and tasks.
fn loss_of(model: &PanelModel, data: &TrainingData, settings: &Settings, cells: &[u32]) -> f64 {
    let mut slot_of = vec![usize::MAX; data.cells.n_genes];
    for (slot, gene) in model.genes.iter().enumerate() {
        if let Ok(g) = data.gene_index.binary_search(&gene.index) {
            slot_of[g] = slot;
        }
    }
    let k = model.genes.len();
    let mut values = vec![0.0; cells.len() * k];
    for (row, &cell) in values.chunks_exact_mut(k).zip(cells) {
        for (gene, value) in data.cells.cell(cell as usize).iter().map(|&e| unpack(e)) {
            if let Some(at) = row.get_mut(slot_of[gene]) {
                *at = value;
            }
        }
    }
    let logits = model.logits(&values);
    let power = settings.recipe.class_weight_power;
    let weights = Weights::class_weights(&data.tasks, data.n_train, power);
    let width: usize = data.tasks.iter().map(|t| t.kind.width()).sum();
    let tasks = data.tasks.iter().zip(&weights);
    let (mut loss, mut column) = (0.0, 0);
    for ((task, weights), counts) in tasks.zip(settings.weights_of(&data.tasks)) {
        let Targets::Classes(labels) = &task.targets else {
            continue;
        };
        let own = logits.chunks_exact(width);
        let own = own.map(|row| &row[column..column + weights.len()]);
        for (row, &cell) in own.zip(cells) {
            let y = labels[cell as usize];
            if y == MISSING {
                continue;
            }
            let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = row.iter().map(|&x| f64::from(x - top).exp()).sum();
            let unlikely = sum.ln() - f64::from(row[y as usize] - top);
            loss += f64::from(counts * weights[y as usize]) * unlikely;
        }
        column += weights.len();
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Cpu;
    use crate::data::cells::Batches;
    use crate::train::boost::boosted;
    use crate::train::eliminate::tests::training_data;
    use crate::train::fit::fit_all;
    use crate::train::rank::round_robin;
    use crate::train::recipe::Recipe;
    use crate::train::rules::Rules;
    use crate::train::settings::Fit;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    /// 400 training cells of four classes, every fifth without a label.
    fn few() -> TrainingData {
        let mut data = training_data();
        data.tasks.truncate(1);
        let cells: Vec<u32> = (0..400).collect();
        data.cells = data.cells.take(&cells, MAX_PAGE_WORDS);
        data.tasks[0] = data.tasks[0].subset(&cells);
        (data.n_train, data.n_validation) = (400, 0);
        data
    }

    fn asked(boost_below: f64) -> Settings {
        Settings {
            genes: 6,
            hidden: vec![8],
            steps: Some(60),
            recipe: Recipe {
                boost_below,
                ..Recipe::default()
            },
            ..Settings::default()
        }
    }

    fn run(data: &TrainingData, settings: &Settings) -> Fit {
        let never = AtomicBool::new(false);
        let mut cpu = Cpu::<f32>::default();
        let fit = fit(&mut cpu, data, settings, None, false, &never, &mut |_| ());
        fit.expect("trains")
    }

    fn panel(data: &TrainingData, fit: &Fit) -> BTreeSet<u32> {
        let of = |index: u32| {
            data.gene_index
                .binary_search(&index)
                .expect("is considered")
        };
        fit.model.genes.iter().map(|g| of(g.index) as u32).collect()
    }

    #[test]
    fn only_for_few_cells_of_classes_without_rules() {
        let data = few();
        let tried = |change: &dyn Fn(&mut Settings, &mut TrainingData)| {
            let (mut settings, mut data) = (asked(0.9), data.clone());
            change(&mut settings, &mut data);
            contested(&settings, &data)
        };
        assert!(tried(&|_, _| ()));
        assert!(tried(&|s, _| s.recipe.boost_cells = 400));
        assert!(!tried(&|s, _| s.recipe.boost_cells = 399));
        assert!(!tried(&|s, _| s.recipe.boost_cells = 0));
        assert!(!tried(&|s, _| s.recipe.rounds = 0));
        assert!(!tried(&|s, _| s.recipe.ranking = false));
        assert!(!tried(&|s, _| s.panel = Some((0..6).collect())));
        assert!(!tried(&|s, _| s.boosts = true));
        assert!(!tried(&|s, _| {
            s.rules = Arc::new(Rules {
                include: vec![3],
                ..Rules::default()
            });
        }));
        assert!(!tried(&|_, d| {
            d.batches = Some(Batches {
                column: "donor".into(),
                names: vec!["a".into()],
                of: vec![0; 400],
            });
        }));
        assert!(!tried(&|_, d| d.n_train = 9));
        assert!(!tried(&|_, d| d
            .tasks
            .push(training_data().tasks.remove(1))));
    }

    #[test]
    fn every_cell_is_held_out_once_and_classes_are_spread() {
        let data = few();
        let Targets::Classes(labels) = &data.tasks[0].targets else {
            panic!("a class label");
        };
        let folds = folds(&data);
        let all: BTreeSet<u32> = folds.iter().flatten().copied().collect();
        assert_eq!((folds.len(), all.len()), (FOLDS, 400));
        assert_eq!(folds.iter().map(Vec::len).sum::<usize>(), 400);
        for class in 0..4 {
            let own = |cells: &[u32]| {
                let of = cells.iter().filter(|&&c| labels[c as usize] == class);
                of.count()
            };
            let each: Vec<usize> = folds.iter().map(|f| own(f)).collect();
            let (least, most) = (each.iter().min(), each.iter().max());
            assert!(most.zip(least).is_some_and(|(m, l)| m - l <= 1), "{each:?}");
            assert!(each[0] > 0);
        }
        let part = without(&data, &folds[1], MAX_PAGE_WORDS);
        assert_eq!((part.n_train, part.n_validation), (320, 0));
        let others = (0..400u32).filter(|c| !folds[1].contains(c));
        for (at, cell) in others.enumerate() {
            assert_eq!(part.cells.cell(at), data.cells.cell(cell as usize));
            let Targets::Classes(own) = &part.tasks[0].targets else {
                panic!("a class label");
            };
            assert_eq!(own[at], labels[cell as usize]);
        }
    }

    #[test]
    fn the_loss_of_cells_held_out_is_that_of_validation() {
        let (data, mut settings) = (few(), asked(0.9));
        (
            settings.recipe.boost_cells,
            settings.recipe.class_weight_power,
        ) = (0, 0.0);
        settings.steps = Some(3); // one epoch: its model is the last one
        let mut held: Vec<u32> = (320..400).collect();
        let mut split = data.clone();
        (split.n_train, split.n_validation) = (320, 80);
        let fit = run(&split, &settings);
        let Targets::Classes(labels) = &data.tasks[0].targets else {
            panic!("a class label");
        };
        let labelled = held.iter().filter(|&&c| labels[c as usize] != MISSING);
        let sum = fit.best_loss * labelled.count() as f64;
        let own = |held: &[u32], settings: &Settings| loss_of(&fit.model, &data, settings, held);
        assert!(
            (own(&held, &settings) - sum).abs() < 1e-5 * sum,
            "{} {sum}",
            own(&held, &settings)
        );
        held.truncate(60);
        assert!((own(&held, &settings) - sum).abs() > 1e-2 * sum);
        // rare classes weigh more
        held = (320..400).collect();
        settings.recipe.class_weight_power = 1.0;
        assert!((own(&held, &settings) - sum).abs() > 1e-4 * sum);
    }

    #[test]
    fn the_panel_is_the_one_of_the_way_that_won() {
        let data = few();
        let [never, rounds, boosts] = [asked(0.9), asked(0.0), asked(1e6)];
        let never = Settings {
            recipe: Recipe {
                boost_cells: 0,
                ..never.recipe
            },
            ..never
        };
        let [never, rounds, boosted_fit] =
            [&never, &rounds, &boosts].map(|settings| run(&data, settings));
        assert_eq!((never.contest, never.model), (None, rounds.model));
        let [lost, won] = [rounds.contest, boosted_fit.contest].map(|c| c.expect("was held"));
        assert!(!lost.boosted && won.boosted);
        assert_eq!((lost.rounds, lost.boosting), (won.rounds, won.boosting));
        assert!(
            lost.text().starts_with("Rounds found") && won.text().starts_with("Boosting found")
        );
        let ranking = round_robin(&data);
        let order = boosted(&data, &boosts, boosts.seed, &ranking);
        let first: BTreeSet<u32> = order[..6].iter().copied().collect();
        assert_eq!(panel(&data, &boosted_fit), first);
        assert_ne!(order, ranking);
        assert!(boosted_fit.history.iter().all(|e| e.phase != "select"));
        // every seed goes the same way
        let other = Settings {
            seed: 7,
            ..asked(1e6)
        };
        let contest = run(&data, &other).contest.expect("was held");
        assert_eq!(contest, won);
    }

    #[test]
    fn a_run_that_boosts_goes_on_where_it_was_stopped() {
        let (data, settings) = (few(), asked(1e6));
        let folder = tempfile::tempdir().expect("a folder");
        let checkpoint = folder.path().join("checkpoint");
        let whole = run(&data, &settings);
        let mut cpu = Cpu::<f32>::default();
        let mut go_on = |resume: bool, most: u64| {
            let stop = AtomicBool::new(false);
            let mut epoch = |p: crate::train::settings::Progress| {
                stop.store(p.epoch.epoch >= most, Ordering::Relaxed);
            };
            let path = Some(checkpoint.as_path());
            let fits = fit_all(
                &mut cpu, &data, &settings, 1, path, resume, &stop, &mut epoch,
            );
            fits.expect("trains").remove(0).remove(0)
        };
        assert!(go_on(false, 5).stopped);
        let resumed = go_on(true, u64::MAX);
        assert_eq!(resumed.model, whole.model);
        assert_eq!(resumed.contest, whole.contest);
    }

    #[test]
    fn what_is_stopped_while_it_compares_has_no_winner() {
        let stop = AtomicBool::new(true);
        let held = contest(&mut Cpu::<f32>::default(), &few(), &asked(1e6), &stop);
        assert_eq!(held.expect("stops"), None);
    }
}
