//! The order of the operations of a training step, written once over [`Ops`] and so shared by
//! both devices.
use super::net::{Cells, DeviceTask, Net};
use super::trunk::{
    Batch, Dropout, column_sum, heads, linear, threshold, trunk_backward, trunk_forward,
};
use crate::kernels::{
    first::First, linear::Linear, noise::Noise, panel::Panel, softmask::SoftMask,
    softsort::SoftSort, sparse::Sparse, topk::TopK,
};
use crate::ops::{FBuf, Ops, UBuf};
use crate::reference::noise::{STREAM_GUMBEL, STREAM_INPUT};
use crate::train::settings::Relaxation;

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
