//! What several runs with different seeds agree on.
use crate::train::settings::Fit;
use serde::Serialize;
use std::collections::BTreeMap;

/// How much the panels of repeated runs agree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repeats {
    /// Runs.
    pub n: usize,
    /// Seed of the run whose result is given: the one with the lowest validation loss.
    pub chosen_seed: u64,
    /// Validation loss of each run, in the order of their seeds.
    pub validation_loss: Vec<f64>,
    /// Mean over all pairs of runs of the genes that both chose over the genes that either chose.
    pub jaccard: f64,
    /// Genes that any run chose, the most frequent first.
    pub genes: Vec<Frequency>,
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

impl Repeats {
    /// Compares runs whose seeds begin at `seed`; also the place of the best one. `None` where there
    /// is only one run.
    #[must_use]
    pub fn new(fits: &[Fit], seed: u64) -> (usize, Option<Self>) {
        let loss = |f: &Fit| f.best_loss;
        let best = (0..fits.len()).fold(0, |b, i| {
            if loss(&fits[i]) < loss(&fits[b]) {
                i
            } else {
                b
            }
        });
        if fits.len() < 2 {
            return (best, None);
        }
        let panels: Vec<BTreeMap<u32, &str>> = fits
            .iter()
            .map(|f| {
                f.model
                    .genes
                    .iter()
                    .map(|g| (g.index, g.name.as_str()))
                    .collect()
            })
            .collect();
        let mut counts: BTreeMap<u32, (usize, &str)> = BTreeMap::new();
        for (&index, &name) in panels.iter().flatten() {
            counts.entry(index).or_insert((0, name)).0 += 1;
        }
        let mut overlaps = Vec::new();
        for (i, a) in panels.iter().enumerate() {
            for b in &panels[i + 1..] {
                let both = a.keys().filter(|g| b.contains_key(g)).count();
                overlaps.push(both as f64 / (a.len() + b.len() - both).max(1) as f64);
            }
        }
        let mut genes: Vec<Frequency> = counts
            .into_iter()
            .map(|(index, (n, name))| Frequency {
                gene: name.into(),
                index,
                share: n as f64 / fits.len() as f64,
            })
            .collect();
        genes.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.index.cmp(&b.index)));
        let repeats = Self {
            n: fits.len(),
            chosen_seed: seed + best as u64,
            validation_loss: fits.iter().map(loss).collect(),
            jaccard: overlaps.iter().sum::<f64>() / overlaps.len() as f64,
            genes,
        };
        (best, Some(repeats))
    }
}
