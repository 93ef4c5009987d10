//! The indices of chunks that newer versions of HDF5 write: fixed and extensible arrays.
use super::checksum::checked;
use super::source::{Cursor, NOWHERE, Source, signed};
use super::{Result, damaged};

/// Where a chunk is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) at: u64,
    /// Stored bytes, where chunks are filtered.
    pub(super) size: Option<u64>,
    pub(super) mask: u32,
}

/// How entries are stored.
struct Form {
    filtered: bool,
    /// Bytes of an entry.
    entry: usize,
    /// Entries of a page.
    page: u64,
    offset: usize,
}

impl Form {
    fn new(source: &Source, client: u8, entry: u8, page_bits: u8) -> Result<Self> {
        let offset = usize::from(source.sizes.offset);
        let (filtered, entry) = (client == 1, usize::from(entry));
        let fits = if filtered {
            (offset + 5..=offset + 12).contains(&entry)
        } else {
            entry == offset
        };
        if client > 1 || !fits || page_bits > 40 {
            return Err(damaged(format!(
                "an index of chunks has entries of {entry} bytes"
            )));
        }
        Ok(Self {
            filtered,
            entry,
            page: 1 << page_bits,
            offset,
        })
    }

    fn next(&self, c: &mut Cursor) -> Result<Entry> {
        let at = c.address()?;
        let (mut size, mut mask) = (None, 0);
        if self.filtered {
            size = Some(c.uint(self.entry - self.offset - 4)?);
            mask = c.u32()?;
        }
        Ok(Entry { at, size, mask })
    }

    /// `n` entries behind the prefix of the data block at `at`, in pages where there are many.
    fn block(
        &self,
        source: &Source,
        at: u64,
        prefix: u64,
        n: u64,
        sign: &str,
        first: u64,
        found: &mut Vec<(u64, Entry)>,
    ) -> Result<()> {
        let bytes = |n: u64| n.saturating_mul(self.entry as u64);
        if n <= self.page {
            let block =
                source.block(at, prefix.saturating_add(bytes(n)).saturating_add(4), sign)?;
            let mut c = source.cursor(checked(&block, "index of chunks")?);
            c.take(prefix as usize)?;
            return self.entries(&mut c, n, first, found);
        }
        let head = source.block(at, prefix + 4, sign)?;
        checked(&head, "index of chunks")?;
        let mut at = at.saturating_add(prefix + 4);
        let mut done = 0;
        while done < n {
            let some = self.page.min(n - done);
            let size = bytes(some).saturating_add(4);
            let page = source.read(at, size)?;
            // a page that was never written is all zero, its sum too
            if page.iter().any(|b| *b != 0) {
                let mut c = source.cursor(checked(&page, "index of chunks")?);
                self.entries(&mut c, some, first + done, found)?;
            }
            at = at.saturating_add(size);
            done += some;
        }
        Ok(())
    }

    fn entries(
        &self,
        c: &mut Cursor,
        n: u64,
        first: u64,
        found: &mut Vec<(u64, Entry)>,
    ) -> Result<()> {
        for i in 0..n {
            let entry = self.next(c)?;
            if entry.at != NOWHERE {
                found.push((first.saturating_add(i), entry));
            }
        }
        Ok(())
    }
}

/// The entries of a fixed array, with their numbers.
pub(super) fn fixed(source: &Source, at: u64, total: u64) -> Result<Vec<(u64, Entry)>> {
    let mut found = Vec::new();
    if at == NOWHERE {
        return Ok(found);
    }
    let (o, l) = (
        u64::from(source.sizes.offset),
        u64::from(source.sizes.length),
    );
    let head = source.block(at, 8 + l + o + 4, "FAHD")?;
    let mut c = source.cursor(checked(&head, "index of chunks")?);
    c.take(5)?;
    let form = Form::new(source, c.u8()?, c.u8()?, c.u8()?)?;
    let (n, block) = (c.length()?, c.address()?);
    if n != total {
        return Err(damaged(format!(
            "an index has {n} chunks, expected {total}"
        )));
    }
    if block != NOWHERE {
        let bitmap = if n > form.page {
            n.div_ceil(form.page).div_ceil(8)
        } else {
            0
        };
        form.block(source, block, 6 + o + bitmap, n, "FADB", 0, &mut found)?;
    }
    Ok(found)
}

/// The entries of an extensible array, with their numbers.
pub(super) fn extensible(source: &Source, at: u64, total: u64) -> Result<Vec<(u64, Entry)>> {
    let mut found = Vec::new();
    if at == NOWHERE {
        return Ok(found);
    }
    let (o, l) = (
        u64::from(source.sizes.offset),
        u64::from(source.sizes.length),
    );
    let head = source.block(at, 12 + 6 * l + o + 4, "EAHD")?;
    let mut c = source.cursor(checked(&head, "index of chunks")?);
    c.take(5)?;
    let (client, entry, bits) = (c.u8()?, c.u8()?, c.u8()?);
    let (in_index, least, pointers) = (u64::from(c.u8()?), u64::from(c.u8()?), u64::from(c.u8()?));
    let form = Form::new(source, client, entry, c.u8()?)?;
    for _ in 0..6 {
        c.length()?;
    }
    let index = c.address()?;
    let sound = (1..=64).contains(&bits) && least.is_power_of_two() && pointers.is_power_of_two();
    if !sound || u32::from(bits) < least.ilog2() {
        return Err(damaged("an index of chunks has sizes that make no sense"));
    }
    if index == NOWHERE {
        return Ok(found);
    }
    // super block s has 2^(s/2) blocks of 2^((s+1)/2) * least entries
    let supers = u64::from(1 + u32::from(bits) - least.ilog2());
    let direct = u64::from(2 * pointers.ilog2());
    let tables = supers.saturating_sub(direct);
    let blocks = 2 * (pointers - 1);
    let size = 6 + o + in_index * form.entry as u64 + (blocks + tables) * o + 4;
    let bytes = source.block(index, size, "EAIB")?;
    let mut c = source.cursor(checked(&bytes, "index of chunks")?);
    c.take((6 + o) as usize)?;
    form.entries(&mut c, in_index, 0, &mut found)?;
    let offset_bytes = u64::from(bits).div_ceil(8);
    let prefix = 6 + o + offset_bytes;
    let mut first = in_index;
    for s in 0..supers {
        let n_blocks = 1u64 << (s / 2).min(40);
        let each = least.saturating_mul(1 << s.div_ceil(2).min(40));
        let mut addresses = Vec::new();
        if s < direct {
            for _ in 0..n_blocks {
                addresses.push(c.address()?);
            }
        } else if first < total {
            let table = c.address()?;
            if table != NOWHERE {
                let pages = if each > form.page {
                    (each / form.page).div_ceil(8)
                } else {
                    0
                };
                let skip = prefix.saturating_add(n_blocks.saturating_mul(pages));
                let bytes =
                    source.read(table, skip.saturating_add(n_blocks * o).saturating_add(4))?;
                signed(&bytes, table, "EASB")?;
                let mut c = source.cursor(checked(&bytes, "index of chunks")?);
                c.take(skip as usize)?;
                for _ in 0..n_blocks {
                    addresses.push(c.address()?);
                }
            }
        }
        for (i, at) in (0..).zip(addresses) {
            if at != NOWHERE {
                form.block(
                    source,
                    at,
                    prefix,
                    each,
                    "EADB",
                    first.saturating_add(each.saturating_mul(i)),
                    &mut found,
                )?;
            }
        }
        first = first.saturating_add(n_blocks.saturating_mul(each));
        if first >= total && s + 1 >= direct {
            break;
        }
    }
    Ok(found)
}
