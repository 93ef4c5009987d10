//! `yoto-gpu bench`: what a device can do at most, what the kernels and the training step make of it,
//! and files of it that can be compared. Nothing here trains anything that is kept.
mod ceilings;
pub mod compare;
mod cpu_ceilings;
pub mod files;
mod host;
pub mod html;
pub mod listing;
pub mod plot;
mod probe;
pub mod schema;
pub mod simulate;
mod spread;
pub(crate) mod table;
pub mod text;
