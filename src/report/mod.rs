//! Metrics, predictions of the test cells, tables and result files.
pub mod batches;
pub mod comparison;
pub mod cross;
pub mod explain;
pub mod explain_csv;
pub mod files;
pub mod gene_flags;
pub mod hierarchy;
pub mod metrics;
pub mod order;
pub mod order_csv;
pub mod predict;
pub mod repeats;
pub mod summary;
pub mod tasks;
