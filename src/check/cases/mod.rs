//! Known cases, each a function of its sizes, and the list of the small ones.
//!
//! [`all`] has at least one case for every registered kernel entry (`tests/agree.rs`), with sizes
//! beside the edges of workgroups and tiles, that a software adapter runs in milliseconds.
pub mod dense;
pub mod first;
pub mod selection;
pub mod sparse;

use super::{Case, Inputs, U, Values};
use crate::kernels::adamw::AdamStep;

/// The small cases that every implementation runs.
#[must_use]
pub fn all() -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    cases.extend(selection::all());
    cases.extend(first::all());
    cases.extend(sparse::all());
    cases.extend(dense::all());
    cases
}

/// Copies of two networks: each `stride` long, the rest of it zero.
#[must_use]
fn spread<T: Copy + Default>(copies: [&[T]; MODELS], stride: usize) -> Vec<T> {
    let mut all = vec![T::default(); MODELS * stride];
    for (to, from) in all.chunks_exact_mut(stride.max(1)).zip(copies) {
        to[..from.len()].copy_from_slice(from);
    }
    all
}

/// The first `len` values of each network's copy.
#[must_use]
fn gather(all: &[f64], stride: usize, len: usize) -> Values {
    let copies = all.chunks_exact(stride.max(1));
    copies.flat_map(|c| c[..len].to_vec()).collect()
}

/// Networks in the cases of operations that take several.
const MODELS: usize = 2;

/// Draws the copies of two networks.
fn draw(inputs: &mut Inputs, len: usize, stride: usize) -> Vec<f32> {
    let (a, b) = (inputs.draw(len), inputs.draw(len));
    spread([&a, &b], stride)
}

/// As [`draw`], the last value of the last network wrong under [`super::Mode::Fault`].
fn faulty(inputs: &mut Inputs, len: usize, stride: usize) -> Vec<f32> {
    let (a, b) = (inputs.draw(len), inputs.faulty(len));
    spread([&a, &b], stride)
}

/// Settings of AdamW whose step is smooth, so that an error of the gradient stays in proportion.
const ADAM: AdamStep = AdamStep {
    lr: 0.01,
    beta1: 0.9,
    beta2: 0.99,
    eps: 1.0,
    weight_decay: 0.1,
    correction1: 0.1,
    correction2: 0.01,
};

/// Bounds of parameters, first and second moments (the outputs in `want`) after a step of [`ADAM`] from
/// moments of 0 along gradients that may be off by `errors`.
fn after_adam(want: &[Values], errors: &[f64]) -> Vec<Values> {
    let a = |x: f32| f64::from(x);
    let per = 1.0 - a(ADAM.beta1);
    let m = want[1].iter().zip(errors);
    let m = m.map(|(m, e)| per * e + 3.0 * U * m.abs() + 1e-37);
    let v = want[1].iter().zip(errors).zip(&want[2]).map(|((m, e), v)| {
        let g = m.abs() / per;
        (1.0 - a(ADAM.beta2)) * (2.0 * g * e + e * e) + 6.0 * U * v + 1e-37
    });
    // the root of v is |g| times a constant
    let root = ((1.0 - a(ADAM.beta2)) / a(ADAM.correction2)).sqrt();
    let p = want[0].iter().zip(&want[1]).zip(errors).map(|((p, m), e)| {
        let step = m.abs() / a(ADAM.correction1);
        let change = per * e / a(ADAM.correction1) + step * root * e + 10.0 * U * step;
        4.0 * U * p.abs() + a(ADAM.lr) * change + 1e-37
    });
    vec![p.collect(), m.collect(), v.collect()]
}

/// Errors of gradients that are sums of `terms` products, from their first moments under
/// [`super::Mode::Size`].
fn sum_errors(first_moments: &[f64], terms: usize) -> Values {
    let per = 1.0 - f64::from(ADAM.beta1);
    let error = |s: &f64| (terms as f64 + 6.0) * U * s.abs() / per;
    first_moments.iter().map(error).collect()
}

/// The first and the second moments of all networks.
fn moments_of(all: &[f64], arena: usize) -> [Values; 2] {
    let each = |from: usize| {
        let own = all.chunks_exact(2 * arena);
        own.flat_map(|m| m[from..from + arena].to_vec()).collect()
    };
    [each(0), each(arena)]
}
