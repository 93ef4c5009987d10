//! Metrics, predictions of the test cells, tables and result files.
pub mod files;
pub mod metrics;
pub mod predict;
pub mod repeats;
pub mod summary;
