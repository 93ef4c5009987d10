//! Huber loss (Huber 1964) of one cell, a part of the twin of `shaders/heads.wgsl`.
use super::Real;

/// Gradient and loss of error `e = logit - target` with factor `s`.
#[inline(always)]
pub fn row<T: Real>(e: T, delta: T, s: T) -> (T, T) {
    let half = T::of(0.5);
    if e.abs() <= delta {
        (s * e, s * half * e * e)
    } else {
        let sign = if e > T::ZERO { T::ONE } else { -T::ONE };
        (s * delta * sign, s * delta * (e.abs() - half * delta))
    }
}
