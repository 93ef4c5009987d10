//! Whether the parts of a model fit together.
use super::panel_model::PanelModel;
use super::save::{Result, broken};
use crate::data::cells::TaskKind;

impl PanelModel {
    /// Whether all parts fit together, so that [`PanelModel::logits`] cannot go wrong.
    pub(super) fn check(&self) -> Result<()> {
        if self.genes.is_empty() || self.layers.is_empty() || self.tasks.is_empty() {
            return Err(broken("it has no genes, no layers or no tasks"));
        }
        let finite = |v: &[f32]| v.iter().all(|x| x.is_finite());
        for gene in &self.genes {
            if !finite(&[gene.score, gene.mean, gene.inv_sd, gene.clip]) {
                return Err(broken(format!(
                    "gene {:?}: a value is not finite",
                    gene.name
                )));
            }
        }
        let mut width = self.genes.len();
        for (i, layer) in self.layers.iter().enumerate() {
            let shape = (layer.n_in, layer.n_out);
            let fits = layer.n_in == width
                && layer.n_in.checked_mul(layer.n_out) == Some(layer.w.len())
                && layer.n_out == layer.b.len();
            if !fits {
                let what = format!("layer {i} is {shape:?}, {width} inputs are needed");
                return Err(broken(what));
            }
            if !finite(&layer.w) || !finite(&layer.b) {
                return Err(broken(format!("layer {i}: a value is not finite")));
            }
            width = layer.n_out;
        }
        for task in &self.tasks {
            let fits = match &task.kind {
                TaskKind::Classification { classes } => !classes.is_empty(),
                TaskKind::Regression { mean, sd } => mean.is_finite() && sd.is_finite(),
                TaskKind::Component { sd, share } => sd.is_finite() && share.is_finite(),
            };
            if !fits {
                return Err(broken(format!(
                    "task {:?}: no classes or no scale",
                    task.name
                )));
            }
        }
        let heads: usize = self.tasks.iter().map(|t| t.kind.width()).sum();
        if heads != width {
            let what = format!("the last layer gives {width} values, the tasks need {heads}");
            return Err(broken(what));
        }
        self.calibration.check(self.genes.len(), self.tasks.len())
    }
}
