//! Bounds of the flags in `panel.csv` and `candidates.csv`.
use super::values::share;
use crate::data::cells::Transform;
use crate::report::gene_flags::{HIGH_MEAN, Limits};
use clap::Args;
use serde::{Deserialize, Serialize};

/// Bounds that bar no gene, unlike the rules of the laboratory.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[serde(default)]
pub struct FlagArgs {
    /// Flag genes (`too low` in panel.csv) that fewer of the cells of every class detect; bars none, as
    /// --min-mean does
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share, help_heading = "Output")]
    pub min_detection: f64,
}

impl Default for FlagArgs {
    fn default() -> Self {
        Self { min_detection: 0.1 }
    }
}

impl FlagArgs {
    /// The bounds; `max_mean` as the user gave it, else that of counts per 10,000.
    #[must_use]
    pub fn limits(&self, max_mean: Option<f32>, transform: Transform) -> Limits {
        let counts = matches!(transform, Transform::Log | Transform::LogCounts);
        Limits {
            max_mean: max_mean.or(counts.then_some(HIGH_MEAN)),
            min_detection: self.min_detection as f32,
        }
    }
}
