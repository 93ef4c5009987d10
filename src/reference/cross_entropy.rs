//! Softmax cross-entropy of one cell, a part of the twin of `shaders/heads.wgsl`.
use super::Real;
use crate::ops::MISSING;

/// Returns `s (-log softmax_y)`, 0 where the label is missing, and puts `s (softmax - onehot)` in
/// place of the logits where `gradient` is set.
#[inline(always)]
pub fn row<T: Real>(logits: &mut [T], label: u32, s: T, gradient: bool) -> T {
    if label == MISSING {
        if gradient {
            logits.fill(T::ZERO);
        }
        return T::ZERO;
    }
    let y = label as usize;
    let top = logits.iter().fold(logits[0], |m, &x| m.max(x));
    let sum = logits.iter().fold(T::ZERO, |sum, &x| sum + (x - top).exp());
    let loss = s * (sum.ln() + top - logits[y]);
    if gradient {
        for (c, d) in logits.iter_mut().enumerate() {
            let target = if c == y { T::ONE } else { T::ZERO };
            *d = s * ((*d - top).exp() / sum - target);
        }
    }
    loss
}
