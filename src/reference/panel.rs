//! Twin of `shaders/panel.wgsl`: standardised expression of a few genes, dense.
use super::{Real, noise::dropout_word};
use crate::data::packed::unpack;
use crate::kernels::panel::Panel;

/// One cell of the batch (its b-th); `entries` are all its nonzeros, found by binary search.
#[inline(always)]
pub fn gather_row<T: Real>(
    p: &Panel,
    b: usize,
    entries: &[u32],
    genes: &[u32],
    stats: &[T],
    out: &mut [T],
) {
    let n = p.n_panel as usize;
    let (mean, inv_sd) = stats.split_at(n);
    for (j, o) in out.iter_mut().enumerate() {
        let x = match entries.binary_search_by_key(&genes[j], |&e| e & 0xffff) {
            Ok(at) => unpack(entries[at]).1,
            Err(_) => 0.0,
        };
        let value = (T::of(f64::from(x)) - mean[j]) * inv_sd[j];
        let element = (b * n + j) as u32;
        let keep =
            p.drop_below == 0 || dropout_word(p.seed, p.stream, p.step, element) >= p.drop_below;
        *o = if keep {
            value * T::of(f64::from(p.keep_scale))
        } else {
            T::ZERO
        };
    }
}
