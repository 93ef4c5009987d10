//! Parameters, bindings and launch size of `shaders/sort.wgsl`.
use super::cost::Cost;
use super::registry::{self, Binding, Entry, Kernel, source};

crate::mirror! {
    /// Genes by descending score.
    pub struct Sort {
        /// Scores, at most 65,536.
        n: u32,
    }
}

/// Registration of `shaders/sort.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "sort",
    common: &[registry::SORTKEY],
    source: source!("sort"),
    params_size: size_of::<Sort>(),
    fields: Sort::FIELDS,
    types: Sort::TYPES,
    entries: &[ORDER],
};

/// Sorts the genes.
pub const ORDER: Entry = Entry {
    stem: "sort",
    name: "order",
    workgroup_size: 128,
    bindings: &[
        Binding::read_f32("scores", 1),
        Binding::write_u32("order_out", 2),
        Binding::write_u32("keys", 3),
    ],
};

impl Sort {
    /// Workgroups: one, or none where there are no scores.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        [u32::from(self.n > 0), 1, 1]
    }
    /// Cost: a score in and its place out.
    #[must_use]
    pub fn cost(&self) -> Cost {
        Cost::each(1, 2 * u64::from(self.n), 0)
    }
}
