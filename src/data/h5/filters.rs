//! Undoes the filters that a chunk went through, the last one first. None unpacks to more than a chunk's size.
use super::checksum::fletcher32;
use super::source::Source;
use super::{Result, blosc, damaged, no_memory};
use crate::error::DataError;
use flate2::{Decompress, FlushDecompress, Status};
use std::io::Read;

/// One filter of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filter {
    pub(super) id: u16,
    pub(super) values: Vec<u32>,
}

const DEFLATE: u16 = 1;
const SHUFFLE: u16 = 2;
const FLETCHER32: u16 = 3;
const LZF: u16 = 32000;
const BLOSC: u16 = 32001;
const LZ4: u16 = 32004;
const ZSTD: u16 = 32015;

/// Parses a pipeline message.
pub(super) fn parse(source: &Source, data: &[u8]) -> Result<Vec<Filter>> {
    let mut c = source.cursor(data);
    let (version, n) = (c.u8()?, c.u8()?);
    c.take(if version == 1 { 6 } else { 0 })?;
    let mut filters = Vec::new();
    for _ in 0..n {
        let id = c.u16()?;
        let name = if version == 1 || id >= 256 {
            c.u16()?
        } else {
            0
        };
        let (_flags, count) = (c.u16()?, c.u16()?);
        let name = usize::from(name);
        c.take(if version == 1 {
            name.next_multiple_of(8)
        } else {
            name
        })?;
        let values = (0..count).map(|_| c.u32()).collect::<Result<_>>()?;
        if version == 1 && count % 2 == 1 {
            c.take(4)?;
        }
        filters.push(Filter { id, values });
    }
    Ok(filters)
}

/// Refuses a pipeline with a filter that cannot be undone here.
pub(super) fn check(filters: &[Filter]) -> Result<()> {
    let known = [DEFLATE, SHUFFLE, FLETCHER32, LZF, BLOSC, LZ4, ZSTD];
    let Some(other) = filters.iter().find(|f| !known.contains(&f.id)) else {
        return Ok(());
    };
    let name = match other.id {
        4 => "szip".to_owned(),
        5 => "n-bit".to_owned(),
        6 => "scale-offset".to_owned(),
        307 => "bzip2".to_owned(),
        32008 => "bitshuffle".to_owned(),
        32013 => "zfp".to_owned(),
        32026 => "blosc2".to_owned(),
        id => format!("the HDF5 filter {id}"),
    };
    Err(unreadable(&name))
}

/// The error of a filter that is not known here.
pub(super) fn unreadable(name: &str) -> DataError {
    DataError::new(
        format!("it is compressed with {name}, which cannot be read here"),
        "save it with gzip in Python: adata.write_h5ad(path, compression=\"gzip\")",
    )
}

/// Whether no filter unpacks to more than about a thousand times its input.
pub(super) fn tame(filters: &[Filter]) -> bool {
    !filters.iter().any(|f| [BLOSC, ZSTD].contains(&f.id))
}

/// Unpacks a chunk to exactly `want` bytes.
pub(super) fn undo(
    filters: &[Filter],
    mask: u32,
    mut bytes: Vec<u8>,
    want: usize,
    width: usize,
) -> Result<Vec<u8>> {
    // a checksum may lie inside
    let most = want + 16;
    for (i, filter) in filters.iter().enumerate().rev() {
        if mask >> i & 1 == 1 {
            continue;
        }
        bytes = match filter.id {
            DEFLATE => inflate(&bytes, most)?,
            SHUFFLE => {
                let width = filter.values.first().map_or(width, |v| *v as usize);
                unshuffle(&bytes, width)
            }
            FLETCHER32 => unsum(bytes)?,
            LZF => lzf(&bytes, most)?,
            BLOSC => blosc::unpack(&bytes, most)?,
            LZ4 => lz4(&bytes, most)?,
            ZSTD => zstd(&bytes, most)?,
            other => return Err(unreadable(&format!("the HDF5 filter {other}"))),
        };
    }
    if bytes.len() != want {
        return Err(damaged(format!(
            "a chunk unpacks to {} bytes, expected {want}",
            bytes.len()
        )));
    }
    Ok(bytes)
}

/// Reads a stream to its end, which must come within `most` bytes.
fn drain(stream: impl Read, most: usize, name: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(most.min(1 << 20));
    stream
        .take(most as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|e| damaged(format!("a chunk is no valid {name}: {e}")))?;
    if out.len() > most {
        return Err(too_much(most));
    }
    Ok(out)
}

/// Unpacks zlib data.
pub(super) fn inflate(bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    // a byte more shows that there is more
    out.try_reserve_exact(most + 1)
        .map_err(|_| no_memory(most))?;
    let mut stream = Decompress::new(true);
    let status = stream
        .decompress_vec(bytes, &mut out, FlushDecompress::Finish)
        .map_err(|e| damaged(format!("a chunk is no valid gzip: {e}")))?;
    if out.len() > most {
        return Err(too_much(most));
    }
    if status != Status::StreamEnd {
        return Err(damaged("a chunk is no valid gzip: it ends early"));
    }
    Ok(out)
}

fn too_much(most: usize) -> DataError {
    damaged(format!("a chunk unpacks to more than its {most} bytes"))
}

/// Unpacks a zstd frame.
pub(super) fn zstd(bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    let stream = ruzstd::decoding::StreamingDecoder::new(bytes)
        .map_err(|e| damaged(format!("a chunk is no valid zstd: {e}")))?;
    drain(stream, most, "zstd")
}

/// Unpacks one block of LZ4 into at most `most` bytes.
pub(super) fn lz4_block(bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    let mut out = vec![0; most];
    let n = lz4_flex::block::decompress_into(bytes, &mut out)
        .map_err(|e| damaged(format!("a chunk is no valid lz4: {e}")))?;
    out.truncate(n);
    Ok(out)
}

/// The filter LZ4: whole size, block size, then blocks, each behind its size, all big-endian.
fn lz4(bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    let short = || damaged("a chunk is no valid lz4: it ends early");
    let (head, mut rest) = bytes.split_at_checked(12).ok_or_else(short)?;
    let number = |b: &[u8]| b.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
    let (total, block) = (number(&head[..8]), number(&head[8..]));
    if total > most {
        return Err(too_much(most));
    }
    let mut out = Vec::with_capacity(total.min(1 << 20));
    while out.len() < total {
        let (size, tail) = rest.split_at_checked(4).ok_or_else(short)?;
        let (part, tail) = tail.split_at_checked(number(size)).ok_or_else(short)?;
        let want = block.min(total - out.len());
        // a block that did not shrink is stored as it is
        let unpacked = if part.len() == want {
            part.to_vec()
        } else {
            lz4_block(part, want)?
        };
        if unpacked.len() != want || want == 0 {
            return Err(short());
        }
        out.extend(unpacked);
        rest = tail;
    }
    Ok(out)
}

/// Puts bytes that stand by their place in an element back together; what fills no element stays.
pub(super) fn unshuffle(bytes: &[u8], width: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    match width {
        0 | 1 => {}
        2 => interleave::<2>(bytes, &mut out),
        4 => interleave::<4>(bytes, &mut out),
        8 => interleave::<8>(bytes, &mut out),
        _ if bytes.len() >= width => {
            let n = bytes.len() / width;
            for (j, plane) in bytes[..n * width].chunks_exact(n).enumerate() {
                for (i, b) in plane.iter().enumerate() {
                    out[i * width + j] = *b;
                }
            }
        }
        _ => {}
    }
    out
}

fn interleave<const W: usize>(bytes: &[u8], out: &mut [u8]) {
    let n = bytes.len() / W;
    let planes: [&[u8]; W] = std::array::from_fn(|j| &bytes[j * n..(j + 1) * n]);
    for (i, element) in out.as_chunks_mut::<W>().0.iter_mut().enumerate() {
        *element = std::array::from_fn(|j| planes[j][i]);
    }
}

fn unsum(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    let Some((data, sum)) = bytes.split_last_chunk::<4>() else {
        return Err(damaged("a chunk has no room for its checksum"));
    };
    if fletcher32(data) != u32::from_le_bytes(*sum) {
        return Err(damaged("the checksum of a chunk is wrong"));
    }
    bytes.truncate(bytes.len() - 4);
    Ok(bytes)
}

/// LZF (Marc Lehmann's LibLZF): runs of literals, and copies of 3 to 264 bytes from at most 8 KiB back.
fn lzf(bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    let short = || damaged("a chunk is no valid lzf: it ends early");
    let mut out: Vec<u8> = Vec::with_capacity(most.min(1 << 20));
    let mut at = 0;
    let mut next = |n: usize| -> Result<&[u8]> {
        let part = bytes.get(at..at + n).ok_or_else(short)?;
        at += n;
        Ok(part)
    };
    for _ in 0..bytes.len() {
        let Ok(control) = next(1).map(|b| usize::from(b[0])) else {
            break;
        };
        if control < 32 {
            out.extend(next(control + 1)?);
        } else {
            let mut n = (control >> 5) + 2;
            if n == 9 {
                n += usize::from(next(1)?[0]);
            }
            let back = (control & 31) << 8 | usize::from(next(1)?[0]);
            let from = out.len().checked_sub(back + 1);
            let from =
                from.ok_or_else(|| damaged("a chunk is no valid lzf: a copy from before it"))?;
            for i in from..from + n {
                out.push(out[i]);
            }
        }
        if out.len() > most {
            return Err(too_much(most));
        }
    }
    Ok(out)
}
