//! Twin of `shaders/linear.wgsl`: a dense layer, `a = drop(relu(x w + b))`.
use super::{Real, axpy, dot, noise::dropout_words};

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
        let (seed, stream, step) = self.key;
        let mut words = [0; 4];
        for (i, z) in z.iter_mut().enumerate() {
            let element = first + i;
            if self.drop_below > 0 && (i == 0 || element % 4 == 0) {
                words = dropout_words(seed, stream, step, element);
            }
            let keeps = *z > T::ZERO && words[element % 4] >= self.drop_below;
            *z = if keeps { *z * self.keep_scale } else { T::ZERO };
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
