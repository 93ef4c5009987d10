//! For few cells: which of two ways to a panel, rounds or boosting, tells cells better that it has not seen.
use super::fit::fit;
use super::held_out::{FOLDS, folds, loss_of, without};
use super::settings::Settings;
use super::start::found;
use crate::data::cells::{Task, TaskKind, TrainingData};
use crate::data::packed::MAX_PAGE_WORDS;
use crate::error::TrainError;
use crate::ops::Ops;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};

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
        let (found, own, way, other) = if self.boosted {
            ("Boosting", self.boosting, "rounds", self.rounds)
        } else {
            ("Rounds", self.rounds, "boosting", self.boosting)
        };
        format!(
            "{found} found the panel: in cross-validation over the training cells such panels have a loss of {own:.3}, \
             those by {way} of {other:.3}."
        )
    }
}

/// Whether there are two ways to the panel, and so few cells that they are worth a comparison. Boosting knows neither
/// rules nor batches nor numbers, and was measured on nothing else.
#[must_use]
pub fn contested(settings: &Settings, data: &TrainingData) -> bool {
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
        && found(settings, data) == 0
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
    for (done, fold) in folds(data, SEED).iter().enumerate() {
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cpu::Cpu;
    use crate::data::cells::Batches;
    use crate::train::boost::boosted;
    use crate::train::eliminate::tests::training_data;
    use crate::train::fit::fit_all;
    use crate::train::panels::fit_panels;
    use crate::train::rank::round_robin;
    use crate::train::recipe::Recipe;
    use crate::train::rules::Rules;
    use crate::train::settings::Fit;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    /// 400 training cells of four classes, every fifth without a label.
    pub(in crate::train) fn few() -> TrainingData {
        let mut data = training_data();
        data.tasks.truncate(1);
        let cells: Vec<u32> = (0..400).collect();
        data.cells = data.cells.take(&cells, MAX_PAGE_WORDS);
        data.tasks[0] = data.tasks[0].subset(&cells);
        (data.n_train, data.n_validation) = (400, 0);
        data
    }

    pub(in crate::train) fn asked(boost_below: f64) -> Settings {
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

    pub(in crate::train) fn run(data: &TrainingData, settings: &Settings) -> Fit {
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
        // and the result of several runs, a network of its own, says which
        let (mut cpu, stop) = (Cpu::<f32>::default(), AtomicBool::new(false));
        let all = fit_panels(&mut cpu, &data, &other, 2, None, false, &stop, &mut |_| ());
        assert_eq!(all.expect("trains").fits[0].contest, Some(won));
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
