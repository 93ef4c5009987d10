//! Parameters of `shaders/panel.wgsl`.

crate::mirror! {
    /// Dense standardised expression of the panel's genes for the cells of a batch.
    pub struct Panel {
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
        /// Genes of the panel.
        n_panel: u32,
        /// A value whose random word is below this is dropped; 0 drops none.
        drop_below: u32,
        /// 1 / (1 - dropout rate).
        keep_scale: f32,
        /// Low word of the Philox key.
        seed: u32,
        /// High word of the Philox key.
        stream: u32,
        /// Training step, word 1 of the counter.
        step: u32,
    }
}
