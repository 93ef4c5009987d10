//! The members of a group: old symbol tables, and link messages, compact or in a heap.
use super::fractal::Heap;
use super::header::{Header, kind};
use super::source::{NOWHERE, Source};
use super::trees::{named_records, walk_first};
use super::{Result, damaged};
use std::collections::BTreeMap;

/// Where a member is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Link {
    /// Address of its object header.
    Hard(u64),
    /// A path within the file.
    Soft(String),
    /// Another file.
    External(String),
    /// Of a kind that a user's program made.
    Other(u8),
}

/// All members of the group with this header.
pub(super) fn members(source: &Source, header: &Header) -> Result<BTreeMap<String, Link>> {
    let mut found = BTreeMap::new();
    if let Some(message) = header.find(kind::SYMBOL_TABLE) {
        old(source, &message.data, &mut found)?;
    }
    for message in header.messages.iter().filter(|m| m.kind == kind::LINK) {
        let (name, link) = parse(source, &message.data)?;
        found.insert(name, link);
    }
    if let Some(message) = header.find(kind::LINK_INFO) {
        let mut c = source.cursor(&message.data);
        let (_, flags) = (c.u8()?, c.u8()?);
        c.take(if flags & 1 == 0 { 0 } else { 8 })?;
        let (heap, tree) = (c.address()?, c.address()?);
        if heap != NOWHERE {
            let heap = Heap::open(source, heap)?;
            for record in named_records(source, tree, 5)? {
                let message = heap.get(source, record.get(4..).unwrap_or_default())?;
                let (name, link) = parse(source, &message)?;
                found.insert(name, link);
            }
        }
    }
    Ok(found)
}

fn old(source: &Source, message: &[u8], found: &mut BTreeMap<String, Link>) -> Result<()> {
    let mut c = source.cursor(message);
    let (tree, heap) = (c.address()?, c.address()?);
    let head = source.block(heap, 8 + 3 * 8, "HEAP")?;
    let mut c = source.cursor(&head);
    c.take(8)?;
    let size = c.length()?;
    c.length()?;
    let at = c.address()?;
    let names = source.read(at, size)?;
    let name = |at: u64| -> Result<String> {
        let mut c = source.cursor(&names);
        c.take(usize::try_from(at).unwrap_or(usize::MAX))?;
        Ok(String::from_utf8_lossy(c.until_zero()).into_owned())
    };
    let entry = 8 + 2 * usize::from(source.sizes.offset) + 16;
    walk_first(
        source,
        tree,
        0,
        usize::from(source.sizes.length),
        &mut |_, node| {
            let head = source.block(node, 8, "SNOD")?;
            let n = usize::from(u16::from_le_bytes([head[6], head[7]]));
            let bytes = source.read(node + 8, (n * entry) as u64)?;
            let mut c = source.cursor(&bytes);
            for _ in 0..n {
                let (text, at) = (c.uint(usize::from(source.sizes.offset))?, c.address()?);
                let cached = c.u32()?;
                c.take(4)?;
                let scratch = c.take(16)?;
                let link = if cached == 2 {
                    let mut c = source.cursor(scratch);
                    Link::Soft(name(u64::from(c.u32()?))?)
                } else {
                    Link::Hard(at)
                };
                found.insert(name(text)?, link);
            }
            Ok(())
        },
    )
}

/// Parses a link message.
fn parse(source: &Source, data: &[u8]) -> Result<(String, Link)> {
    let mut c = source.cursor(data);
    let (version, flags) = (c.u8()?, c.u8()?);
    if version != 1 {
        return Err(damaged(format!("a link has the version {version}")));
    }
    let class = if flags & 8 == 0 { 0 } else { c.u8()? };
    c.take(if flags & 4 == 0 { 0 } else { 8 })?;
    c.take(if flags & 16 == 0 { 0 } else { 1 })?;
    let n = c.uint(1 << (flags & 3))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name = text(c.take(usize::try_from(n).unwrap_or(usize::MAX))?);
    let link = match class {
        0 => Link::Hard(c.address()?),
        1 => {
            let n = c.u16()?;
            Link::Soft(text(c.take(n.into())?))
        }
        64 => {
            let n = c.u16()?;
            let mut c = source.cursor(c.take(n.into())?);
            c.u8()?;
            Link::External(text(c.until_zero()))
        }
        other => Link::Other(other),
    };
    Ok((name, link))
}
