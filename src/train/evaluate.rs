//! Loss and score of the hard panel on the validation cells.
use super::refine::Pass;
use super::stages::{Scaling, Stage};
use crate::data::cells::{Targets, Task, TrainingData};
use crate::kernels::topk::TopK;
use crate::metrics;
use crate::model::panel_step::panel_first;
use crate::model::step::sparse_first;
use crate::model::trunk::{self, Batch, Dropout, trunk_forward};
use crate::ops::{MISSING, Ops, Result};

/// Validation loss (mean over the tasks that have labels there, by their weights, of the mean loss without class
/// weights) and score (the same of macro-F1 or R2) of each network; with batches the loss is that of the worst one.
/// `None` without validation cells.
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
        let over = |keep: &dyn Fn(usize) -> bool| {
            let (mut loss, mut score, mut total, mut column) = (0.0, 0.0, 0.0, 0);
            for (task, &weight) in data.tasks.iter().zip(&pass.task_weights) {
                let judged = judge(task, data.n_train, &logits, stride, column, keep);
                if let Some((l, s)) = judged {
                    loss += l * f64::from(weight);
                    score += s * f64::from(weight);
                    total += f64::from(weight);
                }
                column += task.kind.width();
            }
            if total > 0.0 {
                (loss / total, score / total)
            } else {
                (0.0, 0.0)
            }
        };
        let (mut loss, score) = over(&|_| true);
        if let Some(batches) = &data.batches {
            let counted = batches.counted(all.iter().map(|&c| c as usize), LEAST_CELLS);
            let of = |b: u32| over(&|i| batches.of[data.n_train + i] == b).0;
            loss = counted
                .into_iter()
                .map(of)
                .fold(f64::NEG_INFINITY, f64::max);
        }
        judged.push(Some((loss, score)));
    }
    if let (Stage::Panel(panel), true) = (stage, muted) {
        panel.mute_candidates(ops, scaling, false)?;
    }
    Ok(judged)
}

/// A batch with fewer validation cells says too little to be the worst one.
const LEAST_CELLS: usize = 10;

/// Mean loss and score of one task over the validation cells that `keep` is true of; `None` where none of
/// them has a label.
fn judge(
    task: &Task,
    from: usize,
    logits: &[f32],
    stride: usize,
    column: usize,
    keep: &dyn Fn(usize) -> bool,
) -> Option<(f64, f64)> {
    let width = task.kind.width();
    let rows = logits
        .chunks_exact(stride)
        .map(|row| &row[column..column + width]);
    match &task.targets {
        Targets::Classes(labels) => {
            let own = labels[from..].iter().enumerate();
            let truth: Vec<u32> = own
                .map(|(i, &y)| if keep(i) { y } else { MISSING })
                .collect();
            let (mut predicted, mut loss, mut n) =
                (Vec::with_capacity(truth.len()), 0.0f64, 0.0f64);
            for (row, &y) in rows.zip(&truth) {
                let best = (0..width).fold(0, |b, c| if row[c] > row[b] { c } else { b });
                predicted.push(best as u32);
                if y != MISSING {
                    let top = f64::from(row[best]);
                    let sum: f64 = row.iter().map(|&x| (f64::from(x) - top).exp()).sum();
                    loss += sum.ln() + top - f64::from(row[y as usize]);
                    n += 1.0;
                }
            }
            let score = metrics::classification(&truth, &predicted, width).macro_f1;
            (n > 0.0).then_some((loss / n, score))
        }
        Targets::Values(values) => {
            let (mean, sd) = task.kind.scale();
            let predicted: Vec<f32> = rows.map(|r| (f64::from(r[0]) * sd + mean) as f32).collect();
            let own = values[from..].iter().enumerate();
            let truth: Vec<f32> = own
                .map(|(i, &v)| if keep(i) { v } else { f32::NAN })
                .collect();
            let pairs = truth.iter().zip(&predicted).filter(|(t, _)| !t.is_nan());
            let square = pairs
                .clone()
                .map(|(t, p)| (f64::from(t - p) / sd).powi(2) / 2.0)
                .sum::<f64>();
            let score = metrics::regression(&truth, &predicted).r2;
            let n = pairs.count();
            let score = if score.is_finite() { score } else { 0.0 };
            (n > 0).then_some((square / n as f64, score))
        }
    }
}
