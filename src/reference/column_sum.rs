//! Twin of `shaders/column_sum.wgsl`.
use super::Real;

/// One chunk of rows: `partial[h] = sum_r coef[r] a[r, h]^power`.
#[inline(always)]
pub fn partial<T: Real>(power: u32, a: &[T], coef: &[T], partial: &mut [T]) {
    partial.fill(T::ZERO);
    for (row, &c) in a.chunks_exact(partial.len()).zip(coef) {
        for (s, &x) in partial.iter_mut().zip(row) {
            *s += c * if power == 2 { x * x } else { x };
        }
    }
}

/// `out = bias + sum_c partial[c, :]`, chunk by chunk.
pub fn finish<T: Real>(partial: &[T], bias: &[T], out: &mut [T]) {
    out.copy_from_slice(bias);
    for row in partial.chunks_exact(out.len()) {
        for (o, &x) in out.iter_mut().zip(row) {
            *o += x;
        }
    }
}
