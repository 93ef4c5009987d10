//! What a run remembers of the genes that left its panel.
use serde::{Deserialize, Serialize};

/// How a gene left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "lowercase", deny_unknown_fields)]
pub enum When {
    /// By elimination, so many genes before the last one that left.
    Eliminated {
        /// 0 for the last one.
        before_last: usize,
    },
    /// In a round of `refine`, 1, 2, ...
    Round {
        /// Which.
        round: u64,
        /// Whether it stood in the panel; else it was only tried in that round.
        member: bool,
    },
    /// On the way to a smaller panel.
    Thinned,
}

/// When a gene left the panel, or was tried and not taken, and how much it was missed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Left {
    /// Considered gene.
    pub gene: u32,
    /// Which of [`super::settings::Settings::sizes`] the panel was to have.
    pub size: usize,
    /// How it left.
    pub when: When,
    /// Loss without it minus with it, then, as a round judges (with other genes left out at random, and rare
    /// classes weighing more); of an eliminated gene the share of the outputs' variance that the regression
    /// explains less without it.
    pub loss: f64,
    /// The same of the gene that was kept with the least.
    pub last: f64,
}

/// Adds what is known now; of each gene and size only the last time counts.
pub(super) fn remember(trail: &mut Vec<Left>, new: impl Iterator<Item = Left>) {
    for left in new {
        trail.retain(|l| (l.gene, l.size) != (left.gene, left.size));
        trail.push(left);
    }
}
