//! The loop over segments and epochs.
use super::batches::{key, order};
use super::checkpoint::{Position, Snapshot, State};
use super::evaluate::validation;
use super::plan::{Kind, Plan, rate};
use super::rank::round_robin;
use super::refine::{Pass, Products, additions, missing, new_rows, without_each};
use super::result::model;
use super::settings::{Epoch, Settings};
use super::stages::{self, Scaling, Stage, initial, row};
use super::start::{first_panel, first_scores, selection};
use crate::data::cells::TrainingData;
use crate::error::TrainError;
use crate::model::net::{Cells, DeviceTask};
use crate::model::panel_model::PanelModel;
use crate::model::step::{panel_gradient, selection_gradient};
use crate::model::trunk::{Adam, Batch, Dropout, update};
use crate::ops::{FBuf, Ops, UBuf};

type Result<T> = std::result::Result<T, TrainError>;

/// Cells that one pass over many takes at once.
const TILE: usize = 4096;

/// A run between two steps.
pub(super) struct Trainer<'a, O> {
    ops: &'a mut O,
    data: &'a TrainingData,
    settings: &'a Settings,
    pub(super) plan: Plan,
    scaling: Scaling,
    pass: Pass,
    max_rows: usize,
    /// Cells of an epoch in order, on the device and on the host.
    rows: UBuf,
    order: Vec<u32>,
    /// First-layer sums of ablated copies.
    spare: FBuf,
    products: Option<Products>,
    stage: Stage,
    pub(super) position: Position,
    best: Vec<f32>,
}

impl<'a, O: Ops> Trainer<'a, O> {
    pub(super) fn new(
        ops: &'a mut O,
        data: &'a TrainingData,
        settings: &'a Settings,
        fingerprint: String,
        state: Option<State>,
    ) -> Result<Self> {
        let recipe = &settings.recipe;
        let plan = Plan::new(settings, data.n_train);
        let scaling = Scaling::new(data, recipe.scale_power);
        let cells = Cells::new(ops, &data.cells)?;
        let mut tasks = Vec::new();
        for task in &data.tasks {
            let column = tasks.last().map_or(0, |t: &DeviceTask| t.column + t.width);
            tasks.push(DeviceTask::new(
                ops,
                task,
                column,
                data.n_train,
                recipe.class_weight_power,
            )?);
        }
        let task_weights = vec![1.0; tasks.len()];
        let mut sample = order(data.n_train, settings.seed, u64::MAX);
        sample.truncate(recipe.statistic_cells);
        sample.sort_unstable();
        let max_rows = plan.batch.max(TILE);
        let epoch_rows = plan.epoch_steps as usize * plan.batch;
        let rows = ops.alloc_u("order of the cells", epoch_rows)?;
        let tile = ops.alloc_u("cells of a tile", max_rows)?;
        let losses = ops.alloc_f(
            "losses of the steps",
            plan.epoch_steps as usize * tasks.len(),
        )?;
        let spare = ops.alloc_f(
            "ablated sums",
            max_rows
                * settings
                    .hidden
                    .first()
                    .copied()
                    .unwrap_or(stages::n_out(data)),
        )?;
        let ranking = if recipe.ranking {
            round_robin(data)
        } else {
            Vec::new()
        };
        let (position, params, moments, best) = match state {
            Some(s) => (s.position, s.params, Some((s.m, s.v)), s.best),
            None => (
                Position {
                    fingerprint,
                    ..Position::default()
                },
                Vec::new(),
                None,
                Vec::new(),
            ),
        };
        let selecting = plan
            .segments
            .get(position.segment)
            .is_some_and(|s| s.kind == Kind::Select)
            && position.genes.is_empty();
        let stage = if selecting {
            let params = if params.is_empty() {
                first_scores(data, settings, &ranking)
            } else {
                params
            };
            stages::select(ops, data, settings, &scaling, max_rows, &params)?
        } else {
            let params = if params.is_empty() {
                initial(
                    &stages::panel_layout(data, settings),
                    settings.genes,
                    settings.seed,
                )
            } else {
                params
            };
            let mut panel = stages::panel(ops, data, settings, max_rows, &params)?;
            let (genes, kept) = if position.genes.is_empty() {
                (first_panel(data, settings, &ranking), settings.genes)
            } else {
                (position.genes.clone(), position.kept)
            };
            panel.set_genes(ops, &scaling, genes, kept)?;
            Stage::Panel(panel)
        };
        if let Some((m, v)) = moments {
            let net = stage.net();
            ops.write_f(net.m, &m)?;
            ops.write_f(net.v, &v)?;
        }
        let pass = Pass {
            cells,
            tasks,
            task_weights,
            sample,
            tile,
            losses,
        };
        let mut trainer = Self {
            ops,
            data,
            settings,
            plan,
            scaling,
            pass,
            max_rows,
            rows,
            order: Vec::new(),
            spare,
            products: None,
            stage,
            position,
            best,
        };
        trainer.load_order()?;
        Ok(trainer)
    }

    /// Puts the order of the epoch that the next step belongs to on the device.
    fn load_order(&mut self) -> Result<()> {
        let epoch = self.position.step / self.plan.epoch_steps;
        self.order = order(self.data.n_train, self.settings.seed, epoch);
        self.order
            .truncate(self.plan.epoch_steps as usize * self.plan.batch);
        Ok(self.ops.write_u(self.rows, &self.order)?)
    }

    pub(super) fn one_step(&mut self) -> Result<()> {
        let segment = self.plan.segments[self.position.segment];
        if self.position.local == 0 {
            self.enter(segment.kind)?;
        }
        let in_epoch = (self.position.step % self.plan.epoch_steps) as usize;
        let batch = Batch {
            rows: self.rows,
            offset: in_epoch * self.plan.batch,
            n: self.plan.batch,
        };
        let cells = &self.order[batch.offset..batch.offset + batch.n];
        let scale = |(task, &weight): (&DeviceTask, &f32)| {
            let sum: f64 = cells
                .iter()
                .map(|&c| f64::from(task.cell_weight[c as usize]))
                .sum();
            if sum > 0.0 {
                (f64::from(weight) / sum) as f32
            } else {
                0.0
            }
        };
        let scales: Vec<f32> = self
            .pass
            .tasks
            .iter()
            .zip(&self.pass.task_weights)
            .map(scale)
            .collect();
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
        let slot = in_epoch * self.pass.tasks.len();
        match &self.stage {
            Stage::Select(net, sel) => {
                let f = self.position.local as f64 / segment.steps as f64;
                let s = selection(self.settings, net.layout.shape.n_in, f, seed, step);
                selection_gradient(
                    self.ops,
                    net,
                    sel,
                    &self.pass.cells,
                    &self.pass.tasks,
                    batch,
                    &scales,
                    &s,
                    &dropout,
                    self.pass.losses,
                    slot,
                );
                update(self.ops, net, net.layout.shape.n_in, &adam);
            }
            Stage::Panel(p) => {
                panel_gradient(
                    self.ops,
                    &p.net,
                    &p.input,
                    &self.pass.cells,
                    &self.pass.tasks,
                    batch,
                    &scales,
                    &dropout,
                    self.pass.losses,
                    slot,
                );
                update(self.ops, &p.net, p.input.n, &adam);
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

    /// What comes before the first step of a segment.
    fn enter(&mut self, kind: Kind) -> Result<()> {
        let settings = self.settings;
        let Stage::Panel(panel) = &mut self.stage else {
            return Ok(());
        };
        self.position.adam = 0;
        panel.reset_moments(self.ops)?;
        let Kind::Round(round) = kind else {
            return Ok(());
        };
        let room = panel.net.layout.shape.n_in.min(self.data.cells.n_genes) - settings.genes;
        let count = additions(settings, round, room);
        if count == 0 {
            return Ok(());
        }
        let width = panel.net.layout.shape.width();
        let products = match self.products {
            Some(p) => p,
            None => *self
                .products
                .insert(Products::new(self.ops, self.data.cells.n_genes, width)?),
        };
        let (mut q, descent) = missing(self.ops, panel, &self.pass, products, &self.scaling, 1e-2)?;
        panel.genes.iter().for_each(|&g| q[g as usize] = -1.0);
        let mut new: Vec<u32> = (0..q.len() as u32).collect();
        new.sort_by(|&a, &b| q[b as usize].total_cmp(&q[a as usize]).then(a.cmp(&b)));
        new.truncate(count);
        let mut params = self.ops.read_f(panel.net.params)?;
        let rows = new_rows(panel, &params, &new, &descent);
        let at = row(&panel.net.layout, panel.genes.len()).start;
        params[at..at + rows.len()].copy_from_slice(&rows);
        self.ops.write_f(panel.net.params, &params)?;
        let genes = [panel.genes.as_slice(), &new].concat();
        let kept = panel.kept;
        Ok(panel.set_genes(self.ops, &self.scaling, genes, kept)?)
    }

    /// What comes after the last step of a segment.
    fn leave(&mut self, kind: Kind) -> Result<()> {
        let k = self.settings.genes;
        match kind {
            Kind::Select => {
                let snapshot = self.snapshot()?;
                let mut panel = stages::panel(
                    self.ops,
                    self.data,
                    self.settings,
                    self.max_rows,
                    &snapshot.params,
                )?;
                panel.set_genes(self.ops, &self.scaling, snapshot.genes, k)?;
                if let Stage::Select(net, sel) =
                    std::mem::replace(&mut self.stage, Stage::Panel(panel))
                {
                    net.release(self.ops);
                    let floats = [
                        sel.stats, sel.noisy, sel.soft, sel.hard, sel.scans, sel.work,
                    ];
                    let more = [sel.scale, sel.shift, sel.base, sel.r, sel.d, sel.u];
                    floats
                        .into_iter()
                        .chain(more)
                        .for_each(|b| self.ops.release_f(b));
                    [sel.tables, sel.index, sel.order, sel.sort]
                        .into_iter()
                        .for_each(|b| self.ops.release_u(b));
                }
            }
            Kind::Round(_) => {
                let Stage::Panel(panel) = &self.stage else {
                    return Ok(());
                };
                let losses = without_each(self.ops, panel, &self.pass, self.spare)?;
                let mut slots: Vec<usize> = (0..panel.genes.len()).collect();
                slots.sort_by(|&a, &b| losses[b].total_cmp(&losses[a]).then(a.cmp(&b)));
                slots.truncate(k);
                slots.sort_by_key(|&s| panel.genes[s]);
                self.keep(&slots)?;
            }
            Kind::Warm | Kind::Finish => {}
        }
        Ok(())
    }

    /// Leaves only these slots, in this order.
    fn keep(&mut self, slots: &[usize]) -> Result<()> {
        let Stage::Panel(panel) = &mut self.stage else {
            return Ok(());
        };
        let old = self.ops.read_f(panel.net.params)?;
        let mut params = old.clone();
        for (to, &from) in slots.iter().enumerate() {
            params[row(&panel.net.layout, to)].copy_from_slice(&old[row(&panel.net.layout, from)]);
        }
        let genes = slots.iter().map(|&s| panel.genes[s]).collect();
        self.ops.write_f(panel.net.params, &params)?;
        Ok(panel.set_genes(self.ops, &self.scaling, genes, slots.len())?)
    }

    /// The panel of k genes as it stands, and its network in the panel's layout.
    fn snapshot(&mut self) -> Result<Snapshot> {
        let k = self.settings.genes;
        let all = self.ops.read_f(self.stage.net().params)?;
        match &self.stage {
            Stage::Panel(p) => {
                // slots from k on are candidates, not part of it
                Ok(Snapshot {
                    genes: p.genes[..k].to_vec(),
                    params: all,
                })
            }
            Stage::Select(net, _) => {
                let (from, to) = (&net.layout, stages::panel_layout(self.data, self.settings));
                let scores = &all[from.scores.offset..from.scores.offset + from.scores.len];
                let (mut mask, mut genes) = (vec![0.0; scores.len()], vec![0; k]);
                crate::reference::topk::topk(k, scores, &mut mask, &mut genes);
                let mut params = vec![0.0; to.len];
                for (a, b) in from
                    .biases
                    .iter()
                    .chain(&from.weights[1..])
                    .zip(to.biases.iter().chain(&to.weights[1..]))
                {
                    params[b.offset..b.offset + b.len]
                        .copy_from_slice(&all[a.offset..a.offset + a.len]);
                }
                for (slot, &g) in genes.iter().enumerate() {
                    params[row(&to, slot)].copy_from_slice(&all[row(from, g as usize)]);
                }
                Ok(Snapshot { genes, params })
            }
        }
    }

    pub(super) fn epoch_ends(&self) -> bool {
        self.position.step % self.plan.epoch_steps == 0
            || self.position.segment == self.plan.segments.len()
    }

    /// Reads the losses, judges the panel, keeps the best, and prepares the next epoch.
    pub(super) fn end_epoch(&mut self) -> Result<()> {
        let steps = match self.position.step % self.plan.epoch_steps {
            0 => self.plan.epoch_steps,
            n => n,
        };
        let losses = self.ops.read_f(
            self.pass
                .losses
                .first(steps as usize * self.pass.tasks.len()),
        )?;
        let train_loss = losses.iter().map(|&l| f64::from(l)).sum::<f64>() / steps as f64;
        if !train_loss.is_finite() {
            return Err(TrainError::Diverged {
                step: self.position.step,
                loss: train_loss as f32,
            });
        }
        let k = self.settings.genes;
        let judged = validation(
            self.ops,
            &mut self.stage,
            self.data,
            &self.pass.cells,
            &self.scaling,
            k,
            self.pass.tile,
        )?;
        let at = self.position.segment.min(self.plan.segments.len() - 1);
        // at the end of a segment the position already names the next one
        let at = if self.position.local == 0 && self.position.segment < self.plan.segments.len() {
            at.saturating_sub(1)
        } else {
            at
        };
        let kind = self.plan.segments[at].kind;
        let epoch = self.position.history.len() as u64 + 1;
        self.position.history.push(Epoch {
            epoch,
            step: self.position.step,
            phase: kind.phase().to_string(),
            train_loss,
            validation_loss: judged.map(|j| j.0),
            validation_score: judged.map(|j| j.1),
        });
        // without validation cells the last network is the one
        let loss = judged.map_or(f64::NEG_INFINITY, |j| j.0);
        if kind == Kind::Finish && (self.best.is_empty() || loss <= self.position.best_loss) {
            let snapshot = self.snapshot()?;
            (self.best, self.position.best_genes) = (snapshot.params, snapshot.genes);
            (self.position.best_epoch, self.position.best_loss) =
                (epoch, if loss.is_finite() { loss } else { 0.0 });
            if judged.is_none() {
                self.position.best_loss = 0.0;
            }
        }
        if self.position.segment < self.plan.segments.len() {
            self.load_order()?;
        }
        Ok(())
    }

    pub(super) fn state(&mut self) -> Result<State> {
        if let Stage::Panel(p) = &self.stage {
            (self.position.genes, self.position.kept) = (p.genes.clone(), p.kept);
        }
        let (params, m, v) = (
            self.stage.net().params,
            self.stage.net().m,
            self.stage.net().v,
        );
        Ok(State {
            position: self.position.clone(),
            params: self.ops.read_f(params)?,
            m: self.ops.read_f(m)?,
            v: self.ops.read_f(v)?,
            best: self.best.clone(),
        })
    }

    /// The best network with the exact loss of each gene, genes by descending score.
    pub(super) fn finish(&mut self) -> Result<PanelModel> {
        let snapshot = if self.best.is_empty() {
            self.position.best_epoch = self.position.history.len() as u64;
            self.snapshot()?
        } else {
            Snapshot {
                genes: self.position.best_genes.clone(),
                params: self.best.clone(),
            }
        };
        let k = snapshot.genes.len();
        let mut panel = stages::panel(
            self.ops,
            self.data,
            self.settings,
            self.max_rows,
            &snapshot.params,
        )?;
        panel.set_genes(self.ops, &self.scaling, snapshot.genes, k)?;
        let losses = without_each(self.ops, &panel, &self.pass, self.spare)?;
        let scores: Vec<f64> = losses[..k].iter().map(|l| l - losses[k]).collect();
        Ok(model(
            self.data,
            &self.scaling,
            &panel,
            &snapshot.params,
            &scores,
        ))
    }
}
