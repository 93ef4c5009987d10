//! Object headers, versions 1 and 2, as a list of messages.
use super::checksum::checked;
use super::source::{Cursor, Source, signed};
use super::{Result, damaged};

/// Kinds of messages that are used here.
pub(super) mod kind {
    pub(crate) const SPACE: u16 = 0x01;
    pub(crate) const LINK_INFO: u16 = 0x02;
    pub(crate) const TYPE: u16 = 0x03;
    pub(crate) const OLD_FILL: u16 = 0x04;
    pub(crate) const FILL: u16 = 0x05;
    pub(crate) const LINK: u16 = 0x06;
    pub(crate) const EXTERNAL: u16 = 0x07;
    pub(crate) const LAYOUT: u16 = 0x08;
    pub(crate) const FILTERS: u16 = 0x0b;
    pub(crate) const ATTRIBUTE: u16 = 0x0c;
    pub(crate) const CONTINUATION: u16 = 0x10;
    pub(crate) const SYMBOL_TABLE: u16 = 0x11;
    pub(crate) const ATTRIBUTE_INFO: u16 = 0x15;
}

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// Its kind.
    pub(super) kind: u16,
    /// Bit 1: the data is a reference to a message elsewhere.
    pub(super) flags: u8,
    /// Its bytes.
    pub(super) data: Vec<u8>,
}

/// All messages of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Header {
    /// In the order of the file.
    pub(super) messages: Vec<Message>,
}

/// Blocks that one header may be spread over.
const MOST_BLOCKS: usize = 4096;

impl Header {
    /// The first message of a kind.
    pub(super) fn find(&self, kind: u16) -> Option<&Message> {
        self.messages.iter().find(|m| m.kind == kind)
    }

    /// The data of the first message of a kind, wherever it is stored.
    pub(super) fn data(&self, source: &Source, kind: u16) -> Result<Option<Vec<u8>>> {
        self.find(kind)
            .map(|m| {
                if m.flags & 2 == 0 {
                    Ok(m.data.clone())
                } else {
                    shared(source, &m.data, kind)
                }
            })
            .transpose()
    }

    /// Reads the header at an address.
    pub(super) fn read(source: &Source, at: u64) -> Result<Self> {
        let start = source.read_up_to(at, 32)?;
        let mut header = Self::default();
        if start.starts_with(b"OHDR") {
            header.second(source, at, &start)?;
        } else {
            header.first(source, at, &start)?;
        }
        Ok(header)
    }

    fn first(&mut self, source: &Source, at: u64, start: &[u8]) -> Result<()> {
        let mut c = source.cursor(start);
        if c.u8()? != 1 {
            return Err(damaged(format!("there is no object header at {at}")));
        }
        c.take(7)?;
        let size = c.u32()?;
        let mut blocks = vec![(at + 16, u64::from(size))];
        let mut i = 0;
        while let Some(&(at, size)) = blocks.get(i) {
            let bytes = source.read(at, size)?;
            let mut c = source.cursor(&bytes);
            while c.left() >= 8 {
                let (kind, n) = (c.u16()?, c.u16()?);
                let flags = c.u8()?;
                c.take(3)?;
                let data = c.take(usize::from(n))?;
                self.push(source, kind, flags, data, &mut blocks)?;
            }
            i += 1;
        }
        Ok(())
    }

    fn second(&mut self, source: &Source, at: u64, start: &[u8]) -> Result<()> {
        let mut c = source.cursor(start);
        c.take(4)?;
        let (version, flags) = (c.u8()?, c.u8()?);
        if version != 2 {
            return Err(damaged(format!(
                "the object header at {at} has the version {version}"
            )));
        }
        c.take(if flags & 0x20 == 0 { 0 } else { 16 })?;
        c.take(if flags & 0x10 == 0 { 0 } else { 4 })?;
        let size = c.uint(1 << (flags & 3))?;
        let prefix = c.position();
        let mut blocks = vec![(at, size.saturating_add(prefix as u64 + 4))];
        let mut i = 0;
        while let Some(&(at, size)) = blocks.get(i) {
            let bytes = source.read(at, size)?;
            let skip = if i == 0 {
                prefix
            } else {
                signed(&bytes, at, "OCHK")?;
                4
            };
            let mut c = source.cursor(checked(&bytes, "object header")?);
            c.take(skip)?;
            let ordered = flags & 4 != 0;
            while c.left() >= if ordered { 6 } else { 4 } {
                let (kind, n, flags) = (u16::from(c.u8()?), c.u16()?, c.u8()?);
                c.take(if ordered { 2 } else { 0 })?;
                let data = c.take(usize::from(n))?;
                self.push(source, kind, flags, data, &mut blocks)?;
            }
            i += 1;
        }
        Ok(())
    }

    fn push(
        &mut self,
        source: &Source,
        kind: u16,
        flags: u8,
        data: &[u8],
        blocks: &mut Vec<(u64, u64)>,
    ) -> Result<()> {
        if kind != kind::CONTINUATION {
            self.messages.push(Message {
                kind,
                flags,
                data: data.to_vec(),
            });
            return Ok(());
        }
        let mut c = source.cursor(data);
        let next = (c.address()?, c.length()?);
        if blocks.len() == MOST_BLOCKS || blocks.contains(&next) {
            return Err(damaged("an object header goes on without end"));
        }
        blocks.push(next);
        Ok(())
    }
}

/// The data of a message that is stored in another object's header (a committed type).
pub(super) fn shared(source: &Source, reference: &[u8], kind: u16) -> Result<Vec<u8>> {
    let mut c = source.cursor(reference);
    let at = shared_address(&mut c)?;
    let header = Header::read(source, at)?;
    match header.find(kind) {
        Some(m) if m.flags & 2 == 0 => Ok(m.data.clone()),
        _ => Err(damaged("a shared message is not where it should be")),
    }
}

/// Where a shared message's reference points.
fn shared_address(c: &mut Cursor) -> Result<u64> {
    let (version, place) = (c.u8()?, c.u8()?);
    match (version, place) {
        (1, _) => {
            c.take(6)?;
            c.address()
        }
        (2, _) | (3, 2) => c.address(),
        _ => Err(damaged(
            "a message lies in a table of shared messages, which is not read here",
        )),
    }
}
