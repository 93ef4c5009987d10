//! Every kernel entry on an adapter against its twin in f64.
mod common;
#[path = "common/compare.rs"]
mod compare;
#[path = "kernels/dense.rs"]
mod dense;
#[path = "kernels/device.rs"]
mod device;
#[path = "kernels/selection.rs"]
mod selection;
#[path = "kernels/sparse.rs"]
mod sparse;
