//! What happens to the panels between two segments: genes join, genes leave.
use super::beside::{QUICK, gains};
use super::checkpoint::Snapshot;
use super::eliminate::{eliminate, eliminated};
use super::judging::{Judging, Over};
use super::plan::{Kind, Segment};
use super::refine::{Products, additions, missing, new_rows, without_each};
use super::settings::Settings;
use super::stages::{self, Stage, row};
use super::trail::{Left, When, remember};
use super::trainer::{Result, Trainer};
use crate::error::TrainError;
use crate::ops::Ops;

/// Genes of the largest score statistic that are looked at for each one that joins a round, and besides.
const LOOKED_AT: usize = 3;
const MORE: usize = 16;

impl<O: Ops> Trainer<'_, O> {
    /// What comes before the first step of a segment.
    pub(super) fn enter(&mut self, segment: Segment) -> Result<()> {
        let settings = self.settings;
        let Stage::Panel(panel) = &mut self.stage else {
            return Ok(());
        };
        self.position.adam = 0;
        panel.reset_moments(self.ops)?;
        let round = match segment.kind {
            Kind::Round(round) => round,
            Kind::Thin(n) if segment.size < eliminated(settings, self.data) => {
                return self.eliminate(n, segment);
            }
            Kind::Thin(n) => return self.prune(n, segment),
            _ => return Ok(()),
        };
        let k = settings.sizes()[segment.size];
        let most = match segment.size {
            0 => self.data.cells.n_genes,
            larger => settings.sizes()[larger - 1],
        };
        let room = panel.net.layout.shape.n_in.min(most) - k;
        let count = additions(settings, k, segment.size, round, room);
        if count == 0 {
            return Ok(());
        }
        let width = panel.net.layout.shape.width();
        let products = Products::of(&mut self.products, self.ops, self.data.cells.n_genes, width)?;
        let mut params = self.ops.read_f(panel.net.params)?;
        let mut genes = Vec::with_capacity(panel.genes.len());
        for (r, arena) in params.chunks_exact_mut(panel.net.layout.len).enumerate() {
            let own = panel.model(r);
            let (pass, scaling) = (&self.pass, &self.scaling);
            let over = Over {
                pass,
                judging: Judging::of(settings, panel.net.layout.shape.n_out, k, r),
                sample: &pass.samples[r],
            };
            let (mut q, descent) = missing(self.ops, &own, &over, products, scaling)?;
            if q.iter().any(|q| q.is_nan()) {
                let step = self.position.step;
                return Err(TrainError::Diverged {
                    step,
                    loss: f32::NAN,
                });
            }
            panel.genes[r].iter().for_each(|&g| q[g as usize] = -1.0);
            // a smaller panel lies within the larger one
            let larger = segment.size.checked_sub(1);
            let mut new: Vec<u32> = match larger.and_then(|l| self.position.runs[r].best.get(l)) {
                Some(larger) => larger.genes.clone(),
                None => (0..q.len() as u32).collect(),
            };
            new.retain(|&g| q[g as usize] >= 0.0 && settings.rules.allows(g));
            // by what they cost, as when genes leave: else dear ones fill the round and stay out
            let rules = &settings.rules;
            let missed = |g: u32| rules.worth(g, q[g as usize]);
            new.sort_by(|&a, &b| missed(b).total_cmp(&missed(a)).then(a.cmp(&b)));
            // the statistic says which genes are worth a look, what each would save decides; but only the
            // statistic asks what holds in every batch
            let looked_at = match pass.batches {
                None => LOOKED_AT * count + MORE,
                Some(_) => count,
            };
            new.truncate(looked_at);
            if new.len() > count {
                let mut alone = panel.in_front(r);
                let gains = gains(
                    self.ops, &mut alone, &over, scaling, arena, &new, &descent, QUICK,
                )?;
                let kept = panel.kept;
                panel.set_genes(self.ops, scaling, panel.genes.clone(), kept)?;
                let mut order: Vec<usize> = (0..new.len()).collect();
                let saved = |i: usize| rules.worth(gains[i].gene, f64::from(gains[i].gain));
                order.sort_by(|&a, &b| saved(b).total_cmp(&saved(a)).then(a.cmp(&b)));
                new = order[..count].iter().map(|&i| gains[i].gene).collect();
            }
            let own = panel.model(r);
            let rows = new_rows(&own, arena, &new, &descent);
            let at = row(&panel.net.layout, panel.input.n).start;
            arena[at..at + rows.len()].copy_from_slice(&rows);
            genes.push([panel.genes[r].as_slice(), &new].concat());
        }
        self.ops.write_f(panel.net.params, &params)?;
        let kept = panel.kept;
        Ok(panel.set_genes(self.ops, &self.scaling, genes, kept)?)
    }

    /// What comes after the last step of a segment.
    pub(super) fn leave(&mut self, segment: Segment) -> Result<()> {
        let k = self.settings.sizes()[segment.size];
        match segment.kind {
            Kind::Select => {
                let (mut genes, mut params) = (Vec::new(), Vec::new());
                for r in 0..self.room.models {
                    let snapshot = self.snapshot(r)?;
                    genes.push(snapshot.genes);
                    params.extend(snapshot.params);
                }
                let (data, settings) = (self.data, self.settings);
                let mut panel = stages::panel(self.ops, data, settings, self.room, &params)?;
                panel.set_genes(self.ops, &self.scaling, genes, k)?;
                if let Stage::Select(net, sel) =
                    std::mem::replace(&mut self.stage, Stage::Panel(panel))
                {
                    net.release(self.ops);
                    sel.release(self.ops);
                }
            }
            Kind::Round(_) => self.prune(k, segment)?,
            Kind::Finish => {
                let judged = self.judge()?;
                // the epoch that this step is in is not over, or about to be
                let epoch = self.position.runs[0].history.len() as u64 + 1;
                self.keep_best(segment.size, &judged, epoch)?;
            }
            Kind::Warm | Kind::Thin(_) => {}
        }
        Ok(())
    }

    /// Leaves n genes of each panel, on the way to the segment's size: those that elimination down to that size takes out
    /// last.
    fn eliminate(&mut self, n: usize, segment: Segment) -> Result<()> {
        let Stage::Panel(panel) = &self.stage else {
            return Ok(());
        };
        let mut kept = Vec::with_capacity(self.room.models);
        for (r, cells) in self.pass.samples.iter().enumerate() {
            let own = &panel.genes[r];
            let mut settings = Settings {
                genes: self.settings.sizes()[segment.size],
                ..self.settings.clone()
            };
            settings.recipe.eliminate_candidates = own.len();
            let seed = settings.seed + r as u64;
            let all = eliminate(self.data, &settings, cells, seed, own);
            let chosen = settings.rules.panel(&all.order, n);
            let left = all.left.into_iter().filter(|l| !chosen.contains(&l.gene));
            let size = segment.size;
            remember(
                &mut self.position.runs[r].left,
                left.map(|l| Left { size, ..l }),
            );
            let mut slots: Vec<usize> = (0..own.len()).collect();
            slots.retain(|&s| chosen.contains(&own[s]));
            slots.sort_by_key(|&s| own[s]);
            kept.push(slots);
        }
        self.keep(&kept)
    }

    /// Leaves the k genes of each panel whose loss is largest when they are left out, and that keep the
    /// rules.
    fn prune(&mut self, k: usize, segment: Segment) -> Result<()> {
        let Stage::Panel(panel) = &self.stage else {
            return Ok(());
        };
        let rules = &self.settings.rules;
        let mut kept = Vec::with_capacity(self.room.models);
        for (r, sample) in self.pass.samples.iter().enumerate() {
            let own = &panel.genes[r];
            let over = Over {
                pass: &self.pass,
                judging: Judging::of(self.settings, panel.net.layout.shape.n_out, k, r),
                sample,
            };
            let losses = without_each(self.ops, &panel.model(r), &over)?;
            let lost = |slot: usize| losses[slot] - losses[own.len()];
            let slot = |g: &u32| own.iter().position(|o| o == g);
            let by = |gain: &dyn Fn(usize) -> f64| -> Option<Vec<usize>> {
                let mut slots: Vec<usize> = (0..own.len()).collect();
                slots.sort_by(|&a, &b| gain(b).total_cmp(&gain(a)).then(a.cmp(&b)));
                let order: Vec<u32> = slots.iter().map(|&s| own[s]).collect();
                Some(rules.choose(&order, k)?.iter().filter_map(slot).collect())
            };
            let mut found = by(&lost);
            if !rules.costs.is_empty() {
                // a dear gene, or several cheap ones: what is worth more together
                let cheap = by(&|slot| rules.worth(own[slot], lost(slot)));
                let all = |slots: &Vec<usize>| slots.iter().map(|&s| lost(s)).sum::<f64>();
                found = match (found, cheap) {
                    (Some(a), Some(b)) => Some(if all(&b) > all(&a) { b } else { a }),
                    (a, b) => a.or(b),
                };
            }
            // where the worth of genes finds no panel that keeps the rules, the one that stands does
            let mut slots = found.unwrap_or_else(|| (0..k.min(own.len())).collect());
            slots.sort_by_key(|&s| own[s]);
            let last = slots.iter().map(|&s| lost(s)).fold(f64::INFINITY, f64::min);
            let leaving = (0..own.len()).filter(|s| !slots.contains(s));
            let left = leaving.map(|slot| Left {
                gene: own[slot],
                size: segment.size,
                when: match segment.kind {
                    Kind::Round(r) => When::Round {
                        round: r + 1,
                        member: slot < panel.kept,
                    },
                    _ => When::Thinned,
                },
                loss: lost(slot),
                last,
            });
            remember(&mut self.position.runs[r].left, left);
            kept.push(slots);
        }
        self.keep(&kept)
    }

    /// Leaves only these slots of each run, in this order.
    fn keep(&mut self, slots: &[Vec<usize>]) -> Result<()> {
        let Stage::Panel(panel) = &mut self.stage else {
            return Ok(());
        };
        let layout = &panel.net.layout;
        let old = self.ops.read_f(panel.net.params)?;
        let mut params = old.clone();
        let arenas = params.chunks_exact_mut(layout.len);
        let mut genes = Vec::with_capacity(slots.len());
        for (r, (new, old)) in arenas.zip(old.chunks_exact(layout.len)).enumerate() {
            for (to, &from) in slots[r].iter().enumerate() {
                new[row(layout, to)].copy_from_slice(&old[row(layout, from)]);
            }
            genes.push(slots[r].iter().map(|&s| panel.genes[r][s]).collect());
        }
        self.ops.write_f(panel.net.params, &params)?;
        let kept = slots.first().map_or(0, Vec::len);
        Ok(panel.set_genes(self.ops, &self.scaling, genes, kept)?)
    }

    /// The panel of k genes of run `r` as it stands, and its network in the panel's layout.
    pub(super) fn snapshot(&mut self, r: usize) -> Result<Snapshot> {
        let k = self.settings.genes;
        let all = self.ops.read_f(self.stage.net().model(r).params)?;
        match &self.stage {
            Stage::Panel(p) => {
                // slots from k on are candidates, not part of it
                Ok(Snapshot {
                    genes: p.genes[r][..p.kept].to_vec(),
                    params: all,
                })
            }
            Stage::Select(net, _) => {
                let (from, to) = (&net.layout, stages::panel_layout(self.data, self.settings));
                let scores = &all[from.scores.offset..from.scores.offset + from.scores.len];
                let mut order: Vec<u32> = (0..scores.len() as u32).collect();
                order.sort_by(|&a, &b| {
                    let score = |g: u32| scores[g as usize];
                    score(b).total_cmp(&score(a)).then(a.cmp(&b))
                });
                let genes = self.settings.rules.panel(&order, k);
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
}
