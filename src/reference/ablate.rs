//! Twin of `shaders/ablate.wgsl`.
use super::Real;

/// One cell and one gene: `out = z - x w`, the first-layer sums with the gene at its mean, and their
/// ReLU where asked for.
#[inline(always)]
pub fn row<T: Real>(activate: bool, z: &[T], x: T, w: &[T], out: &mut [T]) {
    for ((o, &z), &w) in out.iter_mut().zip(z).zip(w) {
        let sum = z - x * w;
        *o = if activate { sum.max(T::ZERO) } else { sum };
    }
}
