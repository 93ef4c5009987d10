//! A round of `refine`: which genes the network misses, and which it can do without.
use super::across::{Direction, Parts};
use super::judging::{LOSSES, Over, STATISTICS};
use super::settings::Settings;
use super::stages::{Panel, Scaling, row};
use crate::data::cells::Batches;
use crate::kernels::ablate::Ablate;
use crate::model::net::{Cells, Net, Targets};
use crate::model::panel_step::{panel_first, panel_layer};
use crate::model::step::transpose_product;
use crate::model::trunk::{Batch, Dropout, heads, trunk_backward, trunk_forward};
use crate::ops::{FBuf, Ops, Result, UBuf};
use std::ops::Range;

/// Cells and labels on the device, and what the passes over many cells need.
#[derive(Debug)]
pub(super) struct Pass {
    pub cells: Cells,
    /// With the class weights of training.
    pub targets: Targets,
    /// With those of a round.
    pub judged: Targets,
    pub task_weights: Vec<f32>,
    /// Cells that the statistics are taken over, of each network.
    pub samples: Vec<Vec<u32>>,
    /// Batch of every cell, where the panel is to hold across batches.
    pub batches: Option<Batches>,
    /// Device copy of a tile's cells, as many times over as an ablation takes.
    pub tile: UBuf,
    /// Factors of the tasks' losses.
    pub scales: FBuf,
    /// First-layer sums of ablated copies.
    pub spare: FBuf,
}

/// Share of the mean information that is added to that of every gene and hidden unit.
const RIDGE: f64 = 1e-2;

/// Buffers of [`missing`], as large as the first layer over all genes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Products {
    r: FBuf,
    p1: FBuf,
    p2: FBuf,
}

impl Products {
    fn new<O: Ops>(ops: &mut O, n_genes: usize, width: usize) -> Result<Self> {
        let mut each = || ops.alloc_f("gene statistics of a round", n_genes * width);
        Ok(Self {
            r: each()?,
            p1: each()?,
            p2: each()?,
        })
    }
}

impl Products {
    /// Those that are there, or new ones.
    pub(super) fn of<O: Ops>(
        there: &mut Option<Self>,
        ops: &mut O,
        n_genes: usize,
        width: usize,
    ) -> Result<Self> {
        match there {
            Some(products) => Ok(*products),
            None => Ok(*there.insert(Self::new(ops, n_genes, width)?)),
        }
    }

    /// Frees the buffers.
    pub(super) fn release<O: Ops>(self, ops: &mut O) {
        let all = [self.r, self.p1, self.p2];
        all.into_iter().for_each(|b| ops.release_f(b));
    }
}

/// Sums of the statistics over some cells, centred: `-R`, and `I`, n_genes x H each.
fn gene_statistics<O: Ops>(
    ops: &mut O,
    panel: &Panel,
    over: &Over,
    products: Products,
    scaling: &Scaling,
) -> Result<(Vec<f32>, Vec<f64>)> {
    let (net, width) = (&panel.net, panel.net.layout.shape.width());
    let (pass, targets) = (over.pass, over.targets());
    let n_genes = pass.cells.n_genes;
    // a mean of 1 for the cells' gradients keeps the squares far from the smallest f32
    over.set_scales(ops, over.sample.len() as f32)?;
    let (mut sums, mut squares) = (vec![0.0f64; width], vec![0.0f64; width]);
    for (i, tile) in over.sample.chunks(net.max_rows).enumerate() {
        ops.write_u(pass.tile, tile)?;
        let batch = Batch::of(pass.tile, tile.len(), pass.scales);
        let dropout = over.judging.dropout(STATISTICS, i);
        panel_first(ops, net, &panel.input, &pass.cells, batch, &dropout);
        trunk_forward(ops, net, batch.n, &dropout);
        heads(ops, net, targets, batch, &dropout, true);
        trunk_backward(ops, net, batch.n, &dropout);
        let (d, cells) = (net.first_dz().first(batch.n * width), &pass.cells);
        for (powers, out) in [
            ((1, 1), products.r),
            ((1, 2), products.p1),
            ((2, 2), products.p2),
        ] {
            transpose_product(ops, cells, batch, d, width, powers, i > 0, out);
        }
        for row in ops.read_f(d)?.chunks_exact(width) {
            for ((sum, square), &d) in sums.iter_mut().zip(&mut squares).zip(row) {
                *sum += f64::from(d);
                *square += f64::from(d) * f64::from(d);
            }
        }
    }
    let (mut r, p1, p2) = (
        ops.read_f(products.r)?,
        ops.read_f(products.p1)?,
        ops.read_f(products.p2)?,
    );
    let mut information = vec![0.0f64; n_genes * width];
    for g in 0..n_genes {
        let (mean, factor) = (f64::from(scaling.mean[g]), f64::from(scaling.factor[g]));
        for h in 0..width {
            let i = g * width + h;
            let raw = f64::from(p2[i]) - 2.0 * mean * f64::from(p1[i]) + mean * mean * squares[h];
            information[i] = (factor * factor * raw).max(0.0);
            r[i] = (-factor * (f64::from(r[i]) - mean * sums[h])) as f32;
        }
    }
    Ok((r, information))
}

/// For each gene the score statistic given a network, `q_g = sum_h R_gh^2 / (I_gh + ridge)`,
/// and its direction of descent `-R_g` (n_genes x H). A copy of a gene in the panel gets about 0.
/// With batches R is what [`Direction::agreed`] makes of theirs.
///
/// R = X~^T delta, I = (X~ o X~)^T (delta o delta), delta = dL/dZ; the centring of X~ is put in
/// afterwards, so the products run over stored values only.
pub(super) fn missing<O: Ops>(
    ops: &mut O,
    panel: &Panel,
    over: &Over,
    products: Products,
    scaling: &Scaling,
) -> Result<(Vec<f64>, Vec<f32>)> {
    let width = panel.net.layout.shape.width();
    let mut direction = Direction::default();
    for part in Parts::new(over).cells {
        let part = Over {
            sample: &part,
            ..*over
        };
        let (r, information) = gene_statistics(ops, panel, &part, products, scaling)?;
        direction.add(
            r,
            information,
            over.sample.len() as f32 / part.sample.len() as f32,
        );
    }
    let (r, information) = direction.agreed();
    let floor =
        (RIDGE * information.iter().sum::<f64>() / information.len().max(1) as f64).max(1e-30);
    let rows = r.chunks_exact(width).zip(information.chunks_exact(width));
    let q = rows.map(|(r, i)| {
        r.iter()
            .zip(i)
            .map(|(&r, &i)| f64::from(r).powi(2) / (i + floor))
            .sum()
    });
    Ok((q.collect(), r))
}

/// Loss over the sample with each slot's gene set to its mean, then the loss as it is, of one network;
/// with batches as [`Parts::weigh`] says.
pub(super) fn without_each<O: Ops>(ops: &mut O, panel: &Panel, over: &Over) -> Result<Vec<f64>> {
    changed_by_each(ops, panel, over, over.passes(), 0..panel.input.n, None)
}

/// Loss over the sample with each candidate (the slots from `panel.kept` on) joining alone, then the loss
/// without any. `params`: the network's arena with the rows that the candidates would have; the device's own
/// is left with the candidates' rows at 0.
pub(super) fn with_each<O: Ops>(
    ops: &mut O,
    panel: &Panel,
    over: &Over,
    params: &[f32],
) -> Result<Vec<f64>> {
    let layout = &panel.net.layout;
    let (mut none, mut negative) = (params.to_vec(), params.to_vec());
    for slot in panel.kept..panel.input.n {
        none[row(layout, slot)].fill(0.0);
        negative[row(layout, slot)]
            .iter_mut()
            .for_each(|w| *w = -*w);
    }
    // to take a negative row away is to add it
    let slots = panel.kept..panel.input.n;
    let arenas = Some((none.as_slice(), negative.as_slice()));
    let losses = changed_by_each(ops, panel, over, 1, slots, arenas)?;
    ops.write_f(panel.net.params, &none)?;
    Ok(losses)
}

/// Mean loss, of several passes over the sample, with the row of each of some slots taken away from the first
/// layer's sums, then the loss as it is. `arenas`: the parameters that the sums are made with and those whose
/// rows are taken away, where they are not those on the device.
fn changed_by_each<O: Ops>(
    ops: &mut O,
    panel: &Panel,
    over: &Over,
    passes: usize,
    slots: Range<usize>,
    arenas: Option<(&[f32], &[f32])>,
) -> Result<Vec<f64>> {
    let (net, pass) = (&panel.net, over.pass);
    let (n_slots, width) = (slots.len(), net.layout.shape.width());
    over.set_scales(ops, 1.0 / passes as f32)?;
    let parts = Parts::new(over);
    let n_parts = parts.cells.len();
    let mut losses = vec![0.0f64; (n_slots + 1) * n_parts];
    let add = |losses: &mut [f64], slot: usize, sums: Vec<f64>| {
        let all = losses[slot * n_parts..].iter_mut().zip(sums);
        all.for_each(|(l, s)| *l += s);
    };
    let height = net.max_rows.min(256.max(net.max_rows / n_slots.max(1)));
    let mut ablated = net.clone();
    match ablated.a.first_mut() {
        Some(a) => *a = pass.spare,
        None => ablated.logits = pass.spare,
    }
    let tiles = std::iter::repeat_n(over.sample, passes).flat_map(|s| s.chunks(height));
    for (i, cells) in tiles.enumerate() {
        let (n, dropout) = (cells.len(), over.judging.dropout(LOSSES, i));
        let at_once = (net.max_rows / n).max(1);
        ops.write_u(pass.tile, &cells.repeat(at_once))?;
        if let Some((sums, _)) = arenas {
            ops.write_f(net.params, sums)?;
        }
        let batch = Batch::of(pass.tile, n, pass.scales);
        panel_first(ops, net, &panel.input, &pass.cells, batch, &dropout);
        let sums = total_losses(ops, net, over, &parts, cells, 1)?;
        add(&mut losses, n_slots, sums);
        // the sums before the activation, from the inputs that stand
        panel_layer(ops, net, &panel.input, n, &dropout, false);
        if let Some((_, rows)) = arenas {
            ops.write_f(net.params, rows)?;
        }
        for first in slots.clone().step_by(at_once) {
            let n_genes = at_once.min(slots.end - first);
            let p = Ablate {
                n_rows: n as u32,
                width: width as u32,
                n_panel: panel.input.n as u32,
                first_gene: first as u32,
                n_genes: n_genes as u32,
                activate: u32::from(!net.a.is_empty()),
            };
            let w = net.param(net.layout.weights[0]);
            ops.ablate(p, net.first_out(), panel.input.x, w, pass.spare);
            let sums = total_losses(ops, &ablated, over, &parts, cells, n_genes)?;
            add(&mut losses, first - slots.start, sums);
        }
    }
    Ok(parts.weigh(&losses))
}

/// Losses of each part in `copies` blocks of the same cells, from the first layer's activations on.
fn total_losses<O: Ops>(
    ops: &mut O,
    net: &Net,
    over: &Over,
    parts: &Parts,
    cells: &[u32],
    copies: usize,
) -> Result<Vec<f64>> {
    let n = cells.len();
    let (batch, none) = (
        Batch::of(over.pass.tile, n * copies, over.pass.scales),
        Dropout::default(),
    );
    trunk_forward(ops, net, batch.n, &none);
    heads(ops, net, over.targets(), batch, &none, false);
    let tasks = over.targets().tasks.len();
    let mut sums = vec![0.0f64; copies * parts.cells.len()];
    let losses = ops.read_f(net.loss.first(tasks * batch.n))?;
    for (t, task) in losses.chunks_exact(batch.n).enumerate() {
        let blocks = sums.chunks_exact_mut(parts.cells.len());
        for (sums, block) in blocks.zip(task.chunks_exact(n)) {
            parts.add(t, cells, block, sums);
        }
    }
    Ok(sums)
}

/// Genes to add to a panel of k in round r of the recipe, of the largest panel or of a smaller one.
pub(super) fn additions(
    settings: &Settings,
    k: usize,
    size: usize,
    round: u64,
    room: usize,
) -> usize {
    let recipe = &settings.recipe;
    let [from, to] = recipe.add;
    let rounds = if size == 0 {
        recipe.rounds
    } else {
        recipe.nested_rounds
    };
    let last = rounds.saturating_sub(1).max(1) as f32;
    let share = from + (to - from) * round as f32 / last;
    ((k as f32 * share).round().max(1.0) as usize).min(room)
}

/// First-layer rows for new genes: half the mean norm of the panel's rows, along the descent.
/// `params` is the network's arena.
pub(super) fn new_rows(panel: &Panel, params: &[f32], new: &[u32], descent: &[f32]) -> Vec<f32> {
    let layout = &panel.net.layout;
    let width = layout.shape.width();
    let norm = |r: &[f32]| r.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let norms = (0..panel.input.n).map(|s| norm(&params[row(layout, s)]));
    let mean = norms.sum::<f64>() / panel.input.n as f64;
    let along = |&g: &u32| {
        let r = &descent[g as usize * width..(g as usize + 1) * width];
        let factor = 0.5 * mean / (norm(r) + 1e-9);
        r.iter().map(move |&x| (f64::from(x) * factor) as f32)
    };
    new.iter().flat_map(along).collect()
}
