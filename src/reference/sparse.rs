//! Twin of `shaders/sparse.wgsl`: products of the packed sparse matrix with a dense one.
use super::{Real, axpy};
use crate::data::packed::unpack;
use crate::ops::BLOCK;

/// One cell: `z = base + sum_g x_g scale_g w[g, :]`; entries with `scale = 0` are skipped.
#[inline(always)]
pub fn forward_row<T: Real>(entries: &[u32], scale: &[T], w: &[T], base: &[T], z: &mut [T]) {
    let width = z.len();
    z.copy_from_slice(base);
    for &entry in entries {
        let (gene, x) = unpack(entry);
        let f = scale[gene];
        if f != T::ZERO {
            axpy(
                T::of(f64::from(x)) * f,
                &w[gene * width..(gene + 1) * width],
                z,
            );
        }
    }
}

/// One cell's share of one block of genes: `out[g, :] += x^power_x d^power_d`; `entries` are the
/// cell's nonzeros in the block.
#[inline(always)]
pub fn transpose_cell<T: Real>(entries: &[u32], power_x: u32, d: &[T], out: &mut [T]) {
    let width = d.len();
    for &entry in entries {
        let (gene, x) = unpack(entry);
        let x = T::of(f64::from(x));
        let x = if power_x == 2 { x * x } else { x };
        let at = (gene % BLOCK) * width;
        axpy(x, d, &mut out[at..at + width]);
    }
}
