//! From a file to cells that can be trained on: `open -> Dataset -> prepare -> Prepared -> split`.
//!
//! The test cells leave the split as a [`cells::SealedTest`], which training cannot read.
mod assign;
mod batch;
pub mod budget;
pub mod cells;
pub(crate) mod columns;
pub mod components;
mod convert;
pub mod dataset;
pub mod demo;
mod eigen;
pub mod filter;
pub mod folds;
pub mod gene_ids;
mod h5;
mod h5ad;
mod input;
pub mod inspect;
mod keep;
mod label_file;
mod labels;
mod loaded;
mod loom;
pub mod matrix;
mod mtx;
mod open;
pub mod packed;
pub mod prepare;
pub(crate) mod random;
pub mod rare;
mod read_at;
pub mod split;
mod stats;
pub mod store;
mod stored;
pub mod stream;
mod table;
mod tenx;
mod text;
mod tidy;
mod triples;
pub mod values;
mod write;

pub use convert::{Conversion, convert};
pub use input::Which;
pub use open::{Options, open, open_rows};
