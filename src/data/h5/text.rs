//! Text of fixed length and text in global heaps; it must be UTF-8.
use super::attributes::Attribute;
use super::dataset::Dataset;
use super::kinds::Kind;
use super::source::Source;
use super::{Result, damaged, no_memory, within};
use crate::error::DataError;
use std::collections::HashMap;
use std::ops::Range;

/// Elements of one read.
const STRINGS: usize = 1 << 16;
/// Bytes of heaps that are kept at one time.
const KEPT: usize = 64 << 20;

/// Objects of global heaps, each heap read once as long as it is kept.
pub(super) struct Heaps<'a> {
    source: &'a Source,
    kept: HashMap<u64, Collection>,
    bytes: usize,
    /// Bytes that were given out: each text is stored once, so never more than the file.
    given: u64,
}

struct Collection {
    bytes: Vec<u8>,
    objects: HashMap<u16, Range<usize>>,
}

impl Collection {
    fn read(source: &Source, at: u64) -> Result<Self> {
        let prefix = 8 + u64::from(source.sizes.length);
        let head = source.block(at, prefix, "GCOL")?;
        let mut c = source.cursor(&head);
        c.take(8)?;
        let size = c.length()?;
        let bytes = source.read(at, size)?;
        let mut c = source.cursor(&bytes);
        c.take(prefix as usize)?;
        let mut objects = HashMap::new();
        while c.left() as u64 >= prefix {
            let index = c.u16()?;
            c.take(6)?;
            let n = c.length()?;
            if index == 0 {
                break;
            }
            let n = usize::try_from(n).unwrap_or(usize::MAX);
            let from = c.position();
            c.take(n)?;
            objects.insert(index, from..from + n);
            c.align(0, 8);
        }
        Ok(Self { bytes, objects })
    }
}

impl<'a> Heaps<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        Self {
            source,
            kept: HashMap::new(),
            bytes: 0,
            given: 0,
        }
    }

    /// The bytes that a reference stands for.
    fn get(&mut self, reference: &[u8]) -> Result<Vec<u8>> {
        let mut c = self.source.cursor(reference);
        let n = c.u32()? as usize;
        let (at, index) = (c.address()?, c.u32()?);
        if n == 0 {
            return Ok(Vec::new());
        }
        if !self.kept.contains_key(&at) {
            let heap = Collection::read(self.source, at)?;
            if self.bytes > KEPT {
                self.kept.clear();
                self.bytes = 0;
            }
            self.bytes += heap.bytes.len();
            self.kept.insert(at, heap);
        }
        let heap = self.kept.get(&at);
        let object = heap.and_then(|h| {
            let range = h.objects.get(&u16::try_from(index).ok()?)?;
            h.bytes[range.clone()].get(..n)
        });
        let object = object
            .ok_or_else(|| damaged(format!("the heap at {at} has no text {index} of {n} bytes")))?;
        self.given += n as u64;
        if self.given > self.source.len {
            return Err(damaged("its texts are longer than the file"));
        }
        Ok(object.to_vec())
    }
}

/// The texts of elements; `first` is the number of the first one, for messages.
pub(super) fn decode(
    heaps: &mut Heaps,
    kind: &Kind,
    bytes: &[u8],
    first: usize,
    out: &mut Vec<String>,
) -> Result<()> {
    for (i, element) in bytes.chunks_exact(kind.size()).enumerate() {
        let text = match kind {
            Kind::Text { spaces, .. } => {
                let n = element
                    .iter()
                    .position(|b| *b == 0)
                    .unwrap_or(element.len());
                let end = |b: &u8| !(*spaces && *b == b' ');
                let n = element[..n].iter().rposition(end).map_or(0, |i| i + 1);
                element[..n].to_vec()
            }
            Kind::LongText { .. } => heaps.get(element)?,
            other => {
                return Err(damaged(format!(
                    "it holds {}, expected text",
                    other.shown()
                )));
            }
        };
        let text = String::from_utf8(text).map_err(|e| {
            DataError::new(
                format!(
                    "row {} holds bytes that are no UTF-8: {:?}",
                    first + i,
                    String::from_utf8_lossy(e.as_bytes())
                ),
                "decode such names in Python and save again, for instance name.decode(\"latin-1\")",
            )
        })?;
        out.push(text);
    }
    Ok(())
}

impl Dataset {
    /// All of it as text.
    pub(crate) fn texts(&self) -> Result<Vec<String>> {
        let (n, rows) = (self.len(), self.shape.first().copied().unwrap_or(1));
        let mut all = Vec::new();
        all.try_reserve_exact(n).map_err(|_| no_memory(n))?;
        let mut heaps = Heaps::new(self.source());
        for begin in (0..rows).step_by(STRINGS) {
            let bytes = self.bytes(begin..rows.min(begin + STRINGS))?;
            let first = all.len();
            decode(&mut heaps, &self.kind, &bytes, first, &mut all)
                .map_err(|e| within(&self.name, e))?;
        }
        Ok(all)
    }
}

impl Attribute {
    /// As texts, `None` where it is none.
    pub(super) fn texts(&self, source: &Source) -> Option<Vec<String>> {
        let mut all = Vec::new();
        let n = self
            .shape
            .as_ref()?
            .iter()
            .try_fold(1u64, |p, n| p.checked_mul(*n))?;
        let bytes = self
            .data
            .get(..usize::try_from(n).ok()?.checked_mul(self.kind.size())?)?;
        decode(&mut Heaps::new(source), &self.kind, bytes, 0, &mut all).ok()?;
        Some(all)
    }
    /// As whole numbers, `None` where it is none.
    pub(super) fn whole(&self) -> Option<Vec<i64>> {
        let mut all = vec![0; self.data.len() / self.kind.size()];
        super::numbers::decode(&self.kind, &self.data, &mut all)?;
        Some(all)
    }
}
