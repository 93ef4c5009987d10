//! What a run remembers of the genes that left its panel.
use serde::{Deserialize, Serialize};

/// When a gene left the panel, or was tried and not taken, and how much it was missed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Left {
    /// Considered gene.
    pub gene: u32,
    /// Which of [`super::settings::Settings::sizes`] the panel was to have.
    pub size: usize,
    /// Round of `refine`, 1, 2, ...; `None` on the way to a smaller panel.
    pub round: Option<u64>,
    /// Whether it stood in the panel; else it was only tried in that round.
    pub member: bool,
    /// Loss without it minus with it, then, as a round judges (with other genes left out at random, and rare
    /// classes weighing more).
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
