//! A dataset: rows of it as bytes, numbers or text. Chunks are unpacked on all cores.
use super::filters::{self, Filter};
use super::header::{Header, kind};
use super::kinds::{Kind, extent};
use super::layout::{self, Chunk, Place};
use super::source::{NOWHERE, Source};
use super::{Result, damaged, within};
use crate::error::DataError;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// No deflate stream unpacks to more than 1,032 times its size; what Zstandard or Blosc pack
/// further as a whole holds nothing.
const MOST_PACKED: u64 = 1100;
/// Unpacked bytes that need no stored bytes to back them.
const FREE_BYTES: u64 = 64 << 20;
/// Unpacked bytes that wait to be copied at one time, unless one chunk alone has more.
const WAITING: u64 = 64 << 20;

/// A dataset of one or two dimensions (none: one value).
#[derive(Debug)]
pub(crate) struct Dataset {
    /// Its path in the file; with the field's name where it is one field of a compound.
    pub(crate) name: String,
    /// The type of its elements.
    pub(crate) kind: Kind,
    /// Its extent.
    pub(crate) shape: Vec<usize>,
    /// Where in the stored elements these begin.
    offset: usize,
    stored: Arc<Stored>,
}

#[derive(Debug)]
struct Stored {
    source: Arc<Source>,
    shape: Vec<usize>,
    /// Bytes of an element.
    width: usize,
    place: Place,
    filters: Vec<Filter>,
    fill: Vec<u8>,
    /// The chunk that was cut last, by number: the next rows begin in it.
    last: Mutex<Option<(u64, Arc<Vec<u8>>)>>,
}

impl Dataset {
    /// Reads the description, and holds the extent against the bytes that are stored for it.
    pub(super) fn open(source: &Arc<Source>, name: &str, header: &Header) -> Result<Self> {
        let part = |k| header.data(source, k);
        let missing = |what| damaged(format!("it has no {what}"));
        if header.find(kind::EXTERNAL).is_some() {
            return Err(DataError::new(
                "its values lie in another file, which is not followed",
                "copy them into one file: adata.write_h5ad(path)",
            ));
        }
        let kind = Kind::parse(source, &part(kind::TYPE)?.ok_or_else(|| missing("type"))?)?;
        let shape = extent(
            source,
            &part(kind::SPACE)?.ok_or_else(|| missing("extent"))?,
        )?;
        let shape = shape.unwrap_or_else(|| vec![0]);
        let filters = match part(kind::FILTERS)? {
            Some(data) => filters::parse(source, &data)?,
            None => Vec::new(),
        };
        filters::check(&filters)?;
        let width = kind.size() as u64;
        let layout = part(kind::LAYOUT)?.ok_or_else(|| missing("layout"))?;
        let place = layout::parse(source, &layout, &shape, width, !filters.is_empty())?;
        let fill = fill(source, header, kind.size())?;
        // an extent of 0 must not hide that the others overflow
        let product = |least: u64| {
            shape
                .iter()
                .try_fold(width, |p, &n| p.checked_mul(n.max(least)))
        };
        let claimed = product(1).filter(|p| *p < 1 << 62).and(product(0));
        let (stored, backed) = match &place {
            Place::Compact(data) => (data.len() as u64, data.len() as u64),
            // never written: all fill value
            Place::Contiguous { at: NOWHERE } => (0, FREE_BYTES),
            Place::Contiguous { at } => {
                let left = source.len.saturating_sub(source.base).saturating_sub(*at);
                (left, left)
            }
            Place::Chunked { chunks, .. } => {
                let stored = chunks.iter().fold(0u64, |n, c| n.saturating_add(c.size));
                let most = stored.saturating_mul(MOST_PACKED);
                (stored, most.saturating_add(FREE_BYTES))
            }
        };
        if claimed.is_none_or(|bytes| bytes > backed) {
            return Err(damaged(format!(
                "it claims the shape {shape:?} but only {stored} bytes are stored for it"
            )));
        }
        let shape: Vec<usize> = shape.into_iter().map(|n| n as usize).collect();
        Ok(Self {
            name: name.to_owned(),
            shape: shape.clone(),
            offset: 0,
            stored: Arc::new(Stored {
                source: Arc::clone(source),
                shape,
                width: kind.size(),
                place,
                filters,
                fill,
                last: Mutex::new(None),
            }),
            kind,
        })
    }

    pub(super) fn source(&self) -> &Source {
        &self.stored.source
    }
    /// Names of the fields of a compound, none otherwise.
    pub(crate) fn fields(&self) -> Vec<&str> {
        match &self.kind {
            Kind::Compound { fields, .. } => fields.iter().map(|f| f.0.as_str()).collect(),
            _ => Vec::new(),
        }
    }
    /// One field of a compound, as a dataset.
    pub(crate) fn field(&self, name: &str) -> Option<Self> {
        let Kind::Compound { fields, .. } = &self.kind else {
            return None;
        };
        let (_, at, kind) = fields.iter().find(|f| f.0 == name)?;
        Some(Self {
            name: format!("{}[{name:?}]", self.name),
            kind: kind.clone(),
            shape: self.shape.clone(),
            offset: self.offset + at,
            stored: Arc::clone(&self.stored),
        })
    }

    /// Elements in all.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }
    /// Elements of a row.
    pub(crate) fn row(&self) -> usize {
        self.shape.iter().skip(1).product()
    }
    /// Extent of a chunk, `None` where there are no chunks.
    pub(crate) fn chunk(&self) -> Option<Vec<usize>> {
        match &self.stored.place {
            Place::Chunked { dims, .. } => Some(dims.iter().map(|d| *d as usize).collect()),
            _ => None,
        }
    }

    /// The bytes of some rows (of the one value where there are no dimensions).
    pub(crate) fn bytes(&self, rows: Range<usize>) -> Result<Vec<u8>> {
        let whole = self.stored.read(rows).map_err(|e| within(&self.name, e))?;
        let (width, part) = (self.stored.width, self.kind.size());
        if width == part {
            return Ok(whole);
        }
        let elements = whole.chunks_exact(width);
        Ok(elements
            .flat_map(|e| &e[self.offset..self.offset + part])
            .copied()
            .collect())
    }
}

impl Stored {
    fn row(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    fn read(&self, rows: Range<usize>) -> Result<Vec<u8>> {
        let stride = self.row() * self.width;
        let whole = self.shape.first().copied().unwrap_or(1);
        if self.shape.len() > 2 {
            return Err(damaged(format!("it has {} dimensions", self.shape.len())));
        }
        if rows.start > rows.end || rows.end > whole {
            return Err(damaged(format!(
                "rows {rows:?} are asked for, it has {whole}"
            )));
        }
        let n = rows.len() * stride;
        match &self.place {
            Place::Compact(data) => {
                let from = rows.start * stride;
                let part = data.get(from..from + n);
                part.map(<[u8]>::to_vec)
                    .ok_or_else(|| damaged("its header holds fewer values"))
            }
            Place::Contiguous { at: NOWHERE } => Ok(self.filled(n)),
            Place::Contiguous { at } => {
                let from = at.checked_add((rows.start * stride) as u64);
                self.source.data(from.unwrap_or(NOWHERE), n as u64)
            }
            Place::Chunked { dims, chunks } => {
                let mut out = Vec::new();
                out.try_reserve_exact(n).map_err(|_| super::no_memory(n))?;
                if self.fill.iter().all(|b| *b == 0) {
                    out.resize(n, 0);
                } else {
                    out.extend(self.filled(n));
                }
                self.chunked(rows, dims, chunks, &mut out)?;
                Ok(out)
            }
        }
    }

    fn filled(&self, n: usize) -> Vec<u8> {
        if self.fill.iter().all(|b| *b == 0) {
            return vec![0; n];
        }
        self.fill.iter().copied().cycle().take(n).collect()
    }

    fn chunked(
        &self,
        rows: Range<usize>,
        dims: &[u64],
        chunks: &[Chunk],
        out: &mut [u8],
    ) -> Result<()> {
        if rows.is_empty() || self.row() == 0 {
            return Ok(());
        }
        let width = self.width;
        let dims: Vec<usize> = dims.iter().map(|d| *d as usize).collect();
        let across = self.row().div_ceil(dims.get(1).copied().unwrap_or(1));
        let first = rows.start / dims[0] * across;
        let last = (rows.end - 1) / dims[0] * across + across;
        let begin = chunks.partition_point(|c| c.number < first as u64);
        let end = chunks.partition_point(|c| c.number < last as u64);
        let each = dims.iter().product::<usize>() * width;
        let group = (WAITING as usize / each.max(1)).max(1);
        for some in chunks[begin..end].chunks(group) {
            let unpacked: Vec<Arc<Vec<u8>>> = some
                .par_iter()
                .map(|c| self.unpack(c, each))
                .collect::<Result<_>>()?;
            for (chunk, data) in some.iter().zip(&unpacked) {
                let number = chunk.number as usize;
                self.copy(&rows, &dims, [number / across, number % across], data, out);
            }
            if let (Some(c), Some(data)) = (some.last(), unpacked.last()) {
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((c.number, Arc::clone(data)));
            }
        }
        Ok(())
    }

    /// Copies what lies in `rows` of the chunk at `place` of the grid.
    fn copy(
        &self,
        rows: &Range<usize>,
        dims: &[usize],
        place: [usize; 2],
        data: &[u8],
        out: &mut [u8],
    ) {
        let width = self.width;
        let (stride, wide) = (self.row() * width, dims.get(1).copied().unwrap_or(1));
        let top = place[0] * dims[0];
        let left = place[1] * wide;
        let n = wide.min(self.row() - left) * width;
        for row in rows.start.max(top)..rows.end.min(top + dims[0]) {
            let from = (row - top) * wide * width;
            let to = (row - rows.start) * stride + left * width;
            out[to..to + n].copy_from_slice(&data[from..from + n]);
        }
    }

    fn unpack(&self, chunk: &Chunk, bytes: usize) -> Result<Arc<Vec<u8>>> {
        if let Some((number, data)) = &*self.last.lock().unwrap_or_else(PoisonError::into_inner)
            && *number == chunk.number
        {
            return Ok(Arc::clone(data));
        }
        if filters::tame(&self.filters)
            && bytes as u64 > chunk.size.saturating_mul(MOST_PACKED).saturating_add(4096)
        {
            return Err(damaged(format!(
                "{} stored bytes claim to unpack to {bytes}",
                chunk.size
            )));
        }
        let stored = self.source.data(chunk.at, chunk.size)?;
        filters::undo(&self.filters, chunk.mask, stored, bytes, self.width).map(Arc::new)
    }
}

/// The value of what was never written, all zeros where none is set.
fn fill(source: &Source, header: &Header, width: usize) -> Result<Vec<u8>> {
    let mut value = vec![0; width];
    let found = if let Some(data) = header.data(source, kind::FILL)? {
        let mut c = source.cursor(&data);
        let version = c.u8()?;
        let set = match version {
            1 | 2 => {
                c.take(2)?;
                c.u8()? != 0 || version == 1
            }
            3 => c.u8()? & 0x20 != 0,
            _ => return Err(damaged(format!("a fill value has the version {version}"))),
        };
        if set && c.left() >= 4 {
            let n = c.u32()? as usize;
            c.take(n)?.to_vec()
        } else {
            Vec::new()
        }
    } else if let Some(data) = header.data(source, kind::OLD_FILL)? {
        let mut c = source.cursor(&data);
        let n = c.u32()? as usize;
        c.take(n)?.to_vec()
    } else {
        Vec::new()
    };
    if found.len() == width {
        value = found;
    }
    Ok(value)
}
