//! Settings, schedules, the epoch loop, checkpoints.
pub mod settings;
