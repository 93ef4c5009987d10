//! Parameters, bindings and launch sizes of `shaders/panel.wgsl`.
use super::cost::Cost;
use super::registry::{self, Binding, Entry, Kernel, fold, on_z, source};

crate::mirror! {
    /// Dense standardised expression of the panel's genes for the cells of a batch.
    pub struct Panel {
        /// Networks, each with its own panel and cells.
        models: u32,
        /// Elements between the cells of two networks in `rows`.
        row_stride: u32,
        /// Cells in the batch.
        n_rows: u32,
        /// Where the batch begins in `rows`.
        row_offset: u32,
        /// First cell of the page.
        first_cell: u32,
        /// Cells in the page.
        n_cells: u32,
        /// Gene blocks of 32 genes.
        n_blocks: u32,
        /// Genes of the panel.
        n_panel: u32,
        /// A value whose random word is below this is dropped; 0 drops none.
        drop_below: u32,
        /// 1 / (1 - dropout rate).
        keep_scale: f32,
        /// Low word of the Philox key of the first network; network r has this plus r.
        seed: u32,
        /// High word of the Philox key.
        stream: u32,
        /// Training step, word 1 of the counter.
        step: u32,
    }
}

/// Registration of `shaders/panel.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "panel",
    common: &[
        registry::FOLD,
        registry::ENTRY,
        registry::PHILOX,
        registry::DROPOUT,
        registry::MODEL,
    ],
    source: source!("panel"),
    params_size: size_of::<Panel>(),
    fields: Panel::FIELDS,
    types: Panel::TYPES,
    entries: &[GATHER],
};

/// Gathers the panel's values.
pub const GATHER: Entry = Entry {
    stem: "panel",
    name: "gather",
    workgroup_size: 256,
    bindings: &[
        Binding::read_u32("entries", 1),
        Binding::read_u32("blocks", 2),
        Binding::read_u32("rows", 3),
        Binding::read_u32("genes", 4),
        Binding::read_f32("stats", 5),
        Binding::write_f32("out", 6),
    ],
};

impl Panel {
    /// Workgroups of [`GATHER`]: an invocation a value and network.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        let grid = fold(u64::from(self.n_rows) * u64::from(self.n_panel), 256);
        on_z(grid, self.models)
    }
}

impl Panel {
    /// Cost of [`GATHER`]: for each value two pointers and its gene's block of nonzeros (at most all of
    /// them), the genes and their two statistics in, the value out; 3 operations a value.
    #[must_use]
    pub fn cost(&self, nonzeros: u64) -> Cost {
        let (b, k) = (u64::from(self.n_rows), u64::from(self.n_panel));
        let blocks = u64::from(self.n_blocks.max(1));
        let looked = (nonzeros * k / blocks).min(nonzeros);
        let entries = Cost {
            bytes: 4 * looked,
            operations: 0,
        };
        Cost::each(self.models, 2 * b * k + b + 3 * k + b * k, 3 * b * k).and(entries)
    }
}
