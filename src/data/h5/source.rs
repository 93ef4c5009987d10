//! Bytes of a file, each read held against its end, and a cursor over them.
use super::{Result, damaged};
use crate::data::read_at::read_at;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Widths of addresses and of lengths, in bytes, as the superblock says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Of an address.
    pub(super) offset: u8,
    /// Of a length.
    pub(super) length: u8,
}

/// An open file.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    /// Its length in bytes.
    pub(super) len: u64,
    /// Where address 0 lies.
    pub(super) base: u64,
    /// Widths of addresses and lengths.
    pub(super) sizes: Sizes,
    /// Bytes of structures read so far, which a file with loops would let grow without end.
    structures: AtomicU64,
}

impl Source {
    /// Opens a file; `base` and `sizes` are the superblock's to set.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self {
            len: file.metadata()?.len(),
            file,
            base: 0,
            sizes: Sizes {
                offset: 8,
                length: 8,
            },
            structures: AtomicU64::new(0),
        })
    }

    /// Reads `n` bytes at an address, without counting them: stored values.
    pub(super) fn data(&self, at: u64, n: u64) -> Result<Vec<u8>> {
        let begin = self.base.checked_add(at);
        let end = begin.and_then(|b| b.checked_add(n));
        let (Some(begin), Some(true)) = (begin, end.map(|e| e <= self.len)) else {
            return Err(damaged(format!(
                "{n} bytes are expected at {at}, but the file ends at {}",
                self.len
            )));
        };
        let mut bytes = vec![0; n as usize];
        read_at(&self.file, &mut bytes, begin)
            .map_err(|e| damaged(format!("{n} bytes at {at} cannot be read: {e}")))?;
        Ok(bytes)
    }

    /// Reads `n` bytes of a structure at an address.
    pub(super) fn read(&self, at: u64, n: u64) -> Result<Vec<u8>> {
        let bytes = self.data(at, n)?;
        // even the smallest read costs something
        let read = self.structures.fetch_add(n + 64, Ordering::Relaxed);
        if read > self.len.saturating_mul(64).saturating_add(256 << 20) {
            return Err(damaged("its structures refer to each other without end"));
        }
        Ok(bytes)
    }

    /// Reads at most `n` bytes of a structure at an address: fewer where the file ends.
    pub(super) fn read_up_to(&self, at: u64, n: u64) -> Result<Vec<u8>> {
        let left = self.len.saturating_sub(self.base).saturating_sub(at);
        self.read(at, n.min(left))
    }

    /// Reads a block of `n` bytes that must begin with `sign`.
    pub(super) fn block(&self, at: u64, n: u64, sign: &str) -> Result<Vec<u8>> {
        let bytes = self.read(at, n)?;
        signed(&bytes, at, sign)?;
        Ok(bytes)
    }

    /// A cursor with this file's widths.
    pub(super) fn cursor<'a>(&self, data: &'a [u8]) -> Cursor<'a> {
        Cursor {
            data,
            at: 0,
            sizes: self.sizes,
        }
    }
}

/// Refuses a block that does not begin with `sign`.
pub(super) fn signed(bytes: &[u8], at: u64, sign: &str) -> Result<()> {
    if bytes.starts_with(sign.as_bytes()) {
        return Ok(());
    }
    Err(damaged(format!("there is no {sign} block at {at}")))
}

/// An address that points nowhere has all bits set.
pub(super) const NOWHERE: u64 = u64::MAX;

/// Reads little-endian fields in order; none goes past the end.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
    sizes: Sizes,
}

impl<'a> Cursor<'a> {
    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let rest = &self.data[self.at..];
        if n > rest.len() {
            return Err(damaged(format!(
                "a structure ends {} bytes early",
                n - rest.len()
            )));
        }
        self.at += n;
        Ok(&rest[..n])
    }
    /// An unsigned number of `n` bytes, at most 8.
    pub(super) fn uint(&mut self, n: usize) -> Result<u64> {
        let mut bytes = [0; 8];
        bytes[..n].copy_from_slice(self.take(n)?);
        Ok(u64::from_le_bytes(bytes))
    }
    /// One byte.
    pub(super) fn u8(&mut self) -> Result<u8> {
        Ok(self.uint(1)? as u8)
    }
    /// Two bytes.
    pub(super) fn u16(&mut self) -> Result<u16> {
        Ok(self.uint(2)? as u16)
    }
    /// Four bytes.
    pub(super) fn u32(&mut self) -> Result<u32> {
        Ok(self.uint(4)? as u32)
    }
    /// An address; [`NOWHERE`] where all its bits are set.
    pub(super) fn address(&mut self) -> Result<u64> {
        let n = usize::from(self.sizes.offset);
        let at = self.uint(n)?;
        let all = if n == 8 { NOWHERE } else { (1 << (8 * n)) - 1 };
        Ok(if at == all { NOWHERE } else { at })
    }
    /// A length.
    pub(super) fn length(&mut self) -> Result<u64> {
        self.uint(usize::from(self.sizes.length))
    }
    /// Bytes that are not read yet.
    pub(super) fn left(&self) -> usize {
        self.data.len() - self.at
    }
    /// Bytes that were read.
    pub(super) fn position(&self) -> usize {
        self.at
    }
    /// Bytes up to a zero, which is skipped; the whole rest where there is none.
    pub(super) fn until_zero(&mut self) -> &'a [u8] {
        let rest = &self.data[self.at..];
        let n = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
        self.at += (n + 1).min(rest.len());
        &rest[..n]
    }
    /// Skips to the next multiple of `n` from `start`, or to the end.
    pub(super) fn align(&mut self, start: usize, n: usize) {
        let to = start + (self.at - start).next_multiple_of(n);
        self.at = to.min(self.data.len());
    }
}
