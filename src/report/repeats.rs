//! What several runs with different seeds agree on.
use crate::data::cells::TrainingData;
use crate::train::panels::Agreement;
use serde::Serialize;
use std::collections::BTreeSet;

/// How much the panels of repeated runs agree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repeats {
    /// Runs.
    pub n: usize,
    /// `consensus`, or `best run` where the run was stopped or the majority has no panel that keeps the
    /// rules.
    pub result: &'static str,
    /// Seed of the run with the lowest validation loss.
    pub best_seed: u64,
    /// Validation loss of each run, in the order of their seeds.
    pub validation_loss: Vec<f64>,
    /// Mean over all pairs of runs of the genes that both chose over the genes that either chose.
    pub jaccard: f64,
    /// The same with genes that replace each other counted as one.
    pub jaccard_of_groups: f64,
    /// Genes that any run chose, the most frequent first.
    pub genes: Vec<Frequency>,
    /// Genes that replace each other: correlated, and seldom together in a panel.
    pub interchangeable: Vec<Interchangeable>,
}

/// How often a gene was chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Frequency {
    /// Name.
    pub gene: String,
    /// Index in `var`.
    pub index: u32,
    /// Share of the runs.
    pub share: f64,
}

/// Genes of which the runs chose one or another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interchangeable {
    /// Their names, the most frequent first.
    pub genes: Vec<String>,
    /// Share of the runs that chose any of them.
    pub share: f64,
}

impl Repeats {
    /// Describes the runs of one size, whose seeds begin at `seed`.
    #[must_use]
    pub fn new(agreement: &Agreement, data: &TrainingData, seed: u64) -> Self {
        let runs = &agreement.runs;
        let loss: Vec<f64> = runs.iter().map(|f| f.best_loss).collect();
        let lowest = (0..loss.len()).fold(0, |b, i| if loss[i] < loss[b] { i } else { b });
        let best = agreement.best_run.unwrap_or(lowest);
        let index = |g: u32| data.gene_index[g as usize];
        let name = |g: u32| data.gene_names[g as usize].clone();
        let panels: Vec<BTreeSet<u32>> = runs
            .iter()
            .map(|f| f.model.genes.iter().map(|g| g.index).collect())
            .collect();
        let head = |gene: &u32| {
            let holds = |g: &&crate::train::consensus::Group| {
                g.genes.iter().any(|c| index(c.gene) == *gene)
            };
            let group = agreement.groups.iter().find(holds);
            group.map_or(*gene, |g| index(g.genes[0].gene))
        };
        let grouped: Vec<BTreeSet<u32>> = panels
            .iter()
            .map(|p| p.iter().map(head).collect())
            .collect();
        let choices = agreement.groups.iter().flat_map(|g| &g.genes);
        let mut genes: Vec<Frequency> = choices
            .map(|c| Frequency {
                gene: name(c.gene),
                index: index(c.gene),
                share: c.share,
            })
            .collect();
        genes.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.index.cmp(&b.index)));
        let several = agreement.groups.iter().filter(|g| g.genes.len() > 1);
        Self {
            n: runs.len(),
            result: if agreement.best_run.is_none() {
                "consensus"
            } else {
                "best run"
            },
            best_seed: seed + best as u64,
            validation_loss: loss,
            jaccard: overlap(&panels),
            jaccard_of_groups: overlap(&grouped),
            genes,
            interchangeable: several
                .map(|g| Interchangeable {
                    genes: g.genes.iter().map(|c| name(c.gene)).collect(),
                    share: g.share,
                })
                .collect(),
        }
    }
}

/// Mean Jaccard overlap over all pairs.
fn overlap(panels: &[BTreeSet<u32>]) -> f64 {
    let mut overlaps = Vec::new();
    for (i, a) in panels.iter().enumerate() {
        for b in &panels[i + 1..] {
            overlaps.push(a.intersection(b).count() as f64 / a.union(b).count().max(1) as f64);
        }
    }
    overlaps.iter().sum::<f64>() / overlaps.len().max(1) as f64
}
