//! Parameters of `shaders/cross_entropy.wgsl`.

crate::mirror! {
    /// Softmax cross-entropy of one task, with class weights and missing labels.
    pub struct CrossEntropy {
        /// Cells in the batch.
        n_rows: u32,
        /// Where the batch begins in `rows`.
        row_offset: u32,
        /// Columns of the logits over all tasks.
        stride: u32,
        /// First column of this task.
        column: u32,
        /// Classes of this task.
        n_classes: u32,
        /// Factor on the loss and the gradient: task weight / sum of the class weights of the batch.
        scale: f32,
    }
}
