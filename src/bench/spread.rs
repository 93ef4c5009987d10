//! Medians and quantiles of samples.

/// The middle of the samples, the mean of the two middle ones; 0 of none. Sorts them.
pub(super) fn median(samples: &mut [f64]) -> f64 {
    quantile(samples, 0.5)
}

/// The quantile `q`, between two samples in proportion; 0 of none. Sorts them.
pub(super) fn quantile(samples: &mut [f64], q: f64) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    let Some(last) = samples.len().checked_sub(1) else {
        return 0.0;
    };
    let at = q.clamp(0.0, 1.0) * last as f64;
    let (low, share) = (at.floor() as usize, at.fract());
    let high = (low + 1).min(last);
    samples[low] * (1.0 - share) + samples[high] * share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_small_samples() {
        assert_eq!(median(&mut []), 0.0);
        assert_eq!(median(&mut [3.0]), 3.0);
        assert_eq!(median(&mut [9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 9.0]), 3.0);
        let mut tens: Vec<f64> = (0..=10).rev().map(|i| f64::from(i) * 10.0).collect();
        assert_eq!(quantile(&mut tens, 0.1), 10.0);
        assert_eq!(quantile(&mut tens, 0.9), 90.0);
        assert_eq!(quantile(&mut tens, 0.25), 25.0);
    }
}
