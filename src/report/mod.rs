//! Metrics, predictions of the test cells, tables and result files.
pub mod batches;
pub mod confidence;
pub mod cross;
pub mod evaluation;
pub mod explain;
pub mod explain_csv;
pub mod files;
pub mod hierarchy;
pub mod interval;
pub mod metrics;
pub mod per_class;
pub mod predict;
pub mod repeats;
pub mod summary;
pub mod table;
pub mod target;
pub mod tasks;
