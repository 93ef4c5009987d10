//! What the genes beside a panel that is done would save.
use super::judging::{Judging, Over};
use super::refine::{Products, missing, new_rows, with_each};
use super::stages::{Panel, Scaling, row};
use super::trainer::{Result, Trainer};
use crate::ops::Ops;

/// Fewest genes that are looked at, where there are so many; else two for each of the panel.
const LEAST: usize = 50;

/// How closely gains are measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Care {
    /// Most cells that losses are taken over.
    cells: usize,
    /// Lengths of a gene's weights that are tried, in half the mean norm of the panel's.
    lengths: &'static [f32],
}

/// For what the user reads.
const CLOSE: Care = Care {
    cells: 2048,
    lengths: &[0.125, 0.25, 0.5, 1.0, 2.0],
};
/// For the genes that join a round.
pub(super) const QUICK: Care = Care {
    cells: 1024,
    lengths: &[0.25, 1.0],
};

/// A gene beside a panel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beside {
    /// Considered gene.
    pub gene: u32,
    /// How much the mean training loss falls when the gene joins the network as it stands, with weights
    /// along its direction of descent, as a round of `refine` would give it: the most of some lengths of
    /// them; 0 where it falls with none.
    pub gain: f32,
}

impl<O: Ops> Trainer<'_, O> {
    /// The genes with the largest score statistic beside the panel of run `r` and what each would save, the
    /// most first. `params`: the panel's arena.
    pub(super) fn beside(
        &mut self,
        panel: &mut Panel,
        r: usize,
        params: &[f32],
    ) -> Result<Vec<Beside>> {
        let (n_genes, k) = (self.data.cells.n_genes, panel.kept);
        let layout = panel.net.layout.clone();
        let room = layout.shape.n_in - k;
        let own = panel.genes[0].clone();
        if room == 0 || own.len() != k {
            return Ok(Vec::new());
        }
        let products = Products::of(&mut self.products, self.ops, n_genes, layout.shape.width())?;
        let scaling = &self.scaling;
        let over = Over {
            pass: &self.pass,
            judging: Judging::Whole,
            sample: &self.pass.samples[r],
        };
        let (mut q, descent) = missing(self.ops, panel, &over, products, scaling)?;
        own.iter().for_each(|&g| q[g as usize] = -1.0);
        let mut genes: Vec<u32> = (0..n_genes as u32)
            .filter(|&g| q[g as usize] >= 0.0)
            .collect();
        genes.sort_by(|&a, &b| q[b as usize].total_cmp(&q[a as usize]).then(a.cmp(&b)));
        genes.truncate(LEAST.max(2 * k));
        let mut beside = gains(
            self.ops, panel, &over, scaling, params, &genes, &descent, CLOSE,
        )?;
        beside.sort_by(|a, b| b.gain.total_cmp(&a.gain).then(a.gene.cmp(&b.gene)));
        Ok(beside)
    }
}

/// What some genes would save, in their order, over cells of the sample; `params` is the panel's arena,
/// `descent` that of [`missing`]. The panel must have slots for at least one more gene.
pub(super) fn gains<O: Ops>(
    ops: &mut O,
    panel: &mut Panel,
    over: &Over,
    scaling: &Scaling,
    params: &[f32],
    genes: &[u32],
    descent: &[f32],
    care: Care,
) -> Result<Vec<Beside>> {
    let k = panel.kept;
    let layout = panel.net.layout.clone();
    let own = panel.genes[0].clone();
    let every = over.sample.len().div_ceil(care.cells).max(1);
    let cells: Vec<u32> = over.sample.iter().copied().step_by(every).collect();
    let over = Over {
        sample: &cells,
        ..*over
    };
    let mut beside = Vec::with_capacity(genes.len());
    for some in genes.chunks((layout.shape.n_in - k).max(1)) {
        let rows = new_rows(panel, params, some, descent);
        panel.set_genes(ops, scaling, vec![[own.as_slice(), some].concat()], k)?;
        let mut gains = vec![0.0f32; some.len()];
        for length in care.lengths {
            let mut arena = params.to_vec();
            let at = row(&layout, k).start;
            let scaled = rows.iter().map(|w| w * length);
            arena[at..].iter_mut().zip(scaled).for_each(|(a, w)| *a = w);
            let losses = with_each(ops, panel, &over, &arena)?;
            let saved = losses[..some.len()].iter().map(|l| losses[some.len()] - l);
            let best = gains.iter_mut().zip(saved);
            best.for_each(|(gain, saved)| *gain = gain.max(saved as f32));
        }
        panel.set_genes(ops, scaling, vec![own.clone()], k)?;
        let each = some.iter().zip(gains);
        beside.extend(each.map(|(&gene, gain)| Beside { gene, gain }));
    }
    Ok(beside)
}
