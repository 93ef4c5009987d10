//! The whole run: steps, epochs, checkpoints, until the end or until it is stopped.
use super::checkpoint;
use super::settings::{Fit, Progress, Settings};
use super::trainer::Trainer;
use crate::data::cells::TrainingData;
use crate::error::{DataError, TrainError};
use crate::ops::Ops;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

type Result<T> = std::result::Result<T, TrainError>;

/// Trains on the training cells, judges on the validation cells, and returns the best network.
///
/// `checkpoint`: the state is written there after every epoch; `resume`: it is read from there
/// first. `stop`: asked at every step. `on_epoch`: told of every epoch.
///
/// # Errors
/// k out of range, a device that fails, a loss that leaves the finite numbers, a checkpoint that
/// cannot be used.
pub fn fit<O: Ops>(
    ops: &mut O,
    data: &TrainingData,
    settings: &Settings,
    checkpoint: Option<&Path>,
    resume: bool,
    stop: &AtomicBool,
    on_epoch: &mut dyn FnMut(Progress),
) -> Result<Fit> {
    let begin = Instant::now();
    check(data, settings)?;
    let fingerprint = checkpoint::fingerprint(
        settings,
        data.cells.n_cells,
        data.cells.n_genes,
        &ops.info().name,
    );
    let state = match checkpoint.filter(|_| resume) {
        Some(path) => Some(checkpoint::load(path, &fingerprint)?),
        None => None,
    };
    let before = state
        .as_ref()
        .map_or((0.0, 0), |s| (s.position.seconds, s.position.step));
    let mut trainer = Trainer::new(ops, data, settings, fingerprint, state)?;
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
            let done = (trainer.position.step - before.1) as f64 * trainer.plan.batch as f64;
            if let Some(epoch) = trainer.position.history.last() {
                on_epoch(Progress {
                    epoch,
                    epochs: trainer.plan.epochs(),
                    steps: trainer.plan.steps,
                    cells_per_second: done / begin.elapsed().as_secs_f64().max(1e-9),
                });
            }
        }
    }
    let model = trainer.finish()?;
    let p = trainer.position;
    let seconds = before.0 + begin.elapsed().as_secs_f64();
    let cells_per_second = p.step as f64 * trainer.plan.batch as f64 / seconds.max(1e-9);
    Ok(Fit {
        model,
        history: p.history,
        steps: p.step,
        best_epoch: p.best_epoch,
        seconds,
        cells_per_second,
        stopped,
    })
}

/// Whether a run can begin.
///
/// # Errors
/// [`DataError`]: k out of range, no training cell, no task.
pub fn check(data: &TrainingData, settings: &Settings) -> Result<()> {
    let (k, n) = (settings.genes, data.cells.n_genes);
    if k == 0 || k > n {
        let what = format!("--genes {k}: the training cells have {n} genes that vary");
        return Err(DataError::new(what, format!("ask for 1 to {n} genes")).into());
    }
    if data.n_train == 0 || data.tasks.is_empty() {
        let what = format!(
            "{} training cells and {} tasks",
            data.n_train,
            data.tasks.len()
        );
        return Err(DataError::new(what, "lower --test-fraction or name a --label").into());
    }
    Ok(())
}
