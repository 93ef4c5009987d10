//! From a panel's network on a device to the model that is shipped.
use super::stages::{Panel, Scaling, row};
use crate::data::cells::TrainingData;
use crate::model::calibration::Calibration;
use crate::model::panel_model::{Dense, ModelTask, PanelGene, PanelModel};

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
