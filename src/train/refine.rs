//! A round of `refine`: which genes the network misses, and which it can do without.
use super::settings::Settings;
use super::stages::{Panel, Scaling, row};
use crate::kernels::{
    ablate::Ablate, column_sum::ColumnSum, cross_entropy::CrossEntropy, huber::Huber,
};
use crate::model::net::{Cells, DeviceTargets, DeviceTask, Net};
use crate::model::step::{panel_first, transpose_product};
use crate::model::trunk::{Batch, Dropout, heads, trunk_backward, trunk_forward};
use crate::ops::{FBuf, Ops, Result, UBuf};

/// Cells and labels on the device, and what the passes over many cells need.
#[derive(Debug)]
pub(super) struct Pass {
    pub cells: Cells,
    pub tasks: Vec<DeviceTask>,
    pub task_weights: Vec<f32>,
    /// Cells that the statistics are taken over, already in `rows`.
    pub sample: Vec<u32>,
    /// Device copy of a tile's cells, as many times over as an ablation takes.
    pub tile: UBuf,
    /// Slots for losses that nobody reads.
    pub losses: FBuf,
}

impl Pass {
    /// Task weight over the sum of cell weights of the whole sample.
    pub(super) fn scales(&self) -> Vec<f32> {
        let of = |(task, &weight): (&DeviceTask, &f32)| {
            let sum: f64 = self
                .sample
                .iter()
                .map(|&c| f64::from(task.cell_weight[c as usize]))
                .sum();
            if sum > 0.0 {
                (f64::from(weight) / sum) as f32
            } else {
                0.0
            }
        };
        self.tasks.iter().zip(&self.task_weights).map(of).collect()
    }
}

/// Buffers of [`missing`], as large as the first layer over all genes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Products {
    r: FBuf,
    p1: FBuf,
    p2: FBuf,
    d1: FBuf,
    d2: FBuf,
}

impl Products {
    pub(super) fn new<O: Ops>(ops: &mut O, n_genes: usize, width: usize) -> Result<Self> {
        Ok(Self {
            r: ops.alloc_f("gene statistics of a round", n_genes * width)?,
            p1: ops.alloc_f("gene statistics of a round", n_genes * width)?,
            p2: ops.alloc_f("gene statistics of a round", n_genes * width)?,
            d1: ops.alloc_f("column sums", width)?,
            d2: ops.alloc_f("column sums", width)?,
        })
    }
}

/// For each gene the score statistic given the network, `q_g = sum_h R_gh^2 / (I_gh + ridge)`,
/// and its direction of descent `-R_g` (n_genes x H). A copy of a gene in the panel gets about 0.
///
/// R = X~^T delta, I = (X~ o X~)^T (delta o delta), delta = dL/dZ; the centring of X~ is put in
/// afterwards, so the products run over stored values only.
pub(super) fn missing<O: Ops>(
    ops: &mut O,
    panel: &Panel,
    pass: &Pass,
    products: Products,
    scaling: &Scaling,
    ridge: f64,
) -> Result<(Vec<f64>, Vec<f32>)> {
    let (net, width) = (&panel.net, panel.net.layout.shape.width());
    let n_genes = pass.cells.n_genes;
    // a mean of 1 for the cells' gradients keeps the squares far from the smallest f32
    let scales: Vec<f32> = pass
        .scales()
        .iter()
        .map(|s| s * pass.sample.len() as f32)
        .collect();
    let (mut sums, mut squares) = (vec![0.0f64; width], vec![0.0f64; width]);
    for (i, tile) in pass.sample.chunks(net.max_rows).enumerate() {
        ops.write_u(pass.tile, tile)?;
        let batch = Batch {
            rows: pass.tile,
            offset: 0,
            n: tile.len(),
        };
        panel_first(
            ops,
            net,
            &panel.input,
            &pass.cells,
            batch,
            &Dropout::default(),
        );
        trunk_forward(ops, net, batch.n, &Dropout::default());
        heads(ops, net, &pass.tasks, batch, &scales, pass.losses, 0);
        trunk_backward(ops, net, batch.n, &Dropout::default());
        for (powers, out) in [
            ((1, 1), products.r),
            ((1, 2), products.p1),
            ((2, 2), products.p2),
        ] {
            transpose_product(
                ops,
                &pass.cells,
                batch,
                net.dy[0],
                width,
                powers,
                i > 0,
                out,
            );
        }
        for (power, out, total) in [(1, products.d1, &mut sums), (2, products.d2, &mut squares)] {
            let p = ColumnSum {
                n_rows: batch.n as u32,
                width: width as u32,
                power,
            };
            ops.column_partial(p, net.dy[0], net.ones, net.partial);
            ops.column_finish(p, net.partial, net.zeros, out);
            total
                .iter_mut()
                .zip(ops.read_f(out)?)
                .for_each(|(t, x)| *t += f64::from(x));
        }
    }
    let (mut r, p1, p2) = (
        ops.read_f(products.r)?,
        ops.read_f(products.p1)?,
        ops.read_f(products.p2)?,
    );
    let mut information = vec![0.0f64; n_genes * width];
    for g in 0..n_genes {
        let (mean, factor) = (f64::from(scaling.mean[g]), f64::from(scaling.factor[g]));
        for h in 0..width {
            let i = g * width + h;
            let raw = f64::from(p2[i]) - 2.0 * mean * f64::from(p1[i]) + mean * mean * squares[h];
            information[i] = (factor * factor * raw).max(0.0);
            r[i] = (-factor * (f64::from(r[i]) - mean * sums[h])) as f32;
        }
    }
    let floor =
        (ridge * information.iter().sum::<f64>() / information.len().max(1) as f64).max(1e-30);
    let rows = r.chunks_exact(width).zip(information.chunks_exact(width));
    let q = rows.map(|(r, i)| {
        r.iter()
            .zip(i)
            .map(|(&r, &i)| f64::from(r).powi(2) / (i + floor))
            .sum()
    });
    Ok((q.collect(), r))
}

/// Loss over the sample with each slot's gene set to its mean, then the loss as it is.
pub(super) fn without_each<O: Ops>(
    ops: &mut O,
    panel: &Panel,
    pass: &Pass,
    spare: FBuf,
) -> Result<Vec<f64>> {
    let (net, n_slots, width) = (
        &panel.net,
        panel.genes.len(),
        panel.net.layout.shape.width(),
    );
    let scales = pass.scales();
    let mut losses = vec![0.0f64; n_slots + 1];
    let height = net.max_rows.min(256.max(net.max_rows / n_slots.max(1)));
    for cells in pass.sample.chunks(height) {
        let n = cells.len();
        let at_once = (net.max_rows / n).max(1);
        ops.write_u(pass.tile, &cells.repeat(at_once))?;
        let batch = Batch {
            rows: pass.tile,
            offset: 0,
            n,
        };
        panel_first(
            ops,
            net,
            &panel.input,
            &pass.cells,
            batch,
            &Dropout::default(),
        );
        losses[n_slots] += total_losses(ops, net, pass, &scales, n, 1)?[0];
        let ablated = Net {
            y: [&[spare], &net.y[1..]].concat(),
            ..net.clone()
        };
        for first in (0..n_slots).step_by(at_once) {
            let n_genes = at_once.min(n_slots - first);
            let p = Ablate {
                n_rows: n as u32,
                width: width as u32,
                n_panel: n_slots as u32,
                first_gene: first as u32,
                n_genes: n_genes as u32,
            };
            let w = net.param(net.layout.weights[0]);
            ops.ablate(p, net.y[0], panel.input.x, w, spare);
            let sums = total_losses(ops, &ablated, pass, &scales, n, n_genes)?;
            losses[first..first + n_genes]
                .iter_mut()
                .zip(sums)
                .for_each(|(l, s)| *l += s);
        }
    }
    Ok(losses)
}

/// Losses of `copies` blocks of `n` cells each, from the first layer's outputs on.
fn total_losses<O: Ops>(
    ops: &mut O,
    net: &Net,
    pass: &Pass,
    scales: &[f32],
    n: usize,
    copies: usize,
) -> Result<Vec<f64>> {
    let last = net.y.len() - 1;
    trunk_forward(ops, net, n * copies, &Dropout::default());
    let mut sums = vec![0.0f64; copies];
    let (n_rows, row_offset, stride) = ((n * copies) as u32, 0, net.layout.shape.n_out as u32);
    for (task, &scale) in pass.tasks.iter().zip(scales) {
        let column = task.column as u32;
        match task.targets {
            DeviceTargets::Classes { labels, weights } => {
                let p = CrossEntropy {
                    n_rows,
                    row_offset,
                    stride,
                    column,
                    n_classes: task.width as u32,
                    scale,
                };
                ops.cross_entropy(
                    p,
                    net.y[last],
                    pass.tile,
                    labels,
                    weights,
                    net.dy[last],
                    net.loss,
                );
            }
            DeviceTargets::Values { targets, known } => {
                let p = Huber {
                    n_rows,
                    row_offset,
                    stride,
                    column,
                    delta: 1.0,
                    scale,
                };
                ops.huber(
                    p,
                    net.y[last],
                    pass.tile,
                    targets,
                    known,
                    net.dy[last],
                    net.loss,
                );
            }
        }
        let losses = ops.read_f(net.loss.first(n * copies))?;
        for (sum, block) in sums.iter_mut().zip(losses.chunks_exact(n)) {
            *sum += block.iter().map(|&l| f64::from(l)).sum::<f64>();
        }
    }
    Ok(sums)
}

/// Genes to add in round r of the recipe.
pub(super) fn additions(settings: &Settings, round: u64, room: usize) -> usize {
    let [from, to] = settings.recipe.add;
    let last = settings.recipe.rounds.saturating_sub(1).max(1) as f32;
    let share = from + (to - from) * round as f32 / last;
    ((settings.genes as f32 * share).round().max(1.0) as usize).min(room)
}

/// First-layer rows for new genes: half the mean norm of the panel's rows, along the descent.
pub(super) fn new_rows(panel: &Panel, params: &[f32], new: &[u32], descent: &[f32]) -> Vec<f32> {
    let layout = &panel.net.layout;
    let width = layout.shape.width();
    let norm = |r: &[f32]| r.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let mean = (0..panel.genes.len())
        .map(|s| norm(&params[row(layout, s)]))
        .sum::<f64>()
        / panel.genes.len() as f64;
    let along = |&g: &u32| {
        let r = &descent[g as usize * width..(g as usize + 1) * width];
        let factor = 0.5 * mean / (norm(r) + 1e-9);
        r.iter().map(move |&x| (f64::from(x) * factor) as f32)
    };
    new.iter().flat_map(along).collect()
}
