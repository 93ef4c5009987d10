//! CPU twins of the kernels: plain loops, generic over f32 and f64, no knowledge of workgroups.
//!
//! A twin works on one row, gene or block where rows are independent, so that `crate::cpu` may
//! share the rows out among threads without changing a bit of the result.
pub mod ablate;
pub mod adamw;
pub mod cross_entropy;
pub mod first;
pub mod heads;
pub mod huber;
pub mod linear;
pub mod noise;
pub mod panel;
pub mod scores;
pub mod softmask;
pub mod softsort;
pub mod sort;
pub mod sparse;
pub mod topk;

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

/// f32 or f64.
pub trait Real:
    Copy
    + Default
    + Debug
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// Distance of 1 and the next value.
    const EPSILON: Self;
    /// The nearest value.
    fn of(x: f64) -> Self;
    /// The value, exactly.
    fn f64(self) -> f64;
    /// e^x.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// The larger one.
    fn max(self, other: Self) -> Self;
    /// The smaller one.
    fn min(self, other: Self) -> Self;
}

/// e^x without a branch, so that loops over it vectorise: x = n ln 2 + r, a polynomial in r (Cephes'
/// `expf`), the exponent put together from its bits. Within 2 units of the last place; arguments are
/// taken into [-87, 88], where the result is normal.
#[inline(always)]
fn exp_f32(x: f32) -> f32 {
    // adding 1.5 2^23 leaves the nearest whole number in the low bits
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    for c in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        0.166_666_65,
        0.5,
    ] {
        p = p * r + c;
    }
    let p = p * r * r + r + 1.0;
    let exponent = shifted
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .wrapping_add(127);
    p * f32::from_bits(exponent << 23)
}

macro_rules! real {
    ($t:ty, $exp:expr) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const EPSILON: Self = <$t>::EPSILON;
            #[inline(always)]
            fn of(x: f64) -> Self {
                x as Self
            }
            #[inline(always)]
            fn f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                self.ln()
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn abs(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                <$t>::max(self, other)
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                <$t>::min(self, other)
            }
        }
    };
}
real!(f32, exp_f32);
real!(f64, f64::exp);

/// `y + a x`. By value: the compiler must know that the two do not overlap to take them as vectors.
#[inline(always)]
pub fn add_scaled<T: Real, const N: usize>(mut y: [T; N], a: T, x: [T; N]) -> [T; N] {
    for i in 0..N {
        y[i] += a * x[i];
    }
    y
}

/// `y += a x`.
#[inline(always)]
pub fn axpy<T: Real>(a: T, x: &[T], y: &mut [T]) {
    // lengths that the compiler knows; the rest is short
    let (xs, x_rest) = x.as_chunks::<16>();
    let (ys, y_rest) = y.as_chunks_mut::<16>();
    for (y, x) in ys.iter_mut().zip(xs) {
        *y = add_scaled(*y, a, *x);
    }
    for (y, &x) in y_rest.iter_mut().zip(x_rest) {
        *y += a * x;
    }
}

/// `<x, y>` in sixteen interleaved partial sums, a fixed order that vectorises.
#[inline(always)]
pub fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    let mut lanes = [T::ZERO; 16];
    let (xs, x_rest) = x.as_chunks::<16>();
    let (ys, y_rest) = y.as_chunks::<16>();
    for (&x, &y) in xs.iter().zip(ys) {
        for l in 0..16 {
            lanes[l] += x[l] * y[l];
        }
    }
    let tail = x_rest.iter().zip(y_rest);
    let tail = tail.fold(T::ZERO, |s, (&a, &b)| s + a * b);
    // halves on halves: as many steps as the width has bits
    let mut half = lanes.len() / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] += lanes[l + half];
        }
        half /= 2;
    }
    lanes[0] + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units() {
        let mut worst = 0.0f64;
        for i in -870_000..880_000 {
            let x = i as f32 * 1e-4;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp_f32(x)) - exact).abs() / exact;
            worst = if error.is_nan() {
                f64::INFINITY
            } else {
                worst.max(error)
            };
        }
        assert!(worst < 2.0 * f64::from(f32::EPSILON), "{worst:e}");
        assert!(worst > 1e-9, "the check sees nothing");
        assert_eq!(exp_f32(0.0), 1.0);
        assert!(exp_f32(-1e30) < 1e-37 && exp_f32(1e30) > 1e38);
    }
}
