//! What a file holds, before anything is done to it.
use super::gene_ids::GeneIds;
use std::collections::BTreeMap;

/// A sparse matrix by rows; genes ascend within a row and none is stored twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    /// Rows.
    pub n_obs: usize,
    /// Columns.
    pub n_vars: usize,
    /// Where each row begins, `n_obs + 1` values.
    pub indptr: Vec<usize>,
    /// Column of each stored value.
    pub indices: Vec<u32>,
    /// Stored values; explicit zeros are dropped by the readers.
    pub values: Vec<f32>,
}

impl Csr {
    /// Without a stored value.
    #[must_use]
    pub fn zeros(n_obs: usize, n_vars: usize) -> Self {
        Self {
            n_obs,
            n_vars,
            indptr: vec![0; n_obs + 1],
            indices: Vec::new(),
            values: Vec::new(),
        }
    }
    /// Columns and values of a row.
    #[must_use]
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = self.indptr[i]..self.indptr[i + 1];
        (&self.indices[range.clone()], &self.values[range])
    }
    /// Stored values.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.values.len()
    }
}

/// A column of `obs`.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Categories and the code of each cell, `None` where missing.
    Categorical {
        /// Category names, in the file's order (sorted for plain string columns).
        categories: Vec<String>,
        /// Code of each cell.
        codes: Vec<Option<u32>>,
    },
    /// Numbers, NaN where missing.
    Numeric(Vec<f64>),
}

/// An annotated matrix: X, the names of its cells and genes, the `obs` columns that were asked for.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Path as the user wrote it, or `demo`.
    pub path: String,
    /// Expression, cells x genes.
    pub x: Csr,
    /// Cell names.
    pub obs_names: Vec<String>,
    /// Gene names, made unique as AnnData does (`-1`, `-2`, ...).
    pub var_names: Vec<String>,
    /// Ensembl ids and symbols of the genes, where the file has them.
    pub gene_ids: GeneIds,
    /// The `obs` columns that were asked for, by name.
    pub columns: BTreeMap<String, Column>,
    /// Notices for the user (renamed duplicates and the like).
    pub notices: Vec<String>,
    /// Whether the file has a `raw` that was not read.
    pub has_raw: bool,
}
