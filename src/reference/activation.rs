//! Twin of `shaders/activation.wgsl`: ReLU and dropout.
use super::{Real, noise::dropout_word};
use crate::kernels::activation::Activation;

#[inline(always)]
fn keep(p: &Activation, i: usize) -> bool {
    p.drop_below == 0 || dropout_word(p.seed, p.stream, p.step, i as u32) >= p.drop_below
}

/// `a = max(z, 0)`, dropped or scaled; `first` is the index of `z[0]`.
#[inline(always)]
pub fn forward<T: Real>(p: &Activation, first: usize, z: &[T], a: &mut [T]) {
    let scale = T::of(f64::from(p.keep_scale));
    for (i, (a, &z)) in a.iter_mut().zip(z).enumerate() {
        *a = if z > T::ZERO && keep(p, first + i) {
            z * scale
        } else {
            T::ZERO
        };
    }
}

/// `dz = da [z > 0]`, dropped or scaled alike.
#[inline(always)]
pub fn backward<T: Real>(p: &Activation, first: usize, z: &[T], da: &[T], dz: &mut [T]) {
    let scale = T::of(f64::from(p.keep_scale));
    for (i, ((dz, &z), &da)) in dz.iter_mut().zip(z).zip(da).enumerate() {
        *dz = if z > T::ZERO && keep(p, first + i) {
            da * scale
        } else {
            T::ZERO
        };
    }
}
