//! From a panel's network on a device to the model that is shipped, and what the genes beside it are worth.
use super::beside::Beside;
use super::checkpoint::Best;
use super::judging::{Judging, Over};
use super::refine::without_each;
use super::stages::{self, Panel, Scaling, row};
use super::trainer::{Result, Trainer};
use crate::data::cells::TrainingData;
use crate::model::calibration::Calibration;
use crate::model::net::Room;
use crate::model::panel_model::{Dense, ModelTask, PanelGene, PanelModel};
use crate::ops::Ops;

/// A network that is done: the model, what other genes would save beside it, and how it was
/// judged.
pub(super) type Finished = (PanelModel, Vec<Beside>, Best);

impl<O: Ops> Trainer<'_, O> {
    /// The best network of each size of each run with the exact loss of each gene, genes by descending
    /// score.
    pub(super) fn finish(&mut self) -> Result<Vec<Vec<Finished>>> {
        let room = Room {
            models: 1,
            ..self.room
        };
        let (data, settings) = (self.data, self.settings);
        let mut runs = Vec::with_capacity(self.room.models);
        for r in 0..self.room.models {
            let mut bests = self.position.runs[r].best.clone();
            let mut arenas = std::mem::take(&mut self.best[r]);
            if bests.is_empty() {
                // stopped before any panel was frozen: the network as it stands
                let snapshot = self.snapshot(r)?;
                bests.push(Best {
                    genes: snapshot.genes,
                    epoch: self.position.runs[r].history.len() as u64,
                    ..Best::default()
                });
                arenas.push(snapshot.params);
            }
            let mut models = Vec::with_capacity(bests.len());
            for (best, params) in bests.into_iter().zip(arenas) {
                let k = best.genes.len();
                let mut panel = stages::panel(self.ops, data, settings, room, &params)?;
                panel.set_genes(self.ops, &self.scaling, vec![best.genes.clone()], k)?;
                let over = Over {
                    pass: &self.pass,
                    judging: Judging::Whole,
                    sample: &self.pass.samples[r],
                };
                let losses = without_each(self.ops, &panel, &over)?;
                let scores: Vec<f64> = losses[..k].iter().map(|l| l - losses[k]).collect();
                let model = model(data, &self.scaling, &panel, &params, &scores);
                let beside = self.beside(&mut panel, r, &params)?;
                models.push((model, beside, best));
                panel.release(self.ops);
            }
            runs.push(models);
        }
        Ok(runs)
    }
}

/// Makes the host model from a panel of one network, its arena and the genes' scores.
pub(super) fn model(
    data: &TrainingData,
    scaling: &Scaling,
    panel: &Panel,
    params: &[f32],
    scores: &[f64],
) -> PanelModel {
    let layout = &panel.net.layout;
    let mut slots: Vec<usize> = (0..panel.input.n).collect();
    slots.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let gene = |&slot: &usize| {
        let g = panel.genes[0][slot] as usize;
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
        calibration: Calibration::default(),
    }
}
