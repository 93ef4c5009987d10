//! X of a data set, wherever its rows are.
use super::cells::Transform;
use super::dataset::Csr;
use super::prepare;
use super::store::{Seen, Store, Visitor};
use crate::error::DataError;
use rayon::prelude::*;

/// X by rows.
#[derive(Debug)]
pub enum Matrix {
    /// In memory as indices and values, transformed in place.
    Csr(Csr),
    /// As the file has it, transformed as it is read.
    Store(Store),
}

impl Matrix {
    /// Cells.
    #[must_use]
    pub fn n_obs(&self) -> usize {
        match self {
            Self::Csr(x) => x.n_obs,
            Self::Store(x) => x.n_obs(),
        }
    }
    /// Genes.
    #[must_use]
    pub fn n_vars(&self) -> usize {
        match self {
            Self::Csr(x) => x.n_vars,
            Self::Store(x) => x.n_vars(),
        }
    }
    /// Stored values.
    #[must_use]
    pub fn nnz(&self) -> usize {
        match self {
            Self::Csr(x) => x.nnz(),
            Self::Store(x) => x.nnz(),
        }
    }
    /// Stored values of a cell, which are the genes that it detects.
    #[must_use]
    pub fn row_len(&self, row: usize) -> usize {
        match self {
            Self::Csr(x) => x.indptr[row + 1] - x.indptr[row],
            Self::Store(x) => x.row_len(row),
        }
    }
    /// The matrix in memory, where it is there.
    #[must_use]
    pub fn csr(&self) -> Option<&Csr> {
        match self {
            Self::Csr(x) => Some(x),
            Self::Store(_) => None,
        }
    }

    /// What stands out in the stored values.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let x = match self {
            Self::Store(x) => return x.seen(),
            Self::Csr(x) => x,
        };
        let bad = x
            .values
            .par_iter()
            .position_first(|v| !v.is_finite() || *v < 0.0);
        // empty rows share a pointer: the last row that begins at or before it holds it
        let place = |at: usize| {
            let row = x.indptr.partition_point(|&p| p <= at) - 1;
            (row, x.indices[at], x.values[at])
        };
        Seen {
            integers: x.values.par_iter().all(|v| v.fract() == 0.0),
            max: x.values.par_iter().copied().reduce(|| 0.0, f32::max),
            bad: bad.map(place),
        }
    }

    /// Transforms what is transformed in place.
    pub(super) fn transform(&mut self, transform: Transform) {
        if let Self::Csr(x) = self {
            prepare::apply(x, transform);
        }
    }

    /// Gives `f` the position in `rows`, the genes and the transformed values of each of the `rows`.
    ///
    /// # Errors
    /// As [`Store::visit`].
    pub fn visit(&self, rows: &[u32], transform: Transform, f: Visitor) -> Result<(), DataError> {
        match self {
            Self::Store(x) => x.visit(rows, transform, f),
            Self::Csr(x) => {
                for (i, &row) in rows.iter().enumerate() {
                    let (genes, values) = x.row(row as usize);
                    f(i, genes, values);
                }
                Ok(())
            }
        }
    }

    /// The transformed values of some rows, in the order given; of all genes, or of those for which
    /// `keep` is true.
    ///
    /// # Errors
    /// As [`Store::visit`].
    pub fn take(
        &self,
        rows: &[u32],
        transform: Transform,
        keep: Option<&[bool]>,
    ) -> Result<Csr, DataError> {
        let kept = |g: u32| keep.is_none_or(|k| k[g as usize]);
        let nnz: usize = rows.iter().map(|&r| self.row_len(r as usize)).sum();
        let reserved = if keep.is_none() { nnz } else { 0 };
        let mut x = Csr {
            n_obs: rows.len(),
            n_vars: self.n_vars(),
            indptr: vec![0],
            indices: Vec::with_capacity(reserved),
            values: Vec::with_capacity(reserved),
        };
        self.visit(rows, transform, &mut |_, genes, values| {
            for (&g, &v) in genes.iter().zip(values).filter(|(g, _)| kept(**g)) {
                x.indices.push(g);
                x.values.push(v);
            }
            x.indptr.push(x.indices.len());
        })?;
        Ok(x)
    }
}
