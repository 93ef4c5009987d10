//! X of an `.h5ad` file: CSR, CSC or dense, read in slices.
use super::dataset::Csr;
use super::h5ad::{broken, check_filters, texts};
use crate::error::DataError;
use hdf5::{Dataset, File, Group, H5Type};

type Result<T> = std::result::Result<T, DataError>;

/// Elements that one read takes.
const SLICE: usize = 1 << 22;

/// Reads X.
///
/// # Errors
/// An encoding, a size or a value that cannot be; values name their cell and gene.
pub(super) fn read(
    file: &File,
    shown: &str,
    obs: &[String],
    var: &[String],
    notices: &mut Vec<String>,
) -> Result<Csr> {
    let size = (obs.len(), var.len());
    if size.0 == 0 || size.1 == 0 {
        return Err(DataError::new(
            format!("{shown:?} holds {} cells x {} genes", size.0, size.1),
            "name a file with cells and genes",
        ));
    }
    let mut csr = match file.dataset("X") {
        Ok(data) => dense(&data, size, shown)?,
        Err(_) => {
            let group = file.group("X").map_err(|e| broken(shown, "X", &e))?;
            sparse(&group, size, shown, notices)?
        }
    };
    drop_zeros(&mut csr);
    check_values(&csr, shown, obs, var)?;
    if csr.nnz() == 0 {
        return Err(DataError::new(
            format!("{shown:?}: every value of X is 0"),
            "check which layer holds the counts",
        ));
    }
    Ok(csr)
}

fn size_error(shown: &str, what: &str, found: &[usize], size: (usize, usize)) -> DataError {
    DataError::new(
        format!(
            "{shown:?}: {what} is {found:?}, obs and var say {} cells x {} genes",
            size.0, size.1
        ),
        "the file may be damaged; write it anew with anndata",
    )
}

fn dense(data: &Dataset, size: (usize, usize), shown: &str) -> Result<Csr> {
    check_filters(data, "X", shown)?;
    if data.shape() != [size.0, size.1] {
        return Err(size_error(shown, "X", &data.shape(), size));
    }
    let mut csr = Csr {
        n_obs: size.0,
        n_vars: size.1,
        indptr: vec![0],
        indices: Vec::new(),
        values: Vec::new(),
    };
    let step = (SLICE / size.1).max(1);
    for from in (0..size.0).step_by(step) {
        let to = size.0.min(from + step);
        let rows: hdf5::Hyperslab = vec![(from..to).into(), (..).into()].into();
        let block = data
            .read_slice_2d::<f32, _>(rows)
            .map_err(|e| broken(shown, "X", &e))?;
        for row in block.rows() {
            for (g, &v) in row.iter().enumerate() {
                if v != 0.0 {
                    csr.indices.push(g as u32);
                    csr.values.push(v);
                }
            }
            csr.indptr.push(csr.values.len());
        }
    }
    Ok(csr)
}

/// One array of a sparse group, read in slices, each value through `convert`.
fn array<T: H5Type + Copy, U>(
    group: &Group,
    name: &str,
    shown: &str,
    convert: impl Fn(T) -> U,
) -> Result<Vec<U>> {
    let place = format!("X/{name}");
    let error = |e: hdf5::Error| broken(shown, &place, &e);
    let data = group.dataset(name).map_err(error)?;
    check_filters(&data, &place, shown)?;
    if data.ndim() != 1 {
        return Err(size_error(shown, &place, &data.shape(), (0, 0)));
    }
    let (n, mut out) = (data.size(), Vec::new());
    for from in (0..n).step_by(SLICE) {
        let part = data
            .read_slice_1d::<T, _>(from..n.min(from + SLICE))
            .map_err(error)?;
        // reserved after the first read, so that a header that lies costs nothing
        out.reserve_exact(if from == 0 { n } else { 0 });
        out.extend(part.iter().map(|&x| convert(x)));
    }
    Ok(out)
}

fn sparse(
    group: &Group,
    size: (usize, usize),
    shown: &str,
    notices: &mut Vec<String>,
) -> Result<Csr> {
    let encoding = group
        .attr("encoding-type")
        .ok()
        .and_then(|a| texts(&a, "X", shown).ok())
        .and_then(|t| t.into_iter().next());
    let by_rows = match encoding.as_deref() {
        Some("csr_matrix") => true,
        Some("csc_matrix") => false,
        other => {
            return Err(DataError::new(
                format!(
                    "{shown:?}: X is encoded as {:?}",
                    other.unwrap_or("nothing")
                ),
                "X must be csr_matrix, csc_matrix or array; write the file anew with a current anndata",
            ));
        }
    };
    let shape: Vec<usize> = group
        .attr("shape")
        .and_then(|a| a.read_raw::<u64>())
        .map(|s| s.iter().map(|&x| x as usize).collect())
        .unwrap_or_default();
    if shape != [size.0, size.1] {
        return Err(size_error(shown, "the shape of X", &shape, size));
    }
    // what does not fit becomes the largest number, which the checks below refuse
    let indptr = array(group, "indptr", shown, |x: i64| {
        usize::try_from(x).unwrap_or(usize::MAX)
    })?;
    let indices = array(group, "indices", shown, |x: i64| {
        u32::try_from(x).unwrap_or(u32::MAX)
    })?;
    let values = array(group, "data", shown, |x: f32| x)?;
    let (major, minor) = if by_rows { size } else { (size.1, size.0) };
    let fits = indptr.len() == major + 1
        && indptr.first() == Some(&0)
        && indptr.windows(2).all(|w| w[0] <= w[1])
        && indptr.last() == Some(&values.len())
        && indices.len() == values.len();
    if !fits {
        return Err(DataError::new(
            format!(
                "{shown:?}: X/indptr, X/indices and X/data do not fit each other ({}, {}, {} values)",
                indptr.len(),
                indices.len(),
                values.len()
            ),
            "the file may be damaged; write it anew with anndata",
        ));
    }
    if let Some(at) = indices.iter().position(|&i| i as usize >= minor) {
        return Err(DataError::new(
            format!(
                "{shown:?}: X/indices[{at}] is {}, beyond {minor}",
                indices[at]
            ),
            "the file may be damaged; write it anew with anndata",
        ));
    }
    let mut csr = Csr {
        n_obs: major,
        n_vars: minor,
        indptr,
        indices,
        values,
    };
    if !by_rows {
        csr = transpose(csr);
    }
    if order_rows(&mut csr) {
        notices.push("X stores some values twice; they were added up".to_string());
    }
    Ok(csr)
}

/// Rows from columns (counting sort); the result's rows ascend.
fn transpose(by_columns: Csr) -> Csr {
    let (n_obs, n_vars) = (by_columns.n_vars, by_columns.n_obs);
    let mut indptr = vec![0usize; n_obs + 1];
    by_columns
        .indices
        .iter()
        .for_each(|&i| indptr[i as usize + 1] += 1);
    for i in 0..n_obs {
        indptr[i + 1] += indptr[i];
    }
    let mut at = indptr.clone();
    let (mut indices, mut values) = (vec![0u32; by_columns.nnz()], vec![0.0f32; by_columns.nnz()]);
    for g in 0..n_vars {
        let (rows, stored) = by_columns.row(g);
        for (&i, &v) in rows.iter().zip(stored) {
            let slot = &mut at[i as usize];
            (indices[*slot], values[*slot]) = (g as u32, v);
            *slot += 1;
        }
    }
    Csr {
        n_obs,
        n_vars,
        indptr,
        indices,
        values,
    }
}

/// Sorts rows that do not ascend and adds up what is stored twice; whether there was such.
fn order_rows(csr: &mut Csr) -> bool {
    let mut twice = false;
    for i in 0..csr.n_obs {
        let range = csr.indptr[i]..csr.indptr[i + 1];
        if csr.indices[range.clone()].is_sorted_by(|a, b| a < b) {
            continue;
        }
        let mut row: Vec<(u32, f32)> = csr.indices[range.clone()]
            .iter()
            .copied()
            .zip(csr.values[range.clone()].iter().copied())
            .collect();
        row.sort_by_key(|p| p.0);
        for j in 1..row.len() {
            if row[j].0 == row[j - 1].0 {
                twice = true;
                row[j].1 += row[j - 1].1;
                row[j - 1].1 = 0.0; // dropped with the other zeros
            }
        }
        for (slot, (g, v)) in range.zip(row) {
            (csr.indices[slot], csr.values[slot]) = (g, v);
        }
    }
    twice
}

/// Removes stored zeros in place.
fn drop_zeros(csr: &mut Csr) {
    let mut kept = 0;
    let mut from = 0;
    for i in 0..csr.n_obs {
        let to = csr.indptr[i + 1];
        for j in from..to {
            if csr.values[j] != 0.0 {
                (csr.indices[kept], csr.values[kept]) = (csr.indices[j], csr.values[j]);
                kept += 1;
            }
        }
        from = to;
        csr.indptr[i + 1] = kept;
    }
    csr.indices.truncate(kept);
    csr.values.truncate(kept);
}

fn check_values(csr: &Csr, shown: &str, obs: &[String], var: &[String]) -> Result<()> {
    let Some(at) = csr.values.iter().position(|v| !v.is_finite() || *v < 0.0) else {
        return Ok(());
    };
    let row = csr.indptr.partition_point(|&p| p <= at) - 1;
    let (cell, gene, value) = (&obs[row], &var[csr.indices[at] as usize], csr.values[at]);
    let hint = if value < 0.0 {
        "X must hold counts or log values; scaled values cannot be used (try the file before scanpy.pp.scale)"
    } else {
        "X must hold finite numbers; remove or fill the missing ones"
    };
    Err(DataError::new(
        format!("{shown:?}: X is {value} at cell {cell:?} (row {row}), gene {gene:?}"),
        hint,
    ))
}
