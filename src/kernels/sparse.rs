//! Parameters, bindings and launch sizes of `shaders/sparse.wgsl`.
use super::cost::Cost;
use super::registry::{self, Binding, Entry, Kernel, fold, on_z, source};

crate::mirror! {
    /// Products of one page of the sparse expression matrix with a dense one, for the cells of a
    /// batch; the forward product goes on to the activations of the first layer.
    pub struct Sparse {
        /// Cells in the batch.
        n_rows: u32,
        /// Where the batch begins in `rows`.
        row_offset: u32,
        /// First cell of the page.
        first_cell: u32,
        /// Cells in the page.
        n_cells: u32,
        /// Gene blocks of 32 genes.
        n_blocks: u32,
        /// Genes.
        n_genes: u32,
        /// Columns of the dense matrix, H.
        width: u32,
        /// Power of the expression values, 1 or 2 (transposed product only).
        power_x: u32,
        /// Power of the dense values, 1 or 2 (transposed product only).
        power_d: u32,
        /// 1 adds to what is there, 0 overwrites (transposed product only).
        accumulate: u32,
        /// Networks (forward product only, as all that follows).
        models: u32,
        /// Elements between the cells of two networks in `rows`.
        row_stride: u32,
        /// Elements of an arena.
        arena: u32,
        /// Where the first layer's weights begin in it.
        w_offset: u32,
        /// Where its biases begin.
        bias_offset: u32,
        /// Chunks of genes whose share of the centring is taken off; 0 takes off none.
        n_chunks: u32,
        /// 1 takes ReLU and dropout, 0 leaves the sums.
        activate: u32,
        /// A value whose random word is below this is dropped; 0 drops none.
        drop_below: u32,
        /// 1 / (1 - dropout rate).
        keep_scale: f32,
        /// Low word of the Philox key of the first network; network r has this plus r.
        seed: u32,
        /// High word of the Philox key.
        stream: u32,
        /// Training step, word 1 of the counter.
        step: u32,
        /// 1 where the output has one row more, for column sums (forward only).
        spare_row: u32,
    }
}

/// Registration of `shaders/sparse.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "sparse",
    common: &[
        registry::FOLD,
        registry::ENTRY,
        registry::PHILOX,
        registry::DROPOUT,
        registry::MODEL,
        registry::ACTIVATE,
        registry::TRANSPOSE,
    ],
    source: source!("sparse"),
    params_size: size_of::<Sparse>(),
    fields: Sparse::FIELDS,
    types: Sparse::TYPES,
    entries: &[FORWARD, TRANSPOSE],
};

/// Cells x masked weights.
pub const FORWARD: Entry = Entry {
    stem: "sparse",
    name: "forward",
    workgroup_size: 256,
    bindings: &[
        Binding::read_u32("entries", 1),
        Binding::read_u32("blocks", 2),
        Binding::read_u32("rows", 3),
        Binding::read_f32("gene", 4),
        Binding::read_f32("params", 5),
        Binding::read_f32("centre", 6),
        Binding::write_f32("out", 7),
    ],
};

/// Transposed product.
pub const TRANSPOSE: Entry = Entry {
    stem: "sparse",
    name: "transpose",
    workgroup_size: 256,
    bindings: &[
        Binding::read_u32("entries", 1),
        Binding::read_u32("blocks", 2),
        Binding::read_u32("rows", 3),
        Binding::read_f32("d", 8),
        Binding::write_f32("out", 7),
    ],
};

impl Sparse {
    /// Workgroups of [`FORWARD`]: one a cell of the batch and network.
    #[must_use]
    pub fn forward_groups(&self) -> [u32; 3] {
        let cells = if self.width == 0 { 0 } else { self.n_rows };
        on_z(fold(u64::from(cells), 1), self.models)
    }
    /// Workgroups of the dense-tile form: one 64 cells, 64 columns and network.
    #[must_use]
    pub fn tiled_groups(&self) -> [u32; 3] {
        let tiles = u64::from(self.n_rows.div_ceil(64)) * u64::from(self.width.div_ceil(64));
        on_z(fold(tiles, 1), self.models)
    }
    /// Workgroups of [`TRANSPOSE`]: one a block of genes and 64 columns.
    #[must_use]
    pub fn transpose_groups(&self) -> [u32; 3] {
        [self.n_blocks, self.width.div_ceil(64), 1]
    }
}

impl Sparse {
    /// Cost of [`FORWARD`]: nonzeros, two pointers and the number of each cell, two lists of the genes,
    /// the weights of the genes that occur (all of them where there are more nonzeros than genes), the
    /// centring and the biases in, activations out. A multiply-add a nonzero and column, two products a
    /// nonzero for its factor, the centring once, a bias an activation.
    #[must_use]
    pub fn forward_cost(&self, nonzeros: u64) -> Cost {
        let (g, h, b) = (
            u64::from(self.n_genes),
            u64::from(self.width),
            u64::from(self.n_rows),
        );
        let (r, chunks) = (u64::from(self.models.max(1)), u64::from(self.n_chunks));
        let words = 3 * b + 2 * g + g.min(nonzeros / r) * h + chunks * h + h + b * h;
        let entries = Cost {
            bytes: 4 * nonzeros,
            operations: 2 * nonzeros * h + 2 * nonzeros,
        };
        Cost::each(self.models, words, chunks * h + b * h).and(entries)
    }
    /// Cost of [`TRANSPOSE`]: nonzeros, all pointers and the number of each cell and the dense rows in,
    /// products out (and in, with `accumulate`). A multiply-add a nonzero and column.
    #[must_use]
    pub fn transpose_cost(&self, nonzeros: u64) -> Cost {
        let (g, h, b) = (
            u64::from(self.n_genes),
            u64::from(self.width),
            u64::from(self.n_rows),
        );
        let pointers = b * (u64::from(self.n_blocks) + 1);
        let added = u64::from(self.accumulate) * g * h;
        let entries = Cost {
            bytes: 4 * nonzeros,
            operations: 2 * nonzeros * h,
        };
        Cost::each(1, pointers + b + b * h + g * h + added, added).and(entries)
    }
}
