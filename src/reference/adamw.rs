//! Twin of `shaders/adamw.wgsl`: AdamW (Loshchilov and Hutter 2019, Algorithm 2).
use super::Real;
use crate::kernels::adamw::AdamW;

/// One step on a range of the arena.
#[inline(always)]
pub fn step<T: Real>(s: &AdamW, p: &mut [T], g: &[T], m: &mut [T], v: &mut [T]) {
    let c = |x: f32| T::of(f64::from(x));
    let (lr, b1, b2, eps) = (c(s.lr), c(s.beta1), c(s.beta2), c(s.eps));
    let (c1, c2, decay) = (
        c(s.correction1),
        c(s.correction2),
        c(s.lr) * c(s.weight_decay),
    );
    let (a1, a2) = (T::ONE - b1, T::ONE - b2);
    for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        *m = b1 * *m + a1 * g;
        *v = b2 * *v + a2 * g * g;
        let kept = *p - decay * *p;
        *p = kept - lr * (*m / c1) / ((*v / c2).sqrt() + eps);
    }
}
