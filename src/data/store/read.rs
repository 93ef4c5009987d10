//! From a matrix in a file to a [`Store`], block by block.
use super::{Form, Place, Room, Seen, Store, temporary};
use crate::data::dataset::Csr;
use crate::data::h5::no_memory;
use crate::data::input::{Input, Which};
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
    let n_obs = parts.pointers.len() - 1;
    let nnz = parts.pointers.last().copied().unwrap_or(0);
    let mut builder = Builder::new((n_obs, parts.n_vars, nnz), room)?;
    let changed = parts.blocks(&mut |first, block| builder.push(first, &block))?;
    tell(changed, notices);
    Ok(builder.store)
}

/// Reads a matrix of any layout that is not by cells and sparse, without holding it: dense ones piece by
/// piece; those by genes as often as the cells' values fit into `turning` bytes, and once more to count.
///
/// # Errors
/// As [`load`].
pub(in crate::data) fn load_any(
    input: &dyn Input,
    which: &Which,
    (n_obs, n_vars): (usize, usize),
    room: &Room,
    notices: &mut Vec<String>,
) -> Result<Store, DataError> {
    let mut builder = Builder::new((n_obs, n_vars, 0), room)?;
    let mut counts = vec![0usize; n_obs];
    let mut by_genes = false;
    input.pieces(which, notices, &mut |piece| {
        if piece.by_cells {
            return builder.push(piece.first, &piece.rows);
        }
        by_genes = true;
        piece
            .rows
            .indices
            .iter()
            .for_each(|&c| counts[c as usize] += 1);
        Ok(())
    })?;
    if !by_genes {
        return Ok(builder.store);
    }
    let at_once = match room {
        Room::Memory => usize::MAX,
        // a gene and a value of each, and the bytes that they become
        Room::File { turning, .. } => usize::try_from(turning / 16).unwrap_or(usize::MAX),
    };
    let mut first = 0;
    while first < n_obs {
        let (mut last, mut n) = (first + 1, counts[first]);
        while last < n_obs && n + counts[last] <= at_once {
            n += counts[last];
            last += 1;
        }
        let cells = turned(input, which, first, &counts[first..last], n_vars)?;
        builder.push(first, &cells)?;
        first = last;
    }
    Ok(builder.store)
}

/// Cells from `first` on of a matrix by genes; `counts` are the values of each.
fn turned(
    input: &dyn Input,
    which: &Which,
    first: usize,
    counts: &[usize],
    n_vars: usize,
) -> Result<Csr, DataError> {
    let mut indptr = vec![0];
    indptr.extend(counts.iter().scan(0, |sum, n| {
        *sum += n;
        Some(*sum)
    }));
    let nnz = indptr[counts.len()];
    let mut next = indptr.clone();
    let (mut indices, mut values) = (Vec::new(), Vec::new());
    indices.try_reserve_exact(nnz).map_err(|_| no_memory(nnz))?;
    values.try_reserve_exact(nnz).map_err(|_| no_memory(nnz))?;
    indices.resize(nnz, 0u32);
    values.resize(nnz, 0.0f32);
    // what there is to tell was told when the values were counted
    input.pieces(which, &mut Vec::new(), &mut |piece| {
        let rows = &piece.rows;
        for (gene, range) in rows.indptr.windows(2).enumerate() {
            let own = rows.indices[range[0]..range[1]].iter();
            for (&cell, &value) in own.zip(&rows.values[range[0]..range[1]]) {
                let Some(cell) = (cell as usize).checked_sub(first) else {
                    continue;
                };
                if cell < counts.len() {
                    // a file that changes while it is read must not lead outside
                    let at = next[cell].min(nnz.saturating_sub(1));
                    indices[at] = (piece.first + gene) as u32;
                    values[at] = value;
                    next[cell] += 1;
                }
            }
        }
        Ok(())
    })?;
    Ok(Csr {
        n_obs: counts.len(),
        n_vars,
        indptr,
        indices,
        values,
    })
}

struct Builder {
    store: Store,
    bytes: Vec<u8>,
}

impl Builder {
    /// `nnz` may be too small.
    fn new((n_obs, n_vars, nnz): (usize, usize, usize), room: &Room) -> Result<Self, DataError> {
        // the short form, until a value does not fit
        let form = if n_vars as f32 <= MOST + 1.0 {
            Form::Counts
        } else {
            Form::Values
        };
        let place = match room {
            Room::Memory => {
                let mut all = Vec::new();
                all.try_reserve_exact(nnz * form.bytes() as usize)
                    .map_err(|_| no_memory(nnz))?;
                Place::Memory(all)
            }
            Room::File { dir, .. } => {
                Place::File(tempfile::tempfile_in(dir).map_err(|e| temporary("made", &e))?)
            }
        };
        let mut starts = Vec::with_capacity(n_obs + 1);
        starts.push(0);
        Ok(Self {
            store: Store {
                n_vars,
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
