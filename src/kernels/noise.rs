//! Parameters, bindings and launch sizes of `shaders/noise.wgsl`.
use super::cost::Cost;
use super::registry::{self, Binding, Entry, Kernel, fold, on_z, source};

crate::mirror! {
    /// Gumbel noise on the scores, one draw a step (counter-based, Philox4x32-10).
    pub struct Noise {
        /// Networks.
        models: u32,
        /// Scores of a network.
        n: u32,
        /// Elements between the scores of two networks.
        scores_stride: u32,
        /// Low word of the Philox key of the first network; network r has this plus r.
        seed: u32,
        /// High word of the Philox key.
        stream: u32,
        /// Training step, word 1 of the counter.
        step: u32,
        /// Scale of the noise; 0 copies the scores.
        beta: f32,
    }
}

/// Registration of `shaders/noise.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "noise",
    common: &[registry::FOLD, registry::PHILOX, registry::MODEL],
    source: source!("noise"),
    params_size: size_of::<Noise>(),
    fields: Noise::FIELDS,
    types: Noise::TYPES,
    entries: &[PERTURB],
};

/// Adds the noise.
pub const PERTURB: Entry = Entry {
    stem: "noise",
    name: "perturb",
    workgroup_size: 256,
    bindings: &[
        Binding::read_f32("scores", 1),
        Binding::read_u32("tables", 2),
        Binding::write_f32("out", 3),
    ],
};

impl Noise {
    /// Workgroups of [`PERTURB`]: an invocation a pair of scores and network.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        on_z(fold(u64::from(self.n).div_ceil(2), 256), self.models)
    }
}

impl Noise {
    /// Cost of [`PERTURB`]: a score in and out, the noise scaled and added.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let n = u64::from(self.n);
        Cost::each(self.models, 2 * n, 2 * n)
    }
}
