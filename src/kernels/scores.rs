//! Parameters, bindings and launch sizes of `shaders/scores.wgsl`.
use super::adamw::{ADAM_OPERATIONS, ADAM_WORDS, adam_fields};
use super::cost::Cost;
use super::registry::{self, Binding, Entry, Kernel, source};

crate::mirror! {
    /// Gradient of the scores through the capped-sum sigmoid (relaxation A) and their AdamW step.
    pub struct Scores {
        /// Networks.
        models: u32,
        /// Scores of a network.
        n: u32,
        /// Temperature, > 0.
        tau: f32,
        /// Lists in `u` that are added up, each `n.next_multiple_of(64)` long.
        tiles: u32,
        /// Elements between the masks of two networks.
        mask_stride: u32,
        /// Elements between the lists of two networks.
        u_stride: u32,
        /// Elements of an arena.
        arena: u32,
        /// Where the scores begin in it.
        scores_offset: u32,
        /// Learning rate.
        lr: f32,
        /// Decay of the first moment.
        beta1: f32,
        /// Decay of the second moment.
        beta2: f32,
        /// Added outside the root.
        eps: f32,
        /// Decoupled decay of weights, times lr; biases have none.
        weight_decay: f32,
        /// 1 - beta1^t.
        correction1: f32,
        /// 1 - beta2^t.
        correction2: f32,
    }
}
adam_fields!(Scores);

/// Registration of `shaders/scores.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "scores",
    common: &[registry::REDUCE, registry::MODEL, registry::ADAM],
    source: source!("scores"),
    params_size: size_of::<Scores>(),
    fields: Scores::FIELDS,
    types: Scores::TYPES,
    entries: &[UPDATE],
};

/// All of it.
pub const UPDATE: Entry = Entry {
    stem: "scores",
    name: "update",
    workgroup_size: 256,
    bindings: &[
        Binding::read_f32("mask", 1),
        Binding::read_f32("u", 2),
        Binding::write_f32("params", 3),
        Binding::write_f32("moments", 4),
    ],
};

impl Scores {
    /// Workgroups of [`UPDATE`]: one a network, or none where there are no scores.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        [u32::from(self.n > 0) * self.models, 1, 1]
    }
}

impl Scores {
    /// Cost of [`UPDATE`]: mask and lists of u in, AdamW; a value takes 3 operations for its slope, the
    /// lists' sum, 3 for the two totals and 2 for its gradient.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let (n, tiles) = (u64::from(self.n), u64::from(self.tiles));
        let words = (1 + tiles + ADAM_WORDS) * n;
        Cost::each(self.models, words, (8 + tiles + ADAM_OPERATIONS) * n)
    }
}
