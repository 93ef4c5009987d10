//! Parameters of `shaders/first.wgsl`.

crate::mirror! {
    /// Scaling of the first layer and its gradients.
    pub struct First {
        /// Genes.
        n: u32,
        /// Columns of the first layer, H.
        width: u32,
    }
}
