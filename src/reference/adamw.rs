//! Twin of `shaders/adamw.wgsl` and `shaders/common/adam.wgsl`: AdamW (Loshchilov and Hutter 2019,
//! Algorithm 2).
use super::Real;
use crate::kernels::adamw::AdamStep;

/// An [`AdamStep`] in the arithmetic of the twin.
#[derive(Clone, Copy, Debug)]
pub struct Adam<T> {
    lr: T,
    b1: T,
    b2: T,
    a1: T,
    a2: T,
    eps: T,
    c1: T,
    c2: T,
    decay: T,
}

impl<T: Real> Adam<T> {
    /// Converts the settings.
    #[must_use]
    pub fn new(s: &AdamStep) -> Self {
        let c = |x: f32| T::of(f64::from(x));
        Self {
            lr: c(s.lr),
            b1: c(s.beta1),
            b2: c(s.beta2),
            a1: T::ONE - c(s.beta1),
            a2: T::ONE - c(s.beta2),
            eps: c(s.eps),
            c1: c(s.correction1),
            c2: c(s.correction2),
            decay: c(s.lr) * c(s.weight_decay),
        }
    }
    /// The same without decay, as biases have it.
    #[must_use]
    pub fn without_decay(mut self) -> Self {
        self.decay = T::ZERO;
        self
    }
    /// One step of one parameter.
    #[inline(always)]
    pub fn one(&self, p: &mut T, g: T, m: &mut T, v: &mut T) {
        *m = self.b1 * *m + self.a1 * g;
        *v = self.b2 * *v + self.a2 * g * g;
        let kept = *p - self.decay * *p;
        *p = kept - self.lr * (*m / self.c1) / ((*v / self.c2).sqrt() + self.eps);
    }
    /// One step of a range.
    #[inline(always)]
    pub fn range(&self, p: &mut [T], g: &[T], m: &mut [T], v: &mut [T]) {
        for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            self.one(p, g, m, v);
        }
    }
}
