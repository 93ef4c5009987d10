//! Fractal heaps, where groups and objects with many members keep links and attributes.
use super::checksum::checked;
use super::source::{NOWHERE, Source, signed};
use super::{Result, damaged};

/// A heap.
#[derive(Debug)]
pub(super) struct Heap {
    at: u64,
    offset_bytes: usize,
    length_bytes: usize,
    /// Blocks of a row.
    width: u64,
    /// Bytes of the blocks of the first row.
    start: u64,
    /// Bytes of the largest block that holds objects.
    most_direct: u64,
    root: u64,
    /// Rows of the root; 0 where it is a block of objects.
    rows: u64,
}

impl Heap {
    /// Reads a heap's header.
    pub(super) fn open(source: &Source, at: u64) -> Result<Self> {
        let (o, l) = (
            u64::from(source.sizes.offset),
            u64::from(source.sizes.length),
        );
        let head = source.block(at, 26 + 12 * l + 3 * o, "FRHP")?;
        let mut c = source.cursor(checked(&head, "heap")?);
        c.take(7)?;
        let (filters, _flags) = (c.u16()?, c.u8()?);
        let most = u64::from(c.u32()?);
        c.length()?;
        c.address()?;
        c.length()?;
        c.address()?;
        for _ in 0..8 {
            c.length()?;
        }
        let width = u64::from(c.u16()?);
        let (start, most_direct, bits) = (c.length()?, c.length()?, c.u16()?);
        c.u16()?;
        let (root, rows) = (c.address()?, u64::from(c.u16()?));
        let sound = start.is_power_of_two()
            && most_direct.is_power_of_two()
            && width.is_power_of_two()
            && start <= most_direct
            && (1..=64).contains(&bits)
            && rows <= 64;
        if filters != 0 || !sound {
            return Err(damaged(format!(
                "the heap at {at} has sizes that make no sense"
            )));
        }
        let bytes = |n: u64| (n.max(1).ilog2() / 8 + 1) as usize;
        Ok(Self {
            at,
            offset_bytes: usize::from(bits).div_ceil(8),
            length_bytes: (most_direct.ilog2() as usize).div_ceil(8).min(bytes(most)),
            width,
            start,
            most_direct,
            root,
            rows,
        })
    }

    /// The object with an id.
    pub(super) fn get(&self, source: &Source, id: &[u8]) -> Result<Vec<u8>> {
        let mut c = source.cursor(id);
        let head = c.u8()?;
        match head >> 4 & 3 {
            0 => {
                let offset = c.uint(self.offset_bytes)?;
                let n = c.uint(self.length_bytes)?;
                self.managed(source, offset, n)
            }
            2 => Ok(c.take(usize::from(head & 15) + 1)?.to_vec()),
            _ => Err(damaged(format!(
                "the heap at {} keeps an object outside, which is not read here",
                self.at
            ))),
        }
    }

    /// Bytes of the blocks of a row.
    fn size(&self, row: u64) -> u64 {
        let shift = u32::try_from(row.saturating_sub(1)).unwrap_or(u32::MAX);
        self.start.checked_shl(shift).unwrap_or(0)
    }

    fn managed(&self, source: &Source, offset: u64, n: u64) -> Result<Vec<u8>> {
        let lost = || damaged(format!("the heap at {} has no object at {offset}", self.at));
        let (mut at, mut rows, mut begin) = (self.root, self.rows, 0u64);
        let direct_rows = u64::from(self.most_direct.ilog2() - self.start.ilog2()) + 2;
        // each block is smaller than the one around it
        for _ in 0..64 {
            if at == NOWHERE {
                return Err(lost());
            }
            if rows == 0 {
                return source.read(at.checked_add(offset - begin).ok_or_else(lost)?, n);
            }
            let mut row = 0;
            loop {
                let span = self.size(row).checked_mul(self.width).filter(|s| *s > 0);
                let span = span.ok_or_else(lost)?;
                if offset - begin < span {
                    break;
                }
                begin += span;
                row += 1;
                if row == rows {
                    return Err(lost());
                }
            }
            let (o, size) = (u64::from(source.sizes.offset), self.size(row));
            let column = (offset - begin) / size;
            begin += column * size;
            let prefix = 5 + o + self.offset_bytes as u64;
            let n_children = self.width * rows;
            let block = source.read(at, prefix + n_children * o + 4)?;
            signed(&block, at, "FHIB")?;
            let mut c = source.cursor(checked(&block, "heap's table")?);
            c.take((prefix + (row * self.width + column) * o) as usize)?;
            at = c.address()?;
            rows = if row < direct_rows {
                0
            } else {
                u64::from(size.ilog2())
                    .saturating_sub(u64::from(self.start.ilog2() + self.width.ilog2()))
                    + 1
            };
        }
        Err(lost())
    }
}
