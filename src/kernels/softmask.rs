//! Parameters, bindings and launch sizes of `shaders/softmask.wgsl`.
use super::registry::{self, Binding, Entry, Kernel, source};

crate::mirror! {
    /// Capped-sum sigmoid (relaxation A).
    pub struct SoftMask {
        /// Scores, at most 65,536.
        n: u32,
        /// Sum of the mask, 1..=n.
        k: u32,
        /// Temperature, > 0.
        tau: f32,
    }
}

/// Registration of `shaders/softmask.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "softmask",
    common: &[registry::REDUCE],
    source: source!("softmask"),
    params_size: size_of::<SoftMask>(),
    fields: SoftMask::FIELDS,
    types: SoftMask::TYPES,
    entries: &[FORWARD, BACKWARD],
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

/// Gradient of the scores.
pub const BACKWARD: Entry = Entry {
    stem: "softmask",
    name: "backward",
    workgroup_size: 256,
    bindings: &[
        Binding::read_f32("mask", 3),
        Binding::read_f32("u", 4),
        Binding::write_f32("grad", 5),
    ],
};

impl SoftMask {
    /// Workgroups of both entries: one, or none where there are no scores.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        [u32::from(self.n > 0), 1, 1]
    }
}
