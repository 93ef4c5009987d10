//! Parameters, bindings and launch sizes of `shaders/linear.wgsl`, in three tile shapes.
use super::adamw::{ADAM_OPERATIONS, ADAM_WORDS, adam_fields};
use super::cost::Cost;
use super::registry::{self, Binding, Entry, Kernel, Source, fold, on_z, source};

crate::mirror! {
    /// Dense layer, the gradient of its input, and the AdamW step of its weights and of biases.
    pub struct Linear {
        /// Networks.
        models: u32,
        /// Cells.
        n_rows: u32,
        /// Inputs.
        n_in: u32,
        /// Outputs.
        n_out: u32,
        /// Elements of an arena.
        arena: u32,
        /// Where the weights begin in it.
        w_offset: u32,
        /// Where the biases begin.
        bias_offset: u32,
        /// 1 takes ReLU and dropout, 0 leaves the sums (forward only).
        activate: u32,
        /// A value whose random word is below this is dropped; 0 drops none.
        drop_below: u32,
        /// 1 / (1 - dropout rate); of the layer below for the gradient of the input.
        keep_scale: f32,
        /// Low word of the Philox key of the first network; network r has this plus r.
        seed: u32,
        /// High word of the Philox key.
        stream: u32,
        /// Training step, word 1 of the counter.
        step: u32,
        /// 1 where the output has one row more, for column sums (forward only).
        spare_row: u32,
        /// 1 updates this layer's biases too (update only, as all that follows).
        own_bias: u32,
        /// Width of the layer below, whose biases are updated; 0 for none.
        below: u32,
        /// Where they begin in the arena.
        below_offset: u32,
        /// Tasks whose losses are added up; 0 for none.
        n_tasks: u32,
        /// Where their sums go.
        slot: u32,
        /// Elements between the slots of two networks.
        slot_stride: u32,
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
adam_fields!(Linear);

/// Rows and columns of the tiles of [`KERNELS`].
pub const TILES: [u32; 3] = [32, 64, 128];
/// Shape that is taken where none was measured, an index into [`TILES`].
pub const DEFAULT_TILE: usize = 1;

const fn kernel(
    stem: &'static str,
    common: &'static [Source],
    entries: &'static [Entry],
) -> Kernel {
    Kernel {
        stem,
        common,
        source: source!("linear"),
        params_size: size_of::<Linear>(),
        fields: Linear::FIELDS,
        types: Linear::TYPES,
        entries,
    }
}

macro_rules! common {
    ($shape:ident) => {
        &[
            registry::FOLD,
            registry::PHILOX,
            registry::DROPOUT,
            registry::MODEL,
            registry::ADAM,
            registry::$shape,
            registry::TILE,
        ]
    };
}

/// Registration of `shaders/linear.wgsl`, one for each of [`TILES`].
pub const KERNELS: [Kernel; 3] = [
    kernel(
        "linear_32",
        common!(TILE_32),
        &[FORWARD[0], GRAD_INPUT[0], UPDATE[0]],
    ),
    kernel(
        "linear_64",
        common!(TILE_64),
        &[FORWARD[1], GRAD_INPUT[1], UPDATE[1]],
    ),
    kernel(
        "linear_128",
        common!(TILE_128),
        &[FORWARD[2], GRAD_INPUT[2], UPDATE[2]],
    ),
];

const fn entry(
    stem: &'static str,
    workgroup_size: u32,
    name: &'static str,
    bindings: &'static [Binding],
) -> Entry {
    Entry {
        stem,
        name,
        workgroup_size,
        bindings,
    }
}

const fn entries(name: &'static str, bindings: &'static [Binding]) -> [Entry; 3] {
    [
        entry("linear_32", 64, name, bindings),
        entry("linear_64", 256, name, bindings),
        entry("linear_128", 256, name, bindings),
    ]
}

/// y = a w + b, ReLU, dropout.
pub const FORWARD: [Entry; 3] = entries(
    "forward",
    &[
        Binding::read_f32("left", 1),
        Binding::read_f32("right", 2),
        Binding::write_f32("out", 4),
    ],
);

/// dz = (dy w^T) where the layer below was active.
pub const GRAD_INPUT: [Entry; 3] = entries(
    "grad_input",
    &[
        Binding::read_f32("left", 1),
        Binding::read_f32("right", 2),
        Binding::read_f32("gate", 3),
        Binding::write_f32("out", 4),
    ],
);

/// AdamW steps of weights and biases; sums of the losses.
pub const UPDATE: [Entry; 3] = entries(
    "update",
    &[
        Binding::read_f32("left", 1),
        Binding::read_f32("right", 2),
        Binding::write_f32("params", 5),
        Binding::write_f32("moments", 6),
        Binding::write_f32("dz_below", 7),
        Binding::read_f32("loss", 8),
        Binding::write_f32("losses", 9),
    ],
);

impl Linear {
    /// Workgroups of [`FORWARD`]: one a tile of y and network.
    #[must_use]
    pub fn forward_groups(&self, tile: u32) -> [u32; 3] {
        on_z(fold(tiles(self.n_rows, self.n_out, tile), 1), self.models)
    }
    /// Workgroups of [`GRAD_INPUT`]: one a tile of da and network.
    #[must_use]
    pub fn grad_input_groups(&self, tile: u32) -> [u32; 3] {
        on_z(fold(tiles(self.n_rows, self.n_in, tile), 1), self.models)
    }
    /// Workgroups of [`UPDATE`]: one a tile of dw, one for each 64 biases, one for the losses.
    #[must_use]
    pub fn update_groups(&self, tile: u32) -> [u32; 3] {
        let biases = self.own_bias * self.n_out.div_ceil(64) + self.below.div_ceil(64);
        let others = biases + u32::from(self.n_tasks > 0);
        let groups = tiles(self.n_in, self.n_out, tile) + u64::from(others);
        on_z(fold(groups, 1), self.models)
    }
}

fn tiles(rows: u32, columns: u32, tile: u32) -> u64 {
    u64::from(rows.div_ceil(tile)) * u64::from(columns.div_ceil(tile))
}

impl Linear {
    /// Rows, inputs and outputs for products.
    fn shape(&self) -> [u64; 3] {
        [self.n_rows, self.n_in, self.n_out].map(u64::from)
    }
    /// Cost of [`FORWARD`]: inputs, weights and biases in, outputs out.
    #[must_use]
    pub fn forward_cost(&self) -> Cost {
        let [n, i, o] = self.shape();
        Cost::each(
            self.models,
            n * i + i * o + o + n * o,
            2 * n * i * o + n * o,
        )
    }
    /// Cost of [`GRAD_INPUT`]: gradients, weights and the gate in, gradients of the inputs out.
    #[must_use]
    pub fn grad_input_cost(&self) -> Cost {
        let [n, i, o] = self.shape();
        Cost::each(
            self.models,
            n * o + i * o + 2 * n * i,
            2 * n * i * o + n * i,
        )
    }
    /// Cost of [`UPDATE`]: inputs and gradients in, AdamW on the weights; the same for this layer's
    /// biases, for those of the layer below (whose gradients come in and whose sums go out), and the
    /// losses added up.
    #[must_use]
    pub fn update_cost(&self) -> Cost {
        let [n, i, o] = self.shape();
        let (below, tasks) = (u64::from(self.below), u64::from(self.n_tasks));
        let biases = o * u64::from(self.own_bias) + below;
        let words =
            n * i + n * o + ADAM_WORDS * (i * o + biases) + (n + 1) * below + tasks * (n + 1);
        let operations =
            2 * n * i * o + ADAM_OPERATIONS * (i * o + biases) + n * biases + n * tasks;
        Cost::each(self.models, words, operations)
    }
}
