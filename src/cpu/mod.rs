//! Ops on the CPU: the twins, shared out among threads (f64 in tests, f32 for `--device cpu`).
//!
//! Threads only ever share out independent rows, genes or blocks, so the result does not depend on
//! how many there are. `pulp` picks the widest vector instructions that the processor has.
mod dense;
mod first;
mod launch;
mod step;

use crate::error::DeviceError;
use crate::ops::{DeviceInfo, FBuf, Result, UBuf};
use crate::reference::Real;
use pulp::{Arch, NullaryFnOnce};

/// A CPU device with buffers of `T`.
#[derive(Debug)]
pub struct Cpu<T> {
    floats: Vec<Vec<T>>,
    words: Vec<Vec<u32>>,
    arch: Arch,
    /// Scratch of operations, kept so that a step allocates nothing.
    order: Vec<u32>,
    scratch: Vec<T>,
}

impl<T: Real> Default for Cpu<T> {
    fn default() -> Self {
        Self {
            floats: Vec::new(),
            words: Vec::new(),
            arch: Arch::new(),
            order: Vec::new(),
            scratch: Vec::new(),
        }
    }
}

/// A closure whose body becomes part of the function that has the wide instructions. `pulp` takes closures as
/// they are, but calls them through `FnOnce::call_once`, which the compiler does not inline: the body
/// would be compiled for the oldest processor.
struct Body<F>(F);

impl<R, F: FnMut() -> R> NullaryFnOnce for Body<F> {
    type Output = R;
    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}

/// Runs a closure with the widest vector instructions that the processor has; it must be `#[inline(always)]`.
#[inline(always)]
fn wide<R>(arch: Arch, body: impl FnMut() -> R) -> R {
    arch.dispatch(Body(body))
}

/// Work (multiply-adds) under which one thread is quicker than many.
const SERIAL_WORK: usize = 60_000;

/// Runs `f(i, chunk)` over chunks of `out`, in parallel where `work` is worth it.
fn rows<T: Send>(out: &mut [T], chunk: usize, work: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    use rayon::prelude::*;
    if chunk == 0 {
        return;
    }
    if work < SERIAL_WORK {
        out.chunks_mut(chunk).enumerate().for_each(|(i, c)| f(i, c));
    } else {
        out.par_chunks_mut(chunk)
            .enumerate()
            .for_each(|(i, c)| f(i, c));
    }
}

/// Entries of some gene blocks of a cell of the page, or `None` where the cell lies in another page.
fn cell_entries<'a>(
    entries: &'a [u32],
    blocks: &[u32],
    cell: u32,
    p: (u32, u32, u32),
    (from, to): (usize, usize),
) -> Option<&'a [u32]> {
    let (first_cell, n_cells, n_blocks) = p;
    let local = cell.wrapping_sub(first_cell);
    if local >= n_cells {
        return None;
    }
    let at = local as usize * (n_blocks as usize + 1);
    Some(&entries[blocks[at + from] as usize..blocks[at + to] as usize])
}

/// Words of a line of memory.
const LINE: usize = 16;
/// Cells whose entries are fetched side by side.
const FETCHED: usize = 16;

/// Reads a word of each line of memory that the cells' entries of some spans of gene blocks lie in. Cells come
/// in random order, mostly from memory that no cache holds; these reads do not wait for one another, as
/// those of the products would.
#[inline(always)]
fn fetch(
    entries: &[u32],
    blocks: &[u32],
    cells: &[u32],
    p: (u32, u32, u32),
    spans: impl Iterator<Item = (usize, usize)> + Clone,
) {
    let mut sum = 0u32;
    for &cell in cells {
        let local = cell.wrapping_sub(p.0);
        if local < p.1 {
            let at = local as usize * (p.2 as usize + 1);
            for (from, to) in spans.clone() {
                let own = &blocks[at + from..=at + to];
                sum = own.iter().step_by(LINE).fold(sum, |s, &x| s ^ x);
            }
        }
    }
    for &cell in cells {
        for span in spans.clone() {
            let own = cell_entries(entries, blocks, cell, p, span).unwrap_or(&[]);
            sum = own.iter().step_by(LINE).fold(sum, |s, &x| s ^ x);
        }
    }
    std::hint::black_box(sum);
}

fn allocate<U: Clone + Default>(name: &str, len: usize, held: u64) -> Result<Vec<U>> {
    let mut v = Vec::new();
    v.try_reserve_exact(len)
        .map_err(|_| DeviceError::OutOfMemory {
            what: name.into(),
            bytes: (len * size_of::<U>()) as u64,
            total: held,
        })?;
    v.resize(len, U::default());
    Ok(v)
}

impl<T: Real> Cpu<T> {
    /// Bytes of all buffers.
    #[must_use]
    pub fn bytes_held(&self) -> u64 {
        self.held()
    }
    fn held(&self) -> u64 {
        let f: usize = self.floats.iter().map(|v| v.len() * size_of::<T>()).sum();
        let u: usize = self.words.iter().map(|v| v.len() * 4).sum();
        (f + u) as u64
    }
    fn f(&self, b: FBuf) -> &[T] {
        &self.floats[b.id as usize][b.offset..b.offset + b.len]
    }
    fn u(&self, b: UBuf) -> &[u32] {
        &self.words[b.id as usize][b.offset..b.offset + b.len]
    }
    /// Takes the vector of an output out of the device while an operation writes it, so that the
    /// inputs stay readable; an operation that read its own output would find it empty.
    fn with<R>(&mut self, b: FBuf, run: impl FnOnce(&Self, &mut [T]) -> R) -> R {
        let mut v = std::mem::take(&mut self.floats[b.id as usize]);
        let result = run(self, &mut v[b.offset..b.offset + b.len]);
        self.floats[b.id as usize] = v;
        result
    }
    fn with_words<R>(&mut self, b: UBuf, run: impl FnOnce(&Self, &mut [u32]) -> R) -> R {
        let mut v = std::mem::take(&mut self.words[b.id as usize]);
        let result = run(self, &mut v[b.offset..b.offset + b.len]);
        self.words[b.id as usize] = v;
        result
    }
    /// Reads a range in full precision, for tests in f64.
    #[must_use]
    pub fn values(&self, b: FBuf) -> Vec<T> {
        self.f(b).to_vec()
    }
    /// Reads a range of integers.
    #[must_use]
    pub fn integers(&self, b: UBuf) -> &[u32] {
        self.u(b)
    }
    /// Holds a vector of floats.
    pub(crate) fn hold(&mut self, data: Vec<T>) -> FBuf {
        let len = data.len();
        self.floats.push(data);
        FBuf {
            id: self.floats.len() as u32 - 1,
            offset: 0,
            len,
        }
    }
    /// Holds a vector of integers.
    pub(crate) fn hold_words(&mut self, data: Vec<u32>) -> UBuf {
        let len = data.len();
        self.words.push(data);
        UBuf {
            id: self.words.len() as u32 - 1,
            offset: 0,
            len,
        }
    }
    /// Overwrites a range in full precision, for tests in f64.
    pub fn set(&mut self, b: FBuf, values: &[T]) {
        self.with(b, |_, out| out[..values.len()].copy_from_slice(values));
    }
    fn info_of() -> DeviceInfo {
        DeviceInfo {
            name: "CPU".into(),
            backend: "native".into(),
            kind: "cpu".into(),
        }
    }
}
