//! Training: settings, the plan of the phases, the loop over epochs, checkpoints.
//!
//! `select` learns scores over all genes (optional), `refine` adds and drops genes of the panel
//! with the network at hand, `finish` trains the network on the frozen panel. Where there are several genes for
//! each output, elimination takes the place of the first two, for each size that has them; where there are few cells, boosting
//! may ([`contest`]).
mod across;
pub mod baselines;
mod batches;
pub mod beside;
mod boost;
pub mod calibrate;
mod chance;
pub mod checkpoint;
mod choice;
pub mod consensus;
pub mod contest;
mod covariances;
mod eliminate;
mod epochs;
mod evaluate;
mod feed;
mod fit;
mod growing;
mod held_out;
mod judging;
pub mod lab;
mod moves;
pub mod panels;
pub mod plan;
pub mod rank;
pub mod recipe;
mod refine;
mod release;
mod result;
mod ridge;
pub mod rules;
pub mod settings;
mod stages;
mod start;
pub mod steps;
pub mod trail;
mod trainer;

pub use fit::{check, fit, fit_all};
