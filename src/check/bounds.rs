//! How far a result may lie from the reference, and how far it does.

/// 2^-23, the unit of the bounds: the distance of 1 and the next f32.
pub const U: f64 = 1.0 / 8_388_608.0;

/// One output of a case.
pub type Values = Vec<f64>;

/// Worst `|got - want|` as a share of its bound.
///
/// Infinite where `got` is NaN or differs at a bound of 0; also where the comparison itself would
/// mean nothing: lengths that differ, a reference or a bound that is not finite, a negative bound.
#[must_use]
pub fn share(got: &[f64], want: &[f64], bound: &[f64]) -> f64 {
    let sane = want.iter().all(|w| w.is_finite())
        && bound.iter().all(|b| b.is_finite() && *b >= 0.0)
        && (got.len(), bound.len()) == (want.len(), want.len());
    if !sane {
        return f64::INFINITY;
    }
    let one = |((g, w), b): ((&f64, &f64), &f64)| match (g - w).abs() {
        e if e.is_nan() => f64::INFINITY,
        0.0 => 0.0,
        e => e / b,
    };
    got.iter().zip(want).zip(bound).map(one).fold(0.0, f64::max)
}

/// The bound of sums of `terms` products, which holds for every order of the sum, fused or not:
/// `(terms + 4) 2^-23 sum |a b|`, the sum of sizes being the output under
/// [`Mode::Size`](super::Mode::Size) (Higham, *Accuracy and Stability of Numerical Algorithms*, 3.1,
/// with room for the roundings of the terms).
pub fn sums(terms: usize) -> impl Fn(&[Values], &[Values]) -> Vec<Values> {
    move |_, size| {
        let bound = |s: &f64| (terms as f64 + 4.0) * U * s + 1e-37;
        size.iter().map(|v| v.iter().map(bound).collect()).collect()
    }
}

/// Equality: a bound of 0 for every value.
#[must_use]
pub fn equal(want: &[Values], _: &[Values]) -> Vec<Values> {
    want.iter().map(|v| vec![0.0; v.len()]).collect()
}
