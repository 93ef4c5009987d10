//! Training between two steps, and a step.
use super::batches::{key, order};
use super::checkpoint::{Position, Run, State};
use super::feed::Feed;
use super::plan::{Kind, Plan, rate};
use super::refine::{Pass, Products};
use super::settings::Settings;
use super::stages::{self, Scaling, Stage, initial};
use super::start::{first_order, first_panel, first_scores, found, selection};
use crate::data::cells::TrainingData;
use crate::error::TrainError;
use crate::model::net::{Cells, Room, Targets};
use crate::model::panel_step::panel_step;
use crate::model::step::selection_step;
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
    /// Training cells that are labelled for each task.
    labelled: Vec<usize>,
    pub(super) scaling: Scaling,
    pub(super) pass: Pass,
    /// Where the cells of the steps come from, where they are not all those of `pass`.
    pub(super) feed: Option<Feed>,
    /// Steps whose cells and factors stand on the device: an epoch's, or a window's.
    pub(super) order_steps: usize,
    pub(super) room: Room,
    /// Cells of an epoch in order, of each run.
    pub(super) rows: UBuf,
    /// Factors of the losses and losses, a value a step and task, of each run.
    pub(super) scales: FBuf,
    pub(super) losses: FBuf,
    pub(super) products: Option<Products>,
    pub(super) stage: Stage,
    pub(super) position: Position,
    /// The best parameters so far of each size, of each run.
    pub(super) best: Vec<Vec<Vec<f32>>>,
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
        let plan = Plan::new(settings, data.all_train(), found(settings, data));
        let scaling = Scaling::new(data, recipe.scale_power);
        let cells = Cells::new(ops, &data.cells)?;
        let stream = &data.stream;
        let class_weights = |power| match stream {
            Some(s) => Targets::class_weights(s.tasks(), s.n_train(), power),
            None => Targets::class_weights(&data.tasks, data.n_train, power),
        };
        let weights = class_weights(recipe.class_weight_power);
        let targets = Targets::weighted(ops, &data.tasks, &weights)?;
        let judged = class_weights(recipe.judge_class_weight_power);
        let judged = Targets::weighted(ops, &data.tasks, &judged)?;
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
        let window = stream.as_ref().map(|s| s.window_steps(plan.batch));
        let order_steps = window.unwrap_or(steps).min(steps);
        let width = settings.hidden.first().copied();
        let width = width.unwrap_or(stages::n_out(data));
        let pass = Pass {
            cells,
            targets,
            judged,
            task_weights: settings.weights_of(&data.tasks),
            samples: (0..models).map(sample).collect(),
            batches: data.batches.clone(),
            tile: ops.alloc_u("cells of a tile", room.max_rows)?,
            scales: ops.alloc_f("factors of the losses", tasks)?,
            spare: ops.alloc_f("ablated sums", room.max_rows * width)?,
        };
        let rows = ops.alloc_u(
            "order of the cells",
            models * stride(order_steps * plan.batch),
        )?;
        let scales = ops.alloc_f(
            "factors of the losses",
            models * stride(order_steps * tasks),
        )?;
        let losses = ops.alloc_f("losses of the steps", models * stride(steps * tasks))?;
        let ranking = if recipe.ranking && state.is_none() && settings.panel.is_none() {
            first_order(data, settings, settings.seed)
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
        let (mut position, mut params) = (state.position, state.params);
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
                let mut genes = Vec::with_capacity(models);
                for ((seed, cells), run) in seeds.zip(&pass.samples).zip(&mut position.runs) {
                    let (own, left) = first_panel(data, settings, cells, seed, &ranking);
                    genes.push(own);
                    run.left = left;
                }
                (genes, settings.genes)
            };
            panel.set_genes(ops, &scaling, genes, kept)?;
            Stage::Panel(panel)
        };
        if !state.moments.is_empty() {
            ops.write_f(stage.net().moments, &state.moments)?;
        }
        let sizes = position.runs.iter().map(|r| r.best.len());
        let arena = state.best.len() / sizes.sum::<usize>().max(1);
        let mut arenas = state.best.chunks_exact(arena.max(1)).map(<[f32]>::to_vec);
        let runs = position.runs.iter();
        let best = runs.map(|r| arenas.by_ref().take(r.best.len()).collect());
        let best = best.collect();
        let mut trainer = Self {
            ops,
            data,
            settings,
            plan,
            labelled: data.labelled(),
            scaling,
            pass,
            feed: stream.clone().map(|s| Feed::new(s, weights)),
            order_steps,
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

    pub(super) fn one_step(&mut self) -> Result<()> {
        let segment = self.plan.segments[self.position.segment];
        if self.position.local == 0 {
            self.enter(segment)?;
        }
        let in_epoch = (self.position.step % self.plan.epoch_steps) as usize;
        let in_order = in_epoch % self.order_steps;
        if in_order == 0 && in_epoch > 0 {
            self.load_order()?;
        }
        let (steps, tasks) = (self.plan.epoch_steps as usize, self.room.tasks);
        let batch = Batch {
            rows: self.rows,
            offset: in_order * self.plan.batch,
            n: self.plan.batch,
            row_stride: stride(self.order_steps * self.plan.batch),
            scales: self.scales,
            scale_offset: in_order * tasks,
            scale_stride: stride(self.order_steps * tasks),
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
        let (input, hidden) = if finishing {
            let k = self.settings.sizes()[segment.size];
            let weights = &self.pass.task_weights;
            let input = recipe.finish_input_dropout(k, &self.labelled, weights);
            (input, recipe.finish_dropout)
        } else {
            (recipe.input_dropout, recipe.dropout)
        };
        let dropout = Dropout {
            input,
            hidden,
            seed,
            step,
        };
        let (cells, targets) = match self.feed.as_ref().and_then(Feed::now) {
            Some((cells, targets)) => (cells, targets),
            None => (&self.pass.cells, &self.pass.targets),
        };
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
            self.leave(segment)?;
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
            best: self.best.concat().concat(),
        })
    }
}
