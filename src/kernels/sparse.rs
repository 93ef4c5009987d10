//! Parameters, bindings and launch sizes of `shaders/sparse.wgsl`.
use super::registry::{self, Binding, Entry, Kernel, fold, source};

crate::mirror! {
    /// Products of one page of the sparse expression matrix with a dense one, for the cells of a batch.
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
    }
}

/// Registration of `shaders/sparse.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "sparse",
    common: &[registry::FOLD, registry::ENTRY],
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
        Binding::read_f32("scale", 4),
        Binding::read_f32("w", 5),
        Binding::read_f32("base", 6),
        Binding::write_f32("z", 7),
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
        Binding::write_f32("out", 9),
    ],
};

impl Sparse {
    /// Workgroups of [`FORWARD`]: one a cell of the batch.
    #[must_use]
    pub fn forward_groups(&self) -> [u32; 3] {
        fold(
            if self.width == 0 {
                0
            } else {
                u64::from(self.n_rows)
            },
            1,
        )
    }
    /// Workgroups of [`TRANSPOSE`]: one a block of genes and 64 columns.
    #[must_use]
    pub fn transpose_groups(&self) -> [u32; 3] {
        [self.n_blocks, self.width.div_ceil(64), 1]
    }
}
