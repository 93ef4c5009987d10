//! Parameters of `shaders/adamw.wgsl`.

crate::mirror! {
    /// One AdamW step (Loshchilov and Hutter 2019, Algorithm 2) on a range of the flat arena.
    pub struct AdamW {
        /// Parameters.
        n: u32,
        /// Learning rate.
        lr: f32,
        /// Decay of the first moment.
        beta1: f32,
        /// Decay of the second moment.
        beta2: f32,
        /// Added outside the root.
        eps: f32,
        /// Decoupled decay, times lr.
        weight_decay: f32,
        /// 1 - beta1^t.
        correction1: f32,
        /// 1 - beta2^t.
        correction2: f32,
    }
}
