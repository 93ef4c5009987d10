//! Parameters of `shaders/sum.wgsl`.

crate::mirror! {
    /// Sum of a vector into one slot of a ring, by one workgroup in fixed order.
    pub struct Sum {
        /// Values.
        n: u32,
        /// Where the sum goes.
        slot: u32,
    }
}
