//! Twin of `shaders/topk.wgsl`.
use super::Real;
use std::cmp::Ordering;

/// Descending by score, ties to the lower index; NaN counts as equal.
pub fn descending<T: Real>(scores: &[T], a: u32, b: u32) -> Ordering {
    let (x, y) = (scores[a as usize], scores[b as usize]);
    y.partial_cmp(&x).unwrap_or(Ordering::Equal).then(a.cmp(&b))
}

/// Hard mask of the k largest scores and their indices, ascending; `order` is scratch.
pub fn topk<T: Real>(
    k: usize,
    scores: &[T],
    order: &mut Vec<u32>,
    mask: &mut [T],
    index: &mut [u32],
) {
    order.clear();
    order.extend(0..scores.len() as u32);
    if k < order.len() {
        order.select_nth_unstable_by(k, |&a, &b| descending(scores, a, b));
        order.truncate(k);
    }
    order.sort_unstable();
    mask.fill(T::ZERO);
    for (slot, &i) in index.iter_mut().zip(order.iter()) {
        mask[i as usize] = T::ONE;
        *slot = i;
    }
}
