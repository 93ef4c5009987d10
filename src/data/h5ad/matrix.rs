//! X as CSR, CSC or dense, read in bounded slices into [`Csr`].
use super::raw::{self, SLICE, damaged, no_memory};
use super::{RESAVE, Result};
use crate::data::dataset::Csr;
use crate::error::DataError;
use hdf5::{Dataset, File, Group};

/// Reads X, which must be `n_obs` x `n_vars`.
pub(super) fn read(
    file: &File,
    n_obs: usize,
    n_vars: usize,
    notices: &mut Vec<String>,
) -> Result<Csr> {
    if n_obs == 0 || n_vars == 0 {
        return Err(DataError::new(
            format!("X is empty: {n_obs} cells x {n_vars} genes"),
            "check the filters that made this file",
        ));
    }
    if n_obs > u32::MAX as usize || n_vars > u32::MAX as usize {
        return Err(damaged(format!("X is too large: {n_obs} x {n_vars}")));
    }
    let mut x = if raw::is_group(file, "X") {
        sparse(&raw::group(file, "X")?, n_obs, n_vars)?
    } else {
        dense(&raw::dataset(file, "X", 2)?, n_obs, n_vars)?
    };
    let changed = tidy(&mut x);
    tell(changed, notices);
    Ok(x)
}

/// A sparse X whose pointers were checked.
pub(in crate::data) struct Parts {
    /// Whether it goes by rows.
    by_rows: bool,
    /// Genes.
    pub(in crate::data) n_vars: usize,
    /// Where each row (or column) begins: from 0, never falling, to the number of values.
    pub(in crate::data) pointers: Vec<usize>,
    /// Column (or row) of each value, not checked.
    pub(in crate::data) indices: Dataset,
    /// The values.
    pub(in crate::data) data: Dataset,
}

/// X where it is sparse and goes by rows, to be read piece by piece; `None` otherwise.
pub(in crate::data) fn by_rows(file: &File, n_obs: usize, n_vars: usize) -> Result<Option<Parts>> {
    let possible = 1..=u32::MAX as usize;
    if !raw::is_group(file, "X") || !possible.contains(&n_obs) || !possible.contains(&n_vars) {
        return Ok(None);
    }
    let parts = parts(&raw::group(file, "X")?, n_obs, n_vars)?;
    Ok(Some(parts).filter(|p| p.by_rows))
}

fn check_shape(found: [usize; 2], n_obs: usize, n_vars: usize) -> Result<()> {
    if found == [n_obs, n_vars] {
        return Ok(());
    }
    Err(damaged(format!(
        "X is {} x {}, but obs has {n_obs} cells and var {n_vars} genes",
        found[0], found[1]
    )))
}

fn parts(x: &Group, n_obs: usize, n_vars: usize) -> Result<Parts> {
    let encoding = raw::text_attr(x, "encoding-type")
        .or_else(|| raw::text_attr(x, "h5sparse_format").map(|f| format!("{f}_matrix")));
    let by_rows = match encoding.as_deref() {
        Some("csr_matrix") => true,
        Some("csc_matrix") => false,
        Some(other) => {
            return Err(DataError::new(
                format!("X has the encoding {other:?}; csr_matrix, csc_matrix and dense are read"),
                RESAVE,
            ));
        }
        None => {
            return Err(DataError::new(
                "X is a group that does not say how it is encoded",
                RESAVE,
            ));
        }
    };
    let shape = raw::shape_attr(x).ok_or_else(|| damaged("X has no shape"))?;
    check_shape(shape, n_obs, n_vars)?;
    let indptr = raw::dataset(x, "indptr", 1)?;
    let indices = raw::dataset(x, "indices", 1)?;
    let data = raw::dataset(x, "data", 1)?;
    let major = if by_rows { n_obs } else { n_vars };
    let nnz = data.size();
    if indptr.size() != major + 1 || indices.size() != nnz {
        return Err(damaged(format!(
            "X has {} pointers, {} indices and {nnz} values; {} pointers and as many indices as values are expected",
            indptr.size(),
            indices.size(),
            major + 1
        )));
    }
    let pointers = raw::numbers::<i64>(&indptr)?;
    let ordered = pointers.windows(2).all(|w| w[0] <= w[1]);
    if !ordered || pointers[0] != 0 || pointers[major] != nnz as i64 {
        return Err(damaged(format!(
            "X/indptr does not rise from 0 to {nnz}, the number of values"
        )));
    }
    Ok(Parts {
        by_rows,
        n_vars,
        pointers: pointers.into_iter().map(|p| p as usize).collect(),
        indices,
        data,
    })
}

fn sparse(x: &Group, n_obs: usize, n_vars: usize) -> Result<Csr> {
    let Parts {
        by_rows,
        pointers,
        indices,
        data,
        ..
    } = parts(x, n_obs, n_vars)?;
    if !by_rows {
        return from_columns(n_obs, n_vars, &pointers, &indices, &data);
    }
    let nnz = data.size();
    let mut columns = reserve(nnz)?;
    let mut values = reserve(nnz)?;
    for begin in (0..nnz).step_by(SLICE) {
        let range = begin..nnz.min(begin + SLICE);
        columns.extend(checked(&indices, range.clone(), n_vars)?);
        values.extend(raw::slice::<f32>(&data, range)?);
    }
    Ok(Csr {
        n_obs,
        n_vars,
        indptr: pointers,
        indices: columns,
        values,
    })
}

/// CSC to CSR by counting: one pass over the row numbers, then one over everything.
fn from_columns(
    n_obs: usize,
    n_vars: usize,
    pointers: &[usize],
    indices: &Dataset,
    data: &Dataset,
) -> Result<Csr> {
    let nnz = data.size();
    let mut indptr = vec![0usize; n_obs + 1];
    for begin in (0..nnz).step_by(SLICE) {
        for row in checked(indices, begin..nnz.min(begin + SLICE), n_obs)? {
            indptr[row as usize + 1] += 1;
        }
    }
    for i in 0..n_obs {
        indptr[i + 1] += indptr[i];
    }
    let mut next = indptr[..n_obs].to_vec();
    let mut columns: Vec<u32> = reserve(nnz)?;
    let mut values: Vec<f32> = reserve(nnz)?;
    columns.resize(nnz, 0);
    values.resize(nnz, 0.0);
    let mut column = 0;
    for begin in (0..nnz).step_by(SLICE) {
        let range = begin..nnz.min(begin + SLICE);
        let rows = checked(indices, range.clone(), n_obs)?;
        let slice = raw::slice::<f32>(data, range.clone())?;
        for ((at, row), value) in range.zip(rows).zip(slice) {
            while at >= pointers[column + 1] {
                column += 1;
            }
            let place = &mut next[row as usize];
            columns[*place] = column as u32;
            values[*place] = value;
            *place += 1;
        }
    }
    Ok(Csr {
        n_obs,
        n_vars,
        indptr,
        indices: columns,
        values,
    })
}

/// Indices of a slice, each below `limit`.
fn checked(set: &Dataset, range: std::ops::Range<usize>, limit: usize) -> Result<Vec<u32>> {
    raw::slice::<i64>(set, range)?
        .into_iter()
        .map(|i| match u32::try_from(i) {
            Ok(i) if (i as usize) < limit => Ok(i),
            _ => Err(out_of_range(i, limit)),
        })
        .collect()
}

/// The error of an index that is not below `limit`.
pub(in crate::data) fn out_of_range(found: i64, limit: usize) -> DataError {
    damaged(format!(
        "X/indices holds {found}, but must lie below {limit}"
    ))
}

fn reserve<T>(n: usize) -> Result<Vec<T>> {
    let mut v = Vec::new();
    v.try_reserve_exact(n).map_err(|_| no_memory(n))?;
    Ok(v)
}

fn dense(set: &Dataset, n_obs: usize, n_vars: usize) -> Result<Csr> {
    let shape = set.shape();
    check_shape([shape[0], shape[1]], n_obs, n_vars)?;
    let mut rows = (SLICE / n_vars).max(1);
    // whole chunks, so that none is unpacked twice, unless one is very tall
    if let Some(chunk) = set.chunk().and_then(|c| c.first().copied())
        && chunk.saturating_mul(n_vars) <= 16 * SLICE
    {
        rows = (rows / chunk).max(1) * chunk;
    }
    let mut x = Csr {
        n_obs,
        n_vars,
        indptr: reserve(n_obs + 1)?,
        indices: Vec::new(),
        values: Vec::new(),
    };
    x.indptr.push(0);
    for begin in (0..n_obs).step_by(rows) {
        let block = set
            .read_slice_2d::<f32, _>((begin..n_obs.min(begin + rows), ..))
            .map_err(|e| raw::unreadable(set, &e))?;
        for row in block.rows() {
            for (column, &value) in row.iter().enumerate() {
                if value != 0.0 {
                    x.indices.push(column as u32);
                    x.values.push(value);
                }
            }
            x.indptr.push(x.values.len());
        }
    }
    Ok(x)
}

/// Sorts columns within rows, sums duplicates and drops zeros, in place; gives the rows that were out of order
/// and the duplicates.
pub(in crate::data) fn tidy(x: &mut Csr) -> (usize, usize) {
    let (mut unsorted, mut duplicates) = (0usize, 0usize);
    let mut row: Vec<(u32, f32)> = Vec::new();
    let (mut begin, mut write) = (0, 0);
    for i in 0..x.n_obs {
        let end = x.indptr[i + 1];
        let mut n = end - begin;
        let rising = x.indices[begin..end].windows(2).all(|w| w[0] < w[1]);
        if !rising {
            row.clear();
            row.extend((begin..end).map(|j| (x.indices[j], x.values[j])));
            if !row.is_sorted_by_key(|e| e.0) {
                unsorted += 1;
                row.sort_by_key(|e| e.0);
            }
            let before = row.len();
            row.dedup_by(|later, first| {
                let same = later.0 == first.0;
                if same {
                    first.1 += later.1;
                }
                same
            });
            duplicates += before - row.len();
            for (j, (column, value)) in (begin..).zip(&row) {
                x.indices[j] = *column;
                x.values[j] = *value;
            }
            n = row.len();
        }
        let first = write;
        for j in begin..begin + n {
            if x.values[j] != 0.0 {
                x.indices[write] = x.indices[j];
                x.values[write] = x.values[j];
                write += 1;
            }
        }
        begin = end;
        x.indptr[i] = first;
    }
    x.indptr[x.n_obs] = write;
    x.indices.truncate(write);
    x.values.truncate(write);
    (unsorted, duplicates)
}

/// Tells what [`tidy`] changed.
pub(in crate::data) fn tell((unsorted, duplicates): (usize, usize), notices: &mut Vec<String>) {
    if unsorted > 0 {
        notices.push(format!(
            "the genes of {unsorted} cells were stored out of order and were sorted"
        ));
    }
    if duplicates > 0 {
        notices.push(format!(
            "{duplicates} values of X were stored for a cell and gene that already had one and were summed"
        ));
    }
}
