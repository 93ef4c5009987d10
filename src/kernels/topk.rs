//! Parameters of `shaders/topk.wgsl`.

crate::mirror! {
    /// Hard top-k.
    pub struct TopK {
        /// Scores, at most 65,536.
        n: u32,
        /// How many are kept, 1..=n.
        k: u32,
    }
}
