//! Parameters, bindings and launch sizes of `shaders/topk.wgsl`.
use super::cost::Cost;
use super::registry::{self, Binding, Entry, Kernel, source};

crate::mirror! {
    /// Hard top-k.
    pub struct TopK {
        /// Networks.
        models: u32,
        /// Scores of a network, at most 65,536.
        n: u32,
        /// How many are kept, 1..=n.
        k: u32,
        /// Elements between the scores of two networks.
        scores_stride: u32,
        /// Elements between the masks of two networks.
        mask_stride: u32,
    }
}

/// Registration of `shaders/topk.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "topk",
    common: &[registry::SORTKEY, registry::MODEL],
    source: source!("topk"),
    params_size: size_of::<TopK>(),
    fields: TopK::FIELDS,
    types: TopK::TYPES,
    entries: &[SELECT_K],
};

/// Selects the k largest.
pub const SELECT_K: Entry = Entry {
    stem: "topk",
    name: "select_k",
    workgroup_size: 256,
    bindings: &[
        Binding::read_f32("scores", 1),
        Binding::write_f32("mask", 2),
        Binding::write_u32("index", 3),
    ],
};

impl TopK {
    /// Workgroups of [`SELECT_K`]: one a network, or none where there are no scores.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        [u32::from(self.n > 0) * self.models, 1, 1]
    }
}

impl TopK {
    /// Cost of [`SELECT_K`]: a score in, a mask and k indices out; comparisons are integer work.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let (n, k) = (u64::from(self.n), u64::from(self.k));
        Cost::each(self.models, 2 * n + k, 0)
    }
}
