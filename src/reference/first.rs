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

/// [`gradient_row`], then the AdamW step of the gene's weights, in one pass; `gene` = mean, inverse
/// standard deviation, mask.
#[inline(always)]
pub fn update_row<T: Real>(
    adam: &Adam<T>,
    r: &[T],
    gene: (T, T, T),
    d: &[T],
    w: &mut [T],
    m: &mut [T],
    v: &mut [T],
) -> T {
    let (mean, inv_sd, mask) = gene;
    let one = |r: T, d: T, w: &mut T, m: &mut T, v: &mut T| {
        let t = inv_sd * (r - mean * d);
        let along = t * *w;
        adam.one(w, mask * t, m, v);
        along
    };
    let mut lanes = [T::ZERO; 16];
    let (rs, r_rest) = r.as_chunks::<16>();
    let (ds, d_rest) = d.as_chunks::<16>();
    let (ws, w_rest) = w.as_chunks_mut::<16>();
    let (ms, m_rest) = m.as_chunks_mut::<16>();
    let (vs, v_rest) = v.as_chunks_mut::<16>();
    let moments = ms.iter_mut().zip(vs);
    for (((r, d), w), (m, v)) in rs.iter().zip(ds).zip(ws).zip(moments) {
        for i in 0..16 {
            lanes[i] += one(r[i], d[i], &mut w[i], &mut m[i], &mut v[i]);
        }
    }
    let moments = m_rest.iter_mut().zip(v_rest);
    for (((&r, &d), w), (m, v)) in r_rest.iter().zip(d_rest).zip(w_rest).zip(moments) {
        lanes[0] += one(r, d, w, m, v);
    }
    lanes.iter().fold(T::ZERO, |s, &l| s + l)
}
