//! From a file to cells that can be trained on: `read -> Dataset -> prepare -> Prepared -> split`.
//!
//! The test cells leave the split as a [`cells::SealedTest`], which training cannot read.
mod assign;
pub mod cells;
mod convert;
pub mod dataset;
pub mod demo;
mod h5;
mod h5ad;
mod input;
mod inspect;
mod keep;
mod label_file;
mod labels;
mod loaded;
mod loom;
mod mtx;
mod open;
pub mod packed;
pub mod prepare;
pub(crate) mod random;
pub mod split;
mod stats;
mod stored;
mod table;
mod tenx;
mod text;
mod tidy;
mod triples;
pub mod values;
mod write;

pub use convert::{Conversion, convert};
pub use input::Which;
pub use inspect::{ColumnInfo, Inspection, Matrix, inspect};
pub use open::{Options, open};
