//! Twin of `shaders/first.wgsl`: standardisation inside the first layer, its gradients and update.
//!
//! `Z = X diag(m / sd) W + (b - sum_g m_g mu_g / sd_g W_g)`: the centring is a bias, X stays sparse.
use super::{Real, adamw::Adam, axpy, dot};

/// Share of a chunk of genes in `sum_g m_g mu_g / sd_g W_g`; `w` holds the chunk's rows.
#[inline(always)]
pub fn centre_chunk<T: Real>(mean: &[T], inv_sd: &[T], mask: &[T], w: &[T], out: &mut [T]) {
    out.fill(T::ZERO);
    let rows = w.chunks_exact(out.len());
    for (((&mean, &inv_sd), &mask), w) in mean.iter().zip(inv_sd).zip(mask).zip(rows) {
        let factor = mask * inv_sd * mean;
        if factor != T::ZERO {
            axpy(factor, w, out);
        }
    }
}

/// Gradients of one gene from `r`: `t = inv_sd (r - mean d)`, `dw = m t` in place of `r`; returns
/// `u = <t, w>`.
#[inline(always)]
pub fn gradient_row<T: Real>(r: &mut [T], w: &[T], mask: T, mean: T, inv_sd: T, d: &[T]) -> T {
    for (t, &d) in r.iter_mut().zip(d) {
        *t = inv_sd * (*t - mean * d);
    }
    let u = dot(r, w);
    for t in r.iter_mut() {
        *t = mask * *t;
    }
    u
}

/// [`gradient_row`], then the AdamW step of the gene's weights.
#[inline(always)]
pub fn update_row<T: Real>(
    adam: &Adam<T>,
    r: &mut [T],
    gene: (T, T, T),
    d: &[T],
    w: &mut [T],
    m: &mut [T],
    v: &mut [T],
) -> T {
    let (mean, inv_sd, mask) = gene;
    let u = gradient_row(r, w, mask, mean, inv_sd, d);
    adam.range(w, r, m, v);
    u
}
