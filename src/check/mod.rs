//! Agreement: small known cases of every kernel entry, run on any device and held against the twin
//! in f64.
//!
//! A [`Case`] makes its inputs from a seed, runs its kernels and reads their outputs. Its
//! [`Expected`] outputs come from the CPU twin in f64 on the same f32 and f16 inputs, with a bound
//! for every value; the error of a device is given as a share of that bound ([`share`]), so that 1
//! is the most that may be and a loss of accuracy shows before it fails. Each case also carries a
//! fault, a slightly wrong input whose result must be out of bounds, and is run twice, which must
//! give the same bits.
//!
//! [`cases::all`] lists the cases, [`table`] runs them on every implementation that the machine has,
//! [`browser`] in Chromium's WebGPU. The tests of the kernels use the same cases at more and larger
//! sizes.
mod bounds;
pub mod browser;
mod case;
pub mod cases;
mod device;
mod inputs;
mod serve;
pub mod table;

pub use bounds::{U, Values, equal, share, sums};
pub use case::{Case, Expected, Verdict};
pub use device::Device;
pub use inputs::{Inputs, Mode, Rng, seed};
