//! Registration of `shaders/optional/matrix_forward.wgsl`, which takes the parameters and buffers of
//! [`linear::FORWARD`] and needs features that few adapters have.
use super::linear::{self, Linear};
use super::registry::{self, Entry, Kernel, fold, on_z, source};

/// Registration of `shaders/optional/matrix_forward.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "matrix_forward",
    common: &[
        registry::MATRIX,
        registry::FOLD,
        registry::PHILOX,
        registry::DROPOUT,
        registry::MODEL,
    ],
    source: source!("optional/matrix_forward"),
    params_size: size_of::<Linear>(),
    fields: Linear::FIELDS,
    types: Linear::TYPES,
    entries: &[FORWARD],
};

/// y = a w + b, ReLU, dropout; the factors of the products rounded to f16.
pub const FORWARD: Entry = Entry {
    stem: "matrix_forward",
    name: "forward",
    workgroup_size: 128,
    bindings: linear::FORWARD[0].bindings,
};

/// Capabilities of naga that the file needs, by name.
pub const CAPABILITIES: &[&str] = &["SHADER_FLOAT16", "COOPERATIVE_MATRIX"];
/// Invocations of the subgroups that its workgroups are parted into.
pub const SUBGROUP: u32 = 32;

impl Linear {
    /// Workgroups of [`FORWARD`]: one for 32 x 64 values of y and network.
    #[must_use]
    pub fn matrix_groups(&self) -> [u32; 3] {
        let tiles = u64::from(self.n_rows.div_ceil(32)) * u64::from(self.n_out.div_ceil(64));
        on_z(fold(tiles, 1), self.models)
    }
}
