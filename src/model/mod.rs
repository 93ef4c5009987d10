//! What a network is: shapes, places in the flat arena, the order of the operations of one step.
pub mod calibration;
mod check;
mod checksum;
pub mod layout;
pub mod net;
pub mod panel_model;
pub mod panel_step;
pub mod save;
pub mod selector;
pub mod step;
pub mod trunk;
