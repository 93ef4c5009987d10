//! What all steps share: the layers after the first, the losses, the update.
use super::net::{Net, Targets};
use crate::kernels::{adamw::AdamStep, heads::Heads, linear::Linear};
use crate::ops::{FBuf, Ops, UBuf};
use crate::reference::noise::STREAM_HIDDEN;

/// The cells of a batch: `rows[offset .. offset + n]` of each network.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Cell indices of many batches.
    pub rows: UBuf,
    /// Where this one begins.
    pub offset: usize,
    /// Its cells.
    pub n: usize,
    /// Elements between the cells of two networks in `rows`.
    pub row_stride: usize,
    /// Factors of the tasks' losses, for many batches.
    pub scales: FBuf,
    /// Where this batch's begin.
    pub scale_offset: usize,
    /// Elements between the factors of two networks.
    pub scale_stride: usize,
}

impl Batch {
    /// The first `n` cells of `rows`, for one network; `scales` holds its factors.
    #[must_use]
    pub fn of(rows: UBuf, n: usize, scales: FBuf) -> Self {
        Self {
            rows,
            n,
            scales,
            offset: 0,
            row_stride: 0,
            scale_offset: 0,
            scale_stride: 0,
        }
    }
}

/// Dropout of one step; rate 0 is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dropout {
    /// Rate on the inputs of a panel.
    pub input: f32,
    /// Rate on the hidden activations.
    pub hidden: f32,
    /// Low word of the key of the first network.
    pub seed: u32,
    /// Global step.
    pub step: u32,
}

/// Threshold on a random word and the factor on what is kept.
pub(super) fn threshold(rate: f32) -> (u32, f32) {
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

impl Adam {
    fn step(&self, lr: f32, weight_decay: f32) -> AdamStep {
        let correction = |beta: f32| (1.0 - f64::from(beta).powi(self.t as i32)) as f32;
        AdamStep {
            lr,
            beta1: BETA1,
            beta2: BETA2,
            eps: EPS,
            weight_decay,
            correction1: correction(BETA1),
            correction2: correction(BETA2),
        }
    }
    /// The step of the weights; that of biases is the same without decay.
    #[must_use]
    pub fn weights(&self) -> AdamStep {
        self.step(self.lr, self.weight_decay)
    }
    /// The step of the scores.
    #[must_use]
    pub fn scores(&self) -> AdamStep {
        self.step(self.lr_scores, 0.0)
    }
}

/// Layer `l` as [`Ops::linear_forward`] takes it: hidden layers with ReLU and dropout.
pub(super) fn linear(net: &Net, n_rows: usize, l: usize, dropout: &Dropout) -> Linear {
    let (shape, layout) = (&net.layout.shape, &net.layout);
    let (drop_below, keep_scale) = threshold(dropout.hidden);
    Linear {
        models: net.models as u32,
        n_rows: n_rows as u32,
        n_in: shape.input(l) as u32,
        n_out: shape.output(l) as u32,
        arena: layout.len as u32,
        w_offset: layout.weights[l].offset as u32,
        bias_offset: layout.biases[l].offset as u32,
        activate: u32::from(l < shape.hidden.len()),
        drop_below,
        keep_scale,
        seed: dropout.seed,
        stream: STREAM_HIDDEN + l as u32,
        step: dropout.step,
        spare_row: u32::from(l == shape.hidden.len()),
        ..Linear::default()
    }
}

/// From the first layer's activations to those of the last hidden layer.
pub fn trunk_forward<O: Ops>(ops: &mut O, net: &Net, n: usize, dropout: &Dropout) {
    for l in 1..net.a.len() {
        ops.linear_forward(
            linear(net, n, l, dropout),
            net.a[l - 1],
            net.params,
            net.a[l],
        );
    }
}

/// From the last hidden layer's activations to the logits, for predictions.
pub fn logits<O: Ops>(ops: &mut O, net: &Net, n: usize) {
    if let Some(&a) = net.a.last() {
        let p = linear(net, n, net.a.len(), &Dropout::default());
        ops.linear_forward(p, a, net.params, net.logits);
    }
}

/// The last layer and the losses of all tasks into `net.loss`; with `gradients` also the gradients of
/// the logits and of the last hidden layer.
pub fn heads<O: Ops>(
    ops: &mut O,
    net: &Net,
    targets: &Targets,
    batch: Batch,
    dropout: &Dropout,
    gradients: bool,
) {
    let (layout, last) = (&net.layout, net.a.len());
    let p = Heads {
        models: net.models as u32,
        n_rows: batch.n as u32,
        row_offset: batch.offset as u32,
        row_stride: batch.row_stride as u32,
        n_in: if last == 0 {
            0
        } else {
            layout.shape.input(last) as u32
        },
        n_out: layout.shape.n_out as u32,
        n_tasks: targets.tasks.len() as u32,
        arena: layout.len as u32,
        w_offset: layout.weights[last].offset as u32,
        bias_offset: layout.biases[last].offset as u32,
        scale_offset: batch.scale_offset as u32,
        scale_stride: batch.scale_stride as u32,
        keep_scale: threshold(dropout.hidden).1,
        delta: 1.0,
        gradients: u32::from(gradients),
    };
    let a = net.a.last().copied().unwrap_or(net.none);
    let dz = net.dz.last().copied().unwrap_or(net.spare);
    let (words, scales) = (targets.words, batch.scales);
    ops.heads(
        p, a, net.params, batch.rows, words, scales, net.logits, net.loss, dz,
    );
}

/// From the gradients of the last hidden layer to those of the first.
pub fn trunk_backward<O: Ops>(ops: &mut O, net: &Net, n: usize, dropout: &Dropout) {
    for l in (1..net.a.len()).rev() {
        let p = linear(net, n, l, dropout);
        ops.linear_grad_input(p, net.dz[l], net.params, net.a[l - 1], net.dz[l - 1]);
    }
}

/// Where the losses of a step go: the first task's of the first network, and the distance between two
/// networks.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// The ring.
    pub losses: FBuf,
    /// First slot.
    pub at: usize,
    /// Distance.
    pub stride: usize,
}

/// AdamW on all biases and all weights but the first layer's; with `x`, the first layer's inputs, on
/// those too. Leaves the column sums of the first layer's gradients behind them.
pub fn trunk_update<O: Ops>(
    ops: &mut O,
    net: &Net,
    n: usize,
    tasks: usize,
    adam: &Adam,
    slot: Slot,
    x: Option<(FBuf, usize)>,
) {
    let last = net.a.len();
    let first = if x.is_some() { 0 } else { 1 };
    for l in (first..=last).rev() {
        let head = l == last;
        let p = Linear {
            own_bias: u32::from(head),
            below: if l == 0 {
                0
            } else {
                net.layout.shape.input(l) as u32
            },
            below_offset: if l == 0 {
                0
            } else {
                net.layout.biases[l - 1].offset as u32
            },
            n_tasks: if head { tasks as u32 } else { 0 },
            slot: slot.at as u32,
            slot_stride: slot.stride as u32,
            ..linear(net, n, l, &Dropout::default()).with_adam(&adam.weights())
        };
        let dz = if head { net.logits } else { net.dz[l] };
        let (p, a, below) = match (l, x) {
            (0, Some((x, n_in))) => (
                Linear {
                    n_in: n_in as u32,
                    ..p
                },
                x,
                net.spare,
            ),
            _ => (p, net.a[l - 1], net.dz[l - 1]),
        };
        ops.linear_update(
            p,
            a,
            dz,
            net.params,
            net.moments,
            below,
            net.loss,
            slot.losses,
        );
    }
    if last == 0 && x.is_none() {
        // no layer after the first: only its biases, from the gradients of the logits
        let p = Linear {
            n_in: 0,
            n_out: 0,
            below: net.layout.shape.n_out as u32,
            below_offset: net.layout.biases[0].offset as u32,
            n_tasks: tasks as u32,
            slot: slot.at as u32,
            slot_stride: slot.stride as u32,
            ..linear(net, n, 0, &Dropout::default()).with_adam(&adam.weights())
        };
        let (none, moments) = (net.none, net.moments);
        ops.linear_update(
            p,
            none,
            none,
            net.params,
            moments,
            net.logits,
            net.loss,
            slot.losses,
        );
    }
}
