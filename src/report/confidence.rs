//! How far probabilities can be trusted: reliability bins, expected calibration error, negative
//! log-likelihood and Brier score, before and after temperature scaling; and how many cells are flagged.
use crate::data::cells::{Targets, TaskKind};
use crate::model::calibration::{Calibration, Flag};
use crate::model::panel_model::{Outputs, PanelModel};
use crate::ops::MISSING;
use crate::train::calibrate::evidence;
use serde::Serialize;

/// Bins of equal width over the probability of the predicted class (Guo et al. 2017, section 2).
pub const BINS: usize = 15;

/// What the probabilities of some labelled cells are worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reliability {
    /// Expected calibration error: the mean over cells of |accuracy - mean probability| of their bins.
    pub ece: f64,
    /// Mean negative log-likelihood of the true classes.
    pub nll: f64,
    /// Mean over cells of the squared differences of all classes' probabilities from the truth (Brier 1950).
    pub brier: f64,
    /// The bins, from low to high.
    pub bins: Vec<Bin>,
}

/// One bin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Lower and upper end of the probabilities.
    pub from: f64,
    /// Cells above `from` up to this.
    pub to: f64,
    /// Cells.
    pub cells: usize,
    /// Mean probability of the predicted class; NaN of no cells.
    pub probability: f64,
    /// Share of the cells that are right; NaN of no cells.
    pub accuracy: f64,
}

/// The probabilities of one task on labelled cells, without and with temperature scaling.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confidence {
    /// Task.
    pub task: String,
    /// Temperature of the model.
    pub temperature: f64,
    /// Validation cells that it was found on; 0: none, the temperature is 1 and no cell is flagged.
    pub validation_cells: usize,
    /// Labelled cells that this is measured on.
    pub cells: usize,
    /// With a temperature of 1.
    pub uncalibrated: Reliability,
    /// With that of the model.
    pub calibrated: Reliability,
    /// Flags of these cells.
    pub flagged: Flagged,
}

/// Cells by flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Flagged {
    /// Without a flag.
    pub ok: usize,
    /// Of low probability.
    pub uncertain: usize,
    /// Unlike the training cells.
    pub unlike: usize,
}

impl Flagged {
    /// Counts a cell.
    pub fn add(&mut self, flag: Flag) {
        match flag {
            Flag::Ok => self.ok += 1,
            Flag::Uncertain => self.uncertain += 1,
            Flag::Unlike => self.unlike += 1,
        }
    }
}

/// Softmax of logits divided by a temperature.
pub fn softmax(logits: &[f32], temperature: f64, out: &mut Vec<f64>) {
    let whole = evidence(logits, temperature);
    out.clear();
    out.extend(
        logits
            .iter()
            .map(|&x| (f64::from(x) / temperature - whole).exp()),
    );
}

/// Reliability of the rows of logits whose label is a class.
#[must_use]
pub fn reliability(rows: &[&[f32]], labels: &[u32], temperature: f64) -> Reliability {
    let (mut nll, mut brier, mut n) = (0.0, 0.0, 0usize);
    let mut bins = vec![(0usize, 0.0f64, 0usize); BINS];
    let mut p = Vec::new();
    for (row, &y) in rows.iter().zip(labels) {
        let y = y as usize;
        // MISSING is beyond all classes
        if y >= row.len() {
            continue;
        }
        softmax(row, temperature, &mut p);
        n += 1;
        nll += evidence(row, temperature) - f64::from(row[y]) / temperature;
        let square = |(c, p): (usize, &f64)| (p - f64::from(u8::from(c == y))).powi(2);
        brier += p.iter().enumerate().map(square).sum::<f64>();
        let best = (0..p.len()).fold(0, |b, c| if row[c] > row[b] { c } else { b });
        // a bin holds its upper end
        let bin = ((p[best] * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        bins[bin].0 += 1;
        bins[bin].1 += p[best];
        bins[bin].2 += usize::from(best == y);
    }
    let cells = n as f64;
    let gap = |b: &(usize, f64, usize)| (b.2 as f64 - b.1).abs() / cells;
    let share = |sum: f64, n: usize| if n == 0 { f64::NAN } else { sum / n as f64 };
    Reliability {
        ece: share(bins.iter().map(gap).sum(), n.min(1)),
        nll: share(nll, n),
        brier: share(brier, n),
        bins: bins
            .iter()
            .enumerate()
            .map(|(i, &(n, sum, right))| Bin {
                from: i as f64 / BINS as f64,
                to: (i + 1) as f64 / BINS as f64,
                cells: n,
                probability: share(sum, n),
                accuracy: share(right as f64, n),
            })
            .collect(),
    }
}

/// The flag of each of some cells for task `t`, whose logits are `rows`.
pub fn flags<'a>(
    calibration: &'a Calibration,
    t: usize,
    is_class: bool,
    rows: impl Iterator<Item = &'a [f32]> + 'a,
    distance: &'a [f32],
) -> impl Iterator<Item = Flag> + 'a {
    let temperature = calibration.of(t).temperature;
    rows.enumerate().map(move |(cell, row)| {
        let class = is_class.then(|| {
            let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let p = f64::from(top) / temperature - evidence(row, temperature);
            (p.exp() as f32, evidence(row, 1.0) as f32)
        });
        calibration.flag(t, class, distance.get(cell).copied().unwrap_or(0.0))
    })
}

/// The confidence of every task of classes on labelled cells; `targets`: labels of the tasks that have any
/// (a task each).
#[must_use]
pub fn confidence(
    model: &PanelModel,
    outputs: &Outputs,
    targets: &[Option<&Targets>],
) -> Vec<Confidence> {
    let stride: usize = model.tasks.iter().map(|t| t.kind.width()).sum();
    let (mut out, mut column) = (Vec::new(), 0);
    for (t, (task, targets)) in model.tasks.iter().zip(targets).enumerate() {
        let range = column..column + task.kind.width();
        column = range.end;
        let (TaskKind::Classification { .. }, Some(Targets::Classes(labels))) =
            (&task.kind, targets)
        else {
            continue;
        };
        let all = outputs.logits.chunks_exact(stride);
        let rows: Vec<&[f32]> = all.map(|row| &row[range.clone()]).collect();
        let temperature = model.calibration.of(t).temperature;
        let mut flagged = Flagged::default();
        let own = rows.iter().copied();
        for (flag, y) in flags(&model.calibration, t, true, own, &outputs.distance).zip(labels) {
            if *y != MISSING {
                flagged.add(flag);
            }
        }
        out.push(Confidence {
            task: task.name.clone(),
            temperature,
            validation_cells: model.calibration.cells,
            cells: labels.iter().filter(|y| **y != MISSING).count(),
            uncalibrated: reliability(&rows, labels, 1.0),
            calibrated: reliability(&rows, labels, temperature),
            flagged,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures by hand: probabilities 0.79 (right), 0.79 (wrong), 0.6 (right) of two classes.
    #[test]
    fn figures_are_those_by_hand() {
        let logit = |p: f64| [(p / (1.0 - p)).ln() as f32, 0.0];
        let rows = [logit(0.79), logit(0.79), logit(0.6), logit(0.9)];
        let rows: Vec<&[f32]> = rows.iter().map(|r| r.as_slice()).collect();
        let labels = [0, 1, 0, MISSING];
        let r = reliability(&rows, &labels, 1.0);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
        // one bin with 0.79 twice (half right), one with 0.6 (right)
        close(r.ece, (2.0 * 0.29 + 0.4) / 3.0);
        close(r.nll, -(0.79f64.ln() + 0.21f64.ln() + 0.6f64.ln()) / 3.0);
        close(r.brier, (0.0882 + 1.2482 + 0.32) / 3.0);
        assert_eq!(r.bins.iter().map(|b| b.cells).sum::<usize>(), 3);
        let twelfth = &r.bins[11];
        assert_eq!((twelfth.cells, twelfth.accuracy), (2, 0.5));
        close(twelfth.probability, 0.79);
        assert!(r.bins[0].accuracy.is_nan());
        // a hot model is less sure, and here better
        let hot = reliability(&rows, &labels, 2.0);
        assert!(hot.nll < r.nll);
        let none = reliability(&rows, &[MISSING; 4], 1.0);
        assert!(none.ece.is_nan() && none.nll.is_nan() && none.brier.is_nan());
    }
}
