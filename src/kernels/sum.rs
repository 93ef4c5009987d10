//! Parameters, bindings and launch sizes of `shaders/sum.wgsl`.
use super::registry::{self, Binding, Entry, Kernel, source};

crate::mirror! {
    /// Sum of a vector into one slot of a ring, by one workgroup in fixed order.
    pub struct Sum {
        /// Values.
        n: u32,
        /// Where the sum goes.
        slot: u32,
    }
}

/// Registration of `shaders/sum.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "sum",
    common: &[registry::REDUCE],
    source: source!("sum"),
    params_size: size_of::<Sum>(),
    fields: Sum::FIELDS,
    types: Sum::TYPES,
    entries: &[SUM],
};

/// The sum.
pub const SUM: Entry = Entry {
    stem: "sum",
    name: "sum",
    workgroup_size: 256,
    bindings: &[Binding::read_f32("values", 1), Binding::write_f32("out", 2)],
};

impl Sum {
    /// Workgroups of [`SUM`]: one.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        [1, 1, 1]
    }
}
