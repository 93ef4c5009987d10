//! How genes are judged: over which cells, what each class weighs, and which genes are left out meanwhile.
//!
//! The training loss of the network as it stands says little of genes that make up for one another: it falls to
//! nothing with any one of them, on the few cells of a rare class with one that is there by chance. So a round
//! leaves genes of the panel out at random, in each cell others, and judges by the mean: what a gene is worth then
//! lies between what it tells alone and what it adds to all others (a Banzhaf value, where half are left out).
use super::batches::key;
use super::refine::Pass;
use super::settings::Settings;
use crate::model::net::Targets;
use crate::model::trunk::Dropout;
use crate::ops::{Ops, Result};

/// Cells that genes are judged over, and how.
#[derive(Clone, Copy)]
pub(super) struct Over<'a> {
    pub pass: &'a Pass,
    pub judging: Judging,
    pub sample: &'a [u32],
}

impl Over<'_> {
    /// The labels with the class weights that count.
    pub(super) fn targets(&self) -> &Targets {
        match self.judging {
            Judging::Whole => &self.pass.targets,
            Judging::Round { .. } => &self.pass.judged,
        }
    }

    /// Task weight over the sum of cell weights of the whole sample, times `factor`, on the device.
    pub(super) fn set_scales<O: Ops>(&self, ops: &mut O, factor: f32) -> Result<()> {
        let scales = self.targets().scales(&self.pass.task_weights, self.sample);
        let scales: Vec<f32> = scales.map(|s| s * factor).collect();
        ops.write_f(self.pass.scales, &scales)
    }

    /// How often a sample is passed over where the k genes to be kept are told from the others.
    pub(super) fn passes(&self) -> usize {
        match self.judging {
            Judging::Round { dropout, .. } if dropout > 0.0 => {
                LEAST_DRAWS.div_ceil(self.sample.len().max(1)).max(1)
            }
            _ => 1,
        }
    }
}

/// How genes are judged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Judging {
    /// By the loss of training of the network as it stands.
    Whole,
    /// As a round does: with class weights of its own, and with some of the panel's genes left out at random
    /// in each cell.
    Round {
        /// Share that is left out.
        dropout: f32,
        /// Low word of the key of what is random.
        seed: u32,
    },
}

/// At most the share "outputs over this" is left out: what tells a few donors or treatments apart is no set of
/// markers a class that stand in for one another.
const OUTPUTS: f32 = 16.0;

/// Cells that those losses are taken over at least, each with other genes left out, where some are.
const LEAST_DRAWS: usize = 4096;

impl Judging {
    /// For a panel of k genes of run `r`: the more genes there are for each of the `n_out` outputs, the more of
    /// them are left out; none where each is needed for a class of its own, and few where there are few outputs.
    pub(super) fn of(settings: &Settings, n_out: usize, k: usize, r: usize) -> Self {
        let recipe = &settings.recipe;
        let needed = recipe.judge_needed * n_out as f32 / k as f32;
        let most = recipe.judge_dropout.min(n_out as f32 / OUTPUTS);
        Self::Round {
            dropout: (1.0 - needed).min(most).max(0.0),
            seed: key(settings.seed + r as u64),
        }
    }

    /// What is left out of the `tile`-th tile; steps of training have smaller numbers.
    pub(super) fn dropout(self, what: u32, tile: usize) -> Dropout {
        match self {
            Self::Whole => Dropout::default(),
            Self::Round { dropout, seed } => Dropout {
                input: dropout,
                hidden: 0.0,
                seed,
                step: what | tile as u32,
            },
        }
    }
}

/// What a random number is for, as the upper bits of a step.
pub(super) const STATISTICS: u32 = 2 << 30;
pub(super) const LOSSES: u32 = 3 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn share(n_out: usize, k: usize) -> f32 {
        match Judging::of(&Settings::default(), n_out, k, 0) {
            Judging::Round { dropout, .. } => dropout,
            Judging::Whole => f32::NAN,
        }
    }

    #[test]
    fn only_genes_to_spare_are_left_out() {
        // two genes a class are needed, at most half of them left out
        assert_eq!([share(8, 8), share(8, 16), share(48, 64)], [0.0; 3]);
        assert_eq!(share(12, 32), 0.25);
        assert_eq!([share(8, 32), share(8, 500), share(48, 500)], [0.5; 3]);
        assert_eq!(
            [share(2, 8), share(2, 500), share(4, 32)],
            [0.125, 0.125, 0.25]
        );
    }
}
