//! Parameters, bindings and launch sizes of `shaders/first.wgsl`.
use super::adamw::{ADAM_OPERATIONS, ADAM_WORDS, adam_fields};
use super::cost::Cost;
use super::registry::{self, Binding, Entry, Kernel, fold, on_z, source};
use crate::ops::CENTRE_CHUNK;

crate::mirror! {
    /// The first layer over all genes, apart from its product: centring, and gradient and AdamW
    /// step of its weights with the gradient of the mask.
    pub struct First {
        /// Networks.
        models: u32,
        /// Genes.
        n_genes: u32,
        /// Columns of the first layer, H.
        width: u32,
        /// Cells in the batch.
        n_rows: u32,
        /// Where the batch begins in `rows`.
        row_offset: u32,
        /// Elements between the cells of two networks in `rows`.
        row_stride: u32,
        /// First cell of the page.
        first_cell: u32,
        /// Cells in the page.
        n_cells: u32,
        /// Gene blocks of 32 genes.
        n_blocks: u32,
        /// 1 adds the sums of earlier pages, which stand in `work`.
        add: u32,
        /// Elements of an arena.
        arena: u32,
        /// Where the weights begin in it.
        w_offset: u32,
        /// Learning rate.
        lr: f32,
        /// Decay of the first moment.
        beta1: f32,
        /// Decay of the second moment.
        beta2: f32,
        /// Added outside the root.
        eps: f32,
        /// Decoupled decay of weights, times lr; biases have none.
        weight_decay: f32,
        /// 1 - beta1^t.
        correction1: f32,
        /// 1 - beta2^t.
        correction2: f32,
    }
}
adam_fields!(First);

/// Registration of `shaders/first.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "first",
    common: &[
        registry::FOLD,
        registry::ENTRY,
        registry::MODEL,
        registry::TRANSPOSE,
        registry::ADAM,
        registry::WEIGHTS,
    ],
    source: source!("first"),
    params_size: size_of::<First>(),
    fields: First::FIELDS,
    types: First::TYPES,
    entries: &[CENTRE, UPDATE],
};

/// What the centring takes from the biases, a chunk of genes at a time.
pub const CENTRE: Entry = Entry {
    stem: "first",
    name: "centre",
    workgroup_size: 64,
    bindings: &[
        Binding::read_f32("gene", 5),
        Binding::read_f32("weights", 9),
        Binding::write_f32("partial_out", 10),
    ],
};

/// Gradient and AdamW step of the weights, gradient of the mask.
pub const UPDATE: Entry = Entry {
    stem: "first",
    name: "update",
    workgroup_size: 256,
    bindings: &[
        Binding::read_u32("entries", 1),
        Binding::read_u32("blocks", 2),
        Binding::read_u32("rows", 3),
        Binding::read_f32("d", 4),
        Binding::read_f32("gene", 5),
        Binding::write_f32("params", 6),
        Binding::write_f32("moments", 7),
        Binding::write_f32("work", 8),
    ],
};

impl First {
    /// Workgroups of [`CENTRE`]: an invocation a chunk of genes, column and network.
    #[must_use]
    pub fn centre_groups(&self) -> [u32; 3] {
        let chunks = u64::from(self.n_genes).div_ceil(CENTRE_CHUNK as u64);
        on_z(fold(chunks * u64::from(self.width), 64), self.models)
    }
    /// Workgroups of [`UPDATE`]: one a block of genes, 64 columns and network.
    #[must_use]
    pub fn update_groups(&self) -> [u32; 3] {
        [self.n_blocks, self.width.div_ceil(64), self.models]
    }
}

impl First {
    /// Cost of [`CENTRE`]: three lists and the weights in, a row a chunk out; a factor of two products a
    /// gene, a multiply-add a weight.
    #[must_use]
    pub fn centre_cost(&self) -> Cost {
        let (g, h) = (u64::from(self.n_genes), u64::from(self.width));
        let chunks = g.div_ceil(CENTRE_CHUNK as u64);
        Cost::each(self.models, 3 * g + g * h + chunks * h, 2 * g + 2 * g * h)
    }
    /// Cost of [`UPDATE`]: nonzeros, their pointers and cells, gradients with their column sums, three
    /// lists, and with `add` the earlier sums in; AdamW; the lists of u out. A multiply-add a nonzero
    /// and column; a weight takes 3 operations for t, 2 for u, 1 for the mask, and AdamW.
    #[must_use]
    pub fn update_cost(&self, nonzeros: u64) -> Cost {
        let (g, h, b) = (
            u64::from(self.n_genes),
            u64::from(self.width),
            u64::from(self.n_rows),
        );
        let pointers = b * (u64::from(self.n_blocks) + 1);
        let words = pointers
            + b
            + (b + 1) * h
            + 3 * g
            + (ADAM_WORDS + u64::from(self.add)) * g * h
            + h.div_ceil(64) * g;
        let operations = (6 + u64::from(self.add) + ADAM_OPERATIONS) * g * h;
        let entries = Cost {
            bytes: 4 * nonzeros,
            operations: 2 * nonzeros * h,
        };
        Cost::each(self.models, words, operations).and(entries)
    }
}
