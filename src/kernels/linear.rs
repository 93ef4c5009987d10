//! Parameters of `shaders/linear.wgsl`.

crate::mirror! {
    /// Dense layer.
    pub struct Linear {
        /// Cells.
        n_rows: u32,
        /// Inputs.
        n_in: u32,
        /// Outputs.
        n_out: u32,
    }
}
