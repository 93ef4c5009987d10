//! Reads HDF5 files, without the C library: nothing in a file is trusted.
//!
//! HDF5's own library hangs, ends the program or takes all memory on some damaged files. Here each
//! read is held against the end of the file, each structure against its checksum where it has one,
//! each extent against the bytes that are stored for it, and the bytes of structures that are read
//! are bounded, so that loops end. What is read: superblocks 0 to 3, object headers 1 and 2, old
//! and new groups, all indices of chunks, the types that AnnData, Cell Ranger and loompy write, and
//! the filters deflate, shuffle, Fletcher-32, LZF, LZ4, Zstandard and Blosc. External links and
//! files are refused.
//!
//! Source: HDF5 File Format Specification 3.0,
//! <https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html>.
mod arrays;
mod attributes;
mod blosc;
mod checksum;
mod dataset;
mod filters;
mod fractal;
mod header;
mod kinds;
mod layout;
mod links;
mod numbers;
mod source;
mod superblock;
mod text;
mod trees;

pub(crate) use dataset::Dataset;
pub(crate) use kinds::Kind;
pub(crate) use numbers::SLICE;
pub(crate) use superblock::SIGNATURE;

use crate::error::DataError;
use attributes::Attribute;
use header::{Header, kind};
use links::Link;
use source::Source;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Result of reading.
pub(crate) type Result<T> = std::result::Result<T, DataError>;

/// Links that may follow each other.
const MOST_LINKS: u32 = 32;

/// An error of a damaged or unreadable part.
pub(crate) fn damaged(what: impl Into<String>) -> DataError {
    DataError::new(
        what,
        "the file is damaged or was not written by a known program: check that it opens in Python \
         (anndata.read_h5ad or h5py.File)",
    )
}

/// The error where the host has no memory for `n` values.
pub(crate) fn no_memory(n: usize) -> DataError {
    DataError::new(
        format!("no memory for {n} values"),
        "use a machine with more memory, or fewer cells or genes",
    )
}

/// Says in which object an error was found.
pub(crate) fn within(name: &str, e: DataError) -> DataError {
    DataError::new(format!("{}: {}", shown(name), e.what), e.hint)
}

fn shown(name: &str) -> &str {
    if name.is_empty() {
        "the root group"
    } else {
        name
    }
}

/// A group.
#[derive(Debug)]
pub(crate) struct Group {
    source: Arc<Source>,
    root: u64,
    /// Its path in the file, empty for the root.
    pub(crate) name: String,
    links: BTreeMap<String, Link>,
    attributes: Vec<Attribute>,
}

/// A member of a group.
#[derive(Debug)]
pub(crate) enum Object {
    /// A group.
    Group(Group),
    /// A dataset, with its text attribute `encoding-type`.
    Dataset(Dataset),
}

impl Group {
    /// Opens a file, at its root.
    ///
    /// # Errors
    /// A [`DataError`]: the file cannot be read, is not HDF5, is cut short or damaged.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut source = Source::open(path).map_err(|e| {
            DataError::new(
                format!("cannot be opened: {e}"),
                "check the path and its permissions",
            )
        })?;
        let root = superblock::root(&mut source)?;
        Self::at(&Arc::new(source), root, root, "")
    }

    fn at(source: &Arc<Source>, root: u64, at: u64, name: &str) -> Result<Self> {
        match read(source, root, at, name)? {
            Object::Group(group) => Ok(group),
            Object::Dataset(_) => Err(damaged(format!("{} is no group", shown(name)))),
        }
    }

    /// Names of the members, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.links.keys().map(String::as_str)
    }
    /// Whether there is such a member.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.links.contains_key(name)
    }
    /// The path of a member.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.name.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.name)
        }
    }

    /// Opens a member.
    pub(crate) fn get(&self, name: &str) -> Result<Object> {
        let path = self.path(name);
        let missing = || damaged(format!("{path} is missing"));
        let link = self.links.get(name).ok_or_else(missing)?;
        let at = self
            .resolve(link, MOST_LINKS)
            .map_err(|e| within(&path, e))?;
        read(&self.source, self.root, at, &path)
    }
    /// Opens a member that must be a group.
    pub(crate) fn group(&self, name: &str) -> Result<Self> {
        match self.get(name)? {
            Object::Group(group) => Ok(group),
            Object::Dataset(set) => Err(damaged(format!(
                "{} is a dataset, expected a group",
                set.name
            ))),
        }
    }
    /// Opens a member that must be a dataset of so many dimensions.
    pub(crate) fn dataset(&self, name: &str, dimensions: usize) -> Result<Dataset> {
        match self.get(name)? {
            Object::Dataset(set) if set.shape.len() == dimensions => Ok(set),
            Object::Dataset(set) => Err(damaged(format!(
                "{} has {} dimensions, expected {dimensions}",
                set.name,
                set.shape.len()
            ))),
            Object::Group(group) => Err(damaged(format!(
                "{} is a group, expected a dataset",
                group.name
            ))),
        }
    }

    fn resolve(&self, link: &Link, left: u32) -> Result<u64> {
        let path = match link {
            Link::Hard(at) => return Ok(*at),
            Link::Soft(path) => path,
            Link::External(file) => {
                return Err(DataError::new(
                    format!("it is a link to another file ({file:?}), which is not followed"),
                    "copy everything into one file: adata.write_h5ad(path)",
                ));
            }
            Link::Other(kind) => {
                return Err(damaged(format!("it is a link of the unknown kind {kind}")));
            }
        };
        let Some(left) = left.checked_sub(1) else {
            return Err(damaged("its links lead in a circle"));
        };
        let lost = || damaged(format!("it is a link to {path:?}, which is not there"));
        let mut parts = path
            .split('/')
            .filter(|p| !p.is_empty() && *p != ".")
            .peekable();
        let root;
        let mut group = self;
        if path.starts_with('/') {
            root = Self::at(&self.source, self.root, self.root, "")?;
            group = &root;
        }
        let mut held;
        while let Some(part) = parts.next() {
            let at = group.resolve(group.links.get(part).ok_or_else(lost)?, left)?;
            if parts.peek().is_none() {
                return Ok(at);
            }
            held = Self::at(&self.source, self.root, at, part)?;
            group = &held;
        }
        Err(lost())
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.name == name)
    }
    /// A text attribute, `None` where there is none.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let texts = self.attribute(name)?.texts(&self.source)?;
        (texts.len() == 1).then(|| texts.into_iter().next())?
    }
    /// An attribute of several texts, `None` where there is none.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        self.attribute(name)?.texts(&self.source)
    }
    /// An attribute of whole numbers, `None` where there is none.
    pub(crate) fn whole(&self, name: &str) -> Option<Vec<i64>> {
        self.attribute(name)?.whole()
    }
}

/// Reads the object at an address.
fn read(source: &Arc<Source>, root: u64, at: u64, name: &str) -> Result<Object> {
    let inner = || {
        let header = Header::read(source, at)?;
        let is_group = [kind::SYMBOL_TABLE, kind::LINK_INFO, kind::LINK]
            .iter()
            .any(|k| header.find(*k).is_some());
        if is_group {
            return Ok(Object::Group(Group {
                source: Arc::clone(source),
                root,
                name: name.to_owned(),
                links: links::members(source, &header)?,
                attributes: attributes::all(source, &header)?,
            }));
        }
        if header.find(kind::LAYOUT).is_none() {
            return Err(damaged("it is neither a group nor a dataset"));
        }
        Dataset::open(source, name, &header).map(Object::Dataset)
    };
    inner().map_err(|e| within(name, e))
}
