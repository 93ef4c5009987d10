//! From a file to cells that can be trained on: `read -> Dataset -> prepare -> Prepared -> split`.
//!
//! The test cells leave the split as a [`cells::SealedTest`], which training cannot read.
pub mod cells;
pub mod dataset;
pub mod packed;
