//! Twin of `shaders/heads.wgsl`: losses of all tasks of one cell.
use super::{Real, cross_entropy, huber};
use crate::kernels::heads::{Heads, TASK_WORDS, VALUES};
use crate::ops::MISSING;

/// Losses of the cell into `loss[t n_rows]`; its gradients in place of its logits where asked for.
#[inline(always)]
pub fn cell<T: Real>(
    p: &Heads,
    targets: &[u32],
    scales: &[T],
    cell: usize,
    logits: &mut [T],
    mut loss: impl FnMut(usize, T),
) {
    let word = |i: usize| targets[i] as usize;
    for (t, &scale) in scales.iter().enumerate() {
        let at = TASK_WORDS * t;
        let (column, width, place) = (word(at), word(at + 1), word(at + 3));
        let own = &mut logits[column..column + width];
        let cost = if targets[at + 2] == VALUES {
            let value = targets[place + cell];
            if value == MISSING {
                if p.gradients == 1 {
                    own.fill(T::ZERO);
                }
                T::ZERO
            } else {
                let e = own[0] - T::of(f64::from(f32::from_bits(value)));
                let (gradient, cost) = huber::row(e, T::of(f64::from(p.delta)), scale);
                if p.gradients == 1 {
                    own[0] = gradient;
                }
                cost
            }
        } else {
            let label = targets[place + width + cell];
            let weight = if label == MISSING {
                T::ZERO
            } else {
                T::of(f64::from(f32::from_bits(targets[place + label as usize])))
            };
            cross_entropy::row(own, label, scale * weight, p.gradients == 1)
        };
        loss(t, cost);
    }
}

/// Reads the labels of some cells, which come in random order, side by side before they are needed one
/// after the other.
pub fn fetch(targets: &[u32], n_tasks: usize, cells: &[u32]) {
    let mut sum = 0u32;
    for head in targets.chunks_exact(TASK_WORDS).take(n_tasks) {
        let before = if head[2] == VALUES { 0 } else { head[1] };
        let own = &targets[(head[3] + before) as usize..];
        sum = cells.iter().fold(sum, |s, &c| s ^ own[c as usize]);
    }
    std::hint::black_box(sum);
}
