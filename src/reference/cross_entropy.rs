//! Twin of `shaders/cross_entropy.wgsl`: softmax cross-entropy of one cell.
use super::Real;
use crate::ops::MISSING;

/// Writes `s (softmax - onehot)` over `logits`' task columns and returns `s (-log softmax_y)`,
/// `s = scale class_weight[y]`; zeros where the label is missing.
#[inline(always)]
pub fn row<T: Real>(
    logits: &[T],
    label: u32,
    scale: f32,
    class_weight: &[T],
    dlogits: &mut [T],
) -> T {
    if label == MISSING {
        dlogits.fill(T::ZERO);
        return T::ZERO;
    }
    let y = label as usize;
    let s = T::of(f64::from(scale)) * class_weight[y];
    let top = logits.iter().fold(logits[0], |m, &x| m.max(x));
    let mut sum = T::ZERO;
    for (d, &x) in dlogits.iter_mut().zip(logits) {
        *d = (x - top).exp();
        sum += *d;
    }
    for (c, d) in dlogits.iter_mut().enumerate() {
        let target = if c == y { T::ONE } else { T::ZERO };
        *d = s * (*d / sum - target);
    }
    s * (sum.ln() + top - logits[y])
}
