//! Twin of `shaders/sparse.wgsl`: products of the packed sparse matrix with a dense one.
use super::{Real, axpy};
use crate::data::packed::unpack;
use crate::ops::BLOCK;

/// Columns that a pass over a cell's entries takes, so that their sums stay in registers.
pub const TILE: usize = 64;

/// `z[from..from + W] += sum_g x_g scale_g w[g, from..from + W]`.
#[inline(always)]
fn forward_tile<const W: usize, T: Real>(
    entries: &[u32],
    scale: &[T],
    w: &[T],
    from: usize,
    z: &mut [T],
) {
    let width = z.len();
    let Some(z) = z[from..].first_chunk_mut::<W>() else {
        return;
    };
    let mut sum = *z;
    for &entry in entries {
        let (gene, x) = unpack(entry);
        let f = scale[gene];
        if f != T::ZERO {
            let f = T::of(f64::from(x)) * f;
            if let Some(w) = w[gene * width + from..].first_chunk::<W>() {
                for i in 0..W {
                    sum[i] += f * w[i];
                }
            }
        }
    }
    *z = sum;
}

/// Some entries of one cell: `z += sum_g x_g scale_g w[g, :]`; those whose scale is 0 are skipped.
#[inline(always)]
pub fn forward_row<T: Real>(entries: &[u32], scale: &[T], w: &[T], z: &mut [T]) {
    let (mut from, width) = (0, z.len());
    while width - from >= TILE {
        forward_tile::<TILE, T>(entries, scale, w, from, z);
        from += TILE;
    }
    while width - from >= 16 {
        forward_tile::<16, T>(entries, scale, w, from, z);
        from += 16;
    }
    while width - from >= 4 {
        forward_tile::<4, T>(entries, scale, w, from, z);
        from += 4;
    }
    while from < width {
        forward_tile::<1, T>(entries, scale, w, from, z);
        from += 1;
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

/// Columns of the sums of a block of genes that are made at a time: they fit the first-level cache.
pub const COLUMNS: usize = 128;

/// [`transpose_cell`] of powers 1 into rows of [`COLUMNS`] columns, of which `d` fills the first.
#[inline(always)]
pub fn transpose_tile<T: Real>(entries: &[u32], d: &[T], out: &mut [T; BLOCK * COLUMNS]) {
    for &entry in entries {
        let (gene, x) = unpack(entry);
        let (at, x) = ((gene % BLOCK) * COLUMNS, T::of(f64::from(x)));
        axpy(x, d, &mut out[at..at + d.len()]);
    }
}
