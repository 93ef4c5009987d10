//! Cooperative matrices in the forward pass of dense layers, for who asks for them (`YOTO_MATRIX=1`) on an
//! adapter that has them and passes a known case; everywhere else the layers stay in f32. Gradients stay
//! in f32 always: without a scale they are too small for f16.
use super::{Gpu, has_matrix};
use crate::data::random::SplitMix;
use crate::kernels::{linear::Linear, matrix_forward::SUBGROUP};
use crate::ops::{Ops, Result, stride};
use crate::reference::linear::forward_row;
use half::f16;
use wgpu::Features;

/// The agreement that wgpu asks for before an experimental feature is used, where `features` has one.
#[expect(unsafe_code, reason = "wgpu marks the agreement itself as unsafe")]
pub(crate) fn agreement(features: Features) -> wgpu::ExperimentalFeatures {
    if features.contains(Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
        // SAFETY: what is agreed to is that the feature may have faults; it is used by fixed shaders
        // (shaders/bench/matrix.wgsl, shaders/optional/matrix_forward.wgsl), whose accesses are all
        // below the lengths of their arrays, and whose results are checked before they count.
        unsafe { wgpu::ExperimentalFeatures::enabled() }
    } else {
        wgpu::ExperimentalFeatures::disabled()
    }
}

/// Whether the user asks for cooperative matrices.
pub(crate) fn is_wanted() -> bool {
    std::env::var_os("YOTO_MATRIX").is_some_and(|v| v == "1")
}

/// The features to open an adapter with for them; none where they are not asked for or not there.
pub(super) fn asked(adapter: &wgpu::Adapter) -> Features {
    let told = adapter.get_info();
    let fits = [told.subgroup_min_size, told.subgroup_max_size] == [SUBGROUP; 2];
    if is_wanted() && fits && has_matrix(adapter) {
        Features::EXPERIMENTAL_COOPERATIVE_MATRIX | Features::SHADER_F16 | Features::SUBGROUP
    } else {
        Features::empty()
    }
}

/// Rows, inputs, outputs of the known case: no whole tiles.
const CASE: [usize; 3] = [45, 83, 70];

/// A known case: inputs, then an arena of weights and biases.
fn case() -> (Vec<f32>, Vec<f32>) {
    let [rows, n_in, n_out] = CASE;
    let mut rng = SplitMix::new(7);
    let mut some = |n: usize| -> Vec<f32> {
        let one = |_| (rng.next() >> 40) as f32 / (1u32 << 23) as f32 - 1.0;
        (0..n).map(one).collect()
    };
    (
        some(rows * n_in),
        some(stride(n_in * n_out) + stride(n_out)),
    )
}

/// Whether `got` is the layer of the case, its factors rounded to f16: within the bound of sums of
/// products (`tests/kernels`), four times over, for matrix units cut what they add.
fn agrees(got: &[f32]) -> bool {
    let [rows, n_in, n_out] = CASE;
    let (a, arena) = case();
    let half = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| f16::from_f32(x).to_f64()).collect() };
    let (a, w) = (half(&a), half(&arena[..n_in * n_out]));
    let bias: Vec<f64> = arena[stride(n_in * n_out)..][..n_out]
        .iter()
        .map(|&b| f64::from(b))
        .collect();
    let absolute = |x: &[f64]| -> Vec<f64> { x.iter().map(|x| x.abs()).collect() };
    let (size, sizes) = (absolute(&w), absolute(&bias));
    let (mut want, mut terms) = (vec![0.0; n_out], vec![0.0; n_out]);
    let unit = 4.0 * f64::from(f32::EPSILON) * (n_in + 5) as f64;
    got.len() == rows * n_out
        && a.chunks_exact(n_in)
            .zip(got.chunks_exact(n_out))
            .all(|(a, got)| {
                forward_row(a, &w, &bias, &mut want);
                forward_row(&absolute(a), &size, &sizes, &mut terms);
                let mut all = got.iter().zip(&want).zip(&terms);
                // NaN is never within it
                all.all(|((&y, want), terms)| (f64::from(y) - want).abs() <= unit * terms)
            })
}

impl Gpu {
    /// Whether dense layers go forward by cooperative matrices.
    #[must_use]
    pub fn uses_matrices(&self) -> bool {
        self.matrix
    }

    /// The self-test: the known case by cooperative matrices. A pipeline that does not compile fails it.
    pub(super) fn matrix_agrees(&mut self) -> Result<bool> {
        if self
            .make(&[&crate::kernels::matrix_forward::FORWARD], None)
            .is_err()
        {
            return Ok(false);
        }
        let [rows, n_in, n_out] = CASE;
        let (a, arena) = case();
        let p = Linear {
            models: 1,
            n_rows: rows as u32,
            n_in: n_in as u32,
            n_out: n_out as u32,
            arena: arena.len() as u32,
            bias_offset: stride(n_in * n_out) as u32,
            keep_scale: 1.0,
            ..Linear::default()
        };
        let mut made = Vec::new();
        for values in [&a, &arena, &vec![f32::NAN; rows * n_out]] {
            let buffer = self.alloc_f("test of cooperative matrices", values.len())?;
            self.write_f(buffer, values)?;
            made.push(buffer);
        }
        let [a, params, out] = [made[0], made[1], made[2]];
        self.matrix = true;
        self.linear_forward(p, a, params, out);
        self.matrix = false;
        let got = self.read_f(out)?;
        made.into_iter().for_each(|b| self.release_f(b));
        Ok(agrees(&got))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layer in f32, of factors that `round` changes first.
    fn layer(round: impl Fn(f32) -> f32) -> Vec<f32> {
        let [rows, n_in, n_out] = CASE;
        let (a, arena) = case();
        let rounded = |x: &[f32]| -> Vec<f32> { x.iter().map(|&x| round(x)).collect() };
        let (a, w) = (rounded(&a), rounded(&arena[..n_in * n_out]));
        let bias = &arena[stride(n_in * n_out)..][..n_out];
        let mut y = vec![0.0; rows * n_out];
        for (a, y) in a.chunks_exact(n_in).zip(y.chunks_exact_mut(n_out)) {
            forward_row(a, &w, bias, y);
        }
        y
    }

    #[test]
    fn the_self_test_takes_the_rounded_layer_and_nothing_else() {
        let right = layer(|x| f16::from_f32(x).to_f32());
        assert!(agrees(&right));
        let wrong = |at: usize, by: f32| {
            let mut wrong = right.clone();
            wrong[at] += by;
            wrong
        };
        assert!(!agrees(&wrong(right.len() - 1, 0.01)));
        assert!(!agrees(&wrong(0, f32::NAN)));
        assert!(!agrees(&layer(|x| x)), "factors that were not rounded");
        assert!(!agrees(&layer(|x| half::bf16::from_f32(x).to_f32())));
        assert!(!agrees(&vec![0.0; right.len()]));
        assert!(!agrees(&right[1..]));
        let [rows, _, n_out] = CASE;
        let turned = (0..right.len()).map(|i| right[i % rows * n_out + i / rows]);
        assert!(!agrees(&turned.collect::<Vec<f32>>()), "transposed");
    }
}
