//! Metrics, tables, result files.
pub mod metrics;
