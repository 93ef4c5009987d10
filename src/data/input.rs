//! What every format offers, whatever lies on the disk.
use super::dataset::Csr;
use super::stored::Parts;
use super::values::Values;
use crate::error::DataError;

/// Result of reading.
pub(crate) type Result<T> = std::result::Result<T, DataError>;

/// One of the matrices of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The matrix itself.
    #[default]
    X,
    /// One of the layers.
    Layer(String),
    /// What AnnData keeps as `raw`, which may have more genes.
    Raw,
}

/// Cells or genes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Cells.
    Obs,
    /// Genes of X and of the layers.
    Var,
}

/// A matrix, without its values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Described {
    /// Cells.
    pub(crate) n_obs: usize,
    /// Genes.
    pub(crate) n_vars: usize,
    /// Stored values; `None` where all are (dense).
    pub(crate) stored: Option<u64>,
    /// Such as `csr`.
    pub(crate) encoding: &'static str,
    /// Such as `float32`.
    pub(crate) kind: String,
}

/// Some rows of a matrix, tidy.
pub(crate) struct Piece {
    /// Whether rows are cells; they are genes otherwise.
    pub(crate) by_cells: bool,
    /// Which row is the first.
    pub(crate) first: usize,
    /// The rows.
    pub(crate) rows: Csr,
}

/// An open file (or directory) of any format.
pub(crate) trait Input {
    /// Such as `h5ad`.
    fn format(&self) -> &'static str;
    /// Names of the cells.
    fn obs_names(&self) -> Result<Vec<String>>;
    /// Names of the genes of a matrix, as stored.
    fn var_names(&self, which: &Which) -> Result<Vec<String>>;
    /// Names of the columns, in the file's order.
    fn columns(&self, axis: Axis) -> Vec<String>;
    /// One column, which must be there.
    fn column(&self, axis: Axis, name: &str) -> Result<Values>;
    /// Names of the layers.
    fn layers(&self) -> Vec<String> {
        Vec::new()
    }
    /// Whether there is an X.
    fn has_x(&self) -> bool {
        true
    }
    /// Whether there is a `raw`.
    fn has_raw(&self) -> bool {
        false
    }
    /// Names of the columns of the genes of `raw`.
    fn raw_columns(&self) -> Vec<String> {
        Vec::new()
    }
    /// One of [`Input::raw_columns`].
    fn raw_column(&self, name: &str) -> Result<Values> {
        Err(DataError::new(
            format!("there is no column {name:?} of raw's genes"),
            "leave --raw out",
        ))
    }
    /// Extent and encoding of a matrix.
    fn describe(&self, which: &Which) -> Result<Described>;
    /// Some stored values of a matrix: from its beginning, at most about a million.
    fn sample(&self, which: &Which) -> Result<Vec<f32>>;
    /// A matrix as CSR, tidy (genes ascend in a cell, no duplicates, no zeros).
    fn read(&self, which: &Which, notices: &mut Vec<String>) -> Result<Csr>;
    /// A matrix that can be read by cells, piece by piece, as its parts; `None` where it cannot.
    fn rows(&self, _which: &Which) -> Result<Option<Parts>> {
        Ok(None)
    }
    /// Hands a matrix to `take` in pieces of whole cells or of whole genes, in order.
    fn pieces(
        &self,
        which: &Which,
        notices: &mut Vec<String>,
        take: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<()> {
        take(Piece {
            by_cells: true,
            first: 0,
            rows: self.read(which, notices)?,
        })
    }
    /// Names of the columns of the genes of a matrix.
    fn gene_columns(&self, which: &Which) -> Vec<String> {
        match which {
            Which::Raw => self.raw_columns(),
            _ => self.columns(Axis::Var),
        }
    }
    /// One of [`Input::gene_columns`].
    fn gene_column(&self, which: &Which, name: &str) -> Result<Values> {
        match which {
            Which::Raw => self.raw_column(name),
            _ => self.column(Axis::Var, name),
        }
    }
    /// What this format holds that is not offered here, such as `obsm`.
    fn others(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Values of a [`Input::sample`].
pub(crate) const SAMPLE: usize = 1 << 20;

/// The error of a matrix that is not there.
pub(crate) fn no_matrix(input: &dyn Input, which: &Which) -> DataError {
    match which {
        Which::Layer(name) => DataError::new(
            format!("there is no layer {name:?}"),
            match input.layers() {
                layers if layers.is_empty() => "this file has no layers: leave --layer out".into(),
                layers => format!("--layer takes one of: {}", layers.join(", ")),
            },
        ),
        Which::Raw => DataError::new(
            "there is no raw in this file",
            "leave --raw out: X is then read",
        ),
        Which::X => DataError::new("there is no X in this file", other_matrix(input)),
    }
}

fn other_matrix(input: &dyn Input) -> String {
    if let Some(layer) = input.layers().first() {
        format!("read one of its layers: --layer {layer}")
    } else if input.has_raw() {
        "read its raw: --raw".into()
    } else {
        "put the expression matrix into adata.X and save again".into()
    }
}
