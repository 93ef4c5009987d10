//! Single HDF5 objects: attributes, strings, numbers in bounded slices, and the checks before them.
use super::Result;
use crate::error::DataError;
use hdf5::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Container, Dataset, Group, H5Type, Location, LocationType};

/// Elements of one read of numbers (16 to 32 MB).
pub(super) const SLICE: usize = 4 << 20;
/// Strings of one read.
const STRINGS: usize = 1 << 16;
/// No deflate stream unpacks to more than 1,032 times its size.
const MOST_PACKED: u64 = 1100;
/// Unpacked bytes that need no stored bytes to back them.
const FREE_BYTES: u64 = 64 << 20;

/// First line of an HDF5 error.
pub(super) fn short(e: &hdf5::Error) -> String {
    e.to_string().lines().next().unwrap_or_default().to_owned()
}

/// An error of a damaged or unreadable part.
pub(in crate::data) fn damaged(what: impl Into<String>) -> DataError {
    DataError::new(
        what,
        "the file is damaged or was not written by AnnData: check that anndata.read_h5ad(path) reads it",
    )
}

/// Whether `name` is a group.
pub(super) fn is_group(parent: &Group, name: &str) -> bool {
    parent.loc_type_by_name(name).ok() == Some(LocationType::Group)
}

/// Opens a group.
pub(super) fn group(parent: &Group, name: &str) -> Result<Group> {
    parent
        .group(name)
        .map_err(|e| damaged(format!("group {name:?} cannot be opened: {}", short(&e))))
}

/// Opens a one-dimensional dataset (any dimensions where `ndim` says so) that can be read here:
/// its filters are known and its extent is backed by stored bytes.
pub(super) fn dataset(parent: &Group, name: &str, ndim: usize) -> Result<Dataset> {
    let shown = format!("{}/{name}", parent.name().trim_start_matches('/'));
    let shown = shown.trim_start_matches('/');
    if !parent.link_exists(name) {
        return Err(damaged(format!("{shown} is missing")));
    }
    let set = parent
        .dataset(name)
        .map_err(|e| damaged(format!("{shown} cannot be opened: {}", short(&e))))?;
    let shape = set
        .get_shape()
        .map_err(|e| damaged(format!("{shown} has no shape: {}", short(&e))))?;
    if shape.len() != ndim {
        return Err(damaged(format!(
            "{shown} has {} dimensions, expected {ndim}",
            shape.len()
        )));
    }
    check_filters(&set, shown)?;
    let width = set.dtype().map_or(16, |t| t.size()) as u64;
    let claimed = shape
        .iter()
        .try_fold(width, |product, &n| product.checked_mul(n as u64));
    let backed = set.storage_size().saturating_mul(MOST_PACKED) + FREE_BYTES;
    if claimed.is_none_or(|bytes| bytes > backed) {
        return Err(damaged(format!(
            "{shown} claims the shape {shape:?} but only {} bytes are stored for it",
            set.storage_size()
        )));
    }
    Ok(set)
}

fn check_filters(set: &Dataset, shown: &str) -> Result<()> {
    for filter in set.filters() {
        if filter.is_available() {
            continue;
        }
        let name = match filter.id() {
            4 => "szip".to_owned(),
            307 => "bzip2".to_owned(),
            32000 => "lzf".to_owned(),
            32001 => "blosc".to_owned(),
            32004 => "lz4".to_owned(),
            32008 => "bitshuffle".to_owned(),
            32013 => "zfp".to_owned(),
            32015 => "zstd".to_owned(),
            32026 => "blosc2".to_owned(),
            id => format!("HDF5 filter {id}"),
        };
        return Err(DataError::new(
            format!("{shown} is compressed with {name}, which cannot be read here"),
            "save it with gzip in Python: adata.write_h5ad(path, compression=\"gzip\")",
        ));
    }
    Ok(())
}

/// Reads `range` of a one-dimensional dataset, converted to `T`.
pub(in crate::data) fn slice<T: H5Type>(
    set: &Dataset,
    range: std::ops::Range<usize>,
) -> Result<Vec<T>> {
    set.read_slice_1d::<T, _>(range)
        .map(|a| a.into_iter().collect())
        .map_err(|e| unreadable(set, &e))
}

/// The error of a read that failed.
pub(super) fn unreadable(set: &Dataset, e: &hdf5::Error) -> DataError {
    let name = set.name();
    damaged(format!(
        "{} cannot be read: {}",
        name.trim_start_matches('/'),
        short(e)
    ))
}

/// Reads a whole one-dimensional dataset, in slices, converted to `T`.
pub(super) fn numbers<T: H5Type>(set: &Dataset) -> Result<Vec<T>> {
    let n = set.size();
    let mut all = Vec::new();
    all.try_reserve_exact(n).map_err(|_| no_memory(n))?;
    for begin in (0..n).step_by(SLICE) {
        all.extend(slice::<T>(set, begin..n.min(begin + SLICE))?);
    }
    Ok(all)
}

/// The error where the host has no memory for `n` elements.
pub(in crate::data) fn no_memory(n: usize) -> DataError {
    DataError::new(
        format!("no memory for {n} values"),
        "use a machine with more memory, or fewer cells or genes",
    )
}

/// Reads a whole one-dimensional dataset of strings.
pub(super) fn strings(set: &Dataset) -> Result<Vec<String>> {
    use TypeDescriptor as TD;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let kind = descriptor(set)?;
    let n = set.size();
    let mut all = Vec::new();
    all.try_reserve_exact(n).map_err(|_| no_memory(n))?;
    macro_rules! read_as {
        ($ty:ty, $range:expr) => {
            all.extend(
                slice::<$ty>(set, $range)?
                    .iter()
                    .map(|s| text(s.as_bytes())),
            )
        };
    }
    for begin in (0..n).step_by(STRINGS) {
        let range = begin..n.min(begin + STRINGS);
        // HDF5 lengthens fixed strings on reading, so that a few lengths serve all
        match kind {
            TD::VarLenUnicode => read_as!(VarLenUnicode, range),
            TD::VarLenAscii => read_as!(VarLenAscii, range),
            TD::FixedAscii(..=64) => read_as!(FixedAscii<64>, range),
            TD::FixedAscii(..=1024) => read_as!(FixedAscii<1024>, range),
            TD::FixedUnicode(..=64) => read_as!(FixedUnicode<64>, range),
            TD::FixedUnicode(..=1024) => read_as!(FixedUnicode<1024>, range),
            _ => {
                return Err(damaged(format!(
                    "{} holds {kind} where text of at most 1,024 bytes is expected",
                    set.name().trim_start_matches('/')
                )));
            }
        }
    }
    Ok(all)
}

/// Type of the elements.
pub(in crate::data) fn descriptor(set: &Container) -> Result<TypeDescriptor> {
    set.dtype().and_then(|t| t.to_descriptor()).map_err(|e| {
        damaged(format!(
            "{} has a type that is not known: {}",
            set.name().trim_start_matches('/'),
            short(&e)
        ))
    })
}

/// A text attribute, `None` where there is none.
pub(super) fn text_attr(at: &Location, name: &str) -> Option<String> {
    let attr = at.attr(name).ok()?;
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !attr.is_scalar() {
        return None;
    }
    match descriptor(&attr).ok()? {
        TypeDescriptor::VarLenUnicode => {
            let s = attr.read_scalar::<VarLenUnicode>().ok()?;
            Some(lossy(s.as_bytes()))
        }
        TypeDescriptor::VarLenAscii => {
            let s = attr.read_scalar::<VarLenAscii>().ok()?;
            Some(lossy(s.as_bytes()))
        }
        TypeDescriptor::FixedAscii(..=1024) => {
            let s = attr.read_scalar::<FixedAscii<1024>>().ok()?;
            Some(lossy(s.as_bytes()))
        }
        TypeDescriptor::FixedUnicode(..=1024) => {
            let s = attr.read_scalar::<FixedUnicode<1024>>().ok()?;
            Some(lossy(s.as_bytes()))
        }
        _ => None,
    }
}

/// The two integers of a `shape` attribute.
pub(super) fn shape_attr(at: &Location) -> Option<[usize; 2]> {
    let attr = at
        .attr("shape")
        .or_else(|_| at.attr("h5sparse_shape"))
        .ok()?;
    if attr.size() != 2 {
        return None;
    }
    let v = attr.read_raw::<i64>().ok()?;
    Some([usize::try_from(v[0]).ok()?, usize::try_from(v[1]).ok()?])
}
