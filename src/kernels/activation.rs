//! Parameters of `shaders/activation.wgsl`.

crate::mirror! {
    /// ReLU and dropout.
    pub struct Activation {
        /// Values.
        n: u32,
        /// A value whose random word is below this is dropped; 0 drops none.
        drop_below: u32,
        /// 1 / (1 - dropout rate).
        keep_scale: f32,
        /// Low word of the Philox key.
        seed: u32,
        /// High word of the Philox key.
        stream: u32,
        /// Training step, word 1 of the counter.
        step: u32,
    }
}
