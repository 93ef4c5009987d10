//! Twin of `shaders/linear.wgsl`: a dense layer, `y = a w + b`.
use super::{Real, axpy, dot};

/// One row of y.
#[inline(always)]
pub fn forward_row<T: Real>(a: &[T], w: &[T], b: &[T], y: &mut [T]) {
    let n_out = y.len();
    y.copy_from_slice(b);
    for (i, &x) in a.iter().enumerate() {
        if x != T::ZERO {
            axpy(x, &w[i * n_out..(i + 1) * n_out], y);
        }
    }
}

/// One row of `da = dy w^T`.
#[inline(always)]
pub fn grad_input_row<T: Real>(dy: &[T], w: &[T], da: &mut [T]) {
    for (d, row) in da.iter_mut().zip(w.chunks_exact(dy.len())) {
        *d = dot(dy, row);
    }
}

/// Row i of `dw = a^T dy`; `a` has `n_in` columns.
#[inline(always)]
pub fn grad_weight_row<T: Real>(i: usize, n_in: usize, a: &[T], dy: &[T], dw: &mut [T]) {
    dw.fill(T::ZERO);
    for (a, dy) in a.chunks_exact(n_in).zip(dy.chunks_exact(dw.len())) {
        if a[i] != T::ZERO {
            axpy(a[i], dy, dw);
        }
    }
}
