//! Parameters, bindings and launch sizes of `shaders/column_sum.wgsl`.
use super::registry::{self, Binding, Entry, Kernel, fold, source};
use crate::ops::COLUMN_CHUNK;

crate::mirror! {
    /// Weighted column sums in two fixed-order stages.
    pub struct ColumnSum {
        /// Rows of the matrix.
        n_rows: u32,
        /// Columns.
        width: u32,
        /// Power of the entries, 1 or 2.
        power: u32,
    }
}

/// Registration of `shaders/column_sum.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "column_sum",
    common: &[registry::FOLD],
    source: source!("column_sum"),
    params_size: size_of::<ColumnSum>(),
    fields: ColumnSum::FIELDS,
    types: ColumnSum::TYPES,
    entries: &[PARTIAL_SUMS, FINISH],
};

/// Sums of the chunks.
pub const PARTIAL_SUMS: Entry = Entry {
    stem: "column_sum",
    name: "partial_sums",
    workgroup_size: 64,
    bindings: &[
        Binding::read_f32("a", 1),
        Binding::read_f32("coef", 2),
        Binding::write_f32("partial_out", 3),
    ],
};

/// Sums of the partial sums.
pub const FINISH: Entry = Entry {
    stem: "column_sum",
    name: "finish",
    workgroup_size: 64,
    bindings: &[
        Binding::read_f32("partials", 4),
        Binding::read_f32("bias", 5),
        Binding::write_f32("out", 6),
    ],
};

impl ColumnSum {
    /// Workgroups of [`PARTIAL_SUMS`]: an invocation a chunk and column.
    #[must_use]
    pub fn partial_groups(&self) -> [u32; 3] {
        let chunks = u64::from(self.n_rows).div_ceil(COLUMN_CHUNK as u64);
        fold(chunks * u64::from(self.width), 64)
    }
    /// Workgroups of [`FINISH`]: an invocation a column.
    #[must_use]
    pub fn finish_groups(&self) -> [u32; 3] {
        fold(u64::from(self.width), 64)
    }
}
