//! What all steps share: the layers after the first, the losses, the update.
use super::layout::Place;
use super::net::{DeviceTargets, DeviceTask, Net};
use crate::kernels::{
    activation::Activation, adamw::AdamW, column_sum::ColumnSum, cross_entropy::CrossEntropy,
    huber::Huber, linear::Linear, sum::Sum,
};
use crate::ops::{FBuf, Ops, UBuf};
use crate::reference::noise::STREAM_HIDDEN;

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

/// `out = sum_r coef_r a[r, :] + bias`.
pub(super) fn column_sum<O: Ops>(
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

pub(super) fn linear(net: &Net, n_rows: usize, layer: usize) -> Linear {
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
