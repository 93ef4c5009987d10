//! Parameters, bindings and launch sizes of `shaders/linear.wgsl`.
use super::registry::{self, Binding, Entry, Kernel, fold, source};

crate::mirror! {
    /// Dense layer.
    pub struct Linear {
        /// Cells.
        n_rows: u32,
        /// Inputs.
        n_in: u32,
        /// Outputs.
        n_out: u32,
    }
}

/// Registration of `shaders/linear.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "linear",
    common: &[registry::FOLD],
    source: source!("linear"),
    params_size: size_of::<Linear>(),
    fields: Linear::FIELDS,
    types: Linear::TYPES,
    entries: &[FORWARD, GRAD_INPUT, GRAD_WEIGHT],
};

/// y = a w + b.
pub const FORWARD: Entry = Entry {
    stem: "linear",
    name: "forward",
    workgroup_size: 256,
    bindings: &[
        Binding::read_f32("left", 1),
        Binding::read_f32("right", 2),
        Binding::read_f32("bias", 3),
        Binding::write_f32("out", 4),
    ],
};

/// da = dy w^T.
pub const GRAD_INPUT: Entry = Entry {
    stem: "linear",
    name: "grad_input",
    workgroup_size: 256,
    bindings: &[
        Binding::read_f32("left", 1),
        Binding::read_f32("right", 2),
        Binding::write_f32("out", 4),
    ],
};

/// dw = a^T dy.
pub const GRAD_WEIGHT: Entry = Entry {
    stem: "linear",
    name: "grad_weight",
    workgroup_size: 256,
    bindings: &[
        Binding::read_f32("left", 1),
        Binding::read_f32("right", 2),
        Binding::write_f32("out", 4),
    ],
};

impl Linear {
    /// Workgroups of [`FORWARD`]: one a tile of y.
    #[must_use]
    pub fn forward_groups(&self) -> [u32; 3] {
        tiles(self.n_rows, self.n_out)
    }
    /// Workgroups of [`GRAD_INPUT`]: one a tile of da.
    #[must_use]
    pub fn grad_input_groups(&self) -> [u32; 3] {
        tiles(self.n_rows, self.n_in)
    }
    /// Workgroups of [`GRAD_WEIGHT`]: one a tile of dw.
    #[must_use]
    pub fn grad_weight_groups(&self) -> [u32; 3] {
        tiles(self.n_in, self.n_out)
    }
}

/// Tiles of 64 x 64.
fn tiles(rows: u32, columns: u32) -> [u32; 3] {
    fold(
        u64::from(rows.div_ceil(64)) * u64::from(columns.div_ceil(64)),
        1,
    )
}
