//! Twin of `shaders/softmask.wgsl`: the capped-sum sigmoid (method.md, relaxation A).
use super::Real;
use crate::kernels::softmask::SoftMask;

fn sigmoid<T: Real>(x: T) -> T {
    // the form whose exponent is never positive, so that nothing overflows
    let e = (-x.abs()).exp();
    if x >= T::ZERO {
        T::ONE / (T::ONE + e)
    } else {
        e / (T::ONE + e)
    }
}

/// `mask_i = sigmoid((s_i - nu) / tau)`, nu such that the mask sums to k (safeguarded Newton).
pub fn forward<T: Real>(p: &SoftMask, scores: &[T], mask: &mut [T]) {
    if p.k as usize >= scores.len() {
        return mask.fill(T::ONE);
    }
    let tau = T::of(f64::from(p.tau));
    let range = scores
        .iter()
        .fold((scores[0], scores[0]), |(l, h), &s| (l.min(s), h.max(s)));
    // at these ends the sum is surely above and below k: sigmoid(+-ln n) n = n - 1 and about 1
    let margin = T::of((scores.len() as f64).ln() + 40.0) * tau;
    let (mut low, mut high) = (range.0 - margin, range.1 + margin);
    let half = T::of(0.5);
    let mut nu = (low + high) * half;
    for _ in 0..100 {
        let (mut sum, mut slope) = (0.0, 0.0);
        for (m, &s) in mask.iter_mut().zip(scores) {
            *m = sigmoid((s - nu) / tau);
            sum += m.f64();
            slope += (*m * (T::ONE - *m)).f64();
        }
        let excess = sum - f64::from(p.k);
        if excess > 0.0 {
            low = nu;
        } else {
            high = nu;
        }
        if excess == 0.0 {
            return;
        }
        let newton = nu + T::of(excess / slope.max(1e-300)) * tau;
        let next = if newton > low && newton < high {
            newton
        } else {
            (low + high) * half
        };
        if next == nu || low >= high {
            return;
        }
        nu = next;
    }
}
