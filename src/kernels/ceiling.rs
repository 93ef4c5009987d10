//! The kernels of `shaders/bench/`, which find out what a device can do at most. They train
//! nothing, so they have no CPU twin and stand apart from [`super::ALL`]; each ends with values
//! that the host knows, and a wrong result has no rate.
use super::registry::{Source, source};

crate::mirror! {
    /// The uniform of every one of them.
    pub struct Ceiling {
        /// Turns of the loop, or vec4s an invocation.
        rounds: u32,
        /// Invocations of the whole grid.
        stride: u32,
        /// A factor.
        scale: f32,
        /// A summand.
        shift: f32,
    }
}

/// A file of `shaders/bench/`.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// The file.
    pub source: Source,
    /// Its entry points and their workgroup sizes along x.
    pub entries: &'static [(&'static str, u32)],
    /// Capabilities of naga that it declares, by name; without them it must not validate.
    pub capabilities: &'static [&'static str],
}

/// Copy, and the empty dispatch.
pub const COPY: Probe = Probe {
    source: source!("bench/copy"),
    entries: &[("copy", 256), ("empty", 256)],
    capabilities: &[],
};
/// Multiply-adds in fp32.
pub const FMA: Probe = Probe {
    source: source!("bench/fma"),
    entries: &[("fma_rate", 256)],
    capabilities: &[],
};
/// Multiply-adds in f16.
pub const HALF: Probe = Probe {
    source: source!("bench/half"),
    entries: &[("half_rate", 256)],
    capabilities: &["SHADER_FLOAT16"],
};
/// Cooperative matrices.
pub const MATRIX: Probe = Probe {
    source: source!("bench/matrix"),
    entries: &[("matrix_rate", 64)],
    capabilities: &["SHADER_FLOAT16", "COOPERATIVE_MATRIX", "SUBGROUP"],
};

/// All of them, one for each file of `shaders/bench/`.
pub const PROBES: &[Probe] = &[COPY, FMA, HALF, MATRIX];

/// vec4s that an invocation of `copy` moves.
pub const COPY_ROUNDS: u32 = 4;
/// Multiply-adds of a turn of `fma_rate` and `half_rate`, an invocation.
pub const FMA_ROUND: u64 = 32;
/// Multiply-adds of a turn of `matrix_rate`, a subgroup.
pub const MATRIX_ROUND: u64 = 4 * 16 * 16 * 16;
