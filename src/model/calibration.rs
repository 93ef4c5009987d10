//! How sure a model may be of its answers: measured after training, stored with it.
use crate::error::ModelError;
use serde::{Deserialize, Serialize};

/// Share of the validation cells that each of the three rules of [`Flag`] flags.
pub const FLAGGED: f64 = 0.03;

/// What training and validation cells say of the certainty of a model. The default says nothing: every
/// temperature is 1 and no cell is flagged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Genes with a count in any training cell, over which totals of cells were taken; `None` where the
    /// file does not say (format 1).
    pub detected_genes: Option<usize>,
    /// Validation cells that the rest was measured on; 0 where there were none.
    pub cells: usize,
    /// One a task, in their order; empty where there were no validation cells.
    pub tasks: Vec<Certainty>,
    /// Where the training cells lie; `None` where there were no validation cells.
    pub known: Option<Known>,
}

/// Certainty of one task.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certainty {
    /// Logits are divided by this before the softmax (Guo et al. 2017, eq. 9); 1 of numbers.
    pub temperature: f64,
    /// Probability of the predicted class below which a cell is [`Flag::Uncertain`]; 0 of numbers.
    pub least_probability: f64,
    /// Evidence, ln of the sum of exp of the logits (minus the energy of Liu et al. 2020), below which
    /// a cell is [`Flag::Unlike`]; `None` of numbers.
    pub least_evidence: Option<f64>,
}

impl Default for Certainty {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            least_probability: 0.0,
            least_evidence: None,
        }
    }
}

/// Where the training cells lie in the standardised values of the panel's genes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Means of the classes of the first classification, or of all cells where there is none; each of
    /// k values.
    pub centres: Vec<Vec<f32>>,
    /// 1 / variance of each gene around its class's mean.
    pub inv_variance: Vec<f32>,
    /// Distance beyond which a cell is [`Flag::Unlike`].
    pub most: f64,
}

/// What a bound of a flag may be missed by: values are in single precision, and devices differ in their last digits.
const ROUNDING: f64 = 1e-5;

/// What is said of a cell besides its prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Nothing.
    Ok,
    /// The probability of its class is lower than that of nearly all validation cells.
    Uncertain,
    /// Its panel values are farther from every class, or its evidence is lower, than those of nearly
    /// all validation cells.
    Unlike,
}

/// The words of the flags, in the order of [`Flag`].
pub const FLAGS: [&str; 3] = ["ok", "uncertain", "unlike"];

impl Known {
    /// Distance of a cell (k standardised values) to the nearest centre: root of the mean over the genes
    /// of the squared difference, in variances within a class.
    #[must_use]
    pub fn distance(&self, inputs: &[f32]) -> f32 {
        let to = |centre: &Vec<f32>| -> f64 {
            let genes = inputs.iter().zip(centre).zip(&self.inv_variance);
            genes
                .map(|((z, c), v)| f64::from(z - c).powi(2) * f64::from(*v))
                .sum()
        };
        let nearest = self.centres.iter().map(to).fold(f64::INFINITY, f64::min);
        (nearest / inputs.len().max(1) as f64).sqrt() as f32
    }
}

impl Calibration {
    /// Certainty of task `t`.
    #[must_use]
    pub fn of(&self, t: usize) -> Certainty {
        self.tasks.get(t).copied().unwrap_or_default()
    }

    /// Whether it was measured, so that cells can be flagged.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.cells > 0
    }

    /// The flag of a cell for task `t`, from the probability of its class and its evidence (`None` of
    /// numbers) and its distance.
    #[must_use]
    pub fn flag(&self, t: usize, class: Option<(f32, f32)>, distance: f32) -> Flag {
        // many cells may have one and the same value, the quantile itself: rounding flags none of them
        let below = |x: f64, bound: f64| x < bound - ROUNDING * bound.abs().max(1.0);
        let own = self.of(t);
        let known = self.known.as_ref();
        let far = known.is_some_and(|k| below(-f64::from(distance), -k.most));
        match class {
            _ if far => Flag::Unlike,
            Some((_, e)) if own.least_evidence.is_some_and(|l| below(f64::from(e), l)) => {
                Flag::Unlike
            }
            Some((p, _)) if below(f64::from(p), own.least_probability) => Flag::Uncertain,
            _ => Flag::Ok,
        }
    }

    /// Whether it fits a model of `k` genes and `tasks` tasks.
    pub(super) fn check(&self, k: usize, tasks: usize) -> Result<(), ModelError> {
        let sound = |c: &Certainty| {
            c.temperature.is_finite()
                && c.temperature > 0.0
                && c.least_probability.is_finite()
                && c.least_evidence.is_none_or(f64::is_finite)
        };
        let finite = |v: &Vec<f32>| v.len() == k && v.iter().all(|x| x.is_finite());
        let known = self.known.as_ref().is_none_or(|known| {
            known.centres.iter().all(finite)
                && finite(&known.inv_variance)
                && !known.centres.is_empty()
                && known.most.is_finite()
        });
        let fits = self.tasks.is_empty() || self.tasks.len() == tasks;
        if fits && known && self.tasks.iter().all(sound) {
            return Ok(());
        }
        Err(ModelError::Broken(
            "its calibration does not fit its genes and tasks".into(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flag of a cell (probability, evidence, distance) where these are the bounds.
    fn flag(p: f64, evidence: f64, distance: f64, cell: [f64; 3]) -> Flag {
        let calibration = Calibration {
            detected_genes: None,
            cells: 100,
            tasks: vec![Certainty {
                temperature: 1.0,
                least_probability: p,
                least_evidence: Some(evidence),
            }],
            known: Some(Known {
                centres: Vec::new(),
                inv_variance: Vec::new(),
                most: distance,
            }),
        };
        let [p, e, d] = cell.map(|x| x as f32);
        calibration.flag(0, Some((p, e)), d)
    }

    #[test]
    fn cells_at_the_bound_are_not_flagged_for_their_last_digit() {
        for i in 1..200 {
            let [p, e, d] = [i as f64 / 201.3, 3.7 * i as f64, 0.37 * i as f64];
            assert_eq!(flag(p, e, d, [p, e, d]), Flag::Ok, "{p}");
            assert_eq!(flag(p, -e, d, [p, -e, d]), Flag::Ok, "{p}");
            assert_eq!(flag(p, e, d, [p - 1e-3, e, d]), Flag::Uncertain);
            assert_eq!(flag(p, e, d, [p, e * 0.999, d]), Flag::Unlike);
            assert_eq!(flag(p, e, d, [p, e, d * 1.001 + 1e-3]), Flag::Unlike);
        }
    }
}
