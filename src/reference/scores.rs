//! Twin of `shaders/scores.wgsl`: gradient of the scores through the capped-sum sigmoid.
use super::Real;

/// `grad_i = v_i (u_i - <v,u> / sum v)`, `v = m (1 - m) / tau` (method.md, relaxation A).
pub fn gradient<T: Real>(tau: f32, mask: &[T], u: &[T], grad: &mut [T]) {
    let tau = f64::from(tau);
    let v = |m: T| (m * (T::ONE - m)).f64() / tau;
    // sums in eight parts, a fixed order that vectorises
    let (mut sums, mut dots) = ([0.0f64; 8], [0.0f64; 8]);
    for (mask, u) in mask.chunks(8).zip(u.chunks(8)) {
        for (l, (&m, &u)) in mask.iter().zip(u).enumerate() {
            sums[l] += v(m);
            dots[l] += v(m) * u.f64();
        }
    }
    let (sum, dot): (f64, f64) = (sums.iter().sum(), dots.iter().sum());
    let mean = if sum > 1e-12 { dot / sum } else { 0.0 };
    for ((g, &m), &u) in grad.iter_mut().zip(mask).zip(u) {
        *g = T::of(v(m)) * (u - T::of(mean));
    }
}
