//! Parameters, bindings and launch sizes of `shaders/cross_entropy.wgsl`.
use super::registry::{self, Binding, Entry, Kernel, fold, source};

crate::mirror! {
    /// Softmax cross-entropy of one task, with class weights and missing labels.
    pub struct CrossEntropy {
        /// Cells in the batch.
        n_rows: u32,
        /// Where the batch begins in `rows`.
        row_offset: u32,
        /// Columns of the logits over all tasks.
        stride: u32,
        /// First column of this task.
        column: u32,
        /// Classes of this task.
        n_classes: u32,
        /// Factor on the loss and the gradient: task weight / sum of the class weights of the batch.
        scale: f32,
    }
}

/// Registration of `shaders/cross_entropy.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "cross_entropy",
    common: &[registry::FOLD],
    source: source!("cross_entropy"),
    params_size: size_of::<CrossEntropy>(),
    fields: CrossEntropy::FIELDS,
    types: CrossEntropy::TYPES,
    entries: &[CROSS_ENTROPY],
};

/// Loss and gradient.
pub const CROSS_ENTROPY: Entry = Entry {
    stem: "cross_entropy",
    name: "cross_entropy",
    workgroup_size: 64,
    bindings: &[
        Binding::read_f32("logits", 1),
        Binding::read_u32("rows", 2),
        Binding::read_u32("labels", 3),
        Binding::read_f32("class_weight", 4),
        Binding::write_f32("dlogits", 5),
        Binding::write_f32("loss", 6),
    ],
};

impl CrossEntropy {
    /// Workgroups of [`CROSS_ENTROPY`]: an invocation a cell.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        fold(u64::from(self.n_rows), 64)
    }
}
