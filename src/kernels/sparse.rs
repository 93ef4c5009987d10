//! Parameters of `shaders/sparse.wgsl`.

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
