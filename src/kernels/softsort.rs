//! Parameters, bindings and launch sizes of `shaders/softsort.wgsl`.
use super::cost::Cost;
use super::registry::{self, Binding, Entry, Kernel, source};

crate::mirror! {
    /// Sum of the first k rows of SoftSort by two scans (relaxation B).
    pub struct SoftSort {
        /// Scores, at most 65,536.
        n: u32,
        /// Sum of the mask, 1..=n.
        k: u32,
        /// Temperature, > 0.
        tau: f32,
        /// Lists of `u` that are added up, each `n.next_multiple_of(64)` long (backward only).
        lists: u32,
    }
}

/// Registration of `shaders/softsort.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "softsort",
    common: &[registry::MODEL],
    source: source!("softsort"),
    params_size: size_of::<SoftSort>(),
    fields: SoftSort::FIELDS,
    types: SoftSort::TYPES,
    entries: &[FORWARD, BACKWARD],
};

/// Finds the mask.
pub const FORWARD: Entry = Entry {
    stem: "softsort",
    name: "forward",
    workgroup_size: 256,
    bindings: &[
        Binding::read_f32("scores", 1),
        Binding::read_u32("order_in", 2),
        Binding::write_f32("work", 3),
        Binding::write_f32("mask", 4),
    ],
};

/// Gradient of the scores.
pub const BACKWARD: Entry = Entry {
    stem: "softsort",
    name: "backward",
    workgroup_size: 256,
    bindings: &[
        Binding::read_f32("scores", 1),
        Binding::read_u32("order_in", 2),
        Binding::read_f32("saved", 5),
        Binding::read_f32("u", 6),
        Binding::write_f32("work", 3),
        Binding::write_f32("grad", 7),
    ],
};

impl SoftSort {
    /// Workgroups of every entry: one, or none where there are no scores.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        [u32::from(self.n > 0), 1, 1]
    }
}

impl SoftSort {
    /// Cost of [`FORWARD`]: score and place in, mask and six scans out; the scans take two
    /// multiply-adds and an exponential a value each way, the mask four operations.
    #[must_use]
    pub fn forward_cost(&self) -> Cost {
        Cost::each(1, 9 * u64::from(self.n), 14 * u64::from(self.n))
    }
    /// Cost of [`BACKWARD`]: score, place, scans and lists of u in, gradient out; as many operations as
    /// forward, and the sums of the lists.
    #[must_use]
    pub fn backward_cost(&self) -> Cost {
        let (n, lists) = (u64::from(self.n), u64::from(self.lists));
        Cost::each(1, (9 + lists) * n, (14 + lists) * n)
    }
}
