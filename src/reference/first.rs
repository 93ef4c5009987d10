//! Twin of `shaders/first.wgsl`: standardisation inside the first layer and its gradients.
//!
//! `Z = X diag(m / sd) W + (b - sum_g m_g mu_g / sd_g W_g)`: the centring is a bias, X stays sparse.
use super::{Real, dot};

/// Factor of a gene's row and of its share of the bias: `m / sd`, `-m mu / sd`.
pub fn scale<T: Real>(mask: &[T], stats: &[T], scale: &mut [T], shift: &mut [T]) {
    let (mean, inv_sd) = stats.split_at(mask.len());
    for g in 0..mask.len() {
        scale[g] = mask[g] * inv_sd[g];
        shift[g] = -(mask[g] * inv_sd[g]) * mean[g];
    }
}

/// Gradients of one gene: `t = inv_sd (r - mean d)`; `dw = m t`; returns `u = <t, w>`.
#[inline(always)]
pub fn gradient_row<T: Real>(
    r: &[T],
    w: &[T],
    mask: T,
    mean: T,
    inv_sd: T,
    d: &[T],
    dw: &mut [T],
) -> T {
    for ((t, &r), &d) in dw.iter_mut().zip(r).zip(d) {
        *t = inv_sd * (r - mean * d);
    }
    let u = dot(dw, w);
    for t in dw.iter_mut() {
        *t = mask * *t;
    }
    u
}
