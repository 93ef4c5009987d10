//! What happens to the panel between two segments: genes join, genes leave.
use super::checkpoint::Snapshot;
use super::plan::Kind;
use super::refine::{Products, additions, missing, new_rows, without_each};
use super::stages::{self, Stage, row};
use super::trainer::{Result, Trainer};
use crate::ops::Ops;

impl<O: Ops> Trainer<'_, O> {
    /// What comes before the first step of a segment.
    pub(super) fn enter(&mut self, kind: Kind) -> Result<()> {
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
    pub(super) fn leave(&mut self, kind: Kind) -> Result<()> {
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
    pub(super) fn keep(&mut self, slots: &[usize]) -> Result<()> {
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
    pub(super) fn snapshot(&mut self) -> Result<Snapshot> {
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
}
