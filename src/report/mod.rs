//! Metrics, tables, result files.
