//! Made-up counts with planted marker genes: what a selection ought to find is known.
//!
//! Counts are negative binomial with [`SIZE`] as size, times a size factor of the cell. Each marker is
//! high in one class and low in all others; a copy of a marker keeps nine tenths of its counts, so
//! that it tells nothing that the marker does not; a decoy is as variable as a marker but follows a
//! state of the cell that has nothing to do with its class; a gradient gene rises with the cell's
//! `pseudotime`. Every cell comes from its own random stream, so that any block of cells can be made
//! alone, and the same seed gives the same cells whatever the threads.
mod cells;
mod write;

pub use cells::{Cell, Simulation};
pub use write::{Compression, write};

use crate::error::DataError;

/// Size (inverse dispersion) of the negative binomial.
pub const SIZE: f64 = 2.0;
/// Mean count of a marker in its class and of a decoy in its state, and elsewhere.
pub const ON_OFF: [f64; 2] = [3.0, 0.1];
/// Share of all cells that a rare class has.
pub const RARE_SHARE: f64 = 0.01;
/// States of a cell that decoys follow.
pub const STATES: usize = 4;

/// What is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Cells.
    pub cells: usize,
    /// Genes, the planted ones included.
    pub genes: usize,
    /// Share of the values that are not 0.
    pub density: f64,
    /// Marker genes, shared out among the classes in turn.
    pub markers: usize,
    /// Classes.
    pub classes: usize,
    /// Of these, classes (the last ones) that have [`RARE_SHARE`] of the cells each.
    pub rare: usize,
    /// Redundant copies of each marker.
    pub copies: usize,
    /// Genes that follow a state which is not the class.
    pub decoys: usize,
    /// Genes that rise with `pseudotime`.
    pub gradients: usize,
    /// Donors.
    pub donors: usize,
    /// Standard deviation of the logarithm of each donor's factor on each gene.
    pub batch_effect: f64,
    /// Seed of everything.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cells: 10_000,
            genes: 2_000,
            density: 0.05,
            markers: 32,
            classes: 8,
            rare: 0,
            copies: 0,
            decoys: 0,
            gradients: 8,
            donors: 8,
            batch_effect: 0.0,
            seed: 0,
        }
    }
}

impl Settings {
    /// Genes that are no plain ones.
    #[must_use]
    pub fn planted(&self) -> usize {
        let copies = self.markers.saturating_mul(self.copies);
        [self.markers, copies, self.decoys, self.gradients]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    fn check(&self) -> Result<(), DataError> {
        let refuse = |what: String, hint: &str| Err(DataError::new(what, hint));
        let most = i32::MAX as usize;
        for (flag, value, least, most) in [
            ("cells", self.cells, 1, most),
            ("genes", self.genes, 1, most),
            ("classes", self.classes, 1, 10_000),
            ("donors", self.donors, 1, 10_000),
        ] {
            if !(least..=most).contains(&value) {
                return refuse(
                    format!("--{flag} is {value}"),
                    &format!("give from {least} to {most}"),
                );
            }
        }
        if self.planted() > self.genes {
            return refuse(
                format!(
                    "{} planted genes (--markers, --copies, --decoys, --gradients) of {} genes",
                    self.planted(),
                    self.genes
                ),
                "plant fewer, or ask for more --genes",
            );
        }
        if self.rare > self.classes || self.rare as f64 * RARE_SHARE >= 0.9 {
            return refuse(
                format!("--rare {} of {} classes", self.rare, self.classes),
                "let fewer classes be rare: each has 1 % of the cells",
            );
        }
        if !(self.density > 0.0 && self.density <= 0.9) {
            return refuse(
                format!("--density is {}", self.density),
                "give a share above 0 and up to 0.9",
            );
        }
        if !(0.0..=3.0).contains(&self.batch_effect) {
            return refuse(
                format!("--batch-effect is {}", self.batch_effect),
                "give a standard deviation of the logarithm from 0 to 3",
            );
        }
        Ok(())
    }
}

/// What a gene was planted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// High in one class.
    Marker {
        /// The class.
        class: u32,
    },
    /// Nine tenths of the counts of a marker.
    Copy {
        /// Gene of the marker.
        of: u32,
    },
    /// High in one of the cell's states.
    Decoy {
        /// Below [`STATES`].
        state: u32,
    },
    /// Rises with `pseudotime`.
    Gradient,
    /// The same in all classes.
    Plain,
}

impl Role {
    /// As it stands in `var["role"]`.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["marker", "copy", "decoy", "gradient", "plain"][self.code()]
    }
    fn code(self) -> usize {
        match self {
            Self::Marker { .. } => 0,
            Self::Copy { .. } => 1,
            Self::Decoy { .. } => 2,
            Self::Gradient => 3,
            Self::Plain => 4,
        }
    }
}
