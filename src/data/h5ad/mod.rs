//! Reads `.h5ad` as AnnData 0.8 and later writes it: X, the names, and the `obs` columns asked for.
//!
//! Nothing in a file is trusted: extents are held against each other and against what the file
//! stores before anything is allocated, and indices are checked before they are used.
//! Source: the AnnData on-disk format, <https://anndata.readthedocs.io/en/latest/fileformat-prose.html>.
mod frame;
pub(super) mod matrix;
pub(super) mod raw;

use super::dataset::{Column, Csr, Dataset};
use super::matrix::Matrix;
use super::store::{self, Room};
use crate::error::DataError;
use hdf5::{File, LocationType};
use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::path::Path;

/// Result of reading.
pub(super) type Result<T> = std::result::Result<T, DataError>;

const RESAVE: &str = "read it in Python with a current anndata (0.8 or later) and save it again: \
    adata.write_h5ad(path)";

/// Reads X, cell and gene names, and the `columns` of `obs` (each named once in the result).
///
/// # Errors
/// A [`DataError`] whose text begins with the path: no such file, not HDF5, no X, a column that is
/// not there, an old or damaged layout, a filter that cannot be undone.
pub fn read(path: &Path, columns: &[String]) -> Result<Dataset> {
    let (dataset, x) = read_file(path, columns, matrix::read)?;
    Ok(Dataset { x, ..dataset })
}

/// As [`read`], but X stays as it is stored where it is sparse and goes by rows, in memory or in a temporary
/// file as `room` says of the numbers of cells, genes and stored values; the data set's own X is without
/// values.
///
/// # Errors
/// As [`read`]; a temporary file that cannot be written.
pub fn open_rows(
    path: &Path,
    columns: &[String],
    room: &dyn Fn(usize, usize, usize) -> Result<Room>,
) -> Result<(Dataset, Matrix)> {
    // addresses in the file count from its signature, which stands at its begin where there is no user block
    let direct = std::fs::File::open(path).ok().filter(|file| {
        let mut head = Vec::new();
        let read = file.take(8).read_to_end(&mut head);
        read.is_ok() && head == b"\x89HDF\r\n\x1a\n"
    });
    read_file(path, columns, |file, n_obs, n_vars, notices| {
        Ok(match matrix::by_rows(file, n_obs, n_vars)? {
            Some(parts) => {
                let room = room(n_obs, n_vars, parts.data.size())?;
                Matrix::Store(store::load(&parts, direct.as_ref(), &room, notices)?)
            }
            None => Matrix::Csr(matrix::read(file, n_obs, n_vars, notices)?),
        })
    })
}

/// Reads all but X, and X by `load` from the file, the numbers of cells and genes.
fn read_file<X>(
    path: &Path,
    columns: &[String],
    load: impl FnOnce(&File, usize, usize, &mut Vec<String>) -> Result<X>,
) -> Result<(Dataset, X)> {
    let shown = path.display().to_string();
    read_parts(path, columns, load)
        .map(|(dataset, x)| {
            let path = shown.clone();
            (Dataset { path, ..dataset }, x)
        })
        .map_err(|e| DataError::new(format!("{shown}: {}", e.what), e.hint))
}

fn read_parts<X>(
    path: &Path,
    columns: &[String],
    load: impl FnOnce(&File, usize, usize, &mut Vec<String>) -> Result<X>,
) -> Result<(Dataset, X)> {
    let file = open(path)?;
    for part in ["obs", "var"] {
        if !file.link_exists(part) {
            return Err(DataError::new(
                format!("no {part:?} in this HDF5 file, so it is not an .h5ad file"),
                "give an .h5ad file as adata.write_h5ad(path) writes it",
            ));
        }
        if file.loc_type_by_name(part).ok() != Some(LocationType::Group) {
            return Err(DataError::new(
                format!("{part} is a compound dataset, a layout that AnnData wrote before 0.7"),
                RESAVE,
            ));
        }
    }
    if !file.link_exists("X") {
        return Err(DataError::new(
            "there is no X in this file",
            "put the expression matrix into adata.X (for instance adata.X = adata.layers[\"counts\"]) and save again",
        ));
    }
    let (obs, var) = (raw::group(&file, "obs")?, raw::group(&file, "var")?);
    let mut notices = Vec::new();
    let obs_names = frame::index(&obs, "obs")?;
    let mut var_names = frame::index(&var, "var")?;
    let mut found: BTreeMap<String, Column> = BTreeMap::new();
    for name in columns {
        if !found.contains_key(name) {
            let column = frame::column(&obs, name, obs_names.len())?;
            found.insert(name.clone(), column);
        }
    }
    let x = load(&file, obs_names.len(), var_names.len(), &mut notices)?;
    let distinct: HashSet<&str> = obs_names.iter().map(String::as_str).collect();
    if distinct.len() < obs_names.len() {
        notices.push(format!(
            "{} of {} cell names occur more than once; rows are told apart by position",
            obs_names.len() - distinct.len(),
            obs_names.len()
        ));
    }
    drop(distinct);
    let renamed = make_unique(&mut var_names);
    if let Some(first) = renamed.first() {
        notices.push(format!(
            "{} gene names occur more than once and were made unique, as AnnData does (first: {first:?})",
            renamed.len()
        ));
    }
    let dataset = Dataset {
        path: String::new(),
        x: Csr::zeros(obs_names.len(), var_names.len()),
        obs_names,
        var_names,
        columns: found,
        notices,
    };
    Ok((dataset, x))
}

fn open(path: &Path) -> Result<File> {
    let cannot = |what: String| DataError::new(what, "give the path of an .h5ad file");
    let meta = std::fs::metadata(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => cannot("there is no such file".into()),
        _ => cannot(format!("cannot be opened: {e}")),
    })?;
    if meta.is_dir() {
        return Err(cannot("this is a directory, not a file".into()));
    }
    let mut head = Vec::new();
    std::fs::File::open(path)
        .and_then(|f| f.take(8).read_to_end(&mut head))
        .map_err(|e| cannot(format!("cannot be read: {e}")))?;
    File::open(path).map_err(|e| {
        if head.starts_with(b"\x89HDF\r\n\x1a\n") {
            DataError::new(
                format!("HDF5 cannot open this file: {}", raw::short(&e)),
                "it may be cut short or still being written: copy or download it again",
            )
        } else if head.starts_with(&[0x1f, 0x8b]) {
            DataError::new(
                "this is a gzip file, not HDF5",
                "unpack it first: gunzip FILE",
            )
        } else {
            cannot("this is not an HDF5 file".into())
        }
    })
}

/// Makes names unique in place by `-1`, `-2`, ...; gives the old names that were renamed.
///
/// As AnnData's `make_index_unique`: the first keeps its name, later ones count up and skip
/// names that exist.
fn make_unique(names: &mut [String]) -> Vec<String> {
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    if taken.len() == names.len() {
        return Vec::new();
    }
    let mut seen: HashSet<String> = HashSet::new();
    let mut counter: BTreeMap<String, u64> = BTreeMap::new();
    let mut renamed = Vec::new();
    for name in names.iter_mut() {
        if seen.insert(name.clone()) {
            continue;
        }
        let n = counter.entry(name.clone()).or_insert(0);
        let new = loop {
            *n += 1;
            let candidate = format!("{name}-{n}");
            if taken.insert(candidate.clone()) {
                break candidate;
            }
        };
        renamed.push(std::mem::replace(name, new));
    }
    renamed
}
