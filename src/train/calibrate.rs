//! How sure a trained model may be: measured on the validation cells, which no weight was fitted to.
use crate::data::cells::{Targets, Task, TaskKind, TrainingData};
use crate::data::packed::unpack;
use crate::model::calibration::{Calibration, Certainty, FLAGGED, Known};
use crate::model::panel_model::{Outputs, PanelModel};
use crate::ops::MISSING;
use rayon::prelude::*;

/// Temperatures that are considered: a bound against labels that say nothing.
const TEMPERATURES: [f64; 2] = [0.05, 20.0];
/// Halvings of their logarithm's range: to 1e-15 of it.
const HALVINGS: usize = 50;
/// Cells that one task of the thread pool takes.
const PIECE: usize = 1024;
/// Least variance of a gene within classes, as a share of the genes' mean one.
const LEAST_VARIANCE: f64 = 0.01;

/// Measures a model on the validation cells and gives it its [`Calibration`]; without any, all that
/// is known is over how many genes totals were taken.
pub fn calibrate(model: &mut PanelModel, data: &TrainingData) {
    model.calibration = Calibration {
        detected_genes: Some(data.detected_genes),
        ..Calibration::default()
    };
    if data.n_validation == 0 || data.n_train == 0 {
        return;
    }
    let validation = data.n_train..data.n_train + data.n_validation;
    let mut known = centres(model, data);
    let values = values(model, data, validation.clone());
    let outputs = outputs(model, &values);
    let mut inputs = Vec::new();
    let distances = values.chunks_exact(model.genes.len()).map(|cell| {
        model.inputs(cell, &mut inputs);
        f64::from(known.distance(&inputs))
    });
    known.most = quantile(distances.collect(), 1.0 - FLAGGED);
    let stride: usize = model.tasks.iter().map(|t| t.kind.width()).sum();
    let mut column = 0;
    let mut tasks = Vec::with_capacity(data.tasks.len());
    for task in &data.tasks {
        let width = task.kind.width();
        let rows: Vec<&[f32]> = outputs
            .logits
            .chunks_exact(stride)
            .map(|row| &row[column..column + width])
            .collect();
        column += width;
        tasks.push(certainty(task, &rows, validation.start));
    }
    model.calibration = Calibration {
        cells: data.n_validation,
        tasks,
        known: Some(known),
        ..model.calibration.clone()
    };
}

fn certainty(task: &Task, rows: &[&[f32]], from: usize) -> Certainty {
    let (TaskKind::Classification { .. }, Targets::Classes(labels)) = (&task.kind, &task.targets)
    else {
        return Certainty::default();
    };
    let temperature = temperature(rows, &labels[from..]);
    let sure = rows.iter().map(|row| {
        let evidence = evidence(row, temperature);
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        (f64::from(top) / temperature - evidence).exp()
    });
    let known = rows.iter().map(|row| evidence(row, 1.0));
    Certainty {
        temperature,
        least_probability: quantile(sure.collect(), FLAGGED),
        least_evidence: Some(quantile(known.collect(), FLAGGED)),
    }
}

/// ln of the sum of exp of the logits divided by a temperature.
#[must_use]
pub fn evidence(logits: &[f32], temperature: f64) -> f64 {
    let scaled = |&x: &f32| f64::from(x) / temperature;
    let top = logits.iter().map(scaled).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|x| (scaled(x) - top).exp()).sum();
    top + sum.ln()
}

/// The temperature that minimises the mean negative log-likelihood of the labels ([`MISSING`] where a
/// cell has none): Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017.
///
/// The likelihood is concave in 1 / temperature, so its slope, the mean of the expected logit minus that
/// of the label, is bisected. Where the most probable class is right for every cell, there is nothing
/// to say how much surer the model may be: the temperature is then not below 1. Without labels it is 1.
#[must_use]
pub fn temperature(rows: &[&[f32]], labels: &[u32]) -> f64 {
    let cells: Vec<(&[f32], usize)> = rows
        .iter()
        .zip(labels)
        .filter(|(_, y)| **y != MISSING)
        .map(|(row, y)| (*row, *y as usize))
        .collect();
    if cells.is_empty() {
        return 1.0;
    }
    let slope = |t: f64| -> f64 {
        let one = |(row, y): &(&[f32], usize)| {
            let whole = evidence(row, t);
            let expected: f64 = row
                .iter()
                .map(|&x| f64::from(x) * (f64::from(x) / t - whole).exp())
                .sum();
            expected - f64::from(row[*y])
        };
        cells.iter().map(one).sum()
    };
    let right = |(row, y): &(&[f32], usize)| row.iter().all(|x| *x <= row[*y]);
    let least = if cells.iter().all(right) {
        1.0
    } else {
        TEMPERATURES[0]
    };
    let (mut low, mut high) = (f64::ln(least), TEMPERATURES[1].ln());
    // too sure (a slope above 0) asks for a higher temperature
    for (end, sign) in [(low, 1.0), (high, -1.0)] {
        if slope(end.exp()) * sign <= 0.0 {
            return end.exp();
        }
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if slope(middle.exp()) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high).exp()
}

/// Transformed, clipped values of the panel's genes of some cells, cells x k.
pub(super) fn values(
    model: &PanelModel,
    data: &TrainingData,
    cells: impl IntoParallelIterator<Item = usize>,
) -> Vec<f32> {
    // a panel's genes are genes of the data it was trained on
    let place = |index: u32| data.gene_index.binary_search(&index).ok();
    let genes: Vec<Option<usize>> = model.genes.iter().map(|g| place(g.index)).collect();
    let value = |entries: &[u32], gene: &Option<usize>| {
        let at = gene.and_then(|g| entries.binary_search_by_key(&g, |&e| unpack(e).0).ok());
        at.map_or(0.0, |at| unpack(entries[at]).1)
    };
    cells
        .into_par_iter()
        .flat_map_iter(|cell| {
            let entries = data.cells.cell(cell);
            genes.iter().map(move |gene| value(entries, gene))
        })
        .collect()
}

/// [`PanelModel::outputs`] on all cores.
#[must_use]
pub fn outputs(model: &PanelModel, values: &[f32]) -> Outputs {
    let pieces: Vec<Outputs> = values
        .par_chunks(PIECE * model.genes.len())
        .map(|piece| model.outputs(piece))
        .collect();
    let mut all = Outputs::default();
    for piece in pieces {
        all.logits.extend(piece.logits);
        all.latent.extend(piece.latent);
        all.distance.extend(piece.distance);
    }
    all
}

/// Means of the classes of the first classification and the genes' variances around them, over the
/// training cells; of all cells where there is no classification. The bound is still open.
fn centres(model: &PanelModel, data: &TrainingData) -> Known {
    let k = model.genes.len();
    let first = data.tasks.iter().find_map(|t| match &t.targets {
        Targets::Classes(labels) => Some((t.kind.width(), labels)),
        Targets::Values(_) => None,
    });
    let n_classes = first.map_or(1, |f| f.0);
    let class = |cell: usize| first.map_or(0, |(_, labels)| labels[cell] as usize);
    let values = values(model, data, 0..data.n_train);
    let mut sums = vec![vec![0.0f64; k]; n_classes];
    let mut counts = vec![0usize; n_classes];
    let (mut inputs, mut squares) = (Vec::new(), vec![0.0f64; k]);
    // a class of MISSING is beyond all of them
    for (cell, row) in values.chunks_exact(k).enumerate() {
        model.inputs(row, &mut inputs);
        if let Some(sum) = sums.get_mut(class(cell)) {
            counts[class(cell)] += 1;
            for ((s, q), z) in sum.iter_mut().zip(&mut squares).zip(&inputs) {
                *s += f64::from(*z);
                *q += f64::from(*z).powi(2);
            }
        }
    }
    let n = counts.iter().sum::<usize>().max(1) as f64;
    for (sum, &count) in sums.iter_mut().zip(&counts).filter(|(_, n)| **n > 0) {
        for (s, q) in sum.iter_mut().zip(&mut squares) {
            *s /= count as f64;
            *q -= count as f64 * *s * *s;
        }
    }
    let variance: Vec<f64> = squares.iter().map(|q| (q / n).max(0.0)).collect();
    let mean = variance.iter().sum::<f64>() / k.max(1) as f64;
    let floor = (LEAST_VARIANCE * mean).max(1e-6);
    let own = sums.into_iter().zip(counts).filter(|(_, n)| *n > 0);
    Known {
        centres: own
            .map(|(s, _)| s.into_iter().map(|x| x as f32).collect())
            .collect(),
        inv_variance: variance
            .iter()
            .map(|v| (1.0 / (v + floor)) as f32)
            .collect(),
        most: 0.0,
    }
}

/// The quantile `q` of some finite values, between neighbours by straight line; 0 of none.
#[must_use]
pub fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return 0.0;
    };
    let at = q * last as f64;
    let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels drawn from the softmax of logits over a grid of counts, so that the true temperature of the
    /// logits is 1 up to rounding of the counts.
    fn drawn(scale: f32) -> (Vec<Vec<f32>>, Vec<u32>) {
        let (mut rows, mut labels) = (Vec::new(), Vec::new());
        for i in 0..40 {
            let logits = [(i as f32 * 0.37).sin() * 2.0, (i as f32 * 0.91).cos(), 0.0];
            let whole = evidence(&logits, 1.0);
            for (class, &x) in logits.iter().enumerate() {
                let n = (1000.0 * (f64::from(x) - whole).exp()).round() as usize;
                for _ in 0..n {
                    rows.push(logits.iter().map(|x| x * scale).collect());
                    labels.push(class as u32);
                }
            }
        }
        (rows, labels)
    }

    fn nll(rows: &[&[f32]], labels: &[u32], t: f64) -> f64 {
        let one = |(row, &y): (&&[f32], &u32)| evidence(row, t) - f64::from(row[y as usize]) / t;
        rows.iter().zip(labels).map(one).sum::<f64>() / labels.len() as f64
    }

    #[test]
    fn a_known_temperature_is_found() {
        for scale in [0.25f32, 1.0, 3.0, 12.5] {
            let (rows, labels) = drawn(scale);
            let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
            let t = temperature(&rows, &labels);
            assert!((t / f64::from(scale) - 1.0).abs() < 0.01, "{scale}: {t}");
            // it is the minimum
            for other in [0.8, 0.95, 1.05, 1.25] {
                assert!(nll(&rows, &labels, t) < nll(&rows, &labels, t * other));
            }
            assert!(nll(&rows, &labels, t) <= nll(&rows, &labels, 1.0) + 1e-12);
        }
    }

    #[test]
    fn labels_that_say_too_little_change_nothing() {
        let row: &[f32] = &[2.0, 1.0];
        assert_eq!(temperature(&[row], &[MISSING]), 1.0);
        assert_eq!(temperature(&[], &[]), 1.0);
        // all right: surer would fit better without end
        assert_eq!(temperature(&[row; 5], &[0; 5]), 1.0);
        // all wrong: as unsure as is considered
        assert!((temperature(&[row; 5], &[1; 5]) - TEMPERATURES[1]).abs() < 1e-9);
        assert!(temperature(&[row; 5], &[0, 0, 0, 1, 1]) > 1.0);
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        let values = vec![4.0, 1.0, 3.0, 2.0, 10.0];
        for (q, expected) in [
            (0.0, 1.0),
            (0.5, 3.0),
            (0.25, 2.0),
            (0.97, 9.28),
            (1.0, 10.0),
        ] {
            let got = quantile(values.clone(), q);
            assert!((got - expected).abs() < 1e-12, "{q}: {got}");
        }
        assert_eq!(quantile(Vec::new(), 0.5), 0.0);
    }
}
