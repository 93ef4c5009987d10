//! Loss and score of the hard panel on the validation cells.
use super::refine::Pass;
use super::stages::{Scaling, Stage};
use crate::data::cells::{Targets, Task, TrainingData};
use crate::kernels::topk::TopK;
use crate::model::step::{panel_first, sparse_first};
use crate::model::trunk::{self, Batch, Dropout, trunk_forward};
use crate::ops::{MISSING, Ops, Result};
use crate::report::metrics;

/// Validation loss (mean over tasks, by their weights, of the mean loss without class weights) and
/// score (the same of macro-F1 or R2) of each network; `None` without validation cells.
pub(super) fn validation<O: Ops>(
    ops: &mut O,
    stage: &mut Stage,
    data: &TrainingData,
    pass: &Pass,
    scaling: &Scaling,
    k: usize,
) -> Result<Vec<Option<(f64, f64)>>> {
    let models = stage.net().models;
    if data.n_validation == 0 {
        return Ok(vec![None; models]);
    }
    let all: Vec<u32> = (data.n_train as u32..(data.n_train + data.n_validation) as u32).collect();
    let muted = matches!(stage, Stage::Panel(p) if p.kept < p.input.n);
    if let (Stage::Panel(panel), true) = (&mut *stage, muted) {
        panel.mute_candidates(ops, scaling, true)?;
    }
    let mut judged = Vec::with_capacity(models);
    for r in 0..models {
        let mut logits = Vec::new();
        let net = stage.net().model(r);
        if let Stage::Select(_, sel) = &stage {
            let p = TopK {
                models: 1,
                n: sel.n as u32,
                k: k as u32,
                ..TopK::default()
            };
            let scores = net.param(net.layout.scores);
            ops.topk(p, scores, sel.model(r).mask(), sel.index);
        }
        for rows in all.chunks(net.max_rows) {
            ops.write_u(pass.tile, rows)?;
            let batch = Batch::of(pass.tile, rows.len(), pass.scales);
            let none = Dropout::default();
            match &stage {
                Stage::Select(_, sel) => {
                    sparse_first(ops, &net, &sel.model(r), &pass.cells, batch, &none);
                }
                Stage::Panel(p) => {
                    panel_first(ops, &net, &p.input.model(r), &pass.cells, batch, &none);
                }
            }
            trunk_forward(ops, &net, batch.n, &none);
            trunk::logits(ops, &net, batch.n);
            let n = batch.n * net.layout.shape.n_out;
            logits.extend(ops.read_f(net.logits.first(n))?);
        }
        let stride = net.layout.shape.n_out;
        let (mut loss, mut score, mut column) = (0.0, 0.0, 0);
        let total: f64 = pass.task_weights.iter().map(|&w| f64::from(w)).sum();
        for (task, &weight) in data.tasks.iter().zip(&pass.task_weights) {
            let (l, s) = judge(task, data.n_train, &logits, stride, column);
            loss += l * f64::from(weight) / total;
            score += s * f64::from(weight) / total;
            column += task.kind.width();
        }
        judged.push(Some((loss, score)));
    }
    if let (Stage::Panel(panel), true) = (stage, muted) {
        panel.mute_candidates(ops, scaling, false)?;
    }
    Ok(judged)
}

/// Mean loss and score of one task; 0 where no validation cell has a label.
fn judge(task: &Task, from: usize, logits: &[f32], stride: usize, column: usize) -> (f64, f64) {
    let width = task.kind.width();
    let rows = logits
        .chunks_exact(stride)
        .map(|row| &row[column..column + width]);
    match &task.targets {
        Targets::Classes(labels) => {
            let truth = &labels[from..];
            let (mut predicted, mut loss, mut n) =
                (Vec::with_capacity(truth.len()), 0.0f64, 0.0f64);
            for (row, &y) in rows.zip(truth) {
                let best = (0..width).fold(0, |b, c| if row[c] > row[b] { c } else { b });
                predicted.push(best as u32);
                if y != MISSING {
                    let top = f64::from(row[best]);
                    let sum: f64 = row.iter().map(|&x| (f64::from(x) - top).exp()).sum();
                    loss += sum.ln() + top - f64::from(row[y as usize]);
                    n += 1.0;
                }
            }
            let score = metrics::classification(truth, &predicted, width).macro_f1;
            (loss / n.max(1.0), if n > 0.0 { score } else { 0.0 })
        }
        Targets::Values(values) => {
            let crate::data::cells::TaskKind::Regression { mean, sd } = task.kind else {
                return (0.0, 0.0);
            };
            let predicted: Vec<f32> = rows.map(|r| (f64::from(r[0]) * sd + mean) as f32).collect();
            let truth = &values[from..];
            let pairs = truth.iter().zip(&predicted).filter(|(t, _)| !t.is_nan());
            let square = pairs
                .clone()
                .map(|(t, p)| (f64::from(t - p) / sd).powi(2) / 2.0)
                .sum::<f64>();
            let score = metrics::regression(truth, &predicted).r2;
            (
                square / pairs.count().max(1) as f64,
                if score.is_finite() { score } else { 0.0 },
            )
        }
    }
}
