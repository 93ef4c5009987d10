//! Twin of `shaders/sort.wgsl`.
use super::{Real, topk::descending};

/// Genes by descending score, ties to the lower index.
pub fn order<T: Real>(scores: &[T], order: &mut [u32]) {
    for (i, o) in order.iter_mut().enumerate() {
        *o = i as u32;
    }
    order.sort_unstable_by(|&a, &b| descending(scores, a, b));
}
