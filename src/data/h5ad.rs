//! Reads `.h5ad` files as AnnData 0.8 and later writes them.
use super::columns;
use super::dataset::Dataset;
use super::matrix;
use crate::error::DataError;
use hdf5::types::{FixedAscii, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Container, File, Group};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

type Result<T> = std::result::Result<T, DataError>;

/// Longest fixed-width string that is read whole.
const FIXED: usize = 1024;

/// Reads X, the names and the `obs` columns that are asked for.
///
/// # Errors
/// A file that is missing, no HDF5, without X, of an older layout; a column that is not there; X
/// with values that no expression has; each with where and what to do.
pub fn read(path: &Path, wanted: &[String]) -> Result<Dataset> {
    let shown = path.display().to_string();
    read_as(path, &shown, wanted)
}

/// As [`read`], under another name in messages and results.
pub(super) fn read_as(path: &Path, shown: &str, wanted: &[String]) -> Result<Dataset> {
    hdf5::silence_errors(true);
    let file = open(path, shown)?;
    let here = |e: hdf5::Error| broken(shown, "", &e);
    if !file.link_exists("X") {
        return Err(DataError::new(
            format!(
                "{shown:?} has no X; it holds {}",
                file.member_names().map_err(here)?.join(", ")
            ),
            "name an .h5ad file that scanpy or anndata wrote",
        ));
    }
    let obs = frame(&file, "obs", shown)?;
    let var = frame(&file, "var", shown)?;
    let obs_names = index(&obs, "obs", shown)?;
    let mut var_names = index(&var, "var", shown)?;
    let mut notices = Vec::new();
    let renamed = make_unique(&mut var_names);
    if renamed > 0 {
        notices.push(format!(
            "{renamed} duplicate gene names were made unique with -1, -2, ..."
        ));
    }
    let mut found = BTreeMap::new();
    for name in wanted {
        found.insert(
            name.clone(),
            columns::read(&obs, name, obs_names.len(), shown)?,
        );
    }
    let x = matrix::read(&file, shown, &obs_names, &var_names, &mut notices)?;
    Ok(Dataset {
        path: shown.to_string(),
        x,
        obs_names,
        var_names,
        columns: found,
        notices,
    })
}

fn open(path: &Path, shown: &str) -> Result<File> {
    let meta = std::fs::metadata(path).map_err(|e| {
        DataError::new(
            format!("cannot open {shown:?}: {e}"),
            "check the path; without DATA the embedded demo is used",
        )
    })?;
    if meta.is_dir() {
        return Err(DataError::new(
            format!("{shown:?} is a directory"),
            "name an .h5ad file",
        ));
    }
    File::open(path).map_err(|e| {
        DataError::new(
            format!(
                "{shown:?} is not an HDF5 file that can be read ({})",
                first_line(&e)
            ),
            "name an .h5ad file; a copy that broke off must be copied again",
        )
    })
}

fn first_line(e: &hdf5::Error) -> String {
    e.to_string().lines().next().unwrap_or_default().to_string()
}

/// An error of HDF5 itself at a place in the file.
pub(super) fn broken(shown: &str, place: &str, e: &hdf5::Error) -> DataError {
    let text = e.to_string();
    for (sign, name) in [
        ("32001", "blosc"),
        ("32015", "zstd"),
        ("32000", "lzf"),
        ("32004", "lz4"),
    ] {
        if text.contains(sign) || text.to_lowercase().contains(name) {
            return DataError::new(
                format!(
                    "{shown:?}: {place} is compressed with {name}, which this build does not read"
                ),
                "in Python: adata.write_h5ad(path, compression=\"gzip\")",
            );
        }
    }
    DataError::new(
        format!("{shown:?}: {place} cannot be read ({})", first_line(e)),
        "the file may be damaged; write it anew with anndata",
    )
}

/// Refuses filters that this build of HDF5 lacks, before they fail in the middle of a read.
pub(super) fn check_filters(data: &hdf5::Dataset, place: &str, shown: &str) -> Result<()> {
    for filter in data.filters() {
        if !filter.is_available() {
            let name = match filter.id() {
                32000 => "lzf".to_string(),
                32001 => "blosc".to_string(),
                32004 => "lz4".to_string(),
                32008 => "bitshuffle".to_string(),
                32015 => "zstd".to_string(),
                32026 => "blosc2".to_string(),
                id => format!("HDF5 filter {id}"),
            };
            return Err(DataError::new(
                format!(
                    "{shown:?}: {place} is compressed with {name}, which this build does not read"
                ),
                "in Python: adata.write_h5ad(path, compression=\"gzip\")",
            ));
        }
    }
    Ok(())
}

/// The group of `obs` or `var`.
fn frame(file: &File, name: &str, shown: &str) -> Result<Group> {
    if file.dataset(name).is_ok() {
        return Err(DataError::new(
            format!("{shown:?}: {name} is a compound table, the layout of anndata before 0.8"),
            "in Python: anndata.read_h5ad(path).write_h5ad(new_path) with a current anndata",
        ));
    }
    file.group(name).map_err(|_| {
        DataError::new(
            format!("{shown:?} has no group {name}"),
            "name an .h5ad file that scanpy or anndata wrote",
        )
    })
}

/// The names of a frame: the column that its `_index` attribute names.
fn index(group: &Group, name: &str, shown: &str) -> Result<Vec<String>> {
    let column = group
        .attr("_index")
        .ok()
        .and_then(|a| texts(&a, name, shown).ok())
        .and_then(|v| v.into_iter().next());
    let column = column.unwrap_or_else(|| "_index".to_string());
    let data = group.dataset(&column).map_err(|_| {
        DataError::new(
            format!("{shown:?}: {name} has no index {column:?}"),
            "write the file anew with a current anndata",
        )
    })?;
    check_filters(&data, &format!("{name}/{column}"), shown)?;
    texts(&data, &format!("{name}/{column}"), shown)
}

/// All strings of a dataset or attribute; numbers as their decimals.
pub(super) fn texts(data: &Container, place: &str, shown: &str) -> Result<Vec<String>> {
    let error = |e: hdf5::Error| broken(shown, place, &e);
    let kind = data
        .dtype()
        .and_then(|t| t.to_descriptor())
        .map_err(error)?;
    Ok(match kind {
        TypeDescriptor::VarLenUnicode => data
            .read_raw::<VarLenUnicode>()
            .map_err(error)?
            .iter()
            .map(|s| s.as_str().to_string())
            .collect(),
        TypeDescriptor::VarLenAscii => data
            .read_raw::<VarLenAscii>()
            .map_err(error)?
            .iter()
            .map(|s| s.as_str().to_string())
            .collect(),
        TypeDescriptor::FixedAscii(n) | TypeDescriptor::FixedUnicode(n) if n <= FIXED => {
            // UTF-8 bytes pass through an ASCII string of HDF5 unchanged
            let raw = data.read_raw::<FixedAscii<FIXED>>().map_err(error)?;
            raw.iter()
                .map(|s| String::from_utf8_lossy(s.as_bytes()).into_owned())
                .collect()
        }
        TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_) => data
            .read_raw::<i64>()
            .map_err(error)?
            .iter()
            .map(ToString::to_string)
            .collect(),
        other => {
            return Err(DataError::new(
                format!("{shown:?}: {place} holds {other}, not strings"),
                "make it a column of strings",
            ));
        }
    })
}

/// Makes names unique as AnnData's `var_names_make_unique` does; returns how many were renamed.
fn make_unique(names: &mut [String]) -> usize {
    let mut seen: HashSet<String> = HashSet::with_capacity(names.len());
    let mut again = Vec::new();
    for (i, name) in names.iter().enumerate() {
        if !seen.insert(name.clone()) {
            again.push(i);
        }
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for &i in &again {
        let count = counts.entry(names[i].clone()).or_insert(0);
        loop {
            *count += 1;
            let candidate = format!("{}-{count}", names[i]);
            if seen.insert(candidate.clone()) {
                names[i] = candidate;
                break;
            }
        }
    }
    again.len()
}

#[cfg(test)]
mod tests {
    use super::make_unique;

    #[test]
    fn names_become_unique_as_anndata_makes_them() {
        let mut names: Vec<String> = ["a", "a-1", "a", "b", "a"].map(String::from).to_vec();
        assert_eq!(make_unique(&mut names), 2);
        assert_eq!(names, ["a", "a-1", "a-2", "b", "a-3"]);
    }
}
