//! Cells as a file holds them, by rows, in memory or in a temporary file: 4 bytes a stored value where
//! X holds counts, 8 otherwise. Values are transformed as they are read.
mod read;

pub(super) use read::{load, load_any, look};

use super::cells::Transform;
use super::prepare::transformed;
use super::read_at::read_at;
use crate::error::DataError;
use std::fs::File;
use std::path::PathBuf;

/// Takes a position in a list of rows, the genes and the values of the row.
pub type Visitor<'a> = &'a mut dyn FnMut(usize, &[u32], &[f32]);

/// Bytes of one read of a temporary file.
const SPAN: u64 = 4 << 20;
/// Counts whose transformed value is kept for the rest of the row.
const MEMO: usize = 256;

/// Where the values of X stay while the program runs.
#[derive(Clone, Debug)]
pub enum Room {
    /// In memory.
    Memory,
    /// In a temporary file.
    File {
        /// The directory of the file, which has no name, so that it is gone with the program.
        dir: PathBuf,
        /// Bytes that values may take while a matrix by genes is turned to one by cells.
        turning: u64,
    },
}

/// What stands out in the values of X.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// All are integers.
    pub integers: bool,
    /// The largest.
    pub max: f32,
    /// Row, gene and value of the first that is negative or not finite.
    pub bad: Option<(usize, u32, f32)>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            integers: true,
            max: 0.0,
            bad: None,
        }
    }
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    File(File),
}

/// Width of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// u16 gene, u16 count.
    Counts,
    /// u32 gene, f32 value.
    Values,
}

impl Form {
    fn bytes(self) -> u64 {
        match self {
            Self::Counts => 4,
            Self::Values => 8,
        }
    }
}

/// Rows of X; genes ascend within a row, none is stored twice and none is 0.
#[derive(Debug)]
pub struct Store {
    n_vars: usize,
    /// Where each row begins, in entries.
    starts: Vec<u64>,
    form: Form,
    place: Place,
    seen: Seen,
}

impl Store {
    /// Cells.
    #[must_use]
    pub fn n_obs(&self) -> usize {
        self.starts.len() - 1
    }
    /// Genes.
    #[must_use]
    pub fn n_vars(&self) -> usize {
        self.n_vars
    }
    /// Stored values.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.starts[self.n_obs()] as usize
    }
    /// Stored values of a cell.
    #[must_use]
    pub fn row_len(&self, row: usize) -> usize {
        (self.starts[row + 1] - self.starts[row]) as usize
    }
    /// What stands out in the values.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen
    }
    /// Whether the values are in a temporary file.
    #[must_use]
    pub fn on_disk(&self) -> bool {
        matches!(self.place, Place::File(_))
    }
    /// Gives `f` the position in `rows`, the genes and the transformed values of each of the `rows`, in
    /// their order (fast where rows that follow each other in `rows` do so in the file).
    ///
    /// # Errors
    /// A temporary file that cannot be read.
    pub fn visit(&self, rows: &[u32], transform: Transform, f: Visitor) -> Result<(), DataError> {
        let width = self.form.bytes();
        let mut decoder = Decoder::new(self.form, transform);
        let mut span = Vec::new();
        let mut at = 0;
        while at < rows.len() {
            // rows that rise and end within one span are read at once
            let from = self.starts[rows[at] as usize] * width;
            let end_of = |i: usize| self.starts[rows[i] as usize + 1] * width;
            let mut last = at;
            while last + 1 < rows.len()
                && rows[last + 1] > rows[last]
                && end_of(last + 1) - from <= SPAN
            {
                last += 1;
            }
            let to = end_of(last);
            let bytes: &[u8] = match &self.place {
                Place::Memory(all) => &all[from as usize..to as usize],
                Place::File(file) => {
                    span.resize((to - from) as usize, 0);
                    read_at(file, &mut span, from).map_err(|e| temporary("read", &e))?;
                    &span
                }
            };
            for (i, &row) in rows.iter().enumerate().take(last + 1).skip(at) {
                let [a, b] = [row, row + 1].map(|r| self.starts[r as usize] * width - from);
                decoder.row(&bytes[a as usize..b as usize]);
                f(i, &decoder.genes, &decoder.values);
            }
            at = last + 1;
        }
        Ok(())
    }
}

fn temporary(done: &str, e: &std::io::Error) -> DataError {
    DataError::new(
        format!("the temporary file of the cells cannot be {done}: {e}"),
        "give more --memory, or an --out on a disk with more space",
    )
}

/// Unpacks and transforms rows.
struct Decoder {
    form: Form,
    transform: Transform,
    genes: Vec<u32>,
    values: Vec<f32>,
    /// Transformed value of small counts, and the row that it is of.
    memo: Vec<(u64, f32)>,
    row: u64,
}

impl Decoder {
    fn new(form: Form, transform: Transform) -> Self {
        Self {
            form,
            transform,
            genes: Vec::new(),
            values: Vec::new(),
            memo: vec![(0, 0.0); MEMO],
            row: 0,
        }
    }

    fn row(&mut self, bytes: &[u8]) {
        self.genes.clear();
        self.values.clear();
        self.row += 1;
        match self.form {
            Form::Counts => {
                for e in bytes.chunks_exact(4) {
                    self.genes.push(u32::from(u16::from_le_bytes([e[0], e[1]])));
                    self.values
                        .push(f32::from(u16::from_le_bytes([e[2], e[3]])));
                }
            }
            Form::Values => {
                for e in bytes.chunks_exact(8) {
                    self.genes
                        .push(u32::from_le_bytes([e[0], e[1], e[2], e[3]]));
                    self.values
                        .push(f32::from_le_bytes([e[4], e[5], e[6], e[7]]));
                }
            }
        }
        let total = match self.transform {
            Transform::Log => self.values.iter().map(|v| f64::from(*v)).sum(),
            _ => 0.0,
        };
        let transform = self.transform;
        let apply = |v: f32| transformed(transform, v, total);
        for v in &mut self.values {
            *v = match self.memo.get_mut(*v as usize) {
                Some(known) if self.form == Form::Counts => {
                    if known.0 != self.row {
                        *known = (self.row, apply(*v));
                    }
                    known.1
                }
                _ => apply(*v),
            };
        }
    }
}
