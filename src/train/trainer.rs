//! The loop over segments and epochs.
use super::batches::{key, order};
use super::checkpoint::{Position, Run, Snapshot, State};
use super::evaluate::validation;
use super::plan::{Kind, Plan, rate};
use super::rank::round_robin;
use super::refine::{Pass, Products, without_each};
use super::result::model;
use super::settings::{Epoch, Settings};
use super::stages::{self, Scaling, Stage, initial};
use super::start::{first_panel, first_scores, selection};
use crate::data::cells::TrainingData;
use crate::error::TrainError;
use crate::model::net::{Cells, Room, Targets};
use crate::model::panel_model::PanelModel;
use crate::model::step::{panel_step, selection_step};
use crate::model::trunk::{Adam, Batch, Dropout, Slot};
use crate::ops::{FBuf, Ops, UBuf, stride};

pub(super) type Result<T> = std::result::Result<T, TrainError>;

/// Cells that one pass over many takes at once.
const TILE: usize = 4096;

/// Runs of several seeds between two steps; run r has the seed of the first plus r.
pub(super) struct Trainer<'a, O> {
    pub(super) ops: &'a mut O,
    pub(super) data: &'a TrainingData,
    pub(super) settings: &'a Settings,
    pub(super) plan: Plan,
    pub(super) scaling: Scaling,
    pub(super) pass: Pass,
    pub(super) room: Room,
    /// Cells of an epoch in order, of each run.
    pub(super) rows: UBuf,
    /// Factors of the losses and losses, a value a step and task, of each run.
    pub(super) scales: FBuf,
    pub(super) losses: FBuf,
    pub(super) products: Option<Products>,
    pub(super) stage: Stage,
    pub(super) position: Position,
    /// The best parameters so far of each run.
    pub(super) best: Vec<Vec<f32>>,
}

impl<'a, O: Ops> Trainer<'a, O> {
    pub(super) fn new(
        ops: &'a mut O,
        data: &'a TrainingData,
        settings: &'a Settings,
        models: usize,
        fingerprint: String,
        state: Option<State>,
    ) -> Result<Self> {
        let recipe = &settings.recipe;
        let plan = Plan::new(settings, data.n_train);
        let scaling = Scaling::new(data, recipe.scale_power);
        let cells = Cells::new(ops, &data.cells)?;
        let targets = Targets::new(ops, &data.tasks, data.n_train, recipe.class_weight_power)?;
        let tasks = data.tasks.len();
        let sample = |r: usize| {
            let mut sample = order(data.n_train, settings.seed + r as u64, u64::MAX);
            sample.truncate(recipe.statistic_cells);
            sample.sort_unstable();
            sample
        };
        let room = Room {
            models,
            batch: plan.batch,
            max_rows: plan.batch.max(TILE),
            tasks,
        };
        let steps = plan.epoch_steps as usize;
        let width = settings.hidden.first().copied();
        let width = width.unwrap_or(stages::n_out(data));
        let pass = Pass {
            cells,
            targets,
            task_weights: settings.weights_of(&data.tasks),
            samples: (0..models).map(sample).collect(),
            batches: data.batches.clone(),
            tile: ops.alloc_u("cells of a tile", room.max_rows)?,
            scales: ops.alloc_f("factors of the losses", tasks)?,
            spare: ops.alloc_f("ablated sums", room.max_rows * width)?,
        };
        let rows = ops.alloc_u("order of the cells", models * stride(steps * plan.batch))?;
        let scales = ops.alloc_f("factors of the losses", models * stride(steps * tasks))?;
        let losses = ops.alloc_f("losses of the steps", models * stride(steps * tasks))?;
        let ranking = if recipe.ranking {
            round_robin(data)
        } else {
            Vec::new()
        };
        let fresh = || Position {
            fingerprint,
            runs: vec![Run::default(); models],
            ..Position::default()
        };
        let state = match state {
            Some(s) => s,
            None => State {
                position: fresh(),
                ..State::default()
            },
        };
        let (position, mut params) = (state.position, state.params);
        let chosen = position.runs.iter().any(|r| !r.genes.is_empty());
        let segment = plan.segments.get(position.segment);
        let begins = params.is_empty();
        let seeds = (0..models as u64).map(|r| settings.seed + r);
        let stage = if segment.is_some_and(|s| s.kind == Kind::Select) && !chosen {
            if begins {
                params = seeds
                    .flat_map(|seed| first_scores(data, settings, seed, &ranking))
                    .collect();
            }
            stages::select(ops, data, settings, &scaling, room, &params)?
        } else {
            if begins {
                let layout = stages::panel_layout(data, settings);
                params = seeds
                    .clone()
                    .flat_map(|seed| initial(&layout, settings.genes, seed))
                    .collect();
            }
            let mut panel = stages::panel(ops, data, settings, room, &params)?;
            let (genes, kept) = if chosen {
                let genes = position.runs.iter().map(|r| r.genes.clone());
                (genes.collect(), position.kept)
            } else {
                let of = |seed| first_panel(data, settings, seed, &ranking);
                (seeds.map(of).collect(), settings.genes)
            };
            panel.set_genes(ops, &scaling, genes, kept)?;
            Stage::Panel(panel)
        };
        if !state.moments.is_empty() {
            ops.write_f(stage.net().moments, &state.moments)?;
        }
        let best = match state.best.len() / models {
            0 => vec![Vec::new(); models],
            n => state.best.chunks_exact(n).map(<[f32]>::to_vec).collect(),
        };
        let mut trainer = Self {
            ops,
            data,
            settings,
            plan,
            scaling,
            pass,
            room,
            rows,
            scales,
            losses,
            products: None,
            stage,
            position,
            best,
        };
        trainer.load_order()?;
        Ok(trainer)
    }

    /// Puts the order of the epoch that the next step belongs to on the device, and the factors of its
    /// losses.
    fn load_order(&mut self) -> Result<()> {
        let (steps, batch) = (self.plan.epoch_steps as usize, self.plan.batch);
        let epoch = self.position.step / self.plan.epoch_steps;
        let tasks = self.pass.targets.tasks.len();
        let (mut rows, mut scales) = (Vec::new(), Vec::new());
        for r in 0..self.room.models {
            let mut cells = order(self.data.n_train, self.settings.seed + r as u64, epoch);
            cells.truncate(steps * batch);
            for cells in cells.chunks_exact(batch) {
                scales.extend(self.pass.targets.scales(&self.pass.task_weights, cells));
            }
            rows.extend(cells);
            rows.resize((r + 1) * stride(steps * batch), 0);
            scales.resize((r + 1) * stride(steps * tasks), 0.0);
        }
        self.ops.write_u(self.rows, &rows)?;
        Ok(self.ops.write_f(self.scales, &scales)?)
    }

    pub(super) fn one_step(&mut self) -> Result<()> {
        let segment = self.plan.segments[self.position.segment];
        if self.position.local == 0 {
            self.enter(segment.kind)?;
        }
        let in_epoch = (self.position.step % self.plan.epoch_steps) as usize;
        let (steps, tasks) = (self.plan.epoch_steps as usize, self.room.tasks);
        let batch = Batch {
            rows: self.rows,
            offset: in_epoch * self.plan.batch,
            n: self.plan.batch,
            row_stride: stride(steps * self.plan.batch),
            scales: self.scales,
            scale_offset: in_epoch * tasks,
            scale_stride: stride(steps * tasks),
        };
        let slot = Slot {
            losses: self.losses,
            at: in_epoch * tasks,
            stride: stride(steps * tasks),
        };
        let recipe = &self.settings.recipe;
        let finishing = segment.kind == Kind::Finish;
        let factor = rate(segment.kind, self.position.local, segment.steps) as f32;
        self.position.adam += 1;
        let adam = Adam {
            lr: self.settings.lr * factor,
            lr_scores: recipe.lr_scores * factor,
            weight_decay: if finishing {
                recipe.finish_weight_decay
            } else {
                recipe.weight_decay
            },
            t: self.position.adam,
        };
        let (seed, step) = (key(self.settings.seed), self.position.step as u32);
        let hidden = if finishing {
            recipe.finish_dropout
        } else {
            recipe.dropout
        };
        let dropout = Dropout {
            input: recipe.input_dropout,
            hidden,
            seed,
            step,
        };
        let (cells, targets) = (&self.pass.cells, &self.pass.targets);
        match &self.stage {
            Stage::Select(net, sel) => {
                let f = self.position.local as f64 / segment.steps as f64;
                let s = selection(self.settings, sel.n, f, seed, step);
                selection_step(
                    self.ops, net, sel, cells, targets, batch, &s, &dropout, &adam, slot,
                );
            }
            Stage::Panel(p) => {
                panel_step(
                    self.ops, &p.net, &p.input, cells, targets, batch, &dropout, &adam, slot,
                );
            }
        }
        self.position.step += 1;
        self.position.local += 1;
        if self.position.local == segment.steps {
            self.leave(segment.kind)?;
            self.position.segment += 1;
            self.position.local = 0;
        }
        Ok(())
    }

    /// One step of a run that is measured, not kept: at the end of an epoch nothing is judged.
    pub(super) fn measured_step(&mut self) -> Result<()> {
        self.one_step()?;
        if self.epoch_ends() {
            self.load_order()?;
        }
        Ok(())
    }

    /// Steps until the epoch ends.
    pub(super) fn left_in_epoch(&self) -> u64 {
        self.plan.epoch_steps - self.position.step % self.plan.epoch_steps
    }

    /// Loss of the step before, of the first network and task; waits for it.
    pub(super) fn last_loss(&mut self) -> Result<f32> {
        let in_epoch = (self.position.step + self.plan.epoch_steps - 1) % self.plan.epoch_steps;
        let losses = self.ops.read_f(self.losses)?;
        let at = in_epoch as usize * self.room.tasks;
        Ok(losses.get(at).copied().unwrap_or(f32::NAN))
    }

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
        let k = self.settings.genes;
        let judged = validation(
            self.ops,
            &mut self.stage,
            self.data,
            &self.pass,
            &self.scaling,
            k,
        )?;
        let at = self.position.segment.min(self.plan.segments.len() - 1);
        // at the end of a segment the position already names the next one
        let at = if self.position.local == 0 && self.position.segment < self.plan.segments.len() {
            at.saturating_sub(1)
        } else {
            at
        };
        let kind = self.plan.segments[at].kind;
        let gap = self.losses.len / self.room.models;
        for (r, judged) in judged.into_iter().enumerate() {
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
                phase: kind.phase().to_string(),
                train_loss,
                validation_loss: judged.map(|j| j.0),
                validation_score: judged.map(|j| j.1),
            });
            // without validation cells the last network is the one
            let loss = judged.map_or(f64::NEG_INFINITY, |j| j.0);
            if kind == Kind::Finish && (self.best[r].is_empty() || loss <= run.best_loss) {
                run.best_epoch = epoch;
                run.best_loss = if loss.is_finite() { loss } else { 0.0 };
                let snapshot = self.snapshot(r)?;
                self.position.runs[r].best_genes = snapshot.genes;
                self.best[r] = snapshot.params;
            }
        }
        if self.position.segment < self.plan.segments.len() {
            self.load_order()?;
        }
        Ok(())
    }

    pub(super) fn state(&mut self) -> Result<State> {
        if let Stage::Panel(p) = &self.stage {
            self.position.kept = p.kept;
            for (run, genes) in self.position.runs.iter_mut().zip(&p.genes) {
                run.genes.clone_from(genes);
            }
        }
        let (params, moments) = (self.stage.net().params, self.stage.net().moments);
        Ok(State {
            position: self.position.clone(),
            params: self.ops.read_f(params)?,
            moments: self.ops.read_f(moments)?,
            best: self.best.concat(),
        })
    }

    /// The best network of each run with the exact loss of each gene, genes by descending score.
    pub(super) fn finish(&mut self) -> Result<Vec<PanelModel>> {
        let room = Room {
            models: 1,
            ..self.room
        };
        let (data, settings) = (self.data, self.settings);
        let mut models = Vec::with_capacity(self.room.models);
        for r in 0..self.room.models {
            let snapshot = if self.best[r].is_empty() {
                let run = &mut self.position.runs[r];
                run.best_epoch = run.history.len() as u64;
                self.snapshot(r)?
            } else {
                Snapshot {
                    genes: self.position.runs[r].best_genes.clone(),
                    params: self.best[r].clone(),
                }
            };
            let (k, params) = (snapshot.genes.len(), snapshot.params);
            let mut panel = stages::panel(self.ops, data, settings, room, &params)?;
            panel.set_genes(self.ops, &self.scaling, vec![snapshot.genes], k)?;
            let losses = without_each(self.ops, &panel, &self.pass, &self.pass.samples[r])?;
            let scores: Vec<f64> = losses[..k].iter().map(|l| l - losses[k]).collect();
            models.push(model(data, &self.scaling, &panel, &params, &scores));
            panel.release(self.ops);
        }
        Ok(models)
    }
}
