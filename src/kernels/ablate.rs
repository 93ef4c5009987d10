//! Parameters of `shaders/ablate.wgsl`.

crate::mirror! {
    /// First-layer sums with one panel gene set to its mean, for several genes at once.
    pub struct Ablate {
        /// Cells.
        n_rows: u32,
        /// Columns of the first layer, H.
        width: u32,
        /// Genes of the panel.
        n_panel: u32,
        /// First ablated gene.
        first_gene: u32,
        /// Ablated genes.
        n_genes: u32,
    }
}
