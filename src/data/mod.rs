//! From a file to cells that can be trained on: `read -> Dataset -> prepare -> Prepared -> split`.
//!
//! The test cells leave the split as a [`cells::SealedTest`], which training cannot read.
pub mod cells;
pub mod columns;
pub mod dataset;
pub mod demo;
pub mod h5ad;
pub mod matrix;
pub mod packed;
pub mod prepare;
pub mod split;
