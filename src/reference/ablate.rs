//! Twin of `shaders/ablate.wgsl`.
use super::Real;

/// One cell and one gene: `out = z - x w`, the first-layer sums with the gene at its mean.
#[inline(always)]
pub fn row<T: Real>(z: &[T], x: T, w: &[T], out: &mut [T]) {
    for ((o, &z), &w) in out.iter_mut().zip(z).zip(w) {
        *o = z - x * w;
    }
}
