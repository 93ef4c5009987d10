//! The whole run: steps, epochs, checkpoints, until the end or until it is stopped.
use super::calibrate::calibrate;
use super::checkpoint::{self, Best, Run};
use super::contest::{contest, decided};
use super::plan::Plan;
use super::settings::{Epoch, Fit, Progress, Settings};
use super::trainer::Trainer;
use crate::data::cells::TrainingData;
use crate::error::{DataError, TrainError};
use crate::model::panel_model::PanelModel;
use crate::ops::Ops;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

type Result<T> = std::result::Result<T, TrainError>;

/// Trains one network: the largest panel of [`fit_all`] with one repeat.
///
/// # Errors
/// As [`fit_all`].
pub fn fit<O: Ops>(
    ops: &mut O,
    data: &TrainingData,
    settings: &Settings,
    checkpoint: Option<&Path>,
    resume: bool,
    stop: &AtomicBool,
    on_epoch: &mut dyn FnMut(Progress),
) -> Result<Fit> {
    let all = fit_all(ops, data, settings, 1, checkpoint, resume, stop, on_epoch)?;
    let fit = all.into_iter().flatten().next();
    fit.ok_or_else(|| DataError::new("no network was trained", "report this as a bug").into())
}

/// Trains `repeats` networks side by side on the training cells, the r-th with the seed plus r and as
/// if it were alone, judges them on the validation cells, and returns the best state of each: a list
/// for each repeat, of its panels of all sizes, the largest first (only those done where it is stopped). Where cells are
/// few, cross-validation comes first and says which way the largest panel is found ([`super::contest`]).
///
/// `checkpoint`: the state is written there after every epoch; `resume`: it is read from there
/// first. `stop`: asked at every step. `on_epoch`: told of every epoch, with means over the networks.
///
/// # Errors
/// k or the seed out of range, a device that fails, a loss that leaves the finite numbers, a
/// checkpoint that cannot be used.
pub fn fit_all<O: Ops>(
    ops: &mut O,
    data: &TrainingData,
    settings: &Settings,
    repeats: usize,
    checkpoint: Option<&Path>,
    resume: bool,
    stop: &AtomicBool,
    on_epoch: &mut dyn FnMut(Progress),
) -> Result<Vec<Vec<Fit>>> {
    let begin = Instant::now();
    check(data, settings)?;
    check_repeats(settings.seed, repeats)?;
    let device = format!("{} {}", ops.info().name, ops.variant());
    let fingerprint = checkpoint::fingerprint(settings, repeats, data, &device);
    let state = match checkpoint.filter(|_| resume) {
        Some(path) => Some(checkpoint::load(path, &fingerprint)?),
        None => None,
    };
    ops.prepare()?;
    let contest = match &state {
        Some(state) => state.position.contest,
        None => contest(ops, data, settings, stop)?,
    };
    let settings = &decided(settings, contest);
    let before = state
        .as_ref()
        .map_or((0.0, 0), |s| (s.position.seconds, s.position.step));
    let mut trainer = Trainer::new(ops, data, settings, repeats, fingerprint, state)?;
    let steps_begin = Instant::now();
    trainer.position.contest = contest;
    let cells = trainer.plan.batch as f64 * repeats as f64;
    let mut stopped = false;
    while trainer.position.segment < trainer.plan.segments.len() {
        if stop.load(Ordering::Relaxed) {
            stopped = true;
            break;
        }
        trainer.one_step()?;
        if trainer.epoch_ends() {
            trainer.end_epoch()?;
            trainer.position.seconds = before.0 + begin.elapsed().as_secs_f64();
            if let Some(path) = checkpoint {
                checkpoint::save(path, &trainer.state()?)?;
            }
            let done = (trainer.position.step - before.1) as f64 * cells;
            if let Some(epoch) = mean_epoch(&trainer.position.runs) {
                on_epoch(Progress {
                    epoch: &epoch,
                    epochs: trainer.plan.epochs(),
                    steps: trainer.plan.steps,
                    cells_per_second: done / steps_begin.elapsed().as_secs_f64().max(1e-9),
                });
            }
        }
    }
    let done = (trainer.position.step - before.1) as f64 * cells;
    let cells_per_second = done / steps_begin.elapsed().as_secs_f64().max(1e-9);
    let models = trainer.finish()?;
    let p = std::mem::take(&mut trainer.position);
    trainer.release();
    let seconds = before.0 + begin.elapsed().as_secs_f64();
    let of_run = |(models, run): (Vec<_>, Run)| {
        let fit = |(size, (mut model, beside, best)): (usize, (PanelModel, _, Best))| Fit {
            model: {
                calibrate(&mut model, data);
                model
            },
            history: run.history.clone(),
            steps: p.step,
            best_epoch: best.epoch,
            best_loss: best.loss,
            best_score: best.score,
            left: (run.left.iter())
                .filter(|l| l.size <= size)
                .copied()
                .collect(),
            beside,
            contest: p.contest,
            seconds,
            cells_per_second,
            stopped,
        };
        models.into_iter().enumerate().map(fit).collect()
    };
    Ok(models.into_iter().zip(p.runs.clone()).map(of_run).collect())
}

/// The last epoch of all runs, its figures averaged.
fn mean_epoch(runs: &[Run]) -> Option<Epoch> {
    let last: Vec<&Epoch> = runs.iter().filter_map(|r| r.history.last()).collect();
    let n = last.len() as f64;
    let mean = |of: fn(&Epoch) -> Option<f64>| {
        let values: Option<Vec<f64>> = last.iter().map(|e| of(e)).collect();
        values.map(|v| v.iter().sum::<f64>() / n)
    };
    Some(Epoch {
        train_loss: mean(|e| Some(e.train_loss))?,
        validation_loss: mean(|e| e.validation_loss),
        validation_score: mean(|e| e.validation_score),
        ..(*last.first()?).clone()
    })
}

/// More would only be slower than several calls.
const MOST_REPEATS: usize = 1024;

/// Refuses seeds whose random streams would not be those of single runs.
pub(super) fn check_repeats(seed: u64, repeats: usize) -> Result<()> {
    let most = u64::from(u32::MAX);
    let seeds_fit = repeats == 1 || seed.saturating_add(repeats as u64) <= most;
    if !(1..=MOST_REPEATS).contains(&repeats) || !seeds_fit {
        let what = format!("--repeats {repeats} from --seed {seed}");
        let hint = format!("ask for 1 to {MOST_REPEATS} repeats, with seeds up to {most}");
        return Err(DataError::new(what, hint).into());
    }
    Ok(())
}

/// Refuses what cannot be trained, before anything is written.
///
/// # Errors
/// k of 0 or above the genes that vary, no training cells, no task.
pub fn check(data: &TrainingData, settings: &Settings) -> std::result::Result<(), DataError> {
    let (k, n) = (settings.genes, data.cells.n_genes);
    if k == 0 || k > n {
        let what = format!(
            "--genes {k}: {n} genes are considered, those that vary over the training cells and pass all filters"
        );
        let hint =
            format!("ask for 1 to {n} genes, or widen --candidates and other filters of genes");
        return Err(DataError::new(what, hint));
    }
    for (what, &wrong) in settings.nested.iter().map(|k| ("--genes", k)) {
        if wrong == 0 || wrong >= k {
            let what = format!("{what} {wrong} beside {k}");
            return Err(DataError::new(
                what,
                "name smaller panels of 1 gene or more",
            ));
        }
    }
    if data.n_train == 0 || data.tasks.is_empty() {
        let what = format!(
            "{} training cells and {} tasks",
            data.n_train,
            data.tasks.len()
        );
        return Err(DataError::new(
            what,
            "lower --test-fraction or name a --label",
        ));
    }
    // random numbers are told apart by the step, in 32 bits
    let steps = Plan::new(settings, data.n_train, 0).steps;
    if steps > u64::from(u32::MAX) {
        let what = format!("a run of {steps} steps");
        return Err(DataError::new(
            what,
            format!("ask for at most {} with --steps or --epochs", u32::MAX),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Cpu;
    use crate::data::cells::Targets;
    use crate::ops::MISSING;
    use crate::train::eliminate::tests::training_data;
    use crate::train::settings::Recipe;

    #[test]
    fn labelled_training_cells_are_counted() {
        let data = training_data();
        let Targets::Classes(y) = &data.tasks[0].targets else {
            panic!("a class label");
        };
        let missing = (0..data.n_train).filter(|&c| y[c] == MISSING).count();
        assert!(missing > data.n_train / 6 && y.len() > data.n_train);
        assert_eq!(data.labelled(), [data.n_train - missing, data.n_train]);
    }

    #[test]
    fn genes_drop_out_of_the_frozen_panel_as_the_recipe_says() {
        let data = training_data();
        let layers = |noise: f32| {
            let settings = Settings {
                genes: 6,
                panel: Some((0..6).collect()),
                steps: Some(40),
                hidden: vec![8],
                recipe: Recipe {
                    finish_input_noise: noise,
                    ..Recipe::default()
                },
                ..Settings::default()
            };
            let never = AtomicBool::new(false);
            let fit = fit(
                &mut Cpu::<f32>::default(),
                &data,
                &settings,
                None,
                false,
                &never,
                &mut |_| (),
            );
            fit.expect("trains").model.layers
        };
        let [none, some, most] = [0.0, 17.0, 1e6].map(layers);
        assert_ne!(none, some);
        assert_ne!(some, most);
        // never more than half of them
        assert_eq!(most, layers(1e5));
    }
}
