//! The loop over segments and epochs.
use super::batches::{key, order};
use super::checkpoint::{self, Position, Snapshot, State};
use super::evaluate::validation;
use super::plan::{Kind, Plan, geometric, rate};
use super::rank::round_robin;
use super::refine::{Pass, Products, additions, missing, new_rows, without_each};
use super::settings::{Epoch, Fit, Progress, Settings};
use super::stages::{self, Panel, Scaling, Stage, initial, row};
use crate::data::cells::TrainingData;
use crate::error::{DataError, TrainError};
use crate::model::net::{Cells, DeviceTask};
use crate::model::panel_model::{Dense, ModelTask, PanelGene, PanelModel};
use crate::model::step::{
    Adam, Batch, Dropout, Selection, panel_gradient, selection_gradient, update,
};
use crate::ops::{FBuf, Ops, UBuf};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

type Result<T> = std::result::Result<T, TrainError>;

/// Cells that one pass over many takes at once.
const TILE: usize = 4096;

struct Trainer<'a, O> {
    ops: &'a mut O,
    data: &'a TrainingData,
    settings: &'a Settings,
    plan: Plan,
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
    position: Position,
    best: Vec<f32>,
}

/// Trains on the training cells, judges on the validation cells, and returns the best network.
///
/// `checkpoint`: the state is written there after every epoch; `resume`: it is read from there
/// first. `stop`: asked at every step. `on_epoch`: told of every epoch.
///
/// # Errors
/// k out of range, a device that fails, a loss that leaves the finite numbers, a checkpoint that
/// cannot be used.
pub fn fit<O: Ops>(
    ops: &mut O,
    data: &TrainingData,
    settings: &Settings,
    checkpoint: Option<&Path>,
    resume: bool,
    stop: &AtomicBool,
    on_epoch: &mut dyn FnMut(Progress),
) -> Result<Fit> {
    let begin = Instant::now();
    check(data, settings)?;
    let fingerprint = checkpoint::fingerprint(
        settings,
        data.cells.n_cells,
        data.cells.n_genes,
        &ops.info().name,
    );
    let state = match checkpoint.filter(|_| resume) {
        Some(path) => Some(checkpoint::load(path, &fingerprint)?),
        None => None,
    };
    let before = state
        .as_ref()
        .map_or((0.0, 0), |s| (s.position.seconds, s.position.step));
    let mut trainer = Trainer::new(ops, data, settings, fingerprint, state)?;
    let mut stopped = false;
    while trainer.position.segment < trainer.plan.segments.len() {
        if stop.load(Ordering::Relaxed) {
            stopped = true;
            break;
        }
        trainer.one_step()?;
        if trainer.epoch_ends() {
            trainer.end_epoch()?;
            trainer.position.seconds = before.0 + begin.elapsed().as_secs_f64();
            if let Some(path) = checkpoint {
                checkpoint::save(path, &trainer.state()?)?;
            }
            let done = (trainer.position.step - before.1) as f64 * trainer.plan.batch as f64;
            if let Some(epoch) = trainer.position.history.last() {
                on_epoch(Progress {
                    epoch,
                    epochs: trainer.plan.epochs(),
                    steps: trainer.plan.steps,
                    cells_per_second: done / begin.elapsed().as_secs_f64().max(1e-9),
                });
            }
        }
    }
    let model = trainer.finish()?;
    let p = trainer.position;
    let seconds = before.0 + begin.elapsed().as_secs_f64();
    let cells_per_second = p.step as f64 * trainer.plan.batch as f64 / seconds.max(1e-9);
    Ok(Fit {
        model,
        history: p.history,
        steps: p.step,
        best_epoch: p.best_epoch,
        seconds,
        cells_per_second,
        stopped,
    })
}

fn check(data: &TrainingData, settings: &Settings) -> Result<()> {
    let (k, n) = (settings.genes, data.cells.n_genes);
    if k == 0 || k > n {
        let what = format!("--genes {k}: the training cells have {n} genes that vary");
        return Err(DataError::new(what, format!("ask for 1 to {n} genes")).into());
    }
    if data.n_train == 0 || data.tasks.is_empty() {
        let what = format!(
            "{} training cells and {} tasks",
            data.n_train,
            data.tasks.len()
        );
        return Err(DataError::new(what, "lower --test-fraction or name a --label").into());
    }
    Ok(())
}

impl<'a, O: Ops> Trainer<'a, O> {
    fn new(
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
            let net = net(&stage);
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

    fn one_step(&mut self) -> Result<()> {
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
        let all = self.ops.read_f(net(&self.stage).params)?;
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

    fn epoch_ends(&self) -> bool {
        self.position.step % self.plan.epoch_steps == 0
            || self.position.segment == self.plan.segments.len()
    }

    /// Reads the losses, judges the panel, keeps the best, and prepares the next epoch.
    fn end_epoch(&mut self) -> Result<()> {
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

    fn state(&mut self) -> Result<State> {
        if let Stage::Panel(p) = &self.stage {
            (self.position.genes, self.position.kept) = (p.genes.clone(), p.kept);
        }
        let (params, m, v) = (
            net(&self.stage).params,
            net(&self.stage).m,
            net(&self.stage).v,
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
    fn finish(&mut self) -> Result<PanelModel> {
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

fn net<'s>(stage: &'s Stage) -> &'s crate::model::net::Net {
    match stage {
        Stage::Select(net, _) => net,
        Stage::Panel(panel) => &panel.net,
    }
}

/// Genes in play, temperature, noise and mask at share f of `select`.
fn selection(settings: &Settings, n: usize, f: f64, seed: u32, step: u32) -> Selection {
    let recipe = &settings.recipe;
    let k0 = (f64::from(recipe.start_share) * n as f64).max(settings.genes as f64);
    let k = settings.genes as f64;
    let shrink = (f / f64::from(recipe.soft_share).max(1e-6)).min(1.0);
    Selection {
        k: ((k0 * (k / k0).powf(shrink)).round() as usize).clamp(1, n),
        tau: geometric(recipe.tau, f),
        beta: geometric(recipe.beta, f),
        hard: f >= f64::from(recipe.soft_share),
        relaxation: settings.relaxation,
        seed,
        step,
    }
}

/// Arena of the selection phase: random weights, scores from the ranking.
fn first_scores(data: &TrainingData, settings: &Settings, ranking: &[u32]) -> Vec<f32> {
    let layout = stages::select_layout(data, settings);
    let fan_in =
        ((settings.recipe.start_share * data.cells.n_genes as f32) as usize).max(settings.genes);
    let mut params = initial(&layout, fan_in, settings.seed);
    for (rank, &g) in ranking.iter().enumerate() {
        let score =
            -settings.recipe.ranking_scale * (1.0 + rank as f32 / settings.genes as f32).ln();
        params[layout.scores.offset + g as usize] = score;
    }
    params
}

/// The first k genes of the ranking, ascending; without one, a random choice.
fn first_panel(data: &TrainingData, settings: &Settings, ranking: &[u32]) -> Vec<u32> {
    let all = if ranking.is_empty() {
        order(data.cells.n_genes, settings.seed, u64::MAX - 1)
    } else {
        ranking.to_vec()
    };
    let mut genes = all[..settings.genes].to_vec();
    genes.sort_unstable();
    genes
}

/// Makes the host model from a panel, its arena and the genes' scores.
fn model(
    data: &TrainingData,
    scaling: &Scaling,
    panel: &Panel,
    params: &[f32],
    scores: &[f64],
) -> PanelModel {
    let layout = &panel.net.layout;
    let mut slots: Vec<usize> = (0..panel.genes.len()).collect();
    slots.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let gene = |&slot: &usize| {
        let g = panel.genes[slot] as usize;
        PanelGene {
            name: data.gene_names[g].clone(),
            index: data.gene_index[g],
            score: scores[slot] as f32,
            mean: scaling.mean[g],
            inv_sd: scaling.factor[g],
            clip: data.stats.clip[g],
        }
    };
    let layer = |l: usize| {
        let (w, b) = (layout.weights[l], layout.biases[l]);
        let w = if l == 0 {
            slots
                .iter()
                .flat_map(|&s| params[row(layout, s)].to_vec())
                .collect()
        } else {
            params[w.offset..w.offset + w.len].to_vec()
        };
        let n_in = if l == 0 {
            slots.len()
        } else {
            layout.shape.input(l)
        };
        Dense {
            n_in,
            n_out: layout.shape.output(l),
            w,
            b: params[b.offset..b.offset + b.len].to_vec(),
        }
    };
    PanelModel {
        genes: slots.iter().map(gene).collect(),
        layers: (0..layout.shape.n_layers()).map(layer).collect(),
        tasks: data
            .tasks
            .iter()
            .map(|t| ModelTask {
                name: t.name.clone(),
                kind: t.kind.clone(),
            })
            .collect(),
        transform: data.transform,
    }
}
