//! Twin of `shaders/adamw.wgsl` and `shaders/common/adam.wgsl`: AdamW (Loshchilov and Hutter 2019,
//! Algorithm 2).
use super::Real;
use crate::kernels::adamw::AdamStep;

/// An [`AdamStep`] in the arithmetic of the twin.
#[derive(Clone, Copy, Debug)]
pub struct Adam<T> {
    b1: T,
    b2: T,
    a1: T,
    a2: T,
    eps: T,
    step: T,
    rate2: T,
    decay: T,
}

impl<T: Real> Adam<T> {
    /// Converts the settings.
    #[must_use]
    pub fn new(s: &AdamStep) -> Self {
        let c = |x: f32| T::of(f64::from(x));
        Self {
            b1: c(s.beta1),
            b2: c(s.beta2),
            a1: T::ONE - c(s.beta1),
            a2: T::ONE - c(s.beta2),
            eps: c(s.eps),
            step: c(s.lr) / c(s.correction1),
            rate2: T::ONE / c(s.correction2),
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
        // lr (m / c1) / (sqrt(v / c2) + eps) with one division
        *p = kept - self.step * *m / ((*v * self.rate2).sqrt() + self.eps);
    }
    /// One step of a range.
    #[inline(always)]
    pub fn range(&self, p: &mut [T], g: &[T], m: &mut [T], v: &mut [T]) {
        let (ps, p_rest) = p.as_chunks_mut::<16>();
        let (gs, g_rest) = g.as_chunks::<16>();
        let (ms, m_rest) = m.as_chunks_mut::<16>();
        let (vs, v_rest) = v.as_chunks_mut::<16>();
        for (((p, g), m), v) in ps.iter_mut().zip(gs).zip(ms).zip(vs) {
            for i in 0..16 {
                self.one(&mut p[i], g[i], &mut m[i], &mut v[i]);
            }
        }
        for (((p, &g), m), v) in p_rest.iter_mut().zip(g_rest).zip(m_rest).zip(v_rest) {
            self.one(p, g, m, v);
        }
    }
}
