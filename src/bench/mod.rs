//! `yoto-gpu bench`: what a device can do at most, what the kernels and the training step make of it,
//! and files of it that can be compared. Nothing here trains anything that is kept.
mod agree;
mod ceilings;
pub mod compare;
mod cpu_ceilings;
pub mod files;
pub(crate) mod host;
pub mod html;
pub mod listing;
pub mod plot;
mod probe;
pub mod run;
pub mod schema;
pub mod simulate;
mod spread;
mod steps;
pub(crate) mod table;
mod target;
pub mod text;
pub mod version;
mod watch;
