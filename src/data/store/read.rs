//! From a CSR group to a [`Store`], block by block.
use super::{Form, Place, Room, Seen, Store, temporary};
use crate::data::dataset::Csr;
use crate::data::h5::no_memory;
use crate::data::read_at::read_at;
use crate::data::stored::Parts;
use crate::data::tidy::tell;
use crate::error::DataError;
use rayon::prelude::*;
use std::io::Write;

/// Stored values that one thread takes at once.
const PIECE: usize = 1 << 15;
/// Largest count of the short form, and most genes.
const MOST: f32 = 65_535.0;

/// Reads the rows of a CSR group.
///
/// # Errors
/// A file that is damaged, a temporary file that cannot be written.
pub(in crate::data) fn load(
    parts: &Parts,
    room: &Room,
    notices: &mut Vec<String>,
) -> Result<Store, DataError> {
    let mut builder = Builder::new(parts, room)?;
    let changed = parts.blocks(&mut |first, block| builder.push(first, &block))?;
    tell(changed, notices);
    Ok(builder.store)
}

struct Builder {
    store: Store,
    bytes: Vec<u8>,
}

impl Builder {
    fn new(parts: &Parts, room: &Room) -> Result<Self, DataError> {
        let nnz = parts.pointers.last().copied().unwrap_or(0) as u64;
        // the short form, until a value does not fit
        let form = if parts.n_vars as f32 <= MOST + 1.0 {
            Form::Counts
        } else {
            Form::Values
        };
        let place = match room {
            Room::Memory => {
                let mut all = Vec::new();
                all.try_reserve_exact((nnz * form.bytes()) as usize)
                    .map_err(|_| no_memory(nnz as usize))?;
                Place::Memory(all)
            }
            Room::File(dir) => {
                Place::File(tempfile::tempfile_in(dir).map_err(|e| temporary("made", &e))?)
            }
        };
        let mut starts = Vec::with_capacity(parts.pointers.len());
        starts.push(0);
        Ok(Self {
            store: Store {
                n_vars: parts.n_vars,
                starts,
                form,
                place,
                seen: Seen::default(),
            },
            bytes: Vec::new(),
        })
    }

    /// Adds the rows of a block, of which the first is row `first` of the file.
    fn push(&mut self, first: usize, block: &Csr) -> Result<(), DataError> {
        let seen = look(block, first);
        let store = &mut self.store;
        store.seen.integers &= seen.integers;
        store.seen.max = store.seen.max.max(seen.max);
        store.seen.bad = store.seen.bad.or(seen.bad);
        if store.form == Form::Counts && (!seen.integers || seen.max > MOST || seen.bad.is_some()) {
            widen(store)?;
        }
        let bytes = &mut self.bytes;
        let width = store.form.bytes() as usize;
        bytes.resize(block.nnz() * width, 0);
        let form = store.form;
        bytes
            .par_chunks_mut(PIECE * width)
            .zip(block.indices.par_chunks(PIECE))
            .zip(block.values.par_chunks(PIECE))
            .for_each(|((bytes, genes), values)| entries(form, genes, values, bytes));
        match &mut store.place {
            Place::Memory(all) => all.extend_from_slice(bytes),
            Place::File(file) => file
                .write_all(bytes)
                .map_err(|e| temporary("written", &e))?,
        }
        let begin = store.starts[store.starts.len() - 1];
        store
            .starts
            .extend(block.indptr[1..].iter().map(|p| begin + *p as u64));
        Ok(())
    }
}

/// Turns what is stored of counts into the long form; hardly ever more than nothing.
fn widen(store: &mut Store) -> Result<(), DataError> {
    store.form = Form::Values;
    let wide = |bytes: &[u8]| -> Vec<u8> {
        let entry = |e: &[u8]| {
            let gene = u32::from(u16::from_le_bytes([e[0], e[1]])).to_le_bytes();
            let value = f32::from(u16::from_le_bytes([e[2], e[3]])).to_le_bytes();
            [gene, value].concat()
        };
        bytes.chunks_exact(4).flat_map(entry).collect()
    };
    match &mut store.place {
        Place::Memory(all) => {
            let room = 2 * all.capacity();
            let mut new = wide(all);
            new.try_reserve_exact(room.saturating_sub(new.len()))
                .map_err(|_| no_memory(room / 8))?;
            *all = new;
        }
        Place::File(file) => {
            // from the end, so that no entry is overwritten before it is read
            let n = store.starts[store.starts.len() - 1];
            let piece = 1u64 << 18;
            let mut end = n;
            let cannot = |e: std::io::Error| temporary("written", &e);
            while end > 0 {
                let begin = end.saturating_sub(piece);
                let mut bytes = vec![0; ((end - begin) * 4) as usize];
                read_at(file, &mut bytes, begin * 4).map_err(cannot)?;
                std::io::Seek::seek(file, std::io::SeekFrom::Start(begin * 8)).map_err(cannot)?;
                file.write_all(&wide(&bytes)).map_err(cannot)?;
                end = begin;
            }
            std::io::Seek::seek(file, std::io::SeekFrom::Start(n * 8)).map_err(cannot)?;
        }
    }
    Ok(())
}

/// Writes entries.
fn entries(form: Form, genes: &[u32], values: &[f32], bytes: &mut [u8]) {
    let pairs = genes.iter().zip(values);
    match form {
        Form::Counts => {
            for (e, (gene, value)) in bytes.chunks_exact_mut(4).zip(pairs) {
                e.copy_from_slice(&(gene | (*value as u32) << 16).to_le_bytes());
            }
        }
        Form::Values => {
            for (e, (gene, value)) in bytes.chunks_exact_mut(8).zip(pairs) {
                let both = u64::from(*gene) | u64::from(value.to_bits()) << 32;
                e.copy_from_slice(&both.to_le_bytes());
            }
        }
    }
}

/// What stands out in a block, of which the first row is row `first` of the file.
pub(in crate::data) fn look(block: &Csr, first: usize) -> Seen {
    let piece = |values: &[f32]| {
        let (mut integers, mut good, mut max) = (true, true, 0.0f32);
        for &v in values {
            // every f32 of 2^24 or more is an integer
            integers &= v >= 16_777_216.0 || v as i32 as f32 == v;
            good &= (0.0..f32::INFINITY).contains(&v);
            max = max.max(v);
        }
        (integers, good, max)
    };
    let (integers, good, max) = block.values.par_chunks(PIECE).map(piece).reduce(
        || (true, true, 0.0),
        |a, b| (a.0 & b.0, a.1 & b.1, a.2.max(b.2)),
    );
    let place = |at: usize| {
        let row = block.indptr.partition_point(|&p| p <= at) - 1;
        (first + row, block.indices[at], block.values[at])
    };
    let is_bad = |v: &f32| !v.is_finite() || *v < 0.0;
    let bad = if good {
        None
    } else {
        block.values.iter().position(is_bad).map(place)
    };
    Seen { integers, max, bad }
}
