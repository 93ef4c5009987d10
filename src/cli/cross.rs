//! `--cross-validate`: the stages of a run once for every group that is left out.
use super::progress::Reporter;
use super::ready::Folds;
use super::run::Failure;
use crate::data::cells::{Targets, Task, TrainingData};
use crate::data::components::with_components;
use crate::data::prepare::Prepared;
use crate::data::split::{SplitSettings, split};
use crate::error::DataError;
use crate::ops::{MISSING, Ops};
use crate::report::cross::{CrossValidation, FoldScores, Skipped};
use crate::report::predict::{predict, reported, score};
use crate::train::{self, settings::Settings};
use std::sync::atomic::{AtomicBool, Ordering};

/// Trains one network a fold, on a panel of the largest of the sizes, and tests it; folds that were not finished when
/// `stop` was set are left out.
///
/// # Errors
/// A device that fails; a fold whose cells cannot be trained on is told of in the result.
pub(super) fn cross_validate<O: Ops>(
    ops: &mut O,
    cross: &Folds,
    settings_of: &dyn Fn(&TrainingData) -> Result<Settings, DataError>,
    reconstruct: Option<usize>,
    stop: &AtomicBool,
    reporter: &mut Reporter,
) -> Result<CrossValidation, Failure> {
    let Folds {
        column,
        prepared,
        folds,
        split: base,
    } = cross;
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
        // in every fold that they are of, though the words be the same: no `note`
        for notice in &fold.notices {
            reporter.say(&format!("note: {notice}"));
        }
        let parts = |(own, split_settings): (Prepared, SplitSettings)| {
            let (mut data, sealed, summary) = split(own, &split_settings)?;
            let components = with_components(&mut data, reconstruct, base.seed)?;
            // the genes that vary without the group may be others: so are the rules over them
            let settings = settings_of(&data)?;
            Ok((settings, data, sealed, summary, components))
        };
        let applied = fold.apply(prepared.clone(), base);
        let found = applied.and_then(|own| parts(own).map_err(|e: DataError| e.what));
        let (settings, data, sealed, summary, components) = match found {
            Ok(parts) => parts,
            Err(why) => {
                skipped.push(Skipped {
                    group: fold.group.clone(),
                    why,
                });
                continue;
            }
        };
        let settings = &Settings {
            nested: Vec::new(),
            ..settings
        };
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
            let labelled = |cell: usize| task.targets.has(cell);
            let count = |of: &dyn Fn(usize) -> bool| (0..inside.len()).filter(|&c| of(c)).count();
            let scored =
                |of: &dyn Fn(usize) -> bool| score(&fitted.model, &test, &predicted, t, of);
            groups.push(FoldScores {
                group: fold.group.clone(),
                task: name,
                k: fitted.model.genes.len(),
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

/// For each task whether a training cell is of each class.
fn known_classes(data: &TrainingData) -> Vec<Vec<bool>> {
    let of = |task: &Task| {
        // all training cells, not those of a stream that stay in memory
        let own = data.profiles.iter().find(|p| p.label == task.name);
        own.map_or(Vec::new(), |p| p.cells.iter().map(|&n| n > 0).collect())
    };
    data.tasks.iter().map(of).collect()
}
