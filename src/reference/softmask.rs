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

/// The mask for nu, its sum and tau times the slope of the sum; `rate` is 1 / tau.
#[inline(always)]
fn evaluate<T: Real>(scores: &[T], nu: T, rate: T, mask: &mut [T]) -> (f64, f64) {
    let (mut sums, mut slopes) = ([0.0f64; LANES], [0.0f64; LANES]);
    let (chunks, rest) = scores.as_chunks::<LANES>();
    let (masks, mask_rest) = mask.as_chunks_mut::<LANES>();
    for (mask, scores) in masks.iter_mut().zip(chunks) {
        for l in 0..LANES {
            let m = sigmoid((scores[l] - nu) * rate);
            mask[l] = m;
            sums[l] += m.f64();
            slopes[l] += (m * (T::ONE - m)).f64();
        }
    }
    for (l, (mask, &s)) in mask_rest.iter_mut().zip(rest).enumerate() {
        *mask = sigmoid((s - nu) * rate);
        sums[l] += mask.f64();
        slopes[l] += (*mask * (T::ONE - *mask)).f64();
    }
    (sums.iter().sum(), slopes.iter().sum())
}

/// `sum_i exp(sign (s_i - s_0) / tau)`, none of the terms above 1.
#[inline(always)]
fn exponentials<T: Real>(scores: &[T], sign: T, s_0: T, rate: T) -> f64 {
    let mut sums = [T::ZERO; LANES];
    let (chunks, rest) = scores.as_chunks::<LANES>();
    for chunk in chunks {
        for l in 0..LANES {
            sums[l] += (sign * (chunk[l] - s_0) * rate).exp();
        }
    }
    for (sum, &s) in sums.iter_mut().zip(rest) {
        *sum += (sign * (s - s_0) * rate).exp();
    }
    sums.iter().map(|s| s.f64()).sum()
}

/// `mask_i = sigmoid((s_i - nu) / tau)`, nu such that the mask sums to k (safeguarded Newton).
///
/// sigmoid(x) < e^x, so the root of the sum of exponentials is beyond that of the mask and near it where
/// the mask is small; the same from the other side where most of it is large.
#[inline(always)]
pub fn forward<T: Real>(p: &SoftMask, scores: &[T], mask: &mut [T]) {
    let (n, k) = (scores.len(), p.k as usize);
    if k >= n {
        return mask.fill(T::ONE);
    }
    let tau = T::of(f64::from(p.tau));
    let range = scores
        .iter()
        .fold((scores[0], scores[0]), |(l, h), &s| (l.min(s), h.max(s)));
    // at these ends the sum is surely above and below k: sigmoid(+-ln n) n = n - 1 and about 1
    let margin = T::of((n as f64).ln() + 40.0) * tau;
    let (mut low, mut high) = (range.0 - margin, range.1 + margin);
    let (half, rate) = (T::of(0.5), T::ONE / tau);
    let start = if k <= n / 2 {
        let sum = exponentials(scores, T::ONE, range.1, rate) / k as f64;
        range.1 + T::of(sum.ln()) * tau
    } else {
        let sum = exponentials(scores, -T::ONE, range.0, rate) / (n - k) as f64;
        range.0 - T::of(sum.ln()) * tau
    };
    let mut nu = start.max(low).min(high);
    // the sum of n values is no better than this
    let enough = 4.0 * T::EPSILON.f64() * k as f64;
    for _ in 0..100 {
        let (sum, slope) = evaluate(scores, nu, rate, mask);
        let excess = sum - k as f64;
        if excess > 0.0 {
            low = nu;
        } else {
            high = nu;
        }
        if excess.abs() <= enough {
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
