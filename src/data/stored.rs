//! Matrices in HDF5, sparse or dense, by cells or by genes, read in bounded slices into [`Csr`].
use super::dataset::Csr;
use super::h5::{Dataset, Group, Kind, SLICE, damaged, no_memory};
use super::input::{Described, Result, SAMPLE};
use crate::error::DataError;
use std::ops::Range;

/// A matrix of cells x genes.
pub(crate) struct Stored {
    n_obs: usize,
    n_vars: usize,
    name: String,
    pub(super) form: Form,
}

pub(super) enum Form {
    Sparse {
        /// A pointer a cell; otherwise one a gene.
        by_cells: bool,
        indptr: Dataset,
        indices: Dataset,
        data: Dataset,
    },
    Dense {
        /// A row a cell; otherwise one a gene.
        by_cells: bool,
        set: Dataset,
    },
}

/// A sparse matrix that goes by cells, to be read piece by piece.
pub(crate) struct Parts {
    /// Genes.
    pub(crate) n_vars: usize,
    /// Where each cell begins: from 0, never falling, to the number of values.
    pub(crate) pointers: Vec<usize>,
    /// Gene of each value, not checked.
    pub(crate) indices: Dataset,
    /// The values.
    pub(crate) data: Dataset,
}

fn check_numbers(set: &Dataset) -> Result<()> {
    if set.kind.is_number() || matches!(set.kind, Kind::Enum(_)) {
        return Ok(());
    }
    Err(damaged(format!(
        "{} holds {}, expected numbers",
        set.name,
        set.kind.shown()
    )))
}

fn check_extent(name: &str, n_obs: usize, n_vars: usize) -> Result<()> {
    if n_obs == 0 || n_vars == 0 {
        return Err(DataError::new(
            format!("{name} is empty: {n_obs} cells x {n_vars} genes"),
            "check the filters that made this file",
        ));
    }
    if n_obs > u32::MAX as usize || n_vars > u32::MAX as usize {
        return Err(damaged(format!("{name} is too large: {n_obs} x {n_vars}")));
    }
    Ok(())
}

impl Stored {
    /// A group with `data`, `indices` and `indptr`; `shape` is cells x genes.
    pub(crate) fn sparse(
        group: &Group,
        by_cells: bool,
        [n_obs, n_vars]: [usize; 2],
    ) -> Result<Self> {
        check_extent(&group.name, n_obs, n_vars)?;
        let indptr = group.dataset("indptr", 1)?;
        let indices = group.dataset("indices", 1)?;
        let data = group.dataset("data", 1)?;
        check_numbers(&data)?;
        let major = if by_cells { n_obs } else { n_vars };
        if indptr.len() != major + 1 || indices.len() != data.len() {
            return Err(damaged(format!(
                "{} has {} pointers, {} indices and {} values; {} pointers and as many indices as values are expected",
                group.name,
                indptr.len(),
                indices.len(),
                data.len(),
                major + 1
            )));
        }
        Ok(Self {
            n_obs,
            n_vars,
            name: group.name.clone(),
            form: Form::Sparse {
                by_cells,
                indptr,
                indices,
                data,
            },
        })
    }

    /// A dataset of two dimensions, cells x genes where `by_cells`, else genes x cells.
    pub(crate) fn dense(set: Dataset, by_cells: bool) -> Result<Self> {
        let [a, b] = set.shape[..] else {
            return Err(damaged(format!(
                "{} has {} dimensions, expected 2",
                set.name,
                set.shape.len()
            )));
        };
        let (n_obs, n_vars) = if by_cells { (a, b) } else { (b, a) };
        check_extent(&set.name, n_obs, n_vars)?;
        check_numbers(&set)?;
        Ok(Self {
            n_obs,
            n_vars,
            name: set.name.clone(),
            form: Form::Dense { by_cells, set },
        })
    }

    /// Refuses a matrix that is not of this extent.
    pub(crate) fn expect(self, n_obs: usize, n_vars: usize) -> Result<Self> {
        if (self.n_obs, self.n_vars) == (n_obs, n_vars) {
            return Ok(self);
        }
        Err(damaged(format!(
            "{} is {} x {}, but obs has {n_obs} cells and var {n_vars} genes",
            self.name, self.n_obs, self.n_vars
        )))
    }

    /// Extent and encoding.
    pub(crate) fn describe(&self) -> Described {
        let (encoding, stored, kind) = match &self.form {
            Form::Sparse { by_cells, data, .. } => (
                if *by_cells { "csr" } else { "csc" },
                Some(data.len() as u64),
                &data.kind,
            ),
            Form::Dense { set, .. } => ("dense", None, &set.kind),
        };
        Described {
            n_obs: self.n_obs,
            n_vars: self.n_vars,
            stored,
            encoding,
            kind: kind.shown(),
        }
    }

    /// Some values from the beginning.
    pub(crate) fn sample(&self) -> Result<Vec<f32>> {
        match &self.form {
            Form::Sparse { data, .. } => data.slice(0..data.len().min(SAMPLE)),
            Form::Dense { set, .. } => set.slice(0..(SAMPLE / set.row()).clamp(1, set.shape[0])),
        }
    }

    /// Its parts where it is sparse and goes by cells.
    pub(crate) fn rows(self) -> Result<Option<Parts>> {
        let pointers = match &self.form {
            Form::Sparse {
                by_cells: true,
                indptr,
                data,
                ..
            } => self.pointers(indptr, data.len())?,
            _ => return Ok(None),
        };
        Ok(match self.form {
            Form::Sparse { indices, data, .. } => Some(Parts {
                n_vars: self.n_vars,
                pointers,
                indices,
                data,
            }),
            Form::Dense { .. } => None,
        })
    }

    /// Columns of a row.
    pub(super) fn minor(&self, by_cells: bool) -> usize {
        if by_cells { self.n_vars } else { self.n_obs }
    }

    /// Reads it.
    pub(crate) fn read(&self) -> Result<Csr> {
        let (n_obs, n_vars) = (self.n_obs, self.n_vars);
        let (indptr, indices, values) = match &self.form {
            Form::Sparse {
                by_cells,
                indptr,
                indices,
                data,
            } => {
                let minor = self.minor(*by_cells);
                let pointers = self.pointers(indptr, data.len())?;
                let mut columns = reserve(data.len())?;
                let mut values = reserve(data.len())?;
                for begin in (0..data.len()).step_by(SLICE) {
                    let range = begin..data.len().min(begin + SLICE);
                    columns.extend(checked(indices, range.clone(), minor)?);
                    values.extend(data.slice::<f32>(range)?);
                }
                if *by_cells {
                    (pointers, columns, values)
                } else {
                    transpose(n_obs, &pointers, &columns, &values)?
                }
            }
            Form::Dense { by_cells, set } => {
                let (pointers, columns, values) = nonzeros(set)?;
                if *by_cells {
                    (pointers, columns, values)
                } else {
                    transpose(n_obs, &pointers, &columns, &values)?
                }
            }
        };
        Ok(Csr {
            n_obs,
            n_vars,
            indptr,
            indices,
            values,
        })
    }

    pub(super) fn pointers(&self, set: &Dataset, nnz: usize) -> Result<Vec<usize>> {
        let pointers = set.numbers::<i64>()?;
        let ordered = pointers.windows(2).all(|w| w[0] <= w[1]);
        if !ordered || pointers.first() != Some(&0) || pointers.last() != Some(&(nnz as i64)) {
            return Err(damaged(format!(
                "{}/indptr does not rise from 0 to {nnz}, the number of values",
                self.name
            )));
        }
        Ok(pointers.into_iter().map(|p| p as usize).collect())
    }
}

type Arrays = (Vec<usize>, Vec<u32>, Vec<f32>);

/// Rows to columns (or the reverse) by counting; `n` is the number of rows of the result.
fn transpose(n: usize, pointers: &[usize], indices: &[u32], values: &[f32]) -> Result<Arrays> {
    let mut indptr = vec![0usize; n + 1];
    for row in indices {
        indptr[*row as usize + 1] += 1;
    }
    for i in 0..n {
        indptr[i + 1] += indptr[i];
    }
    let mut next = indptr[..n].to_vec();
    let (mut columns, mut turned) = (reserve::<u32>(values.len())?, reserve::<f32>(values.len())?);
    columns.resize(values.len(), 0);
    turned.resize(values.len(), 0.0);
    for (column, range) in pointers.windows(2).enumerate() {
        for at in range[0]..range[1] {
            let place = &mut next[indices[at] as usize];
            columns[*place] = column as u32;
            turned[*place] = values[at];
            *place += 1;
        }
    }
    Ok((indptr, columns, turned))
}

/// Indices of a slice, each below `limit`.
fn checked(set: &Dataset, range: Range<usize>, limit: usize) -> Result<Vec<u32>> {
    let found = set.slice::<u32>(range.clone())?;
    if found.iter().any(|i| *i as usize >= limit) {
        return Err(out_of_range(set, range, limit));
    }
    Ok(found)
}

/// The error of indices of which one is not below `limit`.
pub(crate) fn out_of_range(set: &Dataset, range: Range<usize>, limit: usize) -> DataError {
    let fits = |i: &i64| usize::try_from(*i).is_ok_and(|i| i < limit);
    match set.slice::<i64>(range) {
        Ok(all) => {
            let found = all.into_iter().find(|i| !fits(i)).unwrap_or(-1);
            let name = &set.name;
            damaged(format!("{name} holds {found}, but must lie below {limit}"))
        }
        Err(e) => e,
    }
}

fn reserve<T>(n: usize) -> Result<Vec<T>> {
    let mut v = Vec::new();
    v.try_reserve_exact(n).map_err(|_| no_memory(n))?;
    Ok(v)
}

/// Rows of a dense matrix that are read at once: whole chunks, so that none is unpacked twice, unless one
/// is very tall.
pub(super) fn rows_at_once(set: &Dataset) -> usize {
    let rows = (SLICE / set.row()).max(1);
    match set.chunk().and_then(|c| c.first().copied()) {
        Some(chunk) if chunk.saturating_mul(set.row()) <= 16 * SLICE => {
            (rows / chunk).max(1) * chunk
        }
        _ => rows,
    }
}

/// What is not zero of a dense matrix, by its rows.
fn nonzeros(set: &Dataset) -> Result<Arrays> {
    let (n_rows, n_columns) = (set.shape[0], set.row());
    let rows = rows_at_once(set);
    let (mut indptr, mut indices, mut values) = (reserve(n_rows + 1)?, Vec::new(), Vec::new());
    indptr.push(0);
    for begin in (0..n_rows).step_by(rows) {
        let block = set.slice::<f32>(begin..n_rows.min(begin + rows))?;
        for row in block.chunks_exact(n_columns) {
            for (column, &value) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
                indices.push(column as u32);
                values.push(value);
            }
            indptr.push(values.len());
        }
    }
    Ok((indptr, indices, values))
}
