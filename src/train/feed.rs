//! Windows of the training cells on the device: one is trained on while the next one is read.
use super::batches::order;
use super::trainer::Trainer;
use crate::data::cells::Task;
use crate::data::packed::Packed;
use crate::data::stream::Stream;
use crate::error::{DataError, TrainError};
use crate::model::net::{Cells, Targets};
use crate::ops::{Ops, stride};
use std::thread::JoinHandle;

type Read = Result<(Packed, Vec<Task>), DataError>;

/// The window that is trained on, and the one that is read meanwhile.
pub(super) struct Feed {
    stream: Stream,
    class_weights: Vec<Vec<f32>>,
    now: Option<(Cells, Targets)>,
    /// Epoch and window that is read.
    next: Option<((u64, usize), JoinHandle<Read>)>,
}

impl Feed {
    /// Nothing read yet.
    pub(super) fn new(stream: Stream, class_weights: Vec<Vec<f32>>) -> Self {
        Self {
            stream,
            class_weights,
            now: None,
            next: None,
        }
    }

    /// Cells and labels of the window on the device.
    pub(super) fn now(&self) -> Option<&(Cells, Targets)> {
        self.now.as_ref()
    }

    /// Frees the window on the device.
    pub(super) fn release<O: Ops>(self, ops: &mut O) {
        if let Some((cells, targets)) = self.now {
            cells.release(ops);
            ops.release_u(targets.words);
        }
    }

    /// Puts a window (epoch and number) of `cells` cells on the device, begins to read `next`, and gives the
    /// cells that the window has.
    pub(super) fn turn<O: Ops>(
        &mut self,
        ops: &mut O,
        window: (u64, usize),
        next: (u64, usize),
        cells: usize,
    ) -> Result<usize, TrainError> {
        let read = match self.next.take() {
            Some((which, reading)) if which == window => reading.join().unwrap_or_else(|_| {
                Err(DataError::new(
                    "the thread that reads the cells ended early",
                    "this is a fault of yoto-gpu: please report it",
                ))
            }),
            _ => self.stream.window(window.0, window.1, cells),
        };
        let (packed, tasks) = read?;
        if let Some((cells, targets)) = self.now.take() {
            cells.release(ops);
            ops.release_u(targets.words);
        }
        let n = packed.n_cells;
        let targets = Targets::weighted(ops, &tasks, &self.class_weights)?;
        self.now = Some((Cells::adopt(ops, packed)?, targets));
        let stream = self.stream.clone();
        let reading = std::thread::spawn(move || stream.window(next.0, next.1, cells));
        self.next = Some((next, reading));
        Ok(n)
    }
}

impl<O: Ops> Trainer<'_, O> {
    /// Puts the order of the epoch (or of the window) that the next step belongs to on the device, and the
    /// factors of its losses.
    pub(super) fn load_order(&mut self) -> Result<(), TrainError> {
        let (steps, batch) = (self.order_steps, self.plan.batch);
        let (epoch_steps, tasks) = (self.plan.epoch_steps as usize, self.room.tasks);
        let epoch = self.position.step / self.plan.epoch_steps;
        let window = (self.position.step % self.plan.epoch_steps) as usize / steps;
        let here = steps.min(epoch_steps - window * steps);
        let (mut n, mut what) = (self.data.n_train, epoch);
        if let Some(feed) = &mut self.feed {
            let after = (window + 1) * steps < epoch_steps;
            let next = if after {
                (epoch, window + 1)
            } else {
                (epoch + 1, 0)
            };
            n = feed.turn(self.ops, (epoch, window), next, steps * batch)?;
            what = epoch * epoch_steps.div_ceil(steps) as u64 + window as u64;
        }
        let targets = self.feed.as_ref().and_then(Feed::now).map(|now| &now.1);
        let targets = targets.unwrap_or(&self.pass.targets);
        let (mut rows, mut scales) = (Vec::new(), Vec::new());
        for r in 0..self.room.models {
            let mut cells = order(n, self.settings.seed + r as u64, what);
            cells.truncate(here * batch);
            for cells in cells.chunks_exact(batch) {
                scales.extend(targets.scales(&self.pass.task_weights, cells));
            }
            rows.extend(cells);
            rows.resize((r + 1) * stride(steps * batch), 0);
            scales.resize((r + 1) * stride(steps * tasks), 0.0);
        }
        self.ops.write_u(self.rows, &rows)?;
        Ok(self.ops.write_f(self.scales, &scales)?)
    }
}
