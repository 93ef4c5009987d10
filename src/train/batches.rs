//! Order of the cells of each epoch, random starting weights: from counters, so no state is kept.
use crate::reference::noise::{STREAM_INIT, STREAM_SHUFFLE, philox};

/// Seed as the low key word of Philox.
pub(super) fn key(seed: u64) -> u32 {
    (seed ^ (seed >> 32)) as u32
}

/// A permutation of `0..n` for an epoch (Fisher and Yates).
pub(super) fn order(n: usize, seed: u64, epoch: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    for i in (1..n).rev() {
        let words = philox(
            [i as u32, epoch as u32, (epoch >> 32) as u32, 0],
            [key(seed), STREAM_SHUFFLE],
        );
        let r = (u64::from(words[0]) << 32) | u64::from(words[1]);
        order.swap(i, ((u128::from(r) * (i as u128 + 1)) >> 64) as usize);
    }
    order
}

/// `n` normal deviates of standard deviation `sd` (Box and Muller), from stream `what`.
pub(super) fn normal(n: usize, sd: f64, seed: u64, what: u32) -> Vec<f32> {
    let uniform = |word: u32| (f64::from(word) + 0.5) / 4_294_967_296.0;
    let pair = |i: usize| {
        let w = philox([i as u32, what, 0, 0], [key(seed), STREAM_INIT]);
        let radius = (-2.0 * uniform(w[0]).ln()).sqrt() * sd;
        let angle = std::f64::consts::TAU * uniform(w[1]);
        [(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]
    };
    (0..n.div_ceil(2)).flat_map(pair).take(n).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_visits_every_cell_once_and_epochs_differ() {
        let (a, b) = (order(1000, 1, 0), order(1000, 1, 1));
        let mut sorted = a.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<u32>>());
        assert_ne!(a, b);
        assert_ne!(a, order(1000, 2, 0));
        assert_eq!(a, order(1000, 1, 0));
    }

    #[test]
    fn normal_deviates_have_their_spread() {
        let x = normal(20_001, 2.0, 3, 0);
        let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / x.len() as f64;
        let var = x
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / x.len() as f64;
        assert!(
            mean.abs() < 0.06 && (var.sqrt() - 2.0).abs() < 0.05,
            "{mean} {var}"
        );
    }
}
