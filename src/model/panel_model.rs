//! The trained result: a network that reads only the panel's genes.
use super::calibration::Calibration;
use crate::data::cells::{TaskKind, Transform};
use serde::{Deserialize, Serialize};

/// A gene of the panel and all that is needed to read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PanelGene {
    /// Name in `var`.
    pub name: String,
    /// Index in `var` of the training file.
    pub index: u32,
    /// Training loss when the gene is set to its mean, minus the loss with it.
    pub score: f32,
    /// Mean of the transformed, clipped values over the training cells.
    pub mean: f32,
    /// 1 / standard deviation of the same.
    pub inv_sd: f32,
    /// Values above are set to this.
    pub clip: f32,
}

/// A dense layer, `y = a w + b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Inputs.
    pub n_in: usize,
    /// Outputs.
    pub n_out: usize,
    /// Weights, n_in x n_out, row-major.
    pub w: Vec<f32>,
    /// Biases, n_out.
    pub b: Vec<f32>,
}

/// A task of a trained model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelTask {
    /// Column of `obs`.
    pub name: String,
    /// Kind, classes or scale.
    #[serde(flatten)]
    pub kind: TaskKind,
}

/// A panel and its network: gather the genes, clip, standardise, dense layers with ReLU between.
#[derive(Clone, Debug, PartialEq)]
pub struct PanelModel {
    /// Genes by descending score.
    pub genes: Vec<PanelGene>,
    /// Dense layers; the last one holds the heads of all tasks side by side.
    pub layers: Vec<Dense>,
    /// Tasks in the order of their columns in the last layer.
    pub tasks: Vec<ModelTask>,
    /// The input transform.
    pub transform: Transform,
    /// How sure it may be.
    pub calibration: Calibration,
}

/// What a model makes of some cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// Logits, n_cells x the tasks' widths added up.
    pub logits: Vec<f32>,
    /// What the last layer reads, n_cells x [`PanelModel::latent_width`].
    pub latent: Vec<f32>,
    /// Distance from the training cells, a cell each; empty where the model does not know them.
    pub distance: Vec<f32>,
}

impl PanelModel {
    /// Width of what the last layer reads: the last hidden layer, or the genes where there is none.
    #[must_use]
    pub fn latent_width(&self) -> usize {
        self.layers.last().map_or(0, |l| l.n_in)
    }

    /// Logits, latent and distance of cells given as for [`PanelModel::logits`].
    #[must_use]
    pub fn outputs(&self, x: &[f32]) -> Outputs {
        let mut out = Outputs::default();
        let (mut a, mut y) = (Vec::new(), Vec::new());
        for cell in x.chunks_exact(self.genes.len()) {
            self.inputs(cell, &mut a);
            if let Some(known) = &self.calibration.known {
                out.distance.push(known.distance(&a));
            }
            for i in 0..self.layers.len() {
                if i + 1 == self.layers.len() {
                    out.latent.extend_from_slice(&a);
                }
                self.layer(i, &a, &mut y);
                std::mem::swap(&mut a, &mut y);
            }
            out.logits.extend_from_slice(&a);
        }
        out
    }

    /// Logits of cells given as transformed values of the panel's genes (`n_cells x k`, row-major,
    /// unclipped): `n_cells x` the tasks' widths added up.
    #[must_use]
    pub fn logits(&self, x: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        let (mut a, mut y) = (Vec::new(), Vec::new());
        for cell in x.chunks_exact(self.genes.len()) {
            self.inputs(cell, &mut a);
            for i in 0..self.layers.len() {
                self.layer(i, &a, &mut y);
                std::mem::swap(&mut a, &mut y);
            }
            out.extend_from_slice(&a);
        }
        out
    }

    /// Tells `with` the logits of one cell (k values, as for [`PanelModel::logits`]) for each gene of
    /// the panel set to its training mean, the others as they are.
    pub fn logits_without_each(&self, cell: &[f32], mut with: impl FnMut(usize, &[f32])) {
        let Some(first) = self.layers.first() else {
            return;
        };
        let (mut inputs, mut whole) = (Vec::new(), Vec::new());
        self.inputs(cell, &mut inputs);
        first.apply(&inputs, &mut whole);
        let (mut a, mut y) = (Vec::new(), Vec::new());
        for (gene, (&v, row)) in inputs
            .iter()
            .zip(first.w.chunks_exact(first.n_out))
            .enumerate()
        {
            y.clear();
            y.extend(whole.iter().zip(row).map(|(&z, &w)| z - v * w));
            self.activate(0, &mut y);
            std::mem::swap(&mut a, &mut y);
            for i in 1..self.layers.len() {
                self.layer(i, &a, &mut y);
                std::mem::swap(&mut a, &mut y);
            }
            with(gene, &a);
        }
    }

    /// Standardised values of one cell.
    pub(crate) fn inputs(&self, cell: &[f32], a: &mut Vec<f32>) {
        a.clear();
        a.extend(
            cell.iter()
                .zip(&self.genes)
                .map(|(&v, g)| (v.min(g.clip) - g.mean) * g.inv_sd),
        );
    }

    fn layer(&self, i: usize, a: &[f32], y: &mut Vec<f32>) {
        self.layers[i].apply(a, y);
        self.activate(i, y);
    }

    fn activate(&self, i: usize, y: &mut [f32]) {
        if i + 1 < self.layers.len() {
            y.iter_mut().for_each(|v| *v = v.max(0.0));
        }
    }
}

impl Dense {
    /// `y = a w + b` of one cell.
    fn apply(&self, a: &[f32], y: &mut Vec<f32>) {
        y.clear();
        y.extend_from_slice(&self.b);
        for (&v, row) in a.iter().zip(self.w.chunks_exact(self.n_out)) {
            for (o, &w) in y.iter_mut().zip(row) {
                *o += v * w;
            }
        }
    }
}
