//! Twin of `shaders/panel.wgsl`: standardised expression of a few genes, dense.
use super::{Real, noise::dropout_words};
use crate::data::packed::unpack;
use crate::kernels::panel::Panel;
use crate::ops::BLOCK;

/// One cell of the batch (its b-th); `block(j)` are its nonzeros in the j-th
/// block of genes.
#[inline(always)]
pub fn gather_row<'a, T: Real>(
    p: &Panel,
    b: usize,
    block: impl Fn(usize) -> &'a [u32],
    genes: &[u32],
    stats: &[T],
    out: &mut [T],
) {
    let n = p.n_panel as usize;
    let (mean, inv_sd) = stats.split_at(n);
    let mut words = [0; 4];
    for (j, o) in out.iter_mut().enumerate() {
        let own = block(genes[j] as usize / BLOCK);
        let entry = own.iter().find(|&&e| e & 0xffff == genes[j]);
        let x = entry.map_or(0.0, |&e| unpack(e).1);
        let value = (T::of(f64::from(x)) - mean[j]) * inv_sd[j];
        let element = b * n + j;
        if p.drop_below > 0 && (j == 0 || element.is_multiple_of(4)) {
            words = dropout_words(p.seed, p.stream, p.step, element);
        }
        let keep = words[element % 4] >= p.drop_below;
        *o = if keep {
            value * T::of(f64::from(p.keep_scale))
        } else {
            T::ZERO
        };
    }
}
