//! `--cross-validate`: the stages of a run once for every group that is left out.
use super::progress::Reporter;
use super::run::Failure;
use crate::data::cells::{Targets, TrainingData};
use crate::data::components::with_components;
use crate::data::folds::Fold;
use crate::data::prepare::Prepared;
use crate::data::split::{SplitSettings, split};
use crate::ops::{MISSING, Ops};
use crate::report::cross::{CrossValidation, FoldScores, Skipped};
use crate::report::predict::{predict, reported, score};
use crate::train::{self, settings::Settings};
use std::sync::atomic::{AtomicBool, Ordering};

/// Trains one network a fold and tests it; folds that were not finished when `stop` was set are left
/// out.
///
/// # Errors
/// A device that fails; a fold whose cells cannot be trained on is told of in the result.
pub(super) fn cross_validate<O: Ops>(
    ops: &mut O,
    prepared: &Prepared,
    folds: &[Fold],
    column: &str,
    base: &SplitSettings,
    settings: &Settings,
    reconstruct: Option<usize>,
    stop: &AtomicBool,
    reporter: &mut Reporter,
) -> Result<CrossValidation, Failure> {
    // the largest panel stands for all sizes
    let settings = &Settings {
        nested: Vec::new(),
        ..settings.clone()
    };
    let (mut groups, mut skipped) = (Vec::new(), Vec::new());
    for (i, fold) in folds.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        reporter.say(&format!(
            "cross-validation {} of {}: without {} {:?}",
            i + 1,
            folds.len(),
            column,
            fold.group
        ));
        let (own, split_settings) = fold.apply(prepared.clone(), base);
        let parts = split(own, &split_settings)
            .and_then(|parts| Ok((train_fits(&parts.0, settings)?, parts).1));
        let (mut data, sealed, summary) = match parts {
            Ok(parts) => parts,
            Err(e) => {
                skipped.push(Skipped {
                    group: fold.group.clone(),
                    why: e.what,
                });
                continue;
            }
        };
        let components = with_components(&mut data, reconstruct, settings.seed)?;
        let fitted = train::fit(ops, &data, settings, None, false, stop, &mut |p| {
            reporter.epoch(p);
        })?;
        if fitted.stopped {
            break;
        }
        let known = known_classes(&data);
        let panel: Vec<u32> = fitted.model.genes.iter().map(|g| g.index).collect();
        let mut test = sealed.open(Some(&panel))?;
        if let Some(components) = &components {
            components.add_to_test(&mut test);
        }
        let predicted = predict(&fitted.model, &test.x);
        let inside: Vec<bool> = (summary.test_rows.iter())
            .map(|&row| fold.members[row as usize])
            .collect();
        for (t, name) in reported(&fitted.model) {
            let task = &test.tasks[t];
            // a class that training never saw cannot be right
            let seen = |cell: usize| match &task.targets {
                Targets::Classes(y) => y[cell] != MISSING && known[t][y[cell] as usize],
                Targets::Values(v) => !v[cell].is_nan(),
            };
            let labelled = |cell: usize| match &task.targets {
                Targets::Classes(y) => y[cell] != MISSING,
                Targets::Values(v) => !v[cell].is_nan(),
            };
            let count = |of: &dyn Fn(usize) -> bool| (0..inside.len()).filter(|&c| of(c)).count();
            let scored =
                |of: &dyn Fn(usize) -> bool| score(&fitted.model, &test, &predicted, t, of);
            groups.push(FoldScores {
                group: fold.group.clone(),
                task: name,
                cells: count(&|c| inside[c] && seen(c)),
                unseen: count(&|c| inside[c] && labelled(c) && !seen(c)),
                across: scored(&|c| inside[c] && seen(c)),
                within: scored(&|c| !inside[c] && seen(c)),
            });
        }
    }
    reporter.done();
    if stop.load(Ordering::Relaxed) {
        reporter.say("stopped: the cross-validation has only the groups that were finished");
    }
    Ok(CrossValidation::new(column, groups, skipped))
}

/// The panel must fit the genes that vary without the group too.
fn train_fits(data: &TrainingData, settings: &Settings) -> Result<(), crate::error::DataError> {
    match train::check(data, settings) {
        Err(crate::error::TrainError::Data(e)) => Err(e),
        _ => Ok(()),
    }
}

/// For each task whether a training cell is of each class.
fn known_classes(data: &TrainingData) -> Vec<Vec<bool>> {
    let of = |task: &crate::data::cells::Task| {
        let mut known = vec![false; task.kind.width()];
        if let Targets::Classes(labels) = &task.targets {
            for &y in labels[..data.n_train].iter().filter(|y| **y != MISSING) {
                known[y as usize] = true;
            }
        }
        known
    };
    data.tasks.iter().map(of).collect()
}
