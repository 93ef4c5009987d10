//! What the processor can do at most, with all threads.
use super::schema::{Ceilings, Clock};
use super::spread::median;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::hint::black_box;
use std::time::Instant;

/// Most floats of each buffer of the copy: 256 MiB, beyond any last-level cache.
const COPY_FLOATS: usize = 64 << 20;
/// Accumulators of the multiply-adds: latency times width of today's processors.
const CHAINS: usize = 10;
/// Turns of a sample.
const ROUNDS: usize = 400_000;

/// Measures the CPU path; `samples` of each figure.
pub(super) fn measure(samples: usize) -> Ceilings {
    let mut notes = Vec::new();
    let (copy_gb_s, copy_bytes) = copy(samples).unwrap_or_else(|| {
        notes.push("copy: no memory for two buffers of 16 MiB".into());
        (0.0, 0)
    });
    let fp32_gflop_s = arithmetic(samples);
    let mut hand: Vec<f64> = (0..200)
        .map(|_| {
            let begin = Instant::now();
            rayon::broadcast(|c| black_box(c.index()));
            begin.elapsed().as_nanos() as f64 / 1e3
        })
        .collect();
    Ceilings {
        copy_gb_s,
        copy_bytes,
        fp32_gflop_s,
        f16_gflop_s: None,
        matrix_gflop_s: None,
        empty_dispatch_us: median(&mut hand),
        empty_submit_us: 0.0,
        clock: Clock::Host,
        notes,
    }
}

fn buffer(len: usize) -> Option<Vec<f32>> {
    let mut v = Vec::new();
    v.try_reserve_exact(len).ok()?;
    v.resize(len, 1.0);
    Some(v)
}

/// GB/s, bytes read and bytes written together, and the bytes of a buffer.
fn copy(samples: usize) -> Option<(f64, u64)> {
    let mut len = COPY_FLOATS;
    let (from, mut to) = loop {
        match (buffer(len), buffer(len)) {
            (Some(a), Some(b)) => break (a, b),
            _ if len > 4 << 20 => len /= 2,
            _ => return None,
        }
    };
    let piece = len.div_ceil(4 * rayon::current_num_threads().max(1));
    let mut times: Vec<f64> = (0..samples.max(3))
        .map(|_| {
            let begin = Instant::now();
            to.par_chunks_mut(piece)
                .zip(from.par_chunks(piece))
                .for_each(|(to, from)| to.copy_from_slice(from));
            black_box(&to);
            begin.elapsed().as_secs_f64()
        })
        .collect();
    let bytes = (len * 4) as u64;
    Some((2.0 * bytes as f64 / median(&mut times) / 1e9, bytes))
}

struct Chains(usize);

impl WithSimd for Chains {
    /// The sum, so that nothing is left out, and the floats of a vector.
    type Output = (f32, usize);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let scale = simd.splat_f32s(black_box(1.0));
        let shift = simd.splat_f32s(black_box(1.0));
        let mut chains = [simd.splat_f32s(0.0); CHAINS];
        for _ in 0..self.0 {
            for c in &mut chains {
                *c = simd.mul_add_e_f32s(*c, scale, shift);
            }
        }
        let sum = chains.into_iter().map(|c| simd.reduce_sum_f32s(c)).sum();
        (sum, S::F32_LANES)
    }
}

/// GFLOP/s of multiply-adds, two operations each.
fn arithmetic(samples: usize) -> f64 {
    let arch = Arch::new();
    let mut rates: Vec<f64> = (0..samples.max(3))
        .map(|_| {
            let begin = Instant::now();
            let lanes: usize = rayon::broadcast(|_| {
                let (sum, lanes) = arch.dispatch(Chains(black_box(ROUNDS)));
                black_box(sum);
                lanes
            })
            .into_iter()
            .sum();
            2.0 * (ROUNDS * CHAINS * lanes) as f64 / begin.elapsed().as_secs_f64() / 1e9
        })
        .collect();
    median(&mut rates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_count_their_rounds() {
        let (sum, lanes) = Arch::new().dispatch(Chains(1000));
        assert_eq!(sum, (1000 * CHAINS * lanes) as f32);
        let (none, _) = Arch::new().dispatch(Chains(0));
        assert_eq!(none, 0.0);
    }
}
