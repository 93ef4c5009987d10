//! Parameters, bindings and launch sizes of `shaders/adamw.wgsl`.
use super::registry::{self, Binding, Entry, Kernel, fold, source};

crate::mirror! {
    /// One AdamW step (Loshchilov and Hutter 2019, Algorithm 2) on a range of the flat arena.
    pub struct AdamW {
        /// Parameters.
        n: u32,
        /// Learning rate.
        lr: f32,
        /// Decay of the first moment.
        beta1: f32,
        /// Decay of the second moment.
        beta2: f32,
        /// Added outside the root.
        eps: f32,
        /// Decoupled decay, times lr.
        weight_decay: f32,
        /// 1 - beta1^t.
        correction1: f32,
        /// 1 - beta2^t.
        correction2: f32,
    }
}

/// Registration of `shaders/adamw.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "adamw",
    common: &[registry::FOLD],
    source: source!("adamw"),
    params_size: size_of::<AdamW>(),
    fields: AdamW::FIELDS,
    types: AdamW::TYPES,
    entries: &[ADAMW],
};

/// The step.
pub const ADAMW: Entry = Entry {
    stem: "adamw",
    name: "adamw",
    workgroup_size: 256,
    bindings: &[
        Binding::write_f32("params", 1),
        Binding::read_f32("grads", 2),
        Binding::write_f32("m", 3),
        Binding::write_f32("v", 4),
    ],
};

impl AdamW {
    /// Workgroups of [`ADAMW`]: an invocation a parameter.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        fold(u64::from(self.n), 256)
    }
}
