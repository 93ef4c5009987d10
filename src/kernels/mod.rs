//! Parameters, bindings and launch sizes of the kernels in `shaders/`, one file each.
//!
//! A parameter struct is the uniform of its shader and is read by the CPU twin too.

/// Declares a uniform parameter struct and the table of its fields, which `tests/shaders.rs`
/// compares with the layout that naga computes for the WGSL struct of the same kernel.
#[macro_export]
macro_rules! mirror {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$fmeta:meta])* $field:ident : $ty:ty),+ $(,)? }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty),+ }

        impl $name {
            /// Name and byte offset of each field, in order.
            pub const FIELDS: &'static [(&'static str, usize)] =
                &[$((stringify!($field), std::mem::offset_of!($name, $field))),+];
            /// Type of each field, in order.
            pub const TYPES: &'static [&'static str] = &[$(stringify!($ty)),+];
        }
    };
}

pub mod ablate;
pub mod adamw;
pub mod ceiling;
pub mod cost;
pub mod first;
pub mod heads;
pub mod linear;
pub mod matrix_forward;
pub mod noise;
pub mod panel;
pub mod registry;
pub mod scores;
pub mod softmask;
pub mod softsort;
pub mod sort;
pub mod sparse;
pub mod tiled_forward;
pub mod tiled_update;
pub mod topk;

use registry::Kernel;

/// Every kernel, one for each file of `shaders/`.
pub const ALL: &[Kernel] = &[
    ablate::KERNEL,
    adamw::KERNEL,
    first::KERNEL,
    heads::KERNEL,
    linear::KERNELS[0],
    linear::KERNELS[1],
    linear::KERNELS[2],
    noise::KERNEL,
    panel::KERNEL,
    scores::KERNEL,
    softmask::KERNEL,
    softsort::KERNEL,
    sort::KERNEL,
    sparse::KERNEL,
    tiled_forward::KERNEL,
    tiled_update::KERNEL,
    topk::KERNEL,
];

/// Kernels that only some adapters can run, one for each file of `shaders/optional/`; each does what
/// one of [`ALL`] does.
pub const OPTIONAL: &[Kernel] = &[matrix_forward::KERNEL];
