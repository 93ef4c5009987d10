//! Parameters of `shaders/column_sum.wgsl`.

crate::mirror! {
    /// Weighted column sums in two fixed-order stages.
    pub struct ColumnSum {
        /// Rows of the matrix.
        n_rows: u32,
        /// Columns.
        width: u32,
        /// Power of the entries, 1 or 2.
        power: u32,
    }
}
