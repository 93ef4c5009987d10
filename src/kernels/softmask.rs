//! Parameters, bindings and launch sizes of `shaders/softmask.wgsl`.
use super::cost::Cost;
use super::registry::{self, Binding, Entry, Kernel, source};

crate::mirror! {
    /// Capped-sum sigmoid (relaxation A).
    pub struct SoftMask {
        /// Networks.
        models: u32,
        /// Scores of a network, at most 65,536.
        n: u32,
        /// Sum of the mask, 1..=n.
        k: u32,
        /// Temperature, > 0.
        tau: f32,
        /// Elements between the masks of two networks.
        mask_stride: u32,
    }
}

/// Registration of `shaders/softmask.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "softmask",
    common: &[registry::REDUCE, registry::MODEL],
    source: source!("softmask"),
    params_size: size_of::<SoftMask>(),
    fields: SoftMask::FIELDS,
    types: SoftMask::TYPES,
    entries: &[FORWARD],
};

/// Finds the mask.
pub const FORWARD: Entry = Entry {
    stem: "softmask",
    name: "forward",
    workgroup_size: 256,
    bindings: &[
        Binding::read_f32("scores", 1),
        Binding::write_f32("mask_out", 2),
    ],
};

impl SoftMask {
    /// Workgroups of [`FORWARD`]: one a network, or none where there are no scores.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        [u32::from(self.n > 0) * self.models, 1, 1]
    }
}

impl SoftMask {
    /// Cost of [`FORWARD`]: a score in and a mask out; one evaluation of sum and slope (10 a score) and
    /// the mask (6). Newton's method evaluates 10 to 30 times from what it keeps at hand.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let n = u64::from(self.n);
        Cost::each(self.models, 2 * n, 16 * n)
    }
}
