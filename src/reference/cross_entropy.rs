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
    let own = logits[y];
    let sum = if gradient {
        logits.iter_mut().for_each(|x| *x = (*x - top).exp());
        logits.iter().fold(T::ZERO, |sum, &e| sum + e)
    } else {
        logits.iter().fold(T::ZERO, |sum, &x| sum + (x - top).exp())
    };
    let loss = s * (sum.ln() + top - own);
    if gradient {
        let own = logits[y] / sum;
        logits.iter_mut().for_each(|e| *e = s * (*e / sum));
        logits[y] = s * (own - T::ONE);
    }
    loss
}
