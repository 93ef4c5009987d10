//! yoto-gpu: picks the few genes that matter in single-cell data and trains the network that uses
//! them, in one run, on any GPU or on none.
#![forbid(unsafe_code)]
#![expect(
    clippy::too_many_arguments,
    reason = "an operation takes an argument a binding"
)]
#![warn(missing_docs, unreachable_pub)]

pub mod cli;
pub mod cpu;
pub mod data;
pub mod error;
pub mod gpu;
pub mod kernels;
pub mod model;
pub mod ops;
pub mod reference;
pub mod report;
pub mod train;
