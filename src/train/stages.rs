//! The two kinds of network of a run on a device: over all genes with scores, and over a panel.
use super::batches::normal;
use super::settings::Settings;
use crate::data::cells::TrainingData;
use crate::model::layout::{Layout, Shape};
use crate::model::net::{Net, Room};
use crate::model::panel_step::PanelInput;
use crate::model::selector::Selector;
use crate::ops::{FBuf, Ops, Result, UBuf, stride};

/// Networks on a device, of either phase.
#[derive(Debug)]
pub(super) enum Stage {
    /// Scores and first layer over all genes.
    Select(Net, Box<Selector>),
    /// First layer over the slots of a panel.
    Panel(Panel),
}

impl Stage {
    /// Its networks.
    pub(super) fn net(&self) -> &Net {
        match self {
            Self::Select(net, _) => net,
            Self::Panel(panel) => &panel.net,
        }
    }
}

/// Panels' networks; slots ascend by gene within the first `kept`, and go by gain within the rest.
#[derive(Debug)]
pub(super) struct Panel {
    pub net: Net,
    pub input: PanelInput,
    /// Considered gene of each slot in use, of each network.
    pub genes: Vec<Vec<u32>>,
    /// Slots that are the panel of k genes; the rest are candidates of the round.
    pub kept: usize,
}

/// How a gene's value is standardised in this run: mean and factor.
#[derive(Clone, Debug)]
pub(super) struct Scaling {
    pub mean: Vec<f32>,
    pub factor: Vec<f32>,
}

impl Scaling {
    /// Division by `sd^power`, scaled so that the 200 most variable genes keep unit variance on
    /// average; power 1 is unit variance for all.
    pub(super) fn new(data: &TrainingData, power: f64) -> Self {
        let inv_sd = &data.stats.inv_sd;
        let raw: Vec<f64> = inv_sd.iter().map(|&s| f64::from(s).powf(power)).collect();
        let mut left: Vec<f64> = raw
            .iter()
            .zip(inv_sd)
            .map(|(r, &s)| (r / f64::from(s)).powi(2))
            .collect();
        left.sort_unstable_by(|a, b| b.total_cmp(a));
        left.truncate(200);
        let norm = (left.iter().sum::<f64>() / left.len().max(1) as f64).sqrt();
        let factor = raw.iter().map(|r| (r / norm) as f32).collect();
        Self {
            mean: data.stats.mean.clone(),
            factor,
        }
    }

    /// Means, then factors, of some genes.
    pub(super) fn of(&self, genes: &[u32]) -> Vec<f32> {
        let pick = |v: &[f32]| genes.iter().map(|&g| v[g as usize]).collect::<Vec<f32>>();
        [pick(&self.mean), pick(&self.factor)].concat()
    }
}

/// Outputs of all heads.
pub(super) fn n_out(data: &TrainingData) -> usize {
    data.tasks.iter().map(|t| t.kind.width()).sum()
}

/// Random weights of a whole arena: first layer N(0, 1/fan_in), hidden He, heads half of that,
/// everything else 0.
pub(super) fn initial(layout: &Layout, fan_in: usize, seed: u64) -> Vec<f32> {
    let mut params = vec![0.0; layout.len];
    let layers = layout.shape.n_layers();
    for (l, place) in layout.weights.iter().enumerate() {
        let inputs = if l == 0 {
            fan_in
        } else {
            layout.shape.input(l)
        } as f64;
        let gain: f64 = match l {
            0 => 1.0,
            l if l + 1 == layers => 0.5,
            _ => std::f64::consts::SQRT_2,
        };
        let weights = normal(place.len, gain / inputs.sqrt(), seed, l as u32);
        params[place.offset..place.offset + place.len].copy_from_slice(&weights);
    }
    params
}

/// Builds the networks of the selection phase; `params` fills their arenas.
pub(super) fn select<O: Ops>(
    ops: &mut O,
    data: &TrainingData,
    settings: &Settings,
    scaling: &Scaling,
    room: Room,
    params: &[f32],
) -> Result<Stage> {
    let layout = select_layout(data, settings);
    let width = layout.shape.width();
    let net = Net::new(ops, layout, room)?;
    ops.write_f(net.params, params)?;
    let genes = (scaling.mean.as_slice(), scaling.factor.as_slice());
    // the windows of a stream may have more pages than the cells that stay
    let pages = data.stream.as_ref().map_or(data.cells.pages.len(), |_| 2);
    let relaxation = settings.relaxation;
    let selector = Selector::new(ops, genes, width, room.models, pages, relaxation)?;
    Ok(Stage::Select(net, Box::new(selector)))
}

/// Layout of the selection phase's network.
pub(super) fn select_layout(data: &TrainingData, settings: &Settings) -> Layout {
    let shape = Shape {
        n_in: data.cells.n_genes,
        hidden: settings.hidden.clone(),
        n_out: n_out(data),
    };
    Layout::new(shape, true)
}

/// Most slots of a panel while it is refined.
pub(super) fn max_slots(settings: &Settings, n_genes: usize) -> usize {
    let k = settings.genes as f32;
    let add = settings.recipe.add.iter().fold(0.0f32, |m, &a| m.max(a));
    ((k + (k * add).ceil().max(1.0)) as usize).min(n_genes)
}

/// Layout of a panel's network.
pub(super) fn panel_layout(data: &TrainingData, settings: &Settings) -> Layout {
    let n_in = max_slots(settings, data.cells.n_genes);
    Layout::new(
        Shape {
            n_in,
            hidden: settings.hidden.clone(),
            n_out: n_out(data),
        },
        false,
    )
}

/// Builds the networks of panels; `params` fills their arenas.
pub(super) fn panel<O: Ops>(
    ops: &mut O,
    data: &TrainingData,
    settings: &Settings,
    room: Room,
    params: &[f32],
) -> Result<Panel> {
    let layout = panel_layout(data, settings);
    let slots = layout.shape.n_in;
    let net = Net::new(ops, layout, room)?;
    ops.write_f(net.params, params)?;
    let genes: UBuf = ops.alloc_u("panel", room.models * stride(slots))?;
    let stats: FBuf = ops.alloc_f("panel statistics", room.models * stride(2 * slots))?;
    let x = ops.alloc_f("panel expression", room.elements(slots, 0))?;
    Ok(Panel {
        net,
        input: PanelInput {
            genes,
            stats,
            x,
            n: 0,
        },
        genes: Vec::new(),
        kept: 0,
    })
}

impl Panel {
    /// Puts genes into the slots of each network, the first `kept` of them being the panel.
    pub(super) fn set_genes<O: Ops>(
        &mut self,
        ops: &mut O,
        scaling: &Scaling,
        genes: Vec<Vec<u32>>,
        kept: usize,
    ) -> Result<()> {
        self.input.n = genes.first().map_or(0, Vec::len);
        let mut words = vec![0; genes.len() * stride(self.input.n)];
        for (to, own) in words
            .chunks_exact_mut(stride(self.input.n).max(1))
            .zip(&genes)
        {
            to[..own.len()].copy_from_slice(own);
        }
        ops.write_u(self.input.genes, &words)?;
        (self.genes, self.kept) = (genes, kept);
        self.mute_candidates(ops, scaling, false)
    }

    /// Sets the candidates' inputs to 0 (their means), or restores them.
    pub(super) fn mute_candidates<O: Ops>(
        &mut self,
        ops: &mut O,
        scaling: &Scaling,
        mute: bool,
    ) -> Result<()> {
        let n = self.input.n;
        let mut words = vec![0.0; self.genes.len() * stride(2 * n)];
        for (to, own) in words
            .chunks_exact_mut(stride(2 * n).max(1))
            .zip(&self.genes)
        {
            to[..2 * n].copy_from_slice(&scaling.of(own));
            if mute {
                to[n + self.kept..2 * n].fill(0.0);
            }
        }
        ops.write_f(self.input.stats, &words)
    }

    /// Clears the Adam moments.
    pub(super) fn reset_moments<O: Ops>(&self, ops: &mut O) -> Result<()> {
        ops.write_f(self.net.moments, &vec![0.0; self.net.moments.len])
    }

    /// Network `r` alone.
    pub(super) fn model(&self, r: usize) -> Self {
        Self {
            net: self.net.model(r),
            input: self.input.model(r),
            genes: vec![self.genes[r].clone()],
            kept: self.kept,
        }
    }

    /// Network `r` alone with the buffers of all networks' inputs, from the first one's place on: they must
    /// be filled again afterwards.
    pub(super) fn in_front(&self, r: usize) -> Self {
        Self {
            input: self.input.clone(),
            ..self.model(r)
        }
    }

    /// Frees all buffers.
    pub(super) fn release<O: Ops>(self, ops: &mut O) {
        self.net.release(ops);
        ops.release_u(self.input.genes);
        ops.release_f(self.input.stats);
        ops.release_f(self.input.x);
    }
}

/// Row g of a first layer in an arena.
pub(super) fn row(layout: &Layout, slot: usize) -> std::ops::Range<usize> {
    let (at, width) = (layout.weights[0].offset, layout.shape.width());
    at + slot * width..at + (slot + 1) * width
}
