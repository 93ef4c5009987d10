//! Registration of `shaders/tiled_update.wgsl`, which takes the parameters and buffers of
//! [`first::UPDATE`].
use super::first::{self, First};
use super::registry::{self, Entry, Kernel, source};

/// Registration of `shaders/tiled_update.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "tiled_update",
    common: &[
        registry::ENTRY,
        registry::MODEL,
        registry::ADAM,
        registry::WEIGHTS,
    ],
    source: source!("tiled_update"),
    params_size: size_of::<First>(),
    fields: First::FIELDS,
    types: First::TYPES,
    entries: &[UPDATE],
};

/// Gradient and AdamW step of the weights, gradient of the mask, by dense tiles.
pub const UPDATE: Entry = Entry {
    stem: "tiled_update",
    name: "update",
    workgroup_size: 256,
    bindings: first::UPDATE.bindings,
};
