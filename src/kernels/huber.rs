//! Parameters of `shaders/huber.wgsl`.

crate::mirror! {
    /// Huber loss of one regression task on standardised targets, with missing values.
    pub struct Huber {
        /// Cells in the batch.
        n_rows: u32,
        /// Where the batch begins in `rows`.
        row_offset: u32,
        /// Columns of the logits over all tasks.
        stride: u32,
        /// Column of this task.
        column: u32,
        /// Where the loss turns from square to linear.
        delta: f32,
        /// Factor on the loss and the gradient: task weight / known targets of the batch.
        scale: f32,
    }
}
