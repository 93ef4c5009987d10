//! Attributes: in the header, or in a heap where there are many.
use super::fractal::Heap;
use super::header::{Header, kind, shared};
use super::kinds::{Kind, extent};
use super::source::{NOWHERE, Source};
use super::trees::named_records;
use super::{Result, damaged};

/// An attribute.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// `None` for an attribute without value.
    pub(super) shape: Option<Vec<u64>>,
    pub(super) data: Vec<u8>,
}

/// All attributes of an object.
pub(super) fn all(source: &Source, header: &Header) -> Result<Vec<Attribute>> {
    let mut found = Vec::new();
    for message in header.messages.iter().filter(|m| m.kind == kind::ATTRIBUTE) {
        let data = if message.flags & 2 == 0 {
            message.data.clone()
        } else {
            shared(source, &message.data, kind::ATTRIBUTE)?
        };
        found.push(parse(source, &data)?);
    }
    if let Some(message) = header.find(kind::ATTRIBUTE_INFO) {
        let mut c = source.cursor(&message.data);
        let (_, flags) = (c.u8()?, c.u8()?);
        c.take(if flags & 1 == 0 { 0 } else { 2 })?;
        let (heap, tree) = (c.address()?, c.address()?);
        if heap != NOWHERE {
            let heap = Heap::open(source, heap)?;
            for record in named_records(source, tree, 8)? {
                found.push(parse(
                    source,
                    &heap.get(source, record.get(..8).unwrap_or_default())?,
                )?);
            }
        }
    }
    Ok(found)
}

fn parse(source: &Source, data: &[u8]) -> Result<Attribute> {
    let mut c = source.cursor(data);
    let (version, flags) = (c.u8()?, c.u8()?);
    if !(1..=3).contains(&version) {
        return Err(damaged(format!("an attribute has the version {version}")));
    }
    let sizes = [c.u16()?, c.u16()?, c.u16()?];
    c.take(usize::from(version == 3))?;
    let mut parts = Vec::new();
    for n in sizes {
        parts.push(c.take(n.into())?);
        if version == 1 {
            c.take(usize::from(n.next_multiple_of(8) - n).min(c.left()))?;
        }
    }
    let kind_of = |i: usize, bit: u8, kind: u16| {
        if flags & bit == 0 {
            Ok(parts[i].to_vec())
        } else {
            shared(source, parts[i], kind)
        }
    };
    let mut name = source.cursor(parts[0]);
    Ok(Attribute {
        name: String::from_utf8_lossy(name.until_zero()).into_owned(),
        kind: Kind::parse(source, &kind_of(1, 1, kind::TYPE)?)?,
        shape: extent(source, &kind_of(2, 2, kind::SPACE)?)?,
        data: c.take(c.left())?.to_vec(),
    })
}
