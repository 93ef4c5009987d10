//! The panels of a run: of every size, and of the majority where several seeds were trained.
use super::consensus::{Group, consensus, groups};
use super::fit::fit_all;
use super::plan::Plan;
use super::settings::{Fit, Progress, Settings};
use crate::data::cells::TrainingData;
use crate::error::TrainError;
use crate::ops::Ops;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What [`fit_panels`] gives back.
#[derive(Debug)]
pub struct Trained {
    /// The result of each size, the largest first (only those done where it was stopped).
    pub fits: Vec<Fit>,
    /// What several runs agree on, of each size of `fits`; empty where there was one run.
    pub agreements: Vec<Agreement>,
}

/// The runs of one size, compared.
#[derive(Debug)]
pub struct Agreement {
    /// Of each run, in the order of their seeds.
    pub runs: Vec<Fit>,
    /// Chosen genes, those that replace each other together.
    pub groups: Vec<Group>,
    /// Run whose panel is the result; `None` where it is the panel of the majority.
    pub best_run: Option<usize>,
}

/// Trains as [`fit_all`] does; with several repeats, trains a network on the panel of the majority of
/// each size, and this is the result.
///
/// # Errors
/// As [`fit_all`].
pub fn fit_panels<O: Ops>(
    ops: &mut O,
    data: &TrainingData,
    settings: &Settings,
    repeats: usize,
    checkpoint: Option<&Path>,
    resume: bool,
    stop: &AtomicBool,
    on_epoch: &mut dyn FnMut(Progress),
) -> Result<Trained, TrainError> {
    let runs = fit_all(
        ops, data, settings, repeats, checkpoint, resume, stop, on_epoch,
    )?;
    if repeats == 1 {
        let fits = runs.into_iter().flatten().collect();
        return Ok(Trained {
            fits,
            agreements: Vec::new(),
        });
    }
    let sizes = runs.iter().map(Vec::len).min().unwrap_or(0);
    let mut lists: Vec<_> = runs.into_iter().map(Vec::into_iter).collect();
    let next = |_| lists.iter_mut().filter_map(Iterator::next).collect();
    let by_size: Vec<Vec<Fit>> = (0..sizes).map(next).collect();
    let groups = by_size.iter().map(|runs| {
        let panels: Vec<Vec<u32>> = runs.iter().map(|f| considered(data, f)).collect();
        groups(data, &panels)
    });
    let groups: Vec<Vec<Group>> = groups.collect();
    let mut stopped = stop.load(Ordering::Relaxed) || by_size.iter().flatten().any(|f| f.stopped);
    // where one size has no panel of the majority, or one is not trained, all sizes are of one run: panels nest
    let mut fits = Vec::new();
    let panels = majorities(&groups, &by_size, settings);
    for panel in panels.filter(|_| !stopped).unwrap_or_default() {
        let fit = on_panel(ops, data, settings, panel, stop, on_epoch)?;
        stopped |= fit.stopped || stop.load(Ordering::Relaxed);
        fits.push(fit);
        if stopped {
            fits.clear();
            break;
        }
    }
    let best = best_run(&by_size);
    let best_run = fits.is_empty().then_some(best);
    if fits.is_empty() {
        fits = by_size.iter().map(|runs| runs[best].clone()).collect();
    }
    for (fit, runs) in fits.iter_mut().zip(&by_size) {
        (fit.seconds, fit.stopped) = (fit.seconds.max(runs[best].seconds), stopped);
        // all runs went the same way
        fit.contest = runs[best].contest;
    }
    let agreement = |(runs, groups)| Agreement {
        runs,
        groups,
        best_run,
    };
    let agreements = by_size.into_iter().zip(groups).map(agreement).collect();
    Ok(Trained { fits, agreements })
}

/// The panel of the majority of each size, each within the one before; `None` where one cannot be had.
fn majorities(
    groups: &[Vec<Group>],
    by_size: &[Vec<Fit>],
    settings: &Settings,
) -> Option<Vec<Vec<u32>>> {
    let mut panels: Vec<Vec<u32>> = Vec::new();
    for (groups, runs) in groups.iter().zip(by_size) {
        let k = runs.first()?.model.genes.len();
        let within = panels.last().map(Vec::as_slice);
        panels.push(consensus(groups, &settings.rules, k, within)?);
    }
    Some(panels)
}

/// Trains the network of a panel that is given (considered genes, ascending).
///
/// # Errors
/// As [`fit_all`].
pub fn on_panel<O: Ops>(
    ops: &mut O,
    data: &TrainingData,
    settings: &Settings,
    panel: Vec<u32>,
    stop: &AtomicBool,
    on_epoch: &mut dyn FnMut(Progress),
) -> Result<Fit, TrainError> {
    let recipe = &settings.recipe;
    // as long as they are in a run of the recipe's own length, whatever length was asked for
    let steps = (settings.steps.is_some() || settings.epochs.is_some()).then(|| {
        let asked = Plan::new(settings, data.n_train, 0).steps;
        let own = Plan::new(
            &Settings {
                steps: None,
                epochs: None,
                ..settings.clone()
            },
            data.n_train,
            0,
        );
        let share = (recipe.warm_steps + recipe.finish_steps) as f64 / own.steps.max(1) as f64;
        (asked as f64 * share).ceil() as u64
    });
    let settings = Settings {
        genes: panel.len(),
        nested: Vec::new(),
        panel: Some(panel),
        steps,
        epochs: None,
        ..settings.clone()
    };
    super::fit::fit(ops, data, &settings, None, false, stop, on_epoch)
}

/// The run with the lowest validation loss, summed over the sizes.
fn best_run(by_size: &[Vec<Fit>]) -> usize {
    let n = by_size.first().map_or(0, Vec::len);
    let loss = |run: usize| by_size.iter().map(|runs| runs[run].best_loss).sum::<f64>();
    (1..n).fold(0, |b, run| if loss(run) < loss(b) { run } else { b })
}

/// The considered genes of a model.
fn considered(data: &TrainingData, fit: &Fit) -> Vec<u32> {
    let of = |index: u32| data.gene_index.binary_search(&index).ok();
    let genes = fit.model.genes.iter().filter_map(|g| of(g.index));
    let mut genes: Vec<u32> = genes.map(|g| g as u32).collect();
    genes.sort_unstable();
    genes
}
