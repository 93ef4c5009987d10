//! Registration of `shaders/tiled_forward.wgsl`, which takes the parameters and buffers of
//! [`sparse::FORWARD`].
use super::registry::{self, Entry, Kernel, source};
use super::sparse::{self, Sparse};

/// Registration of `shaders/tiled_forward.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "tiled_forward",
    common: &[
        registry::FOLD,
        registry::ENTRY,
        registry::PHILOX,
        registry::DROPOUT,
        registry::MODEL,
        registry::ACTIVATE,
    ],
    source: source!("tiled_forward"),
    params_size: size_of::<Sparse>(),
    fields: Sparse::FIELDS,
    types: Sparse::TYPES,
    entries: &[FORWARD],
};

/// Cells x masked weights, by dense tiles.
pub const FORWARD: Entry = Entry {
    stem: "tiled_forward",
    name: "forward",
    workgroup_size: 256,
    bindings: sparse::FORWARD.bindings,
};
