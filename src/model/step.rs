//! The order of the operations of a training step, written once over [`Ops`] and so shared by
//! both devices.
use super::layout::Place;
use super::net::{Cells, DeviceTargets, DeviceTask, Net};
use crate::kernels::{
    activation::Activation, adamw::AdamW, column_sum::ColumnSum, cross_entropy::CrossEntropy,
    first::First, huber::Huber, linear::Linear, noise::Noise, panel::Panel, softmask::SoftMask,
    softsort::SoftSort, sparse::Sparse, sum::Sum, topk::TopK,
};
use crate::ops::{FBuf, Ops, UBuf};
use crate::reference::noise::{STREAM_GUMBEL, STREAM_HIDDEN, STREAM_INPUT};
use crate::train::settings::Relaxation;

/// The cells of a batch: `rows[offset .. offset + n]`.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Cell indices of many batches.
    pub rows: UBuf,
    /// Where this one begins.
    pub offset: usize,
    /// Its cells.
    pub n: usize,
}

/// Dropout of one step; rate 0 is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dropout {
    /// Rate on the inputs of a panel.
    pub input: f32,
    /// Rate on the hidden activations.
    pub hidden: f32,
    /// Low word of the key.
    pub seed: u32,
    /// Global step.
    pub step: u32,
}

/// Threshold on a random word and the factor on what is kept.
fn threshold(rate: f32) -> (u32, f32) {
    if rate <= 0.0 {
        (0, 1.0)
    } else {
        (
            (f64::from(rate) * 4_294_967_296.0) as u32,
            1.0 / (1.0 - rate),
        )
    }
}

/// Settings of AdamW for one step.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Learning rate of weights and biases.
    pub lr: f32,
    /// Learning rate of the scores.
    pub lr_scores: f32,
    /// Decoupled decay of the weights; biases and scores have none.
    pub weight_decay: f32,
    /// 1, 2, ... since the moments were zero.
    pub t: u32,
}

/// Decay of the first moment.
pub const BETA1: f32 = 0.9;
/// Decay of the second moment.
pub const BETA2: f32 = 0.99;
/// Added to the root of the second moment.
pub const EPS: f32 = 1e-8;

/// What the selection phase needs beside its network.
#[derive(Clone, Debug)]
pub struct Selector {
    /// Noise tables.
    pub tables: UBuf,
    /// Means and inverse standard deviations of the genes.
    pub stats: FBuf,
    /// Perturbed scores.
    pub noisy: FBuf,
    /// Relaxed mask.
    pub soft: FBuf,
    /// Hard mask.
    pub hard: FBuf,
    /// Genes of the hard mask.
    pub index: UBuf,
    /// Order of the scores (relaxation B), and its two scratch buffers.
    pub order: UBuf,
    /// Scratch words of the sort.
    pub sort: UBuf,
    /// Kept scans of relaxation B.
    pub scans: FBuf,
    /// Scratch of its backward pass.
    pub work: FBuf,
    /// `m / sd`.
    pub scale: FBuf,
    /// `-m mu / sd`.
    pub shift: FBuf,
    /// Bias with the centring in it.
    pub base: FBuf,
    /// `X^T dZ`.
    pub r: FBuf,
    /// Column sums of dZ.
    pub d: FBuf,
    /// dL/dm.
    pub u: FBuf,
}

/// Settings of the selection for one step.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    /// Genes in play at this step.
    pub k: usize,
    /// Temperature.
    pub tau: f32,
    /// Noise scale.
    pub beta: f32,
    /// Whether the forward pass uses the hard mask (straight-through) or the relaxed one.
    pub hard: bool,
    /// Which relaxation.
    pub relaxation: Relaxation,
    /// Low word of the key.
    pub seed: u32,
    /// Global step.
    pub step: u32,
}

/// `out = sum_r coef_r a[r, :] + bias`.
fn column_sum<O: Ops>(
    ops: &mut O,
    net: &Net,
    n_rows: usize,
    width: usize,
    a: FBuf,
    coef: FBuf,
    bias: FBuf,
    out: FBuf,
) {
    let p = ColumnSum {
        n_rows: n_rows as u32,
        width: width as u32,
        power: 1,
    };
    ops.column_partial(p, a, coef, net.partial);
    ops.column_finish(p, net.partial, bias, out);
}

fn activation(n: usize, layer: usize, dropout: &Dropout) -> Activation {
    let (drop_below, keep_scale) = threshold(dropout.hidden);
    let stream = STREAM_HIDDEN + layer as u32;
    Activation {
        n: n as u32,
        drop_below,
        keep_scale,
        seed: dropout.seed,
        stream,
        step: dropout.step,
    }
}

fn linear(net: &Net, n_rows: usize, layer: usize) -> Linear {
    let shape = &net.layout.shape;
    Linear {
        n_rows: n_rows as u32,
        n_in: shape.input(layer) as u32,
        n_out: shape.output(layer) as u32,
    }
}

/// From the first layer's outputs `y[0]` to the logits.
pub fn trunk_forward<O: Ops>(ops: &mut O, net: &Net, n: usize, dropout: &Dropout) {
    for l in 1..net.y.len() {
        let width = net.layout.shape.input(l);
        ops.act_forward(
            activation(n * width, l - 1, dropout),
            net.y[l - 1],
            net.a[l - 1],
        );
        let (w, b) = (
            net.param(net.layout.weights[l]),
            net.param(net.layout.biases[l]),
        );
        ops.linear_forward(linear(net, n, l), net.a[l - 1], w, b, net.y[l]);
    }
}

/// Losses and gradients of the logits: task t's mean loss goes to `losses[slot + t]`; `scales[t]`
/// is the task's weight over the sum of the batch's cell weights.
pub fn heads<O: Ops>(
    ops: &mut O,
    net: &Net,
    tasks: &[DeviceTask],
    batch: Batch,
    scales: &[f32],
    losses: FBuf,
    slot: usize,
) {
    let last = net.y.len() - 1;
    let (n_rows, row_offset, stride) = (
        batch.n as u32,
        batch.offset as u32,
        net.layout.shape.n_out as u32,
    );
    for (t, (task, &scale)) in tasks.iter().zip(scales).enumerate() {
        let (y, dy, column) = (net.y[last], net.dy[last], task.column as u32);
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
                ops.cross_entropy(p, y, batch.rows, labels, weights, dy, net.loss);
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
                ops.huber(p, y, batch.rows, targets, known, dy, net.loss);
            }
        }
        ops.sum(
            Sum {
                n: n_rows,
                slot: (slot + t) as u32,
            },
            net.loss,
            losses,
        );
    }
}

/// From the gradients of the logits to those of the first layer's outputs, `dy[0]`, and of all
/// parameters but the first layer's weights.
pub fn trunk_backward<O: Ops>(ops: &mut O, net: &Net, n: usize, dropout: &Dropout) {
    for l in (0..net.y.len()).rev() {
        let width = net.layout.shape.output(l);
        column_sum(
            ops,
            net,
            n,
            width,
            net.dy[l],
            net.ones,
            net.zeros,
            net.grad(net.layout.biases[l]),
        );
        if l > 0 {
            let p = linear(net, n, l);
            ops.linear_grad_weight(p, net.a[l - 1], net.dy[l], net.grad(net.layout.weights[l]));
            ops.linear_grad_input(
                p,
                net.dy[l],
                net.param(net.layout.weights[l]),
                net.da[l - 1],
            );
            let act = activation(n * net.layout.shape.input(l), l - 1, dropout);
            ops.act_backward(act, net.y[l - 1], net.da[l - 1], net.dy[l - 1]);
        }
    }
}

/// AdamW on all parameters in use.
pub fn update<O: Ops>(ops: &mut O, net: &Net, n_in: usize, adam: &Adam) {
    let correction = |beta: f32| (1.0 - f64::from(beta).powi(adam.t as i32)) as f32;
    let mut range = |place: Place, lr: f32, weight_decay: f32| {
        if place.len == 0 {
            return;
        }
        let p = AdamW {
            n: place.len as u32,
            lr,
            beta1: BETA1,
            beta2: BETA2,
            eps: EPS,
            weight_decay,
            correction1: correction(BETA1),
            correction2: correction(BETA2),
        };
        let part = |b: FBuf| b.slice(place.offset, place.len);
        ops.adamw(
            p,
            part(net.params),
            part(net.grads),
            part(net.m),
            part(net.v),
        );
    };
    range(net.layout.bias_range(), adam.lr, 0.0);
    range(net.layout.weight_range(n_in), adam.lr, adam.weight_decay);
    range(net.layout.scores, adam.lr_scores, 0.0);
}

fn sparse(cells: &Cells, page: usize, batch: Batch, width: usize) -> Sparse {
    Sparse {
        n_rows: batch.n as u32,
        row_offset: batch.offset as u32,
        first_cell: cells.pages[page].first_cell,
        n_cells: cells.pages[page].n_cells,
        n_blocks: cells.n_blocks as u32,
        n_genes: cells.n_genes as u32,
        width: width as u32,
        power_x: 1,
        power_d: 1,
        accumulate: u32::from(page > 0),
    }
}

/// `out = X^T[power_x] D[power_d]` over the cells of the batch, `out += ` with `accumulate`.
pub fn transpose_product<O: Ops>(
    ops: &mut O,
    cells: &Cells,
    batch: Batch,
    d: FBuf,
    width: usize,
    powers: (u32, u32),
    accumulate: bool,
    out: FBuf,
) {
    for page in 0..cells.pages.len() {
        let mut p = sparse(cells, page, batch, width);
        (p.power_x, p.power_d) = powers;
        p.accumulate |= u32::from(accumulate);
        ops.sparse_transpose(p, cells.pages[page], batch.rows, d, out);
    }
}

/// Masks of this step from the scores: relaxed and hard.
fn masks<O: Ops>(ops: &mut O, net: &Net, sel: &Selector, s: &Selection) {
    let (n, k) = (net.layout.scores.len as u32, s.k as u32);
    let noise = Noise {
        n,
        seed: s.seed,
        stream: STREAM_GUMBEL,
        step: s.step,
        model: 0,
        beta: s.beta,
    };
    ops.perturb(noise, net.param(net.layout.scores), sel.tables, sel.noisy);
    match s.relaxation {
        Relaxation::Sigmoid => ops.soft_forward(SoftMask { n, k, tau: s.tau }, sel.noisy, sel.soft),
        Relaxation::Softsort => {
            let p = SoftSort { n, k, tau: s.tau };
            ops.softsort_order(p, sel.noisy, sel.order, sel.sort);
            ops.softsort_forward(p, sel.noisy, sel.order, sel.scans, sel.soft);
        }
    }
    if s.hard {
        ops.topk(TopK { n, k }, sel.noisy, sel.hard, sel.index);
    }
}

/// The first layer over all genes under a mask: `y[0] = ((x - mu) / sd * m) W + b`.
pub fn sparse_first<O: Ops>(
    ops: &mut O,
    net: &Net,
    sel: &Selector,
    cells: &Cells,
    batch: Batch,
    mask: FBuf,
) {
    let (n, width) = (net.layout.shape.n_in, net.layout.shape.width());
    let w = net.param(net.layout.weights[0]);
    ops.first_scale(
        First {
            n: n as u32,
            width: width as u32,
        },
        mask,
        sel.stats,
        sel.scale,
        sel.shift,
    );
    column_sum(
        ops,
        net,
        n,
        width,
        w,
        sel.shift,
        net.param(net.layout.biases[0]),
        sel.base,
    );
    for page in 0..cells.pages.len() {
        let p = sparse(cells, page, batch, width);
        ops.sparse_forward(
            p,
            cells.pages[page],
            batch.rows,
            sel.scale,
            w,
            sel.base,
            net.y[0],
        );
    }
}

/// Gradients of one selection step, all but the update: masks, forward, losses, backward.
pub fn selection_gradient<O: Ops>(
    ops: &mut O,
    net: &Net,
    sel: &Selector,
    cells: &Cells,
    tasks: &[DeviceTask],
    batch: Batch,
    scales: &[f32],
    s: &Selection,
    dropout: &Dropout,
    losses: FBuf,
    slot: usize,
) {
    let (n, width) = (net.layout.shape.n_in, net.layout.shape.width());
    masks(ops, net, sel, s);
    let mask = if s.hard { sel.hard } else { sel.soft };
    sparse_first(ops, net, sel, cells, batch, mask);
    trunk_forward(ops, net, batch.n, dropout);
    heads(ops, net, tasks, batch, scales, losses, slot);
    trunk_backward(ops, net, batch.n, dropout);
    column_sum(
        ops, net, batch.n, width, net.dy[0], net.ones, net.zeros, sel.d,
    );
    transpose_product(ops, cells, batch, net.dy[0], width, (1, 1), false, sel.r);
    let first = First {
        n: n as u32,
        width: width as u32,
    };
    let (w, dw) = (
        net.param(net.layout.weights[0]),
        net.grad(net.layout.weights[0]),
    );
    ops.first_gradient(first, sel.r, w, mask, sel.stats, sel.d, dw, sel.u);
    let (n, k, grad) = (n as u32, s.k as u32, net.grad(net.layout.scores));
    match s.relaxation {
        Relaxation::Sigmoid => {
            ops.soft_backward(SoftMask { n, k, tau: s.tau }, sel.soft, sel.u, grad)
        }
        Relaxation::Softsort => {
            let p = SoftSort { n, k, tau: s.tau };
            ops.softsort_backward(p, sel.noisy, sel.order, sel.scans, sel.u, sel.work, grad);
        }
    }
}

/// A panel's genes on a device.
#[derive(Clone, Debug)]
pub struct PanelInput {
    /// Considered genes, in slot order.
    pub genes: UBuf,
    /// Means and inverse standard deviations of the slots in use.
    pub stats: FBuf,
    /// Standardised inputs of the batch.
    pub x: FBuf,
    /// Slots in use.
    pub n: usize,
}

/// Standardised inputs of the panel and the first layer, `y[0]`.
pub fn panel_first<O: Ops>(
    ops: &mut O,
    net: &Net,
    input: &PanelInput,
    cells: &Cells,
    batch: Batch,
    dropout: &Dropout,
) {
    let (drop_below, keep_scale) = threshold(dropout.input);
    for page in &cells.pages {
        let p = Panel {
            n_rows: batch.n as u32,
            row_offset: batch.offset as u32,
            first_cell: page.first_cell,
            n_cells: page.n_cells,
            n_blocks: cells.n_blocks as u32,
            n_panel: input.n as u32,
            drop_below,
            keep_scale,
            seed: dropout.seed,
            stream: STREAM_INPUT,
            step: dropout.step,
        };
        ops.panel_gather(p, *page, batch.rows, input.genes, input.stats, input.x);
    }
    let (w, b) = (
        net.param(net.layout.weights[0]),
        net.param(net.layout.biases[0]),
    );
    ops.linear_forward(
        Linear {
            n_in: input.n as u32,
            ..linear(net, batch.n, 0)
        },
        input.x,
        w,
        b,
        net.y[0],
    );
}

/// Gradients of one step on a panel, all but the update.
pub fn panel_gradient<O: Ops>(
    ops: &mut O,
    net: &Net,
    input: &PanelInput,
    cells: &Cells,
    tasks: &[DeviceTask],
    batch: Batch,
    scales: &[f32],
    dropout: &Dropout,
    losses: FBuf,
    slot: usize,
) {
    panel_first(ops, net, input, cells, batch, dropout);
    trunk_forward(ops, net, batch.n, dropout);
    heads(ops, net, tasks, batch, scales, losses, slot);
    trunk_backward(ops, net, batch.n, dropout);
    let p = Linear {
        n_in: input.n as u32,
        ..linear(net, batch.n, 0)
    };
    ops.linear_grad_weight(p, input.x, net.dy[0], net.grad(net.layout.weights[0]));
}
