//! Parameters of `shaders/noise.wgsl`.

crate::mirror! {
    /// Gumbel noise on the scores, one draw a step (counter-based, Philox4x32-10).
    pub struct Noise {
        /// Scores.
        n: u32,
        /// Low word of the Philox key.
        seed: u32,
        /// High word of the Philox key.
        stream: u32,
        /// Training step, word 1 of the counter.
        step: u32,
        /// Network of a batch of networks, word 2 of the counter.
        model: u32,
        /// Scale of the noise; 0 copies the scores.
        beta: f32,
    }
}
