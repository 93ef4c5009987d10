//! Known cases, each a function of its sizes, and the list of the small ones.
//!
//! [`all`] has at least one case for every registered kernel entry (`tests/agree.rs`), with sizes
//! beside the edges of workgroups and tiles, that a software adapter runs in milliseconds.
pub mod dense;
pub mod selection;
pub mod sparse;

use super::Case;

/// The small cases that every implementation runs.
#[must_use]
pub fn all() -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    cases.extend(selection::all());
    cases.extend(sparse::all());
    cases.extend(dense::all());
    cases
}
