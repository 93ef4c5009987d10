//! Parameters, bindings and launch sizes of `shaders/huber.wgsl`.
use super::registry::{self, Binding, Entry, Kernel, fold, source};

crate::mirror! {
    /// Huber loss of one regression task on standardised targets, with missing values.
    pub struct Huber {
        /// Cells in the batch.
        n_rows: u32,
        /// Where the batch begins in `rows`.
        row_offset: u32,
        /// Columns of the logits over all tasks.
        stride: u32,
        /// Column of this task.
        column: u32,
        /// Where the loss turns from square to linear.
        delta: f32,
        /// Factor on the loss and the gradient: task weight / known targets of the batch.
        scale: f32,
    }
}

/// Registration of `shaders/huber.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "huber",
    common: &[registry::FOLD],
    source: source!("huber"),
    params_size: size_of::<Huber>(),
    fields: Huber::FIELDS,
    types: Huber::TYPES,
    entries: &[HUBER],
};

/// Loss and gradient.
pub const HUBER: Entry = Entry {
    stem: "huber",
    name: "huber",
    workgroup_size: 64,
    bindings: &[
        Binding::read_f32("logits", 1),
        Binding::read_u32("rows", 2),
        Binding::read_f32("targets", 3),
        Binding::read_f32("known", 4),
        Binding::write_f32("dlogits", 5),
        Binding::write_f32("loss", 6),
    ],
};

impl Huber {
    /// Workgroups of [`HUBER`]: an invocation a cell.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        fold(u64::from(self.n_rows), 64)
    }
}
