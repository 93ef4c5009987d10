//! The one door: finds the format of a file and reads what is asked for.
use super::dataset::{Column, Csr, Dataset};
use super::gene_ids::GeneIds;
use super::h5::{Group, SIGNATURE};
use super::h5ad::H5ad;
use super::input::{Axis, Input, Result, Which};
use super::label_file::LabelFile;
use super::loom::Loom;
use super::matrix::Matrix;
use super::store::{self, Room};
use super::tenx::Tenx;
use super::{mtx, table};
use crate::error::DataError;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Names listed in full in an error.
const MOST_LISTED: usize = 30;

/// What is read of a file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Columns of `obs`.
    pub columns: Vec<String>,
    /// The matrix.
    pub which: Which,
    /// A table with columns of cells, by name; they go before those of the file.
    pub labels: Option<PathBuf>,
}

/// Reads a data set of any format.
///
/// # Errors
/// A [`DataError`] whose text begins with the path: no such file, a format that is not known, no
/// such matrix or column, anything damaged.
pub fn open(path: &Path, options: &Options) -> Result<Dataset> {
    let whole = |input: &dyn Input, notices: &mut Vec<String>| input.read(&options.which, notices);
    let (dataset, x) = all(path, options, whole)?;
    Ok(Dataset { x, ..dataset })
}

/// As [`open`], but the matrix stays as it is stored where it is sparse and goes by cells, in memory or in a
/// temporary file as `room` says of the numbers of cells, genes and stored values; the data set's own X is
/// without values.
///
/// # Errors
/// As [`open`]; a temporary file that cannot be written.
pub fn open_rows(
    path: &Path,
    options: &Options,
    room: &dyn Fn(usize, usize, usize) -> Result<Room>,
) -> Result<(Dataset, Matrix)> {
    all(path, options, |input, notices| {
        Ok(match input.rows(&options.which)? {
            Some(parts) => {
                let room = room(parts.pointers.len() - 1, parts.n_vars, parts.data.len())?;
                Matrix::Store(store::load(&parts, &room, notices)?)
            }
            None => {
                let d = input.describe(&options.which)?;
                let (n_obs, n_vars) = (d.n_obs, d.n_vars);
                // of a dense matrix nobody knows how many are not 0
                let all = n_obs.saturating_mul(n_vars);
                let stored = d.stored.map_or(all, |n| usize::try_from(n).unwrap_or(all));
                match room(n_obs, n_vars, stored)? {
                    Room::Memory => Matrix::Csr(input.read(&options.which, notices)?),
                    room => Matrix::Store(store::load_any(
                        input,
                        &options.which,
                        (n_obs, n_vars),
                        &room,
                        notices,
                    )?),
                }
            }
        })
    })
}

/// Names of the columns of `obs` of a file, and of a table of labels.
///
/// # Errors
/// As [`open`].
pub fn columns_of(path: &Path, labels: Option<&Path>) -> Result<Vec<String>> {
    let shown = path.display().to_string();
    let begin = |e: DataError| DataError::new(prefixed(&shown, &e.what), e.hint);
    let input = detect(path, &[]).map_err(begin)?;
    let mut names = input.columns(super::input::Axis::Obs);
    if let Some(file) = labels {
        names.extend(LabelFile::read(file, &input.obs_names().map_err(begin)?)?.names());
    }
    Ok(names)
}

/// A matrix as [`open`] or [`open_rows`] read it.
pub(super) trait Extent {
    fn extent(&self) -> (usize, usize);
}

impl Extent for Csr {
    fn extent(&self) -> (usize, usize) {
        (self.n_obs, self.n_vars)
    }
}

impl Extent for Matrix {
    fn extent(&self) -> (usize, usize) {
        (self.n_obs(), self.n_vars())
    }
}

/// Opens a file, reads names and columns, and the matrix by `load`.
pub(super) fn all<X: Extent>(
    path: &Path,
    options: &Options,
    load: impl FnOnce(&dyn Input, &mut Vec<String>) -> Result<X>,
) -> Result<(Dataset, X)> {
    let shown = path.display().to_string();
    let begin = |e: DataError| DataError::new(prefixed(&shown, &e.what), e.hint);
    let input = detect(path, &options.columns).map_err(begin)?;
    let obs_names = input.obs_names().map_err(begin)?;
    let labels = match &options.labels {
        Some(file) => Some(LabelFile::read(file, &obs_names)?),
        None => None,
    };
    let (mut dataset, x) =
        read(&*input, obs_names, labels.as_ref(), options, load).map_err(begin)?;
    dataset.path = shown;
    Ok((dataset, x))
}

/// Puts the path before what was found, once.
pub(crate) fn prefixed(path: &str, what: &str) -> String {
    if what.starts_with(path) {
        what.to_owned()
    } else {
        format!("{path}: {what}")
    }
}

fn read<X: Extent>(
    input: &dyn Input,
    obs_names: Vec<String>,
    labels: Option<&LabelFile>,
    options: &Options,
    load: impl FnOnce(&dyn Input, &mut Vec<String>) -> Result<X>,
) -> Result<(Dataset, X)> {
    let mut notices: Vec<String> = labels.iter().map(|l| l.notice.clone()).collect();
    let mut columns: BTreeMap<String, Column> = BTreeMap::new();
    let there = input.columns(Axis::Obs);
    for name in &options.columns {
        let values = match labels.and_then(|l| l.column(name)) {
            Some(values) => {
                if there.contains(name) {
                    notices.push(format!("{name:?} is taken from --labels, not from obs"));
                }
                values.clone()
            }
            None if there.contains(name) => input.column(Axis::Obs, name)?,
            None => {
                let all = labels.map(LabelFile::names).unwrap_or_default();
                return Err(missing(name, &[all, there].concat()));
            }
        };
        if values.len() != obs_names.len() {
            return Err(super::h5::damaged(format!(
                "the column {name:?} has {} values, but there are {} cells",
                values.len(),
                obs_names.len()
            )));
        }
        columns.insert(name.clone(), values.into());
    }
    let mut var_names = input.var_names(&options.which)?;
    let gene_ids = GeneIds::find(input, &options.which, &var_names);
    let x = load(input, &mut notices)?;
    let (n_obs, n_vars) = x.extent();
    if (n_obs, n_vars) != (obs_names.len(), var_names.len()) {
        return Err(super::h5::damaged(format!(
            "the matrix is {n_obs} x {n_vars}, but there are {} cells and {} genes",
            obs_names.len(),
            var_names.len()
        )));
    }
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
        x: Csr::zeros(n_obs, n_vars),
        obs_names,
        var_names,
        gene_ids,
        columns,
        notices,
        has_raw: options.which != Which::Raw && input.has_raw(),
    };
    Ok((dataset, x))
}

/// Opens a file of any format; `columns` are columns of cells, where the format itself cannot say.
pub(crate) fn detect(path: &Path, columns: &[String]) -> Result<Box<dyn Input>> {
    let cannot = |what: String| DataError::new(what, "give the path of a file that is there");
    let meta = std::fs::metadata(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => cannot("there is no such file".into()),
        _ => cannot(format!("cannot be opened: {e}")),
    })?;
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase());
    let name = name.unwrap_or_default();
    if meta.is_dir() {
        if path.join(".zgroup").exists() || path.join("zarr.json").exists() {
            return Err(DataError::new(
                "this is a zarr store, which is not read",
                "save it as one file in Python: ad.read_zarr(path).write_h5ad(\"data.h5ad\")",
            ));
        }
        return Ok(Box::new(mtx::read(path)?));
    }
    if !meta.is_file() {
        return Err(cannot("this is neither a file nor a directory".into()));
    }
    let mut head = Vec::new();
    std::fs::File::open(path)
        .and_then(|f| f.take(1 << 12).read_to_end(&mut head))
        .map_err(|e| cannot(format!("cannot be read: {e}")))?;
    let ends = |all: &[&str]| all.iter().any(|e| name.ends_with(e));
    if head.starts_with(SIGNATURE) || ends(&[".h5ad", ".h5", ".hdf5", ".loom"]) {
        if head.starts_with(&[0x1f, 0x8b]) {
            return Err(DataError::new(
                "this is a gzip file, not HDF5",
                "unpack it first: gunzip FILE",
            ));
        }
        return hdf5(path);
    }
    if ends(&[".h5ad.gz", ".h5.gz", ".loom.gz"]) {
        return Err(DataError::new(
            "this is a gzip file, not HDF5",
            "unpack it first: gunzip FILE",
        ));
    }
    if ends(&["matrix.mtx", "matrix.mtx.gz"]) {
        return Ok(Box::new(mtx::read(path)?));
    }
    if ends(&[".rds", ".rdata", ".h5seurat", ".h5mu", ".xlsx", ".parquet"]) {
        return Err(DataError::new(
            "this format is not read",
            "save it as .h5ad, or as a 10x directory: in R, DropletUtils::write10xCounts(\"dir\", counts)",
        ));
    }
    let text = head.starts_with(&[0x1f, 0x8b])
        || std::str::from_utf8(&head).is_ok()
        || ends(&[".csv", ".tsv", ".txt"]);
    if head.is_empty() || !text {
        return Err(DataError::new(
            if head.is_empty() {
                "the file is empty"
            } else {
                "this is a file of no format that is known here"
            },
            "read are .h5ad, .h5 and directories of 10x, .loom, and tables as .csv or .tsv (.gz)",
        ));
    }
    Ok(Box::new(table::read(path, columns)?))
}

/// Refuses a file that another program has open for writing: HDF5's library locks it then, and what is
/// stored may change under the reader. File systems without locks say nothing.
fn not_in_use(path: &Path) -> Result<()> {
    let locked = std::fs::File::open(path).map(|file| file.try_lock_shared());
    match locked {
        Ok(Err(std::fs::TryLockError::WouldBlock)) => Err(DataError::new(
            "another program has the file open for writing",
            "close it there first (in Python: adata.file.close() or the h5py.File's close()), or give a copy",
        )),
        _ => Ok(()),
    }
}

fn hdf5(path: &Path) -> Result<Box<dyn Input>> {
    not_in_use(path)?;
    let root = Group::open(path)?;
    if root.has("obs") || root.has("var") {
        return Ok(Box::new(H5ad::new(root)?));
    }
    if root.has("matrix") && root.has("row_attrs") && root.has("col_attrs") {
        return Ok(Box::new(Loom::new(root)?));
    }
    match Tenx::new(root)? {
        Ok(tenx) => Ok(Box::new(tenx)),
        Err(root) => {
            let has: Vec<&str> = root.names().take(MOST_LISTED).collect();
            Err(DataError::new(
                format!(
                    "this HDF5 file is neither .h5ad (obs, var, X) nor of 10x or loom; it has: {}",
                    if has.is_empty() {
                        "nothing".into()
                    } else {
                        has.join(", ")
                    }
                ),
                "give an .h5ad file as adata.write_h5ad(path) writes it",
            ))
        }
    }
}

fn missing(name: &str, there: &[String]) -> DataError {
    let lower = name.to_lowercase();
    let mut near: Vec<(f64, &str)> = there
        .iter()
        .map(|c| (strsim::jaro_winkler(&lower, &c.to_lowercase()), c.as_str()))
        .filter(|(score, _)| *score > 0.7)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<String> = near.iter().take(3).map(|(_, c)| format!("{c:?}")).collect();
    let mut sorted: Vec<&str> = there.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let mut list = sorted[..sorted.len().min(MOST_LISTED)].join(", ");
    if there.len() > MOST_LISTED {
        list += &format!(" and {} more", there.len() - MOST_LISTED);
    }
    let list = if there.is_empty() {
        "obs has no columns; --labels FILE takes them from a table".to_owned()
    } else {
        format!("obs has: {list}")
    };
    let hint = if near.is_empty() {
        list
    } else {
        format!("did you mean {}? {list}", near.join(" or "))
    };
    DataError::new(format!("there is no obs column {name:?}"), hint)
}

/// Makes names unique in place by `-1`, `-2`, ...; gives the old names that were renamed.
///
/// As AnnData's `make_index_unique`: the first keeps its name, later ones count up and skip
/// names that exist.
pub(crate) fn make_unique(names: &mut [String]) -> Vec<String> {
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    if taken.len() == names.len() {
        return Vec::new();
    }
    let mut seen: HashSet<String> = HashSet::new();
    let mut counter: HashMap<String, u64> = HashMap::new();
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
