//! What the host knows of a shader file: the device builds its layouts from it, and
//! `tests/shaders.rs` compares it with what naga reads in the WGSL.
use crate::ops::ALIGN;
use std::borrow::Cow;

/// A piece of WGSL and where it lies in the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Path from the root of the repository.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// The text of `shaders/<name>.wgsl` with its path.
macro_rules! source {
    ($name:literal) => {
        $crate::kernels::registry::Source {
            path: concat!("shaders/", $name, ".wgsl"),
            text: include_str!(concat!("../../shaders/", $name, ".wgsl")),
        }
    };
}
pub(crate) use source;

/// Folding of large grids.
pub const FOLD: Source = source!("common/fold");
/// Unpacking of nonzeros.
pub const ENTRY: Source = source!("common/entry");
/// Random words.
pub const PHILOX: Source = source!("common/philox");
/// Dropout, of random words.
pub const DROPOUT: Source = source!("common/dropout");
/// Reductions over a workgroup.
pub const REDUCE: Source = source!("common/reduce");
/// Integers that order as floats do.
pub const SORTKEY: Source = source!("common/sortkey");
/// Distance of the networks of a batch.
pub const MODEL: Source = source!("common/model");
/// AdamW step of a parameter.
pub const ADAM: Source = source!("common/adam");
/// Products of a block of genes.
pub const TRANSPOSE: Source = source!("common/transpose");
/// End of the first layer.
pub const ACTIVATE: Source = source!("common/activate");
/// Step of the first layer's weights.
pub const WEIGHTS: Source = source!("common/weights");
/// Products by tiles.
pub const TILE: Source = source!("common/tile");
/// Tiles of 32 x 32.
pub const TILE_32: Source = source!("common/tile_32");
/// Tiles of 64 x 64.
pub const TILE_64: Source = source!("common/tile_64");
/// Tiles of 128 x 128.
pub const TILE_128: Source = source!("common/tile_128");
/// What cooperative matrices need, before everything else.
pub const MATRIX: Source = source!("common/matrix");
/// Every shared piece, for the tests.
pub const COMMON: &[Source] = &[
    FOLD, ENTRY, PHILOX, DROPOUT, REDUCE, SORTKEY, MODEL, ADAM, TRANSPOSE, ACTIVATE, WEIGHTS, TILE,
    TILE_32, TILE_64, TILE_128, MATRIX,
];

/// Element type of a storage buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Floats.
    F32,
    /// Integers.
    U32,
}

/// A storage buffer of an entry; binding 0 is the uniform of the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Name of the variable.
    pub name: &'static str,
    /// Number in group 0.
    pub index: u32,
    /// Whether the kernel writes it.
    pub writes: bool,
    /// What it holds.
    pub element: Element,
}

impl Binding {
    const fn new(name: &'static str, index: u32, writes: bool, element: Element) -> Self {
        Self {
            name,
            index,
            writes,
            element,
        }
    }
    /// Floats that are read.
    pub(crate) const fn read_f32(name: &'static str, index: u32) -> Self {
        Self::new(name, index, false, Element::F32)
    }
    /// Integers that are read.
    pub(crate) const fn read_u32(name: &'static str, index: u32) -> Self {
        Self::new(name, index, false, Element::U32)
    }
    /// Floats that are written.
    pub(crate) const fn write_f32(name: &'static str, index: u32) -> Self {
        Self::new(name, index, true, Element::F32)
    }
    /// Integers that are written.
    pub(crate) const fn write_u32(name: &'static str, index: u32) -> Self {
        Self::new(name, index, true, Element::U32)
    }
}

/// An entry point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Stem of its file.
    pub stem: &'static str,
    /// Name of the function.
    pub name: &'static str,
    /// Invocations of a workgroup, along x.
    pub workgroup_size: u32,
    /// Storage buffers, in the order in which the host passes them.
    pub bindings: &'static [Binding],
}

/// A file of `shaders/`.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// Name of the file, of its twin and of its parameters' module.
    pub stem: &'static str,
    /// Shared pieces that stand before it.
    pub common: &'static [Source],
    /// The file.
    pub source: Source,
    /// Bytes of the parameter struct.
    pub params_size: usize,
    /// Names and offsets of its fields.
    pub fields: &'static [(&'static str, usize)],
    /// Types of its fields.
    pub types: &'static [&'static str],
    /// Entry points.
    pub entries: &'static [Entry],
}

impl Kernel {
    /// The module's text: the shared pieces, then the file.
    #[must_use]
    pub fn wgsl(&self) -> String {
        let mut text: String = self.common.iter().map(|s| s.text).collect();
        text.push_str(self.source.text);
        text
    }
    /// File and line of a line of [`Kernel::wgsl`], both counted from 1, for messages.
    #[must_use]
    pub fn locate(&self, line: usize) -> (Cow<'static, str>, usize) {
        let mut left = line;
        for piece in self.common {
            let lines = piece.text.lines().count();
            if left <= lines {
                return (piece.path.into(), left);
            }
            left -= lines;
        }
        (self.source.path.into(), left)
    }
}

/// Most workgroups along one dimension of a grid (a default limit of WebGPU).
pub const MAX_GROUPS: u32 = 65_535;

/// A grid of at least `invocations / per_group` workgroups, folded into x and y where they are
/// more than [`MAX_GROUPS`]; `shaders/common/fold.wgsl` is the other half.
#[must_use]
pub fn fold(invocations: u64, per_group: u64) -> [u32; 3] {
    let groups = invocations.div_ceil(per_group);
    let most = u64::from(MAX_GROUPS);
    if groups <= most {
        [groups as u32, 1, 1]
    } else {
        [MAX_GROUPS, groups.div_ceil(most) as u32, 1]
    }
}

/// `grid` for `models` networks side by side, along z.
#[must_use]
pub fn on_z(grid: [u32; 3], models: u32) -> [u32; 3] {
    [grid[0], grid[1], models]
}

/// Storage buffers that the widest entry binds (a default limit of WebGPU is 8).
pub const MAX_STORAGE_BUFFERS: u32 = 8;
/// Bytes of workgroup memory that no entry exceeds (a default limit of WebGPU is 16 KiB).
pub const MAX_WORKGROUP_BYTES: u32 = 16_384;
/// Invocations of the widest workgroup.
pub const MAX_INVOCATIONS: u32 = 256;
const _: () = assert!(ALIGN * 4 == 256, "bindings begin at multiples of 256 bytes");
