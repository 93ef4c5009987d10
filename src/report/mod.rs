//! Metrics, predictions of the test cells, tables and result files.
pub mod batches;
pub mod cross;
pub mod explain;
pub mod explain_csv;
pub mod files;
pub mod genes;
pub mod hierarchy;
pub mod interval;
pub mod metrics;
pub mod page;
pub mod predict;
pub mod repeats;
pub mod summary;
pub mod tasks;
