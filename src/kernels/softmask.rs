//! Parameters of `shaders/softmask.wgsl`.

crate::mirror! {
    /// Capped-sum sigmoid (relaxation A).
    pub struct SoftMask {
        /// Scores, at most 65,536.
        n: u32,
        /// Sum of the mask, 1..=n.
        k: u32,
        /// Temperature, > 0.
        tau: f32,
    }
}
