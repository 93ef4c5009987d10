//! The panels of a run: of every size, and of the majority where several seeds were trained.
use super::consensus::{Group, consensus, groups};
use super::fit::fit_all;
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
    let mut trained = Trained {
        fits: Vec::new(),
        agreements: Vec::new(),
    };
    let mut larger: Option<Vec<u32>> = None;
    for _ in 0..sizes {
        let runs: Vec<Fit> = lists.iter_mut().filter_map(Iterator::next).collect();
        let panels: Vec<Vec<u32>> = runs.iter().map(|f| considered(data, f)).collect();
        let groups = groups(data, &panels);
        let k = panels.first().map_or(0, Vec::len);
        let stopped = stop.load(Ordering::Relaxed) || runs.iter().any(|f| f.stopped);
        let majority = consensus(&groups, &settings.rules, k, larger.as_deref());
        let fit = match majority.filter(|_| !stopped) {
            Some(panel) => {
                larger = Some(panel.clone());
                let fit = on_panel(ops, data, settings, panel, stop)?;
                // one that was stopped half-way is worse than what stands
                (!fit.stopped).then_some(fit)
            }
            None => None,
        };
        let best = best_run(&runs);
        let best_run = fit.is_none().then_some(best);
        let mut fit = fit.unwrap_or_else(|| runs[best].clone());
        (fit.seconds, fit.stopped) = (fit.seconds.max(runs[best].seconds), stopped);
        trained.fits.push(fit);
        trained.agreements.push(Agreement {
            runs,
            groups,
            best_run,
        });
    }
    Ok(trained)
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
) -> Result<Fit, TrainError> {
    let recipe = &settings.recipe;
    let own = recipe.warm_steps + recipe.finish_steps;
    let settings = Settings {
        genes: panel.len(),
        nested: Vec::new(),
        panel: Some(panel),
        steps: settings.steps.map(|s| s.min(own)),
        epochs: None,
        ..settings.clone()
    };
    super::fit::fit(ops, data, &settings, None, false, stop, &mut |_| ())
}

/// The run with the lowest validation loss.
fn best_run(runs: &[Fit]) -> usize {
    (0..runs.len()).fold(0, |b, i| {
        if runs[i].best_loss < runs[b].best_loss {
            i
        } else {
            b
        }
    })
}

/// The considered genes of a model.
fn considered(data: &TrainingData, fit: &Fit) -> Vec<u32> {
    let of = |index: u32| data.gene_index.binary_search(&index).ok();
    let genes = fit.model.genes.iter().filter_map(|g| of(g.index));
    let mut genes: Vec<u32> = genes.map(|g| g as u32).collect();
    genes.sort_unstable();
    genes
}
