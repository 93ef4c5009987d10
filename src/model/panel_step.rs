//! A training step on a panel, 5 launches (one hidden layer, one page of cells), and its first layer alone.
use super::net::{Cells, Net, Targets};
use super::trunk::{
    Adam, Batch, Dropout, Slot, heads, linear, threshold, trunk_backward, trunk_forward,
    trunk_update,
};
use crate::kernels::{linear::Linear, panel::Panel};
use crate::ops::{FBuf, Ops, UBuf, stride};
use crate::reference::noise::STREAM_INPUT;

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
