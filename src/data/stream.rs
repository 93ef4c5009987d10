//! Training cells that do not fit into memory: an epoch takes them in windows, each of many small blocks from
//! anywhere in the file.
//!
//! The blocks of [`BLOCK`] cells are shuffled anew each epoch, a window holds the cells of the next blocks,
//! and the batches are drawn from the shuffled cells of a window. What order the file has (by class, by
//! donor) is so broken up to the share of a block in a window.
use super::cells::{Task, Transform};
use super::matrix::Matrix;
use super::packed::Packed;
use super::random::SplitMix;
use crate::error::DataError;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Cells of a block, which are read at once.
pub const BLOCK: usize = 32;

/// How much of the cells is in memory where not all are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// Bytes of the cells of a window; two of them are in memory.
    pub window: u64,
    /// Bytes of the cells that stay: those that statistics are taken over, and the validation cells.
    pub core: u64,
}

/// Which cells stay in memory, and how many come in a window.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) train: Vec<u32>,
    pub(super) validation: Vec<u32>,
    pub(super) window_cells: usize,
}

impl Windows {
    /// Chooses at random from the rows of the sides; cells have `row_len` stored values on average.
    pub(super) fn plan(
        self,
        row_len: usize,
        n_genes: usize,
        (train, validation): (&[u32], &[u32]),
        seed: u64,
    ) -> Plan {
        let bytes = 4 * (row_len + n_genes.div_ceil(crate::ops::BLOCK) + 2) as u64;
        let cells = |room: u64| usize::try_from(room / bytes).unwrap_or(usize::MAX).max(1);
        let stay = cells(self.core);
        // a third of them validates where there are more
        let of_validation = validation.len().min(stay / 3);
        let sample = |rows: &[u32], n: usize, stream: u64| -> Vec<u32> {
            let mut rows = rows.to_vec();
            SplitMix::new(seed ^ stream).shuffle(&mut rows);
            rows.truncate(n);
            rows.sort_unstable();
            rows
        };
        Plan {
            validation: sample(validation, of_validation, 0x7661_6c69),
            train: sample(train, (stay - of_validation).max(1), 0x636f_7265),
            window_cells: cells(self.window),
        }
    }
}

/// The training cells.
#[derive(Clone, Debug)]
pub struct Stream(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    x: Arc<Matrix>,
    transform: Transform,
    rows: Vec<u32>,
    tasks: Vec<Task>,
    column_of: Vec<u32>,
    clip: Vec<f32>,
    page_words: usize,
    seed: u64,
    window_cells: usize,
}

impl Stream {
    /// `rows`: the training cells in the file; `tasks`: their labels; `column_of`, `clip`, `page_words` as in
    /// [`Packed::new`]; a window holds `window_cells`.
    pub(super) fn new(
        (x, transform): (Arc<Matrix>, Transform),
        (rows, tasks): (Vec<u32>, Vec<Task>),
        (column_of, clip): (Vec<u32>, Vec<f32>),
        page_words: usize,
        seed: u64,
        window_cells: usize,
    ) -> Self {
        Self(Arc::new(Inner {
            x,
            transform,
            rows,
            tasks,
            column_of,
            clip,
            page_words,
            seed,
            window_cells: window_cells.max(1),
        }))
    }

    /// Training cells.
    #[must_use]
    pub fn n_train(&self) -> usize {
        self.0.rows.len()
    }
    /// Tasks with the labels of all training cells.
    #[must_use]
    pub fn tasks(&self) -> &[Task] {
        &self.0.tasks
    }
    /// Steps that take their cells from one window.
    #[must_use]
    pub fn window_steps(&self, batch: usize) -> usize {
        let cells = self.0.window_cells.min(self.n_train());
        (cells / batch).max(1)
    }

    /// Window `i` of an epoch, of `cells` cells (the last one of fewer), and their labels.
    ///
    /// # Errors
    /// Cells that cannot be read.
    pub fn window(
        &self,
        epoch: u64,
        i: usize,
        cells: usize,
    ) -> Result<(Packed, Vec<Task>), DataError> {
        let inner = &*self.0;
        let positions = self.positions(epoch, i, cells);
        let rows: Vec<u32> = positions.iter().map(|p| inner.rows[*p as usize]).collect();
        let mut packed = Packed::empty(inner.clip.len());
        inner
            .x
            .visit(&rows, inner.transform, &mut |_, genes, values| {
                packed.push(genes, values, &inner.column_of, inner.page_words, |g, v| {
                    v.min(inner.clip[g])
                });
            })?;
        let tasks = inner.tasks.iter().map(|t| t.subset(&positions)).collect();
        Ok((packed, tasks))
    }

    /// Places among the training cells of those of a window.
    fn positions(&self, epoch: u64, i: usize, cells: usize) -> Vec<u32> {
        let n = self.n_train();
        let mut blocks: Vec<usize> = (0..n.div_ceil(BLOCK)).collect();
        let stream = SplitMix::new(self.0.seed ^ 0x626c_6f63).next() ^ epoch;
        SplitMix::new(stream).shuffle(&mut blocks);
        blocks
            .into_iter()
            .flat_map(|b| b * BLOCK..n.min((b + 1) * BLOCK))
            .skip(i * cells)
            .take(cells)
            .map(|p| p as u32)
            .collect()
    }
}
