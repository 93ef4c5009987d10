//! The order of the operations of a training step, written once over [`Ops`] and so shared by
//! both devices: 8 launches for a step of the selection (relaxation A, soft; one hidden layer, one
//! page of cells), 5 for a step on a panel.
use super::net::{Cells, Net, Targets};
use super::trunk::{
    Adam, Batch, Dropout, Slot, heads, linear, threshold, trunk_backward, trunk_forward,
    trunk_update,
};
use crate::kernels::{
    adamw::AdamW, first::First, linear::Linear, noise::Noise, panel::Panel, scores::Scores,
    softmask::SoftMask, softsort::SoftSort, sparse::Sparse, topk::TopK,
};
use crate::ops::{CENTRE_CHUNK, FBuf, Ops, Result, UBuf, stride};
use crate::reference::noise::{STREAM_GUMBEL, STREAM_HIDDEN, STREAM_INPUT, tables};
use crate::train::settings::Relaxation;

/// What the selection phase needs beside its networks; buffers hold a copy a network.
#[derive(Clone, Debug)]
pub struct Selector {
    /// Genes.
    pub n: usize,
    /// Noise tables, shared.
    pub tables: UBuf,
    /// Means, inverse standard deviations and forward mask of the genes.
    pub gene: FBuf,
    /// Perturbed scores.
    pub noisy: FBuf,
    /// Relaxed mask while the forward mask is the hard one.
    pub soft: FBuf,
    /// Genes of the hard mask.
    pub index: UBuf,
    /// Parts of the centring.
    pub centre: FBuf,
    /// Lists of dL/dm, and sums over the pages of cells before the last.
    pub work: FBuf,
    /// Relaxation B only, shared: order of the scores, scratch of the sort, kept scans, scratch of
    /// the backward pass, gradient of the scores.
    pub sort: Option<SortBuffers>,
}

/// Buffers of relaxation B.
#[derive(Clone, Copy, Debug)]
pub struct SortBuffers {
    /// Order of the scores of each network.
    pub order: UBuf,
    /// Scratch of the sort.
    pub keys: UBuf,
    /// Scans of each network, kept for the backward pass.
    pub scans: FBuf,
    /// Scratch of the backward pass.
    pub work: FBuf,
    /// Gradient of the scores.
    pub grad: FBuf,
}

impl Selector {
    /// Allocates for `models` networks over genes with these means and inverse standard deviations.
    ///
    /// # Errors
    /// Out of device memory.
    pub fn new<O: Ops>(
        ops: &mut O,
        (mean, inv_sd): (&[f32], &[f32]),
        width: usize,
        models: usize,
        pages: usize,
        relaxation: Relaxation,
    ) -> Result<Self> {
        let n = mean.len();
        let each = models * stride(n);
        let gene = ops.alloc_f("genes", 3 * each)?;
        let mut lists = vec![0.0f32; 3 * each];
        for own in lists.chunks_exact_mut(3 * stride(n)) {
            own[..n].copy_from_slice(mean);
            own[stride(n)..stride(n) + n].copy_from_slice(inv_sd);
        }
        ops.write_f(gene, &lists)?;
        let sort = match relaxation {
            Relaxation::Sigmoid => None,
            Relaxation::Softsort => Some(SortBuffers {
                order: ops.alloc_u("order of the scores", each)?,
                keys: ops.alloc_u("scratch of the sort", 3 * n)?,
                scans: ops.alloc_f("scans", models * stride(6 * n))?,
                work: ops.alloc_f("scratch of the scans", 6 * n)?,
                grad: ops.alloc_f("gradient of the scores", n)?,
            }),
        };
        let chunks = n.div_ceil(CENTRE_CHUNK);
        let behind = if pages > 1 { stride(n * width) } else { 0 };
        let lists = width.div_ceil(64) * stride(n);
        Ok(Self {
            n,
            tables: ops.adopt_u("noise tables", tables())?,
            gene,
            noisy: ops.alloc_f("perturbed scores", each)?,
            soft: ops.alloc_f("relaxed mask", each)?,
            index: ops.alloc_u("panel", each)?,
            centre: ops.alloc_f("centring", models * stride(chunks * width))?,
            work: ops.alloc_f("mask gradient", models * (lists + behind))?,
            sort,
        })
    }
    /// The forward mask of the first network; those of the others follow at [`Selector::mask_stride`].
    #[must_use]
    pub fn mask(&self) -> FBuf {
        let from = 2 * stride(self.n);
        self.gene.slice(from, self.gene.len - from)
    }
    /// Elements between two networks' forward masks.
    #[must_use]
    pub fn mask_stride(&self) -> usize {
        3 * stride(self.n)
    }
    /// What network `r` alone needs to predict.
    #[must_use]
    pub fn model(&self, r: usize) -> Self {
        let len = 3 * stride(self.n);
        Self {
            gene: self.gene.slice(r * len, len),
            ..self.clone()
        }
    }
    /// Frees all buffers.
    pub fn release<O: Ops>(self, ops: &mut O) {
        let floats = [self.gene, self.noisy, self.soft, self.centre, self.work];
        floats.into_iter().for_each(|b| ops.release_f(b));
        [self.tables, self.index]
            .into_iter()
            .for_each(|b| ops.release_u(b));
        if let Some(s) = self.sort {
            [s.scans, s.work, s.grad]
                .into_iter()
                .for_each(|b| ops.release_f(b));
            [s.order, s.keys].into_iter().for_each(|b| ops.release_u(b));
        }
    }
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
    /// Low word of the key of the first network.
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
                ops.softsort_order(p, noisy, order, sort.keys);
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

/// A panel's genes on a device, for each network.
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

impl PanelInput {
    /// What network `r` alone needs, its inputs in the place of the first one's.
    #[must_use]
    pub fn model(&self, r: usize) -> Self {
        Self {
            genes: self.genes.slice(r * stride(self.n), self.n),
            stats: self.stats.slice(r * stride(2 * self.n), 2 * self.n),
            ..self.clone()
        }
    }
}

/// Standardised inputs of the panel and the first layer, into `net.first_out()`; without `activate`
/// its sums.
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
            models: net.models as u32,
            row_stride: batch.row_stride as u32,
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
    panel_layer(ops, net, input, batch.n, dropout, true);
}

/// The first layer from inputs that stand; without `activate` its sums.
pub fn panel_layer<O: Ops>(
    ops: &mut O,
    net: &Net,
    input: &PanelInput,
    n: usize,
    dropout: &Dropout,
    activate: bool,
) {
    let p = linear(net, n, 0, dropout);
    let p = Linear {
        n_in: input.n as u32,
        activate: p.activate & u32::from(activate),
        ..p
    };
    ops.linear_forward(p, input.x, net.params, net.first_out());
}

/// One step on a panel: forward, losses, backward, AdamW on everything.
pub fn panel_step<O: Ops>(
    ops: &mut O,
    net: &Net,
    input: &PanelInput,
    cells: &Cells,
    targets: &Targets,
    batch: Batch,
    dropout: &Dropout,
    adam: &Adam,
    slot: Slot,
) {
    panel_first(ops, net, input, cells, batch, dropout);
    trunk_forward(ops, net, batch.n, dropout);
    heads(ops, net, targets, batch, dropout, true);
    trunk_backward(ops, net, batch.n, dropout);
    let (x, tasks) = (Some((input.x, input.n)), targets.tasks.len());
    trunk_update(ops, net, batch.n, tasks, adam, slot, x);
}
