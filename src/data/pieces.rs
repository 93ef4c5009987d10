//! Matrices in HDF5 piece by piece, in whole rows.
use super::dataset::Csr;
use super::h5::Dataset;
use super::input::{Piece, Result};
use super::stored::{Form, Parts, Stored, out_of_range, rows_at_once};
use super::tidy::{tell, tidy};
use rayon::prelude::*;

/// Stored values of a block of rows.
const BLOCK: usize = 1 << 20;
/// Of these, what one thread takes at once.
const PIECE: usize = 1 << 15;

/// Takes the first row of a piece and its rows.
pub(crate) type Take<'a> = &'a mut dyn FnMut(usize, Csr) -> Result<()>;

impl Parts {
    /// Hands the rows to `take` in blocks of about [`BLOCK`] values, tidy; gives what was put in order, as
    /// [`tidy`] does.
    pub(crate) fn blocks(&self, take: Take) -> Result<(usize, usize)> {
        blocks(&self.pointers, &self.indices, &self.data, self.n_vars, take)
    }
}

/// Rows of a sparse matrix of `minor` columns, block by block.
fn blocks(
    pointers: &[usize],
    indices: &Dataset,
    data: &Dataset,
    minor: usize,
    take: Take,
) -> Result<(usize, usize)> {
    let n = pointers.len() - 1;
    let (mut first, mut changed) = (0, (0, 0));
    while first < n {
        let from = pointers[first];
        let mut last = first + 1;
        while last < n && pointers[last + 1] - from <= BLOCK {
            last += 1;
        }
        let range = from..pointers[last];
        let mut block = Csr {
            n_obs: last - first,
            n_vars: minor,
            indptr: pointers[first..=last].iter().map(|p| p - from).collect(),
            indices: indices.slice::<u32>(range.clone())?,
            values: data.slice::<f32>(range.clone())?,
        };
        let pieces = block.indices.par_chunks(PIECE);
        let highest = pieces.filter_map(|p| p.iter().max()).max();
        if highest.is_some_and(|g| *g as usize >= minor) {
            return Err(out_of_range(indices, range, minor));
        }
        let (unsorted, duplicates) = tidy(&mut block);
        changed = (changed.0 + unsorted, changed.1 + duplicates);
        take(first, block)?;
        first = last;
    }
    Ok(changed)
}

impl Stored {
    /// Hands it over in pieces, of whole cells or, where it goes by genes, of whole genes (rows are then
    /// genes); tells of what was put in order.
    pub(crate) fn pieces(
        &self,
        notices: &mut Vec<String>,
        take: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<()> {
        match &self.form {
            Form::Sparse {
                by_cells,
                indptr,
                indices,
                data,
            } => {
                let (by_cells, minor) = (*by_cells, self.minor(*by_cells));
                let pointers = self.pointers(indptr, data.len())?;
                let changed = blocks(&pointers, indices, data, minor, &mut |first, rows| {
                    take(Piece {
                        by_cells,
                        first,
                        rows,
                    })
                })?;
                // where rows are genes, the order of cells within them is nobody's matter
                tell((changed.0 * usize::from(by_cells), changed.1), notices);
                Ok(())
            }
            Form::Dense { by_cells, set } => {
                let at_once = rows_at_once(set);
                for first in (0..set.shape[0]).step_by(at_once) {
                    let rows = set.slice::<f32>(first..set.shape[0].min(first + at_once))?;
                    take(Piece {
                        by_cells: *by_cells,
                        first,
                        rows: sparse_rows(&rows, set.row()),
                    })?;
                }
                Ok(())
            }
        }
    }
}

/// What is not zero of dense rows.
fn sparse_rows(rows: &[f32], n_columns: usize) -> Csr {
    let mut x = Csr::zeros(0, n_columns);
    for row in rows.chunks_exact(n_columns) {
        for (column, &value) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            x.indices.push(column as u32);
            x.values.push(value);
        }
        x.n_obs += 1;
        x.indptr.push(x.values.len());
    }
    x
}
