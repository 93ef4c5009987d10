//! Parameters of `shaders/softsort.wgsl`.

crate::mirror! {
    /// Sum of the first k rows of SoftSort by two scans (relaxation B).
    pub struct SoftSort {
        /// Scores, at most 65,536.
        n: u32,
        /// Sum of the mask, 1..=n.
        k: u32,
        /// Temperature, > 0.
        tau: f32,
    }
}
