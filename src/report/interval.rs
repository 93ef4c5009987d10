//! 95 % intervals of test figures: percentiles over resamples of the test cells (Efron 1979).
use crate::reference::noise::philox;
use rayon::prelude::*;

/// Resamples where cells are few; fewer where there are many, so that the time stays bounded: an interval
/// of many cells is narrow and needs no sharp edges.
const MOST: usize = 1_000;
const LEAST: usize = 200;
const DRAWS: usize = 20_000_000;
/// Stream (high key word) of the draws.
const STREAM: u32 = 0x626f_6f74;

/// The 2.5th and the 97.5th percentile of each figure over resamples of `n` cells drawn with
/// replacement. `figures` is given the drawn cells and gives as many figures each time; resamples that
/// leave a figure undefined have no say in it. `None` where there are no cells or too few resamples count.
pub fn intervals(
    n: usize,
    seed: u64,
    figures: impl Fn(&[u32]) -> Vec<f64> + Sync,
) -> Vec<Option<[f64; 2]>> {
    let resamples = (DRAWS / n.max(1)).clamp(LEAST, MOST);
    if n == 0 {
        return vec![None; figures(&[]).len()];
    }
    let one = |r: usize| {
        let word = |i: usize| {
            let counter = [(i / 4) as u32, r as u32, (seed >> 32) as u32, 0];
            philox(counter, [seed as u32, STREAM])
        };
        let mut cells = Vec::with_capacity(n);
        for i in (0..n).step_by(4) {
            let left = (n - i).min(4);
            let drawn = word(i).into_iter().take(left);
            // the high half of the product: even to one part in 2^32 / n
            cells.extend(drawn.map(|w| ((u64::from(w) * n as u64) >> 32) as u32));
        }
        figures(&cells)
    };
    let all: Vec<Vec<f64>> = (0..resamples).into_par_iter().map(one).collect();
    let width = all.first().map_or(0, Vec::len);
    let percentiles = |f: usize| {
        let mut known: Vec<f64> = all.iter().map(|row| row[f]).collect();
        known.retain(|x| x.is_finite());
        known.sort_by(f64::total_cmp);
        if known.len() < resamples / 2 {
            return None;
        }
        // linear between the two nearest, as numpy.percentile does
        let at = |q: f64| {
            let place = q * (known.len() - 1) as f64;
            let (low, share) = (place.floor() as usize, place.fract());
            let high = (low + 1).min(known.len() - 1);
            known[low] + share * (known[high] - known[low])
        };
        Some([at(0.025), at(0.975)])
    };
    (0..width).map(percentiles).collect()
}

#[cfg(test)]
mod tests {
    use super::intervals;

    fn mean(values: &[f64]) -> impl Fn(&[u32]) -> Vec<f64> + Sync + '_ {
        |cells| {
            let sum: f64 = cells.iter().map(|&c| values[c as usize]).sum();
            vec![sum / cells.len() as f64]
        }
    }

    /// Of 400 cells of which 300 are right: 0.75 and a standard error of sqrt(0.75 0.25 / 400) = 0.02165.
    #[test]
    fn a_share_has_the_interval_that_theory_says() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 4 != 0)).collect();
        let [low, high] = intervals(400, 7, mean(&values))[0].unwrap();
        let (below, above) = (0.75 - 1.96 * 0.02165, 0.75 + 1.96 * 0.02165);
        assert!((low - below).abs() < 0.006, "{low} {below}");
        assert!((high - above).abs() < 0.006, "{high} {above}");
        assert_eq!(intervals(400, 7, mean(&values))[0], Some([low, high]));
        assert_ne!(intervals(400, 8, mean(&values))[0], Some([low, high]));
    }

    #[test]
    fn what_is_undefined_has_no_interval() {
        assert_eq!(intervals(0, 0, |_| vec![f64::NAN, 1.0]), [None, None]);
        assert_eq!(intervals(5, 0, |_| vec![f64::NAN]), [None]);
        let one = intervals(1, 0, |cells| vec![cells.len() as f64]);
        assert_eq!(one, [Some([1.0, 1.0])]);
    }
}
