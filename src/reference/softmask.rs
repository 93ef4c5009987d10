//! Twin of `shaders/softmask.wgsl`: the capped-sum sigmoid (method.md, relaxation A).
use super::Real;
use crate::kernels::softmask::SoftMask;

#[inline(always)]
fn sigmoid<T: Real>(x: T) -> T {
    // the form whose exponent is never positive, so that nothing overflows
    let e = (-x.abs()).exp();
    let share = T::ONE / (T::ONE + e);
    if x >= T::ZERO { share } else { e * share }
}

/// Values at a time: sums in as many parts, a fixed order that vectorises.
const LANES: usize = 16;

/// The mask for nu, its sum and tau times the slope of the sum.
#[inline(always)]
fn evaluate<T: Real>(scores: &[T], nu: T, tau: T, mask: &mut [T]) -> (f64, f64) {
    let (mut sums, mut slopes) = ([0.0f64; LANES], [0.0f64; LANES]);
    let pieces = mask.chunks_mut(LANES).zip(scores.chunks(LANES));
    for (mask, scores) in pieces {
        let mut one = |l: usize, m: &mut T, s: T| {
            *m = sigmoid((s - nu) / tau);
            sums[l] += m.f64();
            slopes[l] += (*m * (T::ONE - *m)).f64();
        };
        match (
            <&mut [T; LANES]>::try_from(&mut *mask),
            <&[T; LANES]>::try_from(scores),
        ) {
            (Ok(mask), Ok(scores)) => {
                for l in 0..LANES {
                    one(l, &mut mask[l], scores[l]);
                }
            }
            _ => {
                for (l, (m, &s)) in mask.iter_mut().zip(scores).enumerate() {
                    one(l, m, s);
                }
            }
        }
    }
    (sums.iter().sum(), slopes.iter().sum())
}

/// `mask_i = sigmoid((s_i - nu) / tau)`, nu such that the mask sums to k (safeguarded Newton).
#[inline(always)]
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
        let (sum, slope) = evaluate(scores, nu, tau, mask);
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
