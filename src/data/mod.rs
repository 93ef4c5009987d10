//! From a file to cells that can be trained on: `read -> Dataset -> prepare -> Prepared -> split`.
//!
//! The test cells leave the split as a [`cells::SealedTest`], which training cannot read.
mod assign;
mod batch;
pub mod budget;
pub mod cells;
pub(crate) mod columns;
pub mod components;
pub mod dataset;
pub mod demo;
mod eigen;
pub mod filter;
pub mod folds;
pub mod h5ad;
mod labels;
pub mod matrix;
pub mod packed;
pub mod prepare;
pub(crate) mod random;
pub mod rare;
pub mod split;
mod stats;
pub mod store;
pub mod stream;
