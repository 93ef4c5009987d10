//! What the end of an epoch brings: losses, the judgement of the panels, the best networks.
use super::checkpoint::Best;
use super::evaluate::validation;
use super::plan::Kind;
use super::settings::Epoch;
use super::trainer::{Result, Trainer};
use crate::error::TrainError;
use crate::ops::Ops;

impl<O: Ops> Trainer<'_, O> {
    pub(super) fn epoch_ends(&self) -> bool {
        self.position.step.is_multiple_of(self.plan.epoch_steps)
            || self.position.segment == self.plan.segments.len()
    }

    /// Reads the losses, judges the panels, keeps the best, and prepares the next epoch.
    pub(super) fn end_epoch(&mut self) -> Result<()> {
        let steps = match self.position.step % self.plan.epoch_steps {
            0 => self.plan.epoch_steps,
            n => n,
        };
        let losses = self.ops.read_f(self.losses)?;
        let judged = self.judge()?;
        let at = self.position.segment.min(self.plan.segments.len() - 1);
        // at the end of a segment the position already names the next one
        let at = if self.position.local == 0 && self.position.segment < self.plan.segments.len() {
            at.saturating_sub(1)
        } else {
            at
        };
        let segment = self.plan.segments[at];
        let gap = self.losses.len / self.room.models;
        for (r, judged) in judged.iter().enumerate() {
            let own = &losses[r * gap..][..steps as usize * self.room.tasks];
            let train_loss = own.iter().map(|&l| f64::from(l)).sum::<f64>() / steps as f64;
            if !train_loss.is_finite() {
                return Err(TrainError::Diverged {
                    step: self.position.step,
                    loss: train_loss as f32,
                });
            }
            let run = &mut self.position.runs[r];
            let epoch = run.history.len() as u64 + 1;
            run.history.push(Epoch {
                epoch,
                step: self.position.step,
                phase: segment.kind.phase().to_string(),
                train_loss,
                validation_loss: judged.map(|j| j.0),
                validation_score: judged.map(|j| j.1),
            });
        }
        if segment.kind == Kind::Finish {
            let epoch = self.position.runs[0].history.len() as u64;
            self.keep_best(segment.size, &judged, epoch)?;
        }
        if self.position.segment < self.plan.segments.len() {
            self.load_order()?;
        }
        Ok(())
    }

    /// Validation loss and score of the panels as they stand.
    pub(super) fn judge(&mut self) -> Result<Vec<Option<(f64, f64)>>> {
        let k = self.settings.genes;
        let (stage, scaling) = (&mut self.stage, &self.scaling);
        Ok(validation(
            self.ops, stage, self.data, &self.pass, scaling, k,
        )?)
    }

    /// Keeps the networks as they stand in this epoch (1, 2, ...) where they are the best of their size so far.
    pub(super) fn keep_best(
        &mut self,
        size: usize,
        judged: &[Option<(f64, f64)>],
        epoch: u64,
    ) -> Result<()> {
        for (r, judged) in judged.iter().enumerate() {
            let run = &self.position.runs[r];
            // without validation cells the last network is the one
            let better = |b: &Best| judged.is_none_or(|j| j.0 <= b.loss);
            if !run.best.get(size).is_none_or(better) {
                continue;
            }
            let snapshot = self.snapshot(r)?;
            let best = Best {
                genes: snapshot.genes,
                epoch,
                loss: judged.map_or(0.0, |j| j.0),
                score: judged.map(|j| j.1),
            };
            let run = &mut self.position.runs[r];
            run.best.truncate(size);
            run.best.push(best);
            self.best[r].truncate(size);
            self.best[r].push(snapshot.params);
        }
        Ok(())
    }
}
