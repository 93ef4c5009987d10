//! Types of elements, and extents.
use super::source::{Cursor, Source};
use super::{Result, damaged};

/// The type of an element.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A whole number.
    Int {
        /// Bytes: 1, 2, 4 or 8.
        size: usize,
        /// With a sign.
        signed: bool,
        /// Big-endian.
        big: bool,
    },
    /// IEEE 754.
    Float {
        /// Bytes: 2, 4 or 8.
        size: usize,
        /// Big-endian.
        big: bool,
    },
    /// Text of fixed length.
    Text {
        /// Bytes.
        size: usize,
        /// Padded with spaces, not with zeros.
        spaces: bool,
    },
    /// Text of any length, stored in a heap.
    LongText {
        /// Bytes of the reference.
        size: usize,
    },
    /// Numbers with names; `FALSE` and `TRUE` are booleans.
    Enum(Box<Kind>),
    /// Several fields.
    Compound {
        /// Bytes.
        size: usize,
        /// Name, first byte, type.
        fields: Vec<(String, usize, Kind)>,
    },
    /// Anything else.
    Other {
        /// Its name.
        name: &'static str,
        /// Bytes.
        size: usize,
    },
}

/// Types within types.
const DEEPEST: u8 = 6;

impl Kind {
    /// Bytes of an element.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Enum(base) => base.size(),
            Self::Int { size, .. }
            | Self::Float { size, .. }
            | Self::Text { size, .. }
            | Self::LongText { size }
            | Self::Compound { size, .. }
            | Self::Other { size, .. } => *size,
        }
    }
    /// Whether it is text.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::LongText { .. })
    }
    /// Whether it is a number (a boolean is one of an enum).
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Int { .. } | Self::Float { .. })
    }
    /// As a message names it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Int { size, signed, .. } => {
                format!("{}int{}", if *signed { "" } else { "u" }, size * 8)
            }
            Self::Float { size, .. } => format!("float{}", size * 8),
            Self::Text { .. } | Self::LongText { .. } => "text".into(),
            Self::Enum(_) => "booleans".into(),
            Self::Compound { .. } => "a compound of several fields".into(),
            Self::Other { name, .. } => (*name).into(),
        }
    }
    /// Parses a type message.
    pub(super) fn parse(source: &Source, data: &[u8]) -> Result<Self> {
        Self::next(&mut source.cursor(data), 0)
    }

    fn next(c: &mut Cursor, depth: u8) -> Result<Self> {
        if depth > DEEPEST {
            return Err(damaged("a type is made of types without end"));
        }
        let head = c.u8()?;
        let (version, class) = (head >> 4, head & 15);
        let bits = c.uint(3)? as u32;
        let size = c.u32()? as usize;
        if size == 0 {
            return Err(damaged("a type has the size 0"));
        }
        let other = |name| Ok(Self::Other { name, size });
        match class {
            0 => {
                let (offset, precision) = (c.u16()?, c.u16()?);
                let whole = offset == 0 && usize::from(precision) == size * 8;
                if !whole || ![1, 2, 4, 8].contains(&size) {
                    return other("integers of unusual width");
                }
                Ok(Self::Int {
                    size,
                    signed: bits & 8 != 0,
                    big: bits & 1 != 0,
                })
            }
            1 => {
                let fields = c.take(12)?;
                let ieee = match size {
                    2 => fields[4..8] == [10, 5, 0, 10],
                    4 => fields[4..8] == [23, 8, 0, 23],
                    8 => fields[4..8] == [52, 11, 0, 52],
                    _ => false,
                };
                if !ieee || bits & 0x40 != 0 {
                    return other("floats of unusual form");
                }
                Ok(Self::Float {
                    size,
                    big: bits & 1 != 0,
                })
            }
            3 => Ok(Self::Text {
                size,
                spaces: bits & 15 == 2,
            }),
            6 => Self::compound(c, version, bits & 0xffff, size, depth),
            8 => {
                let base = Self::next(c, depth + 1)?;
                match base {
                    // names and values follow; only whole numbers are enumerated
                    Self::Int { .. } if base.size() == size => {
                        for _ in 0..bits & 0xffff {
                            let start = c.position();
                            c.until_zero();
                            if version < 3 {
                                c.align(start, 8);
                            }
                        }
                        c.take(size * (bits & 0xffff) as usize)?;
                        Ok(Self::Enum(Box::new(base)))
                    }
                    _ => Err(damaged("an enum is not made of whole numbers")),
                }
            }
            9 => {
                Self::next(c, depth + 1)?;
                if bits & 15 == 1 {
                    Ok(Self::LongText { size })
                } else {
                    other("lists of varying length")
                }
            }
            10 => {
                let rank = usize::from(c.u8()?);
                c.take(if version < 3 { 3 } else { 0 })?;
                c.take(4 * rank * if version < 3 { 2 } else { 1 })?;
                Self::next(c, depth + 1)?;
                other("arrays")
            }
            2 => {
                c.take(2)?;
                other("times")
            }
            4 => {
                c.take(4)?;
                other("bit fields")
            }
            5 => {
                c.take(((bits & 0xff) as usize).next_multiple_of(8))?;
                other("opaque bytes")
            }
            7 => other("references"),
            _ => Err(damaged(format!("the type of class {class} is not known"))),
        }
    }

    fn compound(c: &mut Cursor, version: u8, n: u32, size: usize, depth: u8) -> Result<Self> {
        let mut fields = Vec::new();
        for _ in 0..n {
            let start = c.position();
            let name = String::from_utf8_lossy(c.until_zero()).into_owned();
            if version < 3 {
                c.align(start, 8);
            }
            let width = match version {
                1 | 2 => 4,
                _ => (size.ilog2() / 8 + 1) as usize,
            };
            let at = c.uint(width.min(8))? as usize;
            if version == 1 {
                let rank = c.u8()?;
                c.take(27)?;
                if rank > 0 {
                    return Err(damaged("a field of a compound is an array"));
                }
            }
            let kind = Self::next(c, depth + 1)?;
            if at.checked_add(kind.size()).is_none_or(|end| end > size) {
                return Err(damaged(format!(
                    "the field {name:?} lies outside its compound"
                )));
            }
            fields.push((name, at, kind));
        }
        Ok(Self::Compound { size, fields })
    }
}

/// Parses an extent; empty for a single value, `None` for no value at all.
pub(super) fn extent(source: &Source, data: &[u8]) -> Result<Option<Vec<u64>>> {
    let mut c = source.cursor(data);
    let (version, rank, _flags) = (c.u8()?, c.u8()?, c.u8()?);
    match version {
        1 => {
            c.take(5)?;
        }
        2 => {
            if c.u8()? == 2 {
                return Ok(None);
            }
        }
        _ => return Err(damaged(format!("an extent has the version {version}"))),
    }
    if rank > 32 {
        return Err(damaged(format!("an extent has {rank} dimensions")));
    }
    (0..rank)
        .map(|_| c.length())
        .collect::<Result<_>>()
        .map(Some)
}
