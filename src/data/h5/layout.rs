//! Where the values of a dataset lie.
use super::arrays::{extensible, fixed};
use super::source::{NOWHERE, Source};
use super::trees::{named_records, walk_first};
use super::{Result, damaged};
use crate::error::DataError;

/// A stored chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Its number in the grid of chunks, in C order.
    pub(super) number: u64,
    /// Its address.
    pub(super) at: u64,
    /// Stored bytes.
    pub(super) size: u64,
    /// Filters that were left out, a bit each.
    pub(super) mask: u32,
}

/// The place of the values.
#[derive(Debug)]
pub(super) enum Place {
    /// In the header.
    Compact(Vec<u8>),
    /// In one piece; [`NOWHERE`] where nothing was written.
    Contiguous {
        /// Address.
        at: u64,
    },
    /// In chunks of these extents.
    Chunked {
        /// Extent of a chunk.
        dims: Vec<u64>,
        /// The stored ones, by number.
        chunks: Vec<Chunk>,
    },
}

/// The grid that chunks make.
pub(super) struct Grid {
    dims: Vec<u64>,
    /// Chunks along each dimension.
    counts: Vec<u64>,
    /// Unpacked bytes of a chunk.
    pub(super) bytes: u64,
    /// Chunks in all.
    pub(super) total: u64,
}

impl Grid {
    fn new(dims: Vec<u64>, shape: &[u64], width: u64) -> Result<Self> {
        let bytes = dims.iter().try_fold(width, |p, &d| p.checked_mul(d));
        let counts: Vec<u64> = shape
            .iter()
            .zip(&dims)
            .map(|(&n, &d)| n.div_ceil(d.max(1)))
            .collect();
        let total = counts.iter().try_fold(1u64, |p, &n| p.checked_mul(n));
        match (bytes, total) {
            (Some(bytes @ 1..=0xffff_ffff), Some(total))
                if dims.len() == shape.len() && !dims.is_empty() =>
            {
                Ok(Self {
                    dims,
                    counts,
                    bytes,
                    total,
                })
            }
            _ => Err(damaged(format!(
                "chunks of {dims:?} elements do not fit the shape {shape:?}"
            ))),
        }
    }

    /// The number of the chunk whose first element is this; `None` where it lies outside.
    fn number(&self, scaled: impl Iterator<Item = u64>) -> Option<u64> {
        scaled
            .zip(&self.counts)
            .try_fold(0, |n, (i, count)| (i < *count).then(|| n * count + i))
    }
}

/// Parses a layout message; `width` is the size of an element, `filtered` whether chunks are packed.
pub(super) fn parse(
    source: &Source,
    data: &[u8],
    shape: &[u64],
    width: u64,
    filtered: bool,
) -> Result<Place> {
    let mut c = source.cursor(data);
    let (version, class) = (c.u8()?, c.u8()?);
    if !(3..=5).contains(&version) {
        return Err(damaged(format!(
            "a layout has the version {version}, which is not read here"
        )));
    }
    match class {
        0 => {
            let n = c.u16()?;
            Ok(Place::Compact(c.take(n.into())?.to_vec()))
        }
        1 => Ok(Place::Contiguous { at: c.address()? }),
        2 if version == 3 => {
            let rank = usize::from(c.u8()?);
            let root = c.address()?;
            let mut dims = Vec::new();
            for _ in 0..rank {
                dims.push(u64::from(c.u32()?));
            }
            if dims.pop() != Some(width) {
                return Err(damaged("chunks hold elements of another size"));
            }
            let grid = Grid::new(dims, shape, width)?;
            let mut chunks = Vec::new();
            walk_first(source, root, 1, 8 + 8 * rank, &mut |key, at| {
                let mut c = source.cursor(key);
                let (size, mask) = (u64::from(c.u32()?), c.u32()?);
                let mut scaled = Vec::new();
                for d in &grid.dims {
                    let first = c.uint(8)?;
                    if first % d != 0 {
                        return Err(damaged(format!(
                            "a chunk begins at {first}, between two others"
                        )));
                    }
                    scaled.push(first / d);
                }
                push(&mut chunks, grid.number(scaled.into_iter()), at, size, mask)
            })?;
            finish(grid, chunks)
        }
        2 => {
            let (flags, rank, bytes) = (c.u8()?, usize::from(c.u8()?), usize::from(c.u8()?));
            if bytes > 8 {
                return Err(damaged("a chunk's extent has too many bytes"));
            }
            let mut dims = Vec::new();
            for _ in 0..rank {
                dims.push(c.uint(bytes)?);
            }
            dims.pop();
            let grid = Grid::new(dims, shape, width)?;
            let index = c.u8()?;
            indexed(source, &mut c, grid, index, flags, filtered)
        }
        3 => Err(DataError::new(
            "it is a virtual dataset, whose values lie in other files",
            "copy the values into one file: adata.write_h5ad(path)",
        )),
        _ => Err(damaged(format!("a layout has the class {class}"))),
    }
}

/// The indices of versions 4 and 5, which `libver="latest"` writes.
fn indexed(
    source: &Source,
    c: &mut super::source::Cursor,
    grid: Grid,
    index: u8,
    flags: u8,
    filtered: bool,
) -> Result<Place> {
    let mut chunks = Vec::new();
    match index {
        1 => {
            let (size, mask) = if flags & 2 == 0 {
                (grid.bytes, 0)
            } else {
                (c.length()?, c.u32()?)
            };
            push(&mut chunks, Some(0), c.address()?, size, mask)?;
        }
        2 => {
            let at = c.address()?;
            if at != NOWHERE {
                if grid.total > source.len / grid.bytes + 1 {
                    return Err(damaged("there are more chunks than bytes"));
                }
                for i in 0..grid.total {
                    push(
                        &mut chunks,
                        Some(i),
                        at.saturating_add(i * grid.bytes),
                        grid.bytes,
                        0,
                    )?;
                }
            }
        }
        3 | 4 => {
            c.take(if index == 3 { 1 } else { 5 })?;
            let read = if index == 3 { fixed } else { extensible };
            let entries = read(source, c.address()?, grid.total)?;
            for (i, e) in entries {
                let size = e.size.unwrap_or(grid.bytes);
                push(
                    &mut chunks,
                    (i < grid.total).then_some(i),
                    e.at,
                    size,
                    e.mask,
                )?;
            }
        }
        5 => {
            c.take(6)?;
            let at = c.address()?;
            if at != NOWHERE {
                let (o, r) = (usize::from(source.sizes.offset), 8 * grid.dims.len());
                for record in named_records(source, at, if filtered { 11 } else { 10 })? {
                    let mut c = source.cursor(&record);
                    let at = c.address()?;
                    let (mut size, mut mask) = (grid.bytes, 0);
                    if filtered {
                        size = c.uint(record.len().saturating_sub(o + 4 + r).min(8))?;
                        mask = c.u32()?;
                    }
                    let mut scaled = Vec::new();
                    for _ in &grid.dims {
                        scaled.push(c.uint(8)?);
                    }
                    push(&mut chunks, grid.number(scaled.into_iter()), at, size, mask)?;
                }
            }
        }
        other => {
            return Err(damaged(format!(
                "chunks have the index {other}, which is not known"
            )));
        }
    }
    finish(grid, chunks)
}

fn push(chunks: &mut Vec<Chunk>, number: Option<u64>, at: u64, size: u64, mask: u32) -> Result<()> {
    // those outside were left when the dataset shrank
    if let (Some(number), true) = (number, at != NOWHERE) {
        chunks.push(Chunk {
            number,
            at,
            size,
            mask,
        });
    }
    Ok(())
}

fn finish(grid: Grid, mut chunks: Vec<Chunk>) -> Result<Place> {
    chunks.sort_by_key(|c| c.number);
    if let Some(w) = chunks.windows(2).find(|w| w[0].number == w[1].number) {
        return Err(damaged(format!(
            "the chunk {} is stored twice",
            w[0].number
        )));
    }
    Ok(Place::Chunked {
        dims: grid.dims,
        chunks,
    })
}
