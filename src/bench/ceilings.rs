//! What a GPU can do at most: bandwidth, multiply-add rates, the cost of a dispatch and of a submit.
use super::probe::Bench;
use super::schema::{Ceilings, Clock};
use super::spread::median;
use crate::error::DeviceError;
use crate::gpu::{Candidate, has_matrix};
use crate::kernels::ceiling::{
    COPY, COPY_ROUNDS, Ceiling, FMA, FMA_ROUND, HALF, MATRIX, MATRIX_ROUND, Probe,
};
use crate::ops::Result;
use wgpu::Features;

/// Bytes of each buffer of the copy; larger than any last-level cache of a real GPU.
const COPY_BYTES: u64 = 512 << 20;
/// The same on a software adapter, beyond most processors' caches and yet quick.
const COPY_BYTES_SOFTWARE: u64 = 64 << 20;

struct Effort {
    /// Samples of each figure.
    samples: usize,
    /// Nanoseconds that a sample should last.
    sample_ns: f64,
    /// Workgroups of the arithmetic kernels.
    groups: u32,
    /// Dispatches of a sample of the empty kernel.
    empty: u32,
}

/// Measures an adapter on a device of its own.
///
/// # Errors
/// A device that does not open or fails, or memory for less than 16 MB.
pub(super) fn measure(candidate: &Candidate) -> Result<Ceilings> {
    let adapter = candidate.adapter();
    let software = candidate.is_software();
    let effort = if software {
        Effort {
            samples: 5,
            sample_ns: 2e7,
            groups: 64,
            empty: 50,
        }
    } else {
        Effort {
            samples: 25,
            sample_ns: 5e6,
            groups: 8192,
            empty: 500,
        }
    };
    let bytes = if software {
        COPY_BYTES_SOFTWARE
    } else {
        COPY_BYTES
    };
    let mut notes = Vec::new();
    let bench = Bench::open(adapter, Features::empty(), bytes)?;
    let copy_gb_s = noted(copy(&bench, &effort), "copy", &mut notes);
    let fp32 = noted(arithmetic(&bench, &effort, &FMA, 1.0), "fp32", &mut notes);
    let empty_dispatch_us = empty_dispatch(&bench, &effort)?;
    let submits: Result<Vec<f64>> = (0..20).map(|_| bench.empty_submit()).collect();
    let (copy_bytes, clock) = (bench.bytes, Clock::of(bench.has_timer()));
    drop(bench);
    let small = 64 << 20;
    let half = adapter.features().contains(Features::SHADER_F16).then(|| {
        Bench::open(adapter, Features::SHADER_F16, small)
            .and_then(|b| arithmetic(&b, &effort, &HALF, 0.0))
    });
    let matrix_features =
        Features::SHADER_F16 | Features::SUBGROUP | Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
    let matrix = has_matrix(adapter)
        .then(|| Bench::open(adapter, matrix_features, small).and_then(|b| matrices(&b, &effort)));
    Ok(Ceilings {
        copy_gb_s: copy_gb_s.unwrap_or(0.0),
        copy_bytes,
        fp32_gflop_s: fp32.unwrap_or(0.0),
        f16_gflop_s: half.and_then(|r| noted(r, "f16", &mut notes)),
        matrix_gflop_s: matrix.and_then(|r| noted(r, "cooperative matrices", &mut notes)),
        empty_dispatch_us,
        empty_submit_us: median(&mut submits?) / 1e3,
        clock,
        notes,
    })
}

/// The figure, or a note on why there is none.
fn noted(result: Result<f64>, what: &str, notes: &mut Vec<String>) -> Option<f64> {
    result.map_err(|e| notes.push(format!("{what}: {e}"))).ok()
}

fn wrong(what: &str) -> DeviceError {
    DeviceError::Failed(format!("{what} is wrong, so it has no rate"))
}

/// GB/s, bytes read and bytes written together.
fn copy(bench: &Bench, effort: &Effort) -> Result<f64> {
    let pipeline = bench.pipeline(&COPY, "copy")?;
    let groups = (bench.bytes / 16 / 256 / u64::from(COPY_ROUNDS)).min(65_535) as u32;
    let moved = u64::from(groups) * 256 * 16 * u64::from(COPY_ROUNDS);
    bench.set(Ceiling {
        rounds: COPY_ROUNDS,
        stride: groups * 256,
        scale: 1.0,
        shift: 0.0,
    });
    let pattern: Vec<u8> = (0..1024u32).map(|i| (i * 31 % 251) as u8 + 1).collect();
    let ends = [0, moved - 1024];
    ends.iter().for_each(|&at| bench.write(at, &pattern));
    bench.time(&pipeline, groups, 1)?;
    for at in ends {
        if bench.read(at, 1024)? != pattern {
            return Err(wrong("the copy"));
        }
    }
    let mut times = Vec::new();
    for _ in 0..effort.samples {
        times.push(bench.time(&pipeline, groups, 1)?);
    }
    Ok(2.0 * moved as f64 / median(&mut times).max(1.0))
}

/// Rounds after which a sample lasts long enough, and its median time.
fn calibrated(
    bench: &Bench,
    effort: &Effort,
    pipeline: &wgpu::ComputePipeline,
    shift: f32,
    most: u32,
) -> Result<(u32, f64)> {
    let mut rounds = 32u32;
    let run = |rounds: u32| {
        bench.set(Ceiling {
            rounds,
            stride: effort.groups * 256,
            scale: 1.0,
            shift,
        });
        bench.time(pipeline, effort.groups, 1)
    };
    run(rounds)?;
    while run(rounds)? < effort.sample_ns && rounds < most {
        rounds *= 2;
    }
    let times: Result<Vec<f64>> = (0..effort.samples).map(|_| run(rounds)).collect();
    Ok((rounds, median(&mut times?).max(1.0)))
}

/// GFLOP/s of a chain of multiply-adds, two operations each.
fn arithmetic(bench: &Bench, effort: &Effort, probe: &Probe, shift: f32) -> Result<f64> {
    let pipeline = bench.pipeline(probe, probe.entries[0].0)?;
    let (rounds, ns) = calibrated(bench, effort, &pipeline, shift, 1 << 18)?;
    // eight chains of four start at 0, 4, ..; each round adds `shift` to each
    let want = (0..4).map(|lane| 112.0 + 8.0 * lane as f32 + 8.0 * shift * rounds as f32);
    let last = u64::from(effort.groups * 256 - 1) * 16;
    for at in [0, last] {
        let got: Vec<f32> = bytemuck::pod_collect_to_vec(&bench.read(at, 16)?);
        if !got.iter().copied().eq(want.clone()) {
            return Err(wrong("the sum of multiply-adds"));
        }
    }
    let adds = u64::from(rounds) * FMA_ROUND * u64::from(effort.groups) * 256;
    Ok(2.0 * adds as f64 / ns)
}

/// GFLOP/s of cooperative matrices.
fn matrices(bench: &Bench, effort: &Effort) -> Result<f64> {
    let pipeline = bench.pipeline(&MATRIX, "matrix_rate")?;
    let (rounds, ns) = calibrated(bench, effort, &pipeline, 0.0, 1 << 18)?;
    let got: Vec<f32> = bytemuck::pod_collect_to_vec(&bench.read(0, 4100)?);
    let (tiles, width) = got.split_at(1024);
    // exact: below 2^24
    if tiles.iter().any(|&c| c != 16.0 * rounds as f32) || width[0] < 1.0 {
        return Err(wrong("the product of tiles"));
    }
    let subgroups = (64.0 / f64::from(width[0])).max(1.0) * f64::from(effort.groups);
    Ok(2.0 * MATRIX_ROUND as f64 * f64::from(rounds) * subgroups / ns)
}

/// Microseconds that each further dispatch of nothing adds to a pass.
fn empty_dispatch(bench: &Bench, effort: &Effort) -> Result<f64> {
    let pipeline = bench.pipeline(&COPY, "empty")?;
    let mut costs = Vec::new();
    for _ in 0..effort.samples.max(9) {
        let few = bench.time(&pipeline, 1, effort.empty)?;
        let many = bench.time(&pipeline, 1, 3 * effort.empty)?;
        costs.push((many - few) / f64::from(2 * effort.empty));
    }
    Ok(median(&mut costs).max(0.0) / 1e3)
}
