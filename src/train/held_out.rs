//! Training cells that are held out in turn, and the loss of a model on them.
use super::batches::order;
use super::calibrate::{evidence, values};
use super::settings::Settings;
use crate::data::cells::{Targets, TrainingData};
use crate::model::net::Targets as Weights;
use crate::model::panel_model::PanelModel;
use crate::ops::MISSING;
use rayon::prelude::*;

/// Parts of the training cells, each judged by networks that were trained on the others.
pub(super) const FOLDS: usize = 5;

/// The training cells in parts, classes of the first label spread evenly.
pub(super) fn folds(data: &TrainingData, seed: u64) -> Vec<Vec<u32>> {
    let mut cells = order(data.n_train, seed, u64::MAX - 2);
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
pub(super) fn without(data: &TrainingData, fold: &[u32], page_words: usize) -> TrainingData {
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
pub(super) fn loss_of(
    model: &PanelModel,
    data: &TrainingData,
    settings: &Settings,
    cells: &[u32],
) -> f64 {
    let values = values(model, data, cells.par_iter().map(|&cell| cell as usize));
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
            let unlikely = evidence(row, 1.0) - f64::from(row[y as usize]);
            loss += f64::from(counts * weights[y as usize]) * unlikely;
        }
        column += weights.len();
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::packed::MAX_PAGE_WORDS;
    use crate::train::contest::tests::{asked, few, run};
    use std::collections::BTreeSet;

    #[test]
    fn every_cell_is_held_out_once_and_classes_are_spread() {
        let data = few();
        let Targets::Classes(labels) = &data.tasks[0].targets else {
            panic!("a class label");
        };
        let folds = folds(&data, 0);
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
}
