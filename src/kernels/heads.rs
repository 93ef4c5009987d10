//! Parameters, bindings and launch sizes of `shaders/heads.wgsl`.
use super::cost::Cost;
use super::registry::{self, Binding, Entry, Kernel, fold, on_z, source};

crate::mirror! {
    /// Last layer, losses of all tasks, and their gradients down to the layer below.
    pub struct Heads {
        /// Networks.
        models: u32,
        /// Cells in the batch.
        n_rows: u32,
        /// Where the batch begins in `rows`.
        row_offset: u32,
        /// Elements between the cells of two networks in `rows`.
        row_stride: u32,
        /// Inputs of the last layer; 0 where the logits already stand.
        n_in: u32,
        /// Outputs of all heads.
        n_out: u32,
        /// Tasks.
        n_tasks: u32,
        /// Elements of an arena.
        arena: u32,
        /// Where the last layer's weights begin in it.
        w_offset: u32,
        /// Where its biases begin.
        bias_offset: u32,
        /// Where the batch's factors begin in `scales`.
        scale_offset: u32,
        /// Elements between the factors of two networks.
        scale_stride: u32,
        /// 1 / (1 - dropout rate) of the layer below.
        keep_scale: f32,
        /// Where the Huber loss becomes linear.
        delta: f32,
        /// 1 puts gradients in place of the logits and below, 0 leaves the logits.
        gradients: u32,
    }
}

/// Registration of `shaders/heads.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "heads",
    common: &[registry::FOLD, registry::MODEL],
    source: source!("heads"),
    params_size: size_of::<Heads>(),
    fields: Heads::FIELDS,
    types: Heads::TYPES,
    entries: &[HEADS],
};

/// All of it.
pub const HEADS: Entry = Entry {
    stem: "heads",
    name: "heads",
    workgroup_size: 64,
    bindings: &[
        Binding::read_f32("a", 1),
        Binding::read_f32("params", 2),
        Binding::read_u32("rows", 3),
        Binding::read_u32("targets", 4),
        Binding::read_f32("scales", 5),
        Binding::write_f32("logits", 6),
        Binding::write_f32("loss", 7),
        Binding::write_f32("dz", 8),
    ],
};

/// Words of `targets` that describe a task: column, width, kind ([`CLASSES`] or [`VALUES`]), place.
pub const TASK_WORDS: usize = 4;
/// Kind of a task with classes.
pub const CLASSES: u32 = 0;
/// Kind of a task with numbers.
pub const VALUES: u32 = 1;

impl Heads {
    /// Workgroups of [`HEADS`]: one a cell and network.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        on_z(fold(u64::from(self.n_rows), 1), self.models)
    }
}

impl Heads {
    /// Cost of [`HEADS`]: activations, weights, biases, the number and the labels of each cell in, logits
    /// (or their gradients) and losses out, with gradients those of the layer below too. Two products of
    /// matrices; 8 operations a logit for softmax, loss and gradient.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let [n, i, o, t] = [self.n_rows, self.n_in, self.n_out, self.n_tasks].map(u64::from);
        let down = u64::from(self.gradients.min(1));
        let words = n * i + i * o + o + n + n * t + n * o + n * t + down * n * i;
        let operations = 2 * n * i * o + 8 * n * o + down * (2 * n * i * o + n * i);
        Cost::each(self.models, words, operations)
    }
}
