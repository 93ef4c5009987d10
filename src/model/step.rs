//! The order of the operations of a step of the selection, written once over [`Ops`] and so shared by
//! both devices: 8 launches (relaxation A, soft; one hidden layer, one page of cells). A step on a panel is
//! in [`super::panel_step`].
use super::net::{Cells, Net, Targets};
use super::selector::{Selection, Selector};
use super::trunk::{
    Adam, Batch, Dropout, Slot, heads, threshold, trunk_backward, trunk_forward, trunk_update,
};
use crate::kernels::{
    adamw::AdamW, first::First, noise::Noise, scores::Scores, softmask::SoftMask,
    softsort::SoftSort, sort::Sort, sparse::Sparse, topk::TopK,
};
use crate::ops::{CENTRE_CHUNK, FBuf, Ops, stride};
use crate::reference::noise::{STREAM_GUMBEL, STREAM_HIDDEN};

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
        models: 1,
        row_stride: batch.row_stride as u32,
        ..Sparse::default()
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

/// Masks of this step from the scores: the forward mask in its place, the relaxed one in `soft` where
/// the forward mask is the hard one.
fn masks<O: Ops>(ops: &mut O, net: &Net, sel: &Selector, s: &Selection) {
    let (n, k, models) = (sel.n as u32, s.k as u32, net.models as u32);
    let noise = Noise {
        models,
        n,
        scores_stride: net.layout.len as u32,
        seed: s.seed,
        stream: STREAM_GUMBEL,
        step: s.step,
        beta: s.beta,
    };
    let from = net.layout.scores.offset;
    let scores = net.params.slice(from, net.params.len - from);
    ops.perturb(noise, scores, sel.tables, sel.noisy);
    let (soft, mask_stride) = soft_mask(sel, s);
    match &sel.sort {
        None => {
            let (mask_stride, tau) = (mask_stride as u32, s.tau);
            let p = SoftMask {
                models,
                n,
                k,
                tau,
                mask_stride,
            };
            ops.soft_forward(p, sel.noisy, soft);
        }
        Some(sort) => {
            let p = SoftSort {
                n,
                k,
                tau: s.tau,
                lists: 0,
            };
            for r in 0..net.models {
                let noisy = sel.noisy.slice(r * stride(sel.n), sel.n);
                let order = sort.order.slice(r * stride(sel.n), sel.n);
                let scans = sort.scans.slice(r * stride(6 * sel.n), 6 * sel.n);
                ops.sort(Sort { n }, noisy, order, sort.keys);
                let mask = soft.slice(r * mask_stride, sel.n);
                ops.softsort_forward(p, noisy, order, scans, mask);
            }
        }
    }
    if s.hard {
        let p = TopK {
            models,
            n,
            k,
            scores_stride: stride(sel.n) as u32,
            mask_stride: sel.mask_stride() as u32,
        };
        ops.topk(p, sel.noisy, sel.mask(), sel.index);
    }
}

/// Where the relaxed mask of this step lies, and the distance of two networks.
fn soft_mask(sel: &Selector, s: &Selection) -> (FBuf, usize) {
    if s.hard {
        (sel.soft, stride(sel.n))
    } else {
        (sel.mask(), sel.mask_stride())
    }
}

/// The first layer as [`Ops::centre`] and [`Ops::first_update`] take it.
fn first(net: &Net, cells: &Cells, batch: Batch) -> First {
    First {
        models: net.models as u32,
        n_genes: cells.n_genes as u32,
        width: net.layout.shape.width() as u32,
        n_rows: batch.n as u32,
        row_offset: batch.offset as u32,
        row_stride: batch.row_stride as u32,
        n_blocks: cells.n_blocks as u32,
        arena: net.layout.len as u32,
        w_offset: net.layout.weights[0].offset as u32,
        ..First::default()
    }
}

/// The first layer over all genes under the forward mask:
/// `act(((x - mu) / sd * m) W + b)` into `net.first_out()`.
pub fn sparse_first<O: Ops>(
    ops: &mut O,
    net: &Net,
    sel: &Selector,
    cells: &Cells,
    batch: Batch,
    dropout: &Dropout,
) {
    let width = net.layout.shape.width();
    ops.centre(first(net, cells, batch), sel.gene, net.params, sel.centre);
    let (drop_below, keep_scale) = threshold(dropout.hidden);
    for page in 0..cells.pages.len() {
        let p = Sparse {
            models: net.models as u32,
            arena: net.layout.len as u32,
            w_offset: net.layout.weights[0].offset as u32,
            bias_offset: net.layout.biases[0].offset as u32,
            n_chunks: cells.n_genes.div_ceil(CENTRE_CHUNK) as u32,
            activate: u32::from(!net.a.is_empty()),
            drop_below,
            keep_scale,
            seed: dropout.seed,
            stream: STREAM_HIDDEN,
            step: dropout.step,
            spare_row: u32::from(net.a.is_empty()),
            ..sparse(cells, page, batch, width)
        };
        let (page, out) = (cells.pages[page], net.first_out());
        ops.sparse_forward(p, page, batch.rows, sel.gene, net.params, sel.centre, out);
    }
}

/// One step of the selection: masks, forward, losses, backward, AdamW on everything.
pub fn selection_step<O: Ops>(
    ops: &mut O,
    net: &Net,
    sel: &Selector,
    cells: &Cells,
    targets: &Targets,
    batch: Batch,
    s: &Selection,
    dropout: &Dropout,
    adam: &Adam,
    slot: Slot,
) {
    masks(ops, net, sel, s);
    sparse_first(ops, net, sel, cells, batch, dropout);
    trunk_forward(ops, net, batch.n, dropout);
    heads(ops, net, targets, batch, dropout, true);
    trunk_backward(ops, net, batch.n, dropout);
    trunk_update(ops, net, batch.n, targets.tasks.len(), adam, slot, None);
    first_layer_update(ops, net, sel, cells, batch, adam);
    score_update(ops, net, sel, s, adam);
}

/// AdamW on the first layer's weights, gradient of the mask.
fn first_layer_update<O: Ops>(
    ops: &mut O,
    net: &Net,
    sel: &Selector,
    cells: &Cells,
    batch: Batch,
    adam: &Adam,
) {
    let width = net.layout.shape.width();
    let (dz, lists) = (net.first_dz(), width.div_ceil(64) * stride(sel.n));
    let Some(last) = cells.pages.len().checked_sub(1) else {
        return;
    };
    for page in 0..last {
        for r in 0..net.models {
            let own = Batch {
                offset: batch.offset + r * batch.row_stride,
                ..batch
            };
            let behind = stride(sel.n * width);
            let sums = sel.work.slice(r * (lists + behind) + lists, sel.n * width);
            let from = r * stride((batch.n + 1) * width);
            let dz = dz.slice(from, batch.n * width);
            let p = sparse(cells, page, own, width);
            ops.sparse_transpose(p, cells.pages[page], batch.rows, dz, sums);
        }
    }
    let page = cells.pages[last];
    let p = First {
        first_cell: page.first_cell,
        n_cells: page.n_cells,
        add: u32::from(last > 0),
        ..first(net, cells, batch).with_adam(&adam.weights())
    };
    ops.first_update(
        p,
        page,
        batch.rows,
        dz,
        sel.gene,
        net.params,
        net.moments,
        sel.work,
    );
}

/// AdamW on the scores, through the relaxed mask.
fn score_update<O: Ops>(ops: &mut O, net: &Net, sel: &Selector, s: &Selection, adam: &Adam) {
    let (soft, mask_stride) = soft_mask(sel, s);
    let (layout, tiles) = (&net.layout, net.layout.shape.width().div_ceil(64));
    let u_stride = sel.work.len / net.models;
    let Some(sort) = &sel.sort else {
        let p = Scores {
            models: net.models as u32,
            n: sel.n as u32,
            tau: s.tau,
            tiles: tiles as u32,
            mask_stride: mask_stride as u32,
            u_stride: u_stride as u32,
            arena: layout.len as u32,
            scores_offset: layout.scores.offset as u32,
            ..Scores::default()
        };
        let p = p.with_adam(&adam.scores());
        ops.score_update(p, soft, sel.work, net.params, net.moments);
        return;
    };
    for r in 0..net.models {
        let p = SoftSort {
            n: sel.n as u32,
            k: s.k as u32,
            tau: s.tau,
            lists: tiles as u32,
        };
        let noisy = sel.noisy.slice(r * stride(sel.n), sel.n);
        let order = sort.order.slice(r * stride(sel.n), sel.n);
        let scans = sort.scans.slice(r * stride(6 * sel.n), 6 * sel.n);
        let u = sel.work.slice(r * u_stride, tiles * stride(sel.n));
        ops.softsort_backward(p, noisy, order, scans, u, sort.work, sort.grad);
        let own = net.model(r);
        let p = AdamW {
            n: sel.n as u32,
            arena: layout.len as u32,
            offset: layout.scores.offset as u32,
            ..AdamW::default()
        };
        let p = p.with_adam(&adam.scores());
        ops.adamw(p, own.params, sort.grad, own.moments);
    }
}
