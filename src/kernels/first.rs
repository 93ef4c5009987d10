//! Parameters, bindings and launch sizes of `shaders/first.wgsl`.
use super::registry::{self, Binding, Entry, Kernel, fold, source};

crate::mirror! {
    /// Scaling of the first layer and its gradients.
    pub struct First {
        /// Genes.
        n: u32,
        /// Columns of the first layer, H.
        width: u32,
    }
}

/// Registration of `shaders/first.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "first",
    common: &[registry::FOLD],
    source: source!("first"),
    params_size: size_of::<First>(),
    fields: First::FIELDS,
    types: First::TYPES,
    entries: &[SCALE, GRADIENT],
};

/// Scales and shifts of the genes.
pub const SCALE: Entry = Entry {
    stem: "first",
    name: "scale",
    workgroup_size: 256,
    bindings: &[
        Binding::read_f32("mask", 1),
        Binding::read_f32("stats", 2),
        Binding::write_f32("scale_out", 3),
        Binding::write_f32("shift", 4),
    ],
};

/// Gradients of the weights and of the mask.
pub const GRADIENT: Entry = Entry {
    stem: "first",
    name: "gradient",
    workgroup_size: 256,
    bindings: &[
        Binding::read_f32("r", 5),
        Binding::read_f32("w", 6),
        Binding::read_f32("mask", 1),
        Binding::read_f32("stats", 2),
        Binding::read_f32("d", 7),
        Binding::write_f32("dw", 8),
        Binding::write_f32("u", 9),
    ],
};

impl First {
    /// Workgroups of [`SCALE`]: an invocation a gene.
    #[must_use]
    pub fn scale_groups(&self) -> [u32; 3] {
        fold(u64::from(self.n), 256)
    }
    /// Workgroups of [`GRADIENT`]: 32 invocations a gene.
    #[must_use]
    pub fn gradient_groups(&self) -> [u32; 3] {
        fold(u64::from(self.n), 8)
    }
}
