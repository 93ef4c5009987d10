//! Parameters, bindings and launch sizes of `shaders/ablate.wgsl`.
use super::registry::{self, Binding, Entry, Kernel, fold, source};

crate::mirror! {
    /// First layer's activations with one panel gene set to its mean, for several genes at once.
    pub struct Ablate {
        /// Cells.
        n_rows: u32,
        /// Columns of the first layer, H.
        width: u32,
        /// Genes of the panel.
        n_panel: u32,
        /// First ablated gene.
        first_gene: u32,
        /// Ablated genes.
        n_genes: u32,
        /// 1 takes the ReLU, 0 leaves the sums.
        activate: u32,
    }
}

/// Registration of `shaders/ablate.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "ablate",
    common: &[registry::FOLD],
    source: source!("ablate"),
    params_size: size_of::<Ablate>(),
    fields: Ablate::FIELDS,
    types: Ablate::TYPES,
    entries: &[ABLATE],
};

/// The activations.
pub const ABLATE: Entry = Entry {
    stem: "ablate",
    name: "ablate",
    workgroup_size: 256,
    bindings: &[
        Binding::read_f32("z", 1),
        Binding::read_f32("x", 2),
        Binding::read_f32("w", 3),
        Binding::write_f32("out", 4),
    ],
};

impl Ablate {
    /// Workgroups of [`ABLATE`]: an invocation a value.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        fold(
            u64::from(self.n_genes) * u64::from(self.n_rows) * u64::from(self.width),
            256,
        )
    }
}
