//! Twin of `shaders/linear.wgsl`: a dense layer, `a = drop(relu(x w + b))`.
use super::noise::{LANES, dropout_words, philox_lanes};
use super::{Real, axpy, dot};

/// What follows the sums of a layer: ReLU and dropout, or nothing.
#[derive(Clone, Copy, Debug)]
pub struct Gate<T> {
    /// Whether anything follows.
    pub activate: bool,
    /// A value whose random word is below this is dropped.
    pub drop_below: u32,
    /// 1 / (1 - rate).
    pub keep_scale: T,
    /// Low word of the key, high word, step.
    pub key: (u32, u32, u32),
}

impl<T: Real> Gate<T> {
    /// `drop(relu(z))` of the elements from `first` on, in place.
    #[inline(always)]
    pub fn apply(&self, first: usize, z: &mut [T]) {
        if !self.activate {
            return;
        }
        let mut at = first;
        let mut rest = z;
        while !rest.is_empty() {
            // up to the next multiple of four, then many at a time
            let n = match at % 4 {
                0 => rest.len().min(4 * LANES),
                odd => rest.len().min(4 - odd),
            };
            let (own, behind) = rest.split_at_mut(n);
            match own.first_chunk_mut() {
                Some(own) => *own = self.many(at, *own),
                None => self.few(at, own),
            }
            (at, rest) = (at + n, behind);
        }
    }

    /// Elements from a multiple of four on.
    #[inline(always)]
    fn many(&self, first: usize, z: [T; 4 * LANES]) -> [T; 4 * LANES] {
        let (seed, stream, step) = self.key;
        let words = if self.drop_below > 0 {
            philox_lanes((first / 4) as u32, step, [seed, stream])
        } else {
            [0; 4 * LANES]
        };
        std::array::from_fn(|i| self.one(z[i], words[i]))
    }

    #[inline(always)]
    fn few(&self, first: usize, z: &mut [T]) {
        let (seed, stream, step) = self.key;
        let mut words = [0; 4];
        for (i, z) in z.iter_mut().enumerate() {
            let element = first + i;
            if self.drop_below > 0 && (i == 0 || element.is_multiple_of(4)) {
                words = dropout_words(seed, stream, step, element);
            }
            *z = self.one(*z, words[element % 4]);
        }
    }

    #[inline(always)]
    fn one(&self, z: T, word: u32) -> T {
        if z > T::ZERO && word >= self.drop_below {
            z * self.keep_scale
        } else {
            T::ZERO
        }
    }
}

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

/// One row of `dz = dy w^T` where the activation `a` of the layer below is above 0, times `keep_scale`.
#[inline(always)]
pub fn grad_input_row<T: Real>(dy: &[T], w: &[T], a: &[T], keep_scale: T, dz: &mut [T]) {
    for ((d, row), &a) in dz.iter_mut().zip(w.chunks_exact(dy.len())).zip(a) {
        *d = if a > T::ZERO {
            dot(dy, row) * keep_scale
        } else {
            T::ZERO
        };
    }
}

/// A product of two matrices, the left one possibly transposed: element (i, k) of it at
/// `i step.0 + k step.1`, of the right one at `k width + j`.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a, T> {
    /// Left factor.
    pub a: &'a [T],
    /// Distance of its rows and of its columns.
    pub step: (usize, usize),
    /// Right factor.
    pub b: &'a [T],
    /// Columns of the right factor.
    pub width: usize,
}

/// Terms that are added before the next rows: their part of the right factor stays in the second-level
/// cache.
const DEPTH: usize = 128;

impl<T: Real> Product<'_, T> {
    /// `out += ` rows of the product, from row `first` on; terms in order, so that it does not matter
    /// how rows are shared out.
    #[inline(always)]
    pub fn add(&self, first: usize, out: &mut [T]) {
        let depth = self.b.len() / self.width.max(1);
        for from in (0..depth).step_by(DEPTH) {
            let terms = (from, depth.min(from + DEPTH));
            let mut row = first;
            let mut fours = out.chunks_exact_mut(4 * self.width);
            for out in fours.by_ref() {
                self.rows::<4>(row, terms, out);
                row += 4;
            }
            for out in fours.into_remainder().chunks_exact_mut(self.width) {
                self.rows::<1>(row, terms, out);
                row += 1;
            }
        }
    }

    #[inline(always)]
    fn rows<const R: usize>(&self, row: usize, terms: (usize, usize), out: &mut [T]) {
        let mut from = 0;
        while self.width - from >= 32 {
            self.tile::<R, 32>((row, from), terms, out);
            from += 32;
        }
        while self.width - from >= 8 {
            self.tile::<R, 8>((row, from), terms, out);
            from += 8;
        }
        while from < self.width {
            self.tile::<R, 1>((row, from), terms, out);
            from += 1;
        }
    }

    /// R rows and W columns, whose sums stay in registers.
    #[inline(always)]
    fn tile<const R: usize, const W: usize>(
        &self,
        (row, column): (usize, usize),
        (from, to): (usize, usize),
        out: &mut [T],
    ) {
        let mut sums = [[T::ZERO; W]; R];
        for (r, sum) in sums.iter_mut().enumerate() {
            sum.copy_from_slice(&out[r * self.width + column..][..W]);
        }
        for k in from..to {
            let Some(b) = self.b[k * self.width + column..].first_chunk::<W>() else {
                return;
            };
            for (r, sum) in sums.iter_mut().enumerate() {
                let x = self.a[(row + r) * self.step.0 + k * self.step.1];
                for (s, &b) in sum.iter_mut().zip(b) {
                    *s += x * b;
                }
            }
        }
        for (r, sum) in sums.iter().enumerate() {
            out[r * self.width + column..][..W].copy_from_slice(sum);
        }
    }
}

/// `out = sum` of the rows of `a`.
#[inline(always)]
pub fn column_sum<T: Real>(a: &[T], out: &mut [T]) {
    out.fill(T::ZERO);
    for row in a.chunks_exact(out.len()) {
        for (o, &x) in out.iter_mut().zip(row) {
            *o += x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_plain_loops() {
        // several parts of the sums, rows and columns that no tile fits
        let (rows, depth, width) = (11, 2 * DEPTH + 3, 43);
        let a: Vec<f64> = (0..rows * depth).map(|i| ((i * 7) % 23) as f64).collect();
        let b: Vec<f64> = (0..depth * width).map(|i| ((i * 5) % 19) as f64).collect();
        for (step, place) in [((depth, 1), 0), ((1, rows), 1)] {
            let product = Product {
                a: &a,
                step,
                b: &b,
                width,
            };
            let mut out = vec![1.0; rows * width];
            let (upper, lower) = out.split_at_mut(6 * width);
            product.add(0, upper);
            product.add(6, lower);
            for i in 0..rows {
                for j in 0..width {
                    let left = |k: usize| [a[i * depth + k], a[k * rows + i]][place];
                    // whole numbers: exact
                    let sum: f64 = (0..depth).map(|k| left(k) * b[k * width + j]).sum();
                    assert_eq!(out[i * width + j], 1.0 + sum, "{step:?} {i} {j}");
                }
            }
        }
    }
}
