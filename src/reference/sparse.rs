//! Twin of `shaders/sparse.wgsl`: products of the packed sparse matrix with a dense one.
use super::{Real, axpy};
use crate::data::packed::unpack;
use crate::ops::BLOCK;

/// Columns that a pass over a cell's entries takes, so that their sums stay in registers.
pub const TILE: usize = 64;

/// One cell: `z += sum_g x_g mask_g inv_sd_g w[g, :]`; entries whose factor is 0 are skipped.
#[inline(always)]
pub fn forward_row<T: Real>(entries: &[u32], inv_sd: &[T], mask: &[T], w: &[T], z: &mut [T]) {
    let width = z.len();
    let mut tiles = z.chunks_exact_mut(TILE);
    let mut from = 0;
    for tile in tiles.by_ref() {
        let mut sum = [T::ZERO; TILE];
        for &entry in entries {
            let (gene, x) = unpack(entry);
            let f = mask[gene] * inv_sd[gene];
            if f != T::ZERO {
                let f = T::of(f64::from(x)) * f;
                let w = &w[gene * width + from..][..TILE];
                for (s, &w) in sum.iter_mut().zip(w) {
                    *s += f * w;
                }
            }
        }
        for (z, s) in tile.iter_mut().zip(sum) {
            *z += s;
        }
        from += TILE;
    }
    let rest = tiles.into_remainder();
    if !rest.is_empty() {
        for &entry in entries {
            let (gene, x) = unpack(entry);
            let f = mask[gene] * inv_sd[gene];
            if f != T::ZERO {
                let at = gene * width + from;
                axpy(T::of(f64::from(x)) * f, &w[at..at + rest.len()], rest);
            }
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

/// [`transpose_cell`] of powers 1 into rows of [`TILE`] columns, of which `d` fills the first.
#[inline(always)]
pub fn transpose_tile<T: Real>(entries: &[u32], d: &[T], out: &mut [T; BLOCK * TILE]) {
    for &entry in entries {
        let (gene, x) = unpack(entry);
        let at = (gene % BLOCK) * TILE;
        axpy(T::of(f64::from(x)), d, &mut out[at..at + d.len()]);
    }
}
