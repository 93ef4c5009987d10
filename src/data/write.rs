//! Writes `.h5ad` as AnnData 0.8 and later does, by HDF5's own library.
//! Source: the AnnData on-disk format, <https://anndata.readthedocs.io/en/latest/fileformat-prose.html>.
use super::dataset::Csr;
use super::input::Result;
use super::values::Values;
use crate::error::DataError;
use crate::leftovers::{beside, file_at};
use hdf5::types::VarLenUnicode;
use hdf5::{File, Group, H5Type, Location};
use std::path::Path;
use tempfile::TempPath;

/// Values of a chunk.
const CHUNK: usize = 1 << 16;

/// Names and columns of cells or genes.
pub(super) struct Frame<'a> {
    /// Names.
    pub(super) names: &'a [String],
    /// Columns.
    pub(super) columns: &'a [(String, Values)],
}

/// A file that is being written, under another name until it is whole.
pub(super) struct Writer {
    file: File,
    path: TempPath,
}

pub(super) type Hdf5<T> = std::result::Result<T, hdf5::Error>;

fn failed(path: &Path, e: &dyn std::fmt::Display) -> DataError {
    let first = e.to_string().lines().next().unwrap_or_default().to_owned();
    DataError::new(
        format!("{}: cannot be written: {first}", path.display()),
        "check that the directory is there, can be written, and has space",
    )
}

/// Text as HDF5 takes it: without zeros.
pub(super) fn unicode(text: &str) -> VarLenUnicode {
    text.replace('\0', "").parse().unwrap_or_default()
}

pub(super) fn attribute(at: &Location, name: &str, text: &str) -> Hdf5<()> {
    at.new_attr::<VarLenUnicode>()
        .create(name)?
        .write_scalar(&unicode(text))
}

pub(super) fn encoded(at: &Location, kind: &str, version: &str) -> Hdf5<()> {
    attribute(at, "encoding-type", kind)?;
    attribute(at, "encoding-version", version)
}

pub(super) fn array<T: H5Type>(parent: &Group, name: &str, values: &[T]) -> Hdf5<()> {
    let set = if values.len() > 1000 {
        let builder = parent.new_dataset_builder().chunk(values.len().min(CHUNK));
        builder
            .shuffle()
            .deflate(3)
            .with_data(values)
            .create(name)?
    } else {
        parent
            .new_dataset_builder()
            .with_data(values)
            .create(name)?
    };
    encoded(&set, "array", "0.2.0")
}

pub(super) fn texts(parent: &Group, name: &str, values: &[String]) -> Hdf5<()> {
    let values: Vec<VarLenUnicode> = values.iter().map(|v| unicode(v)).collect();
    let set = parent
        .new_dataset_builder()
        .with_data(&values)
        .create(name)?;
    encoded(&set, "string-array", "0.2.0")
}

fn matrix(parent: &Group, name: &str, x: &Csr) -> Hdf5<()> {
    let group = parent.create_group(name)?;
    encoded(&group, "csr_matrix", "0.1.0")?;
    let shape = [x.n_obs as i64, x.n_vars as i64];
    group.new_attr_builder().with_data(&shape).create("shape")?;
    array(&group, "data", &x.values)?;
    // scipy wants one type for both
    if i32::try_from(x.nnz()).is_ok() && i32::try_from(x.n_vars).is_ok() {
        let narrow: Vec<i32> = x.indices.iter().map(|i| *i as i32).collect();
        array(&group, "indices", &narrow)?;
        let narrow: Vec<i32> = x.indptr.iter().map(|i| *i as i32).collect();
        array(&group, "indptr", &narrow)
    } else {
        let wide: Vec<i64> = x.indices.iter().map(|i| i64::from(*i)).collect();
        array(&group, "indices", &wide)?;
        let wide: Vec<i64> = x.indptr.iter().map(|i| *i as i64).collect();
        array(&group, "indptr", &wide)
    }
}

fn frame(parent: &Group, name: &str, frame: &Frame) -> Hdf5<()> {
    let group = parent.create_group(name)?;
    encoded(&group, "dataframe", "0.2.0")?;
    let mut index = "_index".to_owned();
    while frame.columns.iter().any(|c| c.0 == index) {
        index.push('_');
    }
    attribute(&group, "_index", &index)?;
    texts(&group, &index, frame.names)?;
    let mut order: Vec<VarLenUnicode> = Vec::new();
    for (name, values) in frame.columns {
        // HDF5 parts paths at slashes
        let mut name = name.replace(['/', '\0'], "_");
        while name.is_empty() || name == "." || group.link_exists(&name) {
            name.push('_');
        }
        column(&group, &name, values)?;
        order.push(unicode(&name));
    }
    if order.is_empty() {
        group.new_attr::<f64>().shape(0).create("column-order")?;
    } else {
        group
            .new_attr_builder()
            .with_data(&order)
            .create("column-order")?;
    }
    Ok(())
}

pub(super) fn column(group: &Group, name: &str, values: &Values) -> Hdf5<()> {
    match values {
        Values::Real(v) => array(group, name, v),
        Values::Whole(v) => match v.iter().copied().collect::<Option<Vec<i64>>>() {
            Some(all) => array(group, name, &all),
            None => masked(group, name, "nullable-integer", v),
        },
        Values::Bool(v) => match v.iter().copied().collect::<Option<Vec<bool>>>() {
            Some(all) => array(group, name, &all),
            None => masked(group, name, "nullable-boolean", v),
        },
        Values::Text(v) => match v.iter().cloned().collect::<Option<Vec<String>>>() {
            Some(all) => texts(group, name, &all),
            None => {
                let mut categories: Vec<String> = v.iter().flatten().cloned().collect();
                categories.sort_unstable();
                categories.dedup();
                let code = |t: &Option<String>| {
                    let found = categories.binary_search(t.as_ref()?).ok();
                    found.and_then(|c| u32::try_from(c).ok())
                };
                let codes: Vec<Option<u32>> = v.iter().map(code).collect();
                categorical(group, name, &categories, &codes, false)
            }
        },
        Values::Categorical {
            categories,
            codes,
            ordered,
        } => categorical(group, name, categories, codes, *ordered),
    }
}

fn masked<T: H5Type + Copy + Default>(
    parent: &Group,
    name: &str,
    kind: &str,
    v: &[Option<T>],
) -> Hdf5<()> {
    let group = parent.create_group(name)?;
    encoded(&group, kind, "0.1.0")?;
    let values: Vec<T> = v.iter().map(|v| v.unwrap_or_default()).collect();
    let mask: Vec<bool> = v.iter().map(Option::is_none).collect();
    array(&group, "values", &values)?;
    array(&group, "mask", &mask)
}

fn categorical(
    parent: &Group,
    name: &str,
    categories: &[String],
    codes: &[Option<u32>],
    ordered: bool,
) -> Hdf5<()> {
    let group = parent.create_group(name)?;
    encoded(&group, "categorical", "0.2.0")?;
    group
        .new_attr::<bool>()
        .create("ordered")?
        .write_scalar(&ordered)?;
    texts(&group, "categories", categories)?;
    // as pandas: the narrowest type that holds them
    macro_rules! narrow {
        ($ty:ty) => {{
            let codes: Vec<$ty> = codes.iter().map(|c| c.map_or(-1, |c| c as $ty)).collect();
            array(&group, "codes", &codes)
        }};
    }
    match categories.len() {
        0..=127 => narrow!(i8),
        128..=32_767 => narrow!(i16),
        _ => narrow!(i32),
    }
}

impl Writer {
    /// Begins a file beside the target.
    pub(super) fn new(target: &Path) -> Result<Self> {
        let file = beside(target, ".h5ad").map_err(|e| failed(target, &e))?;
        let path = file.into_temp_path();
        let file = file_at(&path, || File::create(&path)).map_err(|e| failed(target, &e))?;
        Ok(Self { file, path })
    }

    fn wrap(&self, result: Hdf5<()>) -> Result<()> {
        result.map_err(|e| failed(&self.path, &e))
    }

    /// Writes the frames, X, and the empty parts that AnnData wants.
    pub(super) fn start(&mut self, obs: &Frame, var: &Frame, x: &Csr) -> Result<()> {
        let write = || {
            encoded(&self.file, "anndata", "0.1.0")?;
            frame(&self.file, "obs", obs)?;
            frame(&self.file, "var", var)?;
            matrix(&self.file, "X", x)?;
            for name in ["layers", "obsm", "varm", "obsp", "varp", "uns"] {
                encoded(&*self.file.create_group(name)?, "dict", "0.1.0")?;
            }
            Ok(())
        };
        self.wrap(write())
    }

    /// Adds a layer.
    pub(super) fn layer(&mut self, name: &str, x: &Csr) -> Result<()> {
        let layers = self.file.group("layers");
        self.wrap(layers.and_then(|g| matrix(&g, &name.replace('/', "_"), x)))
    }

    /// Adds `raw`.
    pub(super) fn raw(&mut self, var: &Frame, x: &Csr) -> Result<()> {
        let write = || {
            let group = self.file.create_group("raw")?;
            encoded(&group, "raw", "0.1.0")?;
            matrix(&group, "X", x)?;
            frame(&group, "var", var)?;
            encoded(&*group.create_group("varm")?, "dict", "0.1.0")
        };
        self.wrap(write())
    }

    /// Gives the file its name.
    pub(super) fn finish(self, target: &Path) -> Result<()> {
        self.file.close().map_err(|e| failed(target, &e))?;
        self.path
            .persist(target)
            .map_err(|e| failed(target, &e.error))
    }
}
