//! yoto-gpu: picks the few genes that matter in single-cell data and trains the network that uses
//! them, in one run, on any GPU or on none.
//!
//! # The way of the data
//!
//! ```text
//! file -> Dataset -> Prepared -> (TrainingData, SealedTest) -> Trained -> result files   (train)
//! file, model -> PanelCells -> Outputs -> table, annotated copy or figures               (predict, evaluate)
//! ```
//!
//! One function a stage, each from the last one's value: [`data::open()`],
//! [`data::prepare::prepare`], [`data::split::split`], [`train::panels::fit_panels`], then
//! [`report::files::Panel::new`] and [`report::files::write_results`]; for new cells
//! [`data::panel::read`], [`train::calibrate::outputs`], then [`report::table`], [`data::annotate`] or
//! [`report::evaluation`]. No stage prints; progress goes
//! through a callback. The test cells are sealed by type ([`data::cells::SealedTest`]): training
//! has no way to read them, only the report opens them.
//!
//! # Rooms
//!
//! - `shaders/*.wgsl`: one operation each, with its parameter struct; `shaders/common/` is joined
//!   to them by plain concatenation.
//! - [`kernels`]: parameters, bindings and launch sizes of the shaders, and their registry.
//! - [`mod@reference`]: a CPU twin of each kernel: plain loops, generic over f32 and f64.
//! - [`ops`]: the trait [`ops::Ops`], one method a kernel entry; [`gpu`] implements it on wgpu,
//!   [`cpu`] with the twins (f64 in tests, f32 over rayon for `--device cpu`).
//! - [`model`]: shapes, places in the flat arena, and the order of the operations of a step, written
//!   once over `Ops` and so shared by both devices ([`model::step`], [`model::panel_step`], [`model::trunk`]).
//! - [`train`]: settings, the plan of the phases, elimination, boosting and the comparison that chooses it
//!   ([`train::contest`]), the epoch loop, rounds, checkpoints; panels of several
//!   sizes, of the majority of several runs, and the rules that they keep ([`train::rules`]); baselines ([`train::baselines`]).
//! - [`check`]: small known cases of every kernel entry, and their table over all implementations.
//! - [`metrics`]: scores, for validation and reports alike.
//! - [`report`]: predictions, the summary, the result files, what a laboratory orders from
//!   ([`report::order`]) and the page ([`report::page`]).
//! - [`markup`]: HTML and SVG as text, for the pages of `report` and of `bench compare`.
//! - [`data`]: readers of every format behind [`data::open()`] (HDF5 in Rust: nothing in a file is
//!   trusted), what genes are called ([`data::lookup`]), filters, preparation, splits, cells larger than memory.
//! - [`mod@bench`]: what a device can do at most, the times of kernels and steps on simulated data, files
//!   of results and their comparison; the fields of a file are in [`bench::schema`].
//! - [`simulate`]: counts with planted marker genes, in memory or as a file.
//! - [`cli`]: flags, progress, and the stages of a subcommand in order (`cli/ready.rs` and `cli/stages.rs` have those that
//!   `train` and `evaluate-panel` share).
//! - [`leftovers`]: what a signal that ends the program takes with it.
//! - [`error`]: one enum a stage; every error has a hint.
//!
//! # Numbers
//!
//! Expression is stored once as packed words, u16 gene and f16 value, the same on every device.
//! Noise, dropout and the order of the cells come from Philox counters by integer arithmetic, so
//! they are the same bits everywhere and a run can be resumed from its step number alone. Sums are
//! taken in a fixed order: same seed and device, same bytes.
#![deny(unsafe_code)]
#![expect(
    clippy::too_many_arguments,
    reason = "an operation takes an argument a binding"
)]
#![warn(missing_docs, unreachable_pub)]

pub mod bench;
pub mod check;
pub mod cli;
pub mod cpu;
pub mod data;
pub mod error;
pub mod gpu;
pub mod kernels;
pub mod leftovers;
pub mod markup;
pub mod metrics;
pub mod model;
pub mod ops;
pub mod reference;
pub mod report;
pub mod simulate;
pub mod train;
