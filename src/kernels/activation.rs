//! Parameters, bindings and launch sizes of `shaders/activation.wgsl`.
use super::registry::{self, Binding, Entry, Kernel, fold, source};

crate::mirror! {
    /// ReLU and dropout.
    pub struct Activation {
        /// Values.
        n: u32,
        /// A value whose random word is below this is dropped; 0 drops none.
        drop_below: u32,
        /// 1 / (1 - dropout rate).
        keep_scale: f32,
        /// Low word of the Philox key.
        seed: u32,
        /// High word of the Philox key.
        stream: u32,
        /// Training step, word 1 of the counter.
        step: u32,
    }
}

/// Registration of `shaders/activation.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "activation",
    common: &[registry::FOLD, registry::PHILOX, registry::DROPOUT],
    source: source!("activation"),
    params_size: size_of::<Activation>(),
    fields: Activation::FIELDS,
    types: Activation::TYPES,
    entries: &[FORWARD, BACKWARD],
};

/// ReLU, then dropout.
pub const FORWARD: Entry = Entry {
    stem: "activation",
    name: "forward",
    workgroup_size: 256,
    bindings: &[Binding::read_f32("z", 1), Binding::write_f32("a", 2)],
};

/// Gradient of the sums.
pub const BACKWARD: Entry = Entry {
    stem: "activation",
    name: "backward",
    workgroup_size: 256,
    bindings: &[
        Binding::read_f32("z", 1),
        Binding::read_f32("da", 3),
        Binding::write_f32("dz", 4),
    ],
};

impl Activation {
    /// Workgroups of both entries: an invocation a value.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        fold(u64::from(self.n), 256)
    }
}
