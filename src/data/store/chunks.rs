//! Ranges of a one-dimensional HDF5 dataset, straight from the file: HDF5 tells where chunks lie, they are read
//! and inflated here on all cores, since HDF5 itself does one thing at a time.
//!
//! What is not plain (other filters, chunks that were never written, other byte orders) is left to HDF5.
use flate2::{Decompress, FlushDecompress, Status};
use hdf5::Dataset;
use hdf5::datatype::ByteOrder;
use hdf5::filters::Filter;
use std::fs::File;
use std::io;
use std::ops::Range;

/// Larger chunks are left to HDF5, which keeps no more than one of them.
const MOST_CHUNK: usize = 64 << 20;

/// Reads exactly `buf` from a place in a file.
#[cfg(unix)]
pub(super) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}

/// Reads exactly `buf` from a place in a file.
#[cfg(windows)]
pub(super) fn read_at(file: &File, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buf.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buf, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                buf = &mut buf[n..];
                offset += n as u64;
            }
        }
    }
    Ok(())
}

/// Where the bytes of a dataset lie.
#[derive(Debug)]
enum Layout {
    Contiguous(u64),
    Chunked {
        /// Elements of a chunk.
        len: usize,
        /// Address and stored bytes of each.
        chunks: Vec<(u64, u64)>,
        shuffle: bool,
        deflate: bool,
    },
}

/// A dataset whose bytes can be read without HDF5.
#[derive(Debug)]
pub(super) struct Direct {
    file: File,
    layout: Layout,
    /// Bytes of an element.
    width: usize,
}

impl Direct {
    /// Looks at the layout; `None` where it is not plain. `file` holds HDF5's signature at its begin, so
    /// that addresses count from there.
    pub(super) fn new(file: &File, set: &Dataset) -> Option<Self> {
        let dtype = set.dtype().ok()?;
        let width = dtype.size();
        if width > 1 && dtype.byte_order() != ByteOrder::LittleEndian {
            return None;
        }
        let file = file.try_clone().ok()?;
        let length = file.metadata().ok()?.len();
        let n = set.size();
        if !set.is_chunked() {
            let offset = set.offset()?;
            let end = offset.checked_add((n * width) as u64)?;
            return (end <= length).then_some(Self {
                file,
                layout: Layout::Contiguous(offset),
                width,
            });
        }
        let [len] = set.chunk()?[..] else { return None };
        let (shuffle, deflate) = match set.filters()[..] {
            [] => (false, false),
            [Filter::Deflate(_)] => (false, true),
            [Filter::Shuffle] => (true, false),
            [Filter::Shuffle, Filter::Deflate(_)] => (true, true),
            _ => return None,
        };
        if len == 0 || len * width > MOST_CHUNK {
            return None;
        }
        let mut chunks = vec![(0u64, 0u64); n.div_ceil(len)];
        let mut plain = 0;
        set.chunks_visit(|c| {
            let at = c.offset.first().map(|o| *o as usize / len);
            let inside = c.addr.checked_add(c.size).is_some_and(|end| end <= length);
            if let Some(place) = at.and_then(|at| chunks.get_mut(at))
                && inside
                && c.filter_mask == 0
                && c.size > 0
                && place.1 == 0
            {
                *place = (c.addr, c.size);
                plain += 1;
            }
            0
        })
        .ok()?;
        (plain == chunks.len()).then_some(Self {
            file,
            layout: Layout::Chunked {
                len,
                chunks,
                shuffle,
                deflate,
            },
            width,
        })
    }

    /// Bytes of an element.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Elements that are best read at once: a chunk, or 64 Ki.
    fn piece(&self) -> usize {
        match &self.layout {
            Layout::Contiguous(_) => 1 << 16,
            Layout::Chunked { len, .. } => *len,
        }
    }

    /// Splits a range at the borders of the pieces.
    pub(super) fn pieces(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let piece = self.piece();
        let mut out = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let end = ((at / piece + 1) * piece).min(range.end);
            out.push(at..end);
            at = end;
        }
        out
    }

    /// Bytes of a range within one piece, put into `out`; `scratch` is kept between calls.
    pub(super) fn read(
        &self,
        range: Range<usize>,
        out: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
    ) -> io::Result<()> {
        let width = self.width;
        match &self.layout {
            Layout::Contiguous(offset) => {
                out.resize(range.len() * width, 0);
                read_at(&self.file, out, offset + (range.start * width) as u64)
            }
            Layout::Chunked {
                len,
                chunks,
                shuffle,
                deflate,
            } => {
                let index = range.start / len;
                let (address, size) = chunks[index];
                let whole = len * width;
                let begin = (range.start - index * len) * width;
                scratch.resize(size as usize, 0);
                read_at(&self.file, scratch, address)?;
                let bytes = if *deflate {
                    inflate(scratch, out, whole)?;
                    &mut *out
                } else {
                    std::mem::swap(scratch, out);
                    &mut *out
                };
                if bytes.len() != whole {
                    return Err(io::Error::other(format!(
                        "a chunk has {} bytes and not {whole}",
                        bytes.len()
                    )));
                }
                if *shuffle && width > 1 {
                    unshuffle(bytes, scratch, width);
                    std::mem::swap(bytes, scratch);
                }
                bytes.truncate(begin + range.len() * width);
                bytes.drain(..begin);
                Ok(())
            }
        }
    }
}

/// Inflates a chunk, which must come to `whole` bytes.
fn inflate(packed: &[u8], out: &mut Vec<u8>, whole: usize) -> io::Result<()> {
    out.clear();
    out.reserve_exact(whole);
    let mut stream = Decompress::new(true);
    let status = stream
        .decompress_vec(packed, out, FlushDecompress::Finish)
        .map_err(|e| io::Error::other(format!("a chunk cannot be inflated: {e}")))?;
    if status != Status::StreamEnd && out.len() < whole {
        return Err(io::Error::other("a chunk is cut short"));
    }
    Ok(())
}

/// Undoes HDF5's shuffle: first all first bytes, then all second ones, and so on.
fn unshuffle(bytes: &[u8], out: &mut Vec<u8>, width: usize) {
    let n = bytes.len() / width;
    out.resize(bytes.len(), 0);
    for (k, plane) in bytes.chunks_exact(n.max(1)).take(width).enumerate() {
        for (element, byte) in out[k..].iter_mut().step_by(width).zip(plane) {
            *element = *byte;
        }
    }
}
