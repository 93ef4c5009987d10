//! Scores of predictions, each as scikit-learn defines it.
//!
//! A score that is not defined (no labelled cell, one cell) is NaN; JSON shows it as `null`.
use crate::ops::MISSING;
use serde::{Deserialize, Serialize};

/// Scores of a classification.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// Share of the cells that are right.
    pub accuracy: f64,
    /// Mean recall over the classes that occur in the truth.
    pub balanced_accuracy: f64,
    /// Mean F1 over the classes that occur in the truth or in the prediction.
    pub macro_f1: f64,
    /// Mean F1 weighted by the cells of each class.
    pub weighted_f1: f64,
}

/// Scores of a regression.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// 1 - residual / total sum of squares; of constant truth 1 where every value is right, else 0.
    pub r2: f64,
    /// Pearson's correlation; NaN where either side is constant.
    pub pearson: f64,
    /// Mean absolute error, in the units of the column.
    pub mae: f64,
}

/// How much of the expression of all considered genes is known from the panel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reconstruction {
    /// 1 - squared error / sum of squares of the standardised values, about the training means.
    pub explained: f64,
    /// The same of the components themselves: what no prediction of them can exceed by much.
    pub ceiling: f64,
}

/// Scores of predicted components, each a pair of truth and prediction over all cells; `squares` are
/// the sums of squares of the cells' standardised values. The components are orthonormal, so that the
/// error over all genes is `|x|^2 - 2 y.p + |p|^2`.
#[must_use]
pub fn reconstruction(
    components: &[(&[f32], &[f32])],
    squares: &[f64],
    keep: impl Fn(usize) -> bool,
) -> Reconstruction {
    let (mut total, mut held, mut known) = (0.0f64, 0.0f64, 0.0f64);
    for (cell, &square) in squares.iter().enumerate().filter(|(c, _)| keep(*c)) {
        total += square;
        for (truth, predicted) in components {
            let (y, p) = (f64::from(truth[cell]), f64::from(predicted[cell]));
            held += y * y;
            known += explained_of(y, p);
        }
    }
    Reconstruction {
        explained: known / total,
        ceiling: held / total,
    }
}

/// What a component of value `y` that is predicted as `p` explains of its cell's sum of squares: `y^2 - (y - p)^2`.
#[must_use]
pub fn explained_of(y: f64, p: f64) -> f64 {
    2.0 * y * p - p * p
}

/// Scores of predicted classes, `predicted[i] < n_classes`; cells whose truth is [`MISSING`] (or
/// no class at all) are skipped.
#[must_use]
pub fn classification(truth: &[u32], predicted: &[u32], n_classes: usize) -> Classification {
    let (mut cells, mut right) = (0.0f64, 0.0f64);
    let mut of_truth = vec![0.0f64; n_classes];
    let mut of_prediction = vec![0.0f64; n_classes];
    let mut hits = vec![0.0f64; n_classes];
    for (&t, &p) in truth.iter().zip(predicted) {
        if t == MISSING || t as usize >= n_classes {
            continue;
        }
        cells += 1.0;
        of_truth[t as usize] += 1.0;
        if let Some(count) = of_prediction.get_mut(p as usize) {
            *count += 1.0;
        }
        if t == p {
            right += 1.0;
            hits[t as usize] += 1.0;
        }
    }
    let (mut recalls, mut present) = (0.0, 0.0);
    let (mut f1_sum, mut f1_classes, mut f1_weighted) = (0.0, 0.0, 0.0);
    for ((&t, &p), &hit) in of_truth.iter().zip(&of_prediction).zip(&hits) {
        if t > 0.0 {
            recalls += hit / t;
            present += 1.0;
        }
        if t + p > 0.0 {
            let f1 = 2.0 * hit / (t + p);
            f1_sum += f1;
            f1_classes += 1.0;
            f1_weighted += f1 * t;
        }
    }
    Classification {
        accuracy: right / cells,
        balanced_accuracy: recalls / present,
        macro_f1: f1_sum / f1_classes,
        weighted_f1: f1_weighted / cells,
    }
}

/// Scores of predicted numbers; cells whose truth is NaN are skipped.
#[must_use]
pub fn regression(truth: &[f32], predicted: &[f32]) -> Regression {
    let pairs = || {
        truth
            .iter()
            .zip(predicted)
            .filter(|(t, _)| !t.is_nan())
            .map(|(&t, &p)| (f64::from(t), f64::from(p)))
    };
    let n = pairs().count() as f64;
    let (sum_t, sum_p) = pairs().fold((0.0, 0.0), |(a, b), (t, p)| (a + t, b + p));
    let (mean_t, mean_p) = (sum_t / n, sum_p / n);
    let (mut residual, mut absolute) = (0.0f64, 0.0f64);
    let (mut tt, mut pp, mut tp) = (0.0f64, 0.0f64, 0.0f64);
    for (t, p) in pairs() {
        residual += (t - p).powi(2);
        absolute += (t - p).abs();
        tt += (t - mean_t).powi(2);
        pp += (p - mean_p).powi(2);
        tp += (t - mean_t) * (p - mean_p);
    }
    let r2 = if n < 2.0 {
        f64::NAN
    } else if tt > 0.0 {
        1.0 - residual / tt
    } else if residual == 0.0 {
        1.0
    } else {
        0.0
    };
    let pearson = if tt > 0.0 && pp > 0.0 {
        (tp / (tt.sqrt() * pp.sqrt())).clamp(-1.0, 1.0)
    } else {
        f64::NAN
    };
    Regression {
        r2,
        pearson,
        mae: absolute / n,
    }
}

#[cfg(test)]
mod tests {
    use super::{MISSING, classification, regression};

    /// Never true of NaN.
    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12
    }

    fn scores(truth: &[u32], predicted: &[u32], n: usize) -> [f64; 4] {
        let c = classification(truth, predicted, n);
        [c.accuracy, c.balanced_accuracy, c.macro_f1, c.weighted_f1]
    }

    /// Expected figures: scikit-learn 1.9.1 (`accuracy_score`, `balanced_accuracy_score`, `f1_score`).
    #[test]
    fn classes_agree_with_scikit_learn() {
        let truth = [0, 0, 1, 1, 2, 2, 2, 3, MISSING, 1];
        let predicted = [0, 1, 1, 1, 2, 0, 2, 2, 3, 1];
        let cases: [(&[u32], &[u32], [f64; 4]); 4] = [
            (
                &truth,
                &predicted,
                [
                    0.666_666_666_666_666_6,
                    0.541_666_666_666_666_6,
                    0.505_952_380_952_380_9,
                    0.619_047_619_047_619_1,
                ],
            ),
            (
                &[1, 1, 1, 1],
                &[1, 1, 2, 1],
                [
                    0.75,
                    0.75,
                    0.428_571_428_571_428_55,
                    0.857_142_857_142_857_1,
                ],
            ),
            (
                &[0, 1, 2, 0],
                &[1, 1, 1, 1],
                [0.25, 0.333_333_333_333_333_3, 0.133_333_333_333_333_33, 0.1],
            ),
            (&[0, 0], &[0, 0], [1.0; 4]),
        ];
        for (truth, predicted, expected) in cases {
            let got = scores(truth, predicted, 4);
            for (g, e) in got.into_iter().zip(expected) {
                assert!(close(g, e), "{got:?} is not {expected:?}");
            }
        }
        // a planted fault: one more error must show in every score
        let mut worse = predicted;
        worse[4] = 1;
        for (g, e) in scores(&truth, &worse, 4).into_iter().zip(cases[0].2) {
            assert!(g < e - 1e-3);
        }
    }

    #[test]
    fn no_labelled_cell_has_no_score() {
        assert!(
            scores(&[MISSING], &[0], 2)
                .into_iter()
                .all(|s| s.is_nan() && !close(s, s))
        );
        let r = regression(&[f32::NAN], &[0.0]);
        assert!(r.r2.is_nan() && r.pearson.is_nan() && r.mae.is_nan());
    }

    /// Expected figures: scikit-learn 1.9.1 (`r2_score`, `mean_absolute_error`) and `numpy.corrcoef`.
    #[test]
    fn numbers_agree_with_scikit_learn() {
        let truth = [1.5, 2.0, -3.25, f32::NAN, 4.0, 0.5];
        let predicted = [1.0, 2.5, -3.0, 9.0, 2.0, 0.75];
        let r = regression(&truth, &predicted);
        assert!(close(r.r2, 0.838_003_502_626_970_2), "{r:?}");
        assert!(close(r.pearson, 0.932_119_150_925_537), "{r:?}");
        assert!(close(r.mae, 0.7), "{r:?}");
        let worse = regression(&truth, &[1.0, 2.5, 3.0, 9.0, 2.0, 0.75]);
        assert!(worse.r2 < r.r2 - 0.1 && worse.pearson < r.pearson - 0.1 && worse.mae > 1.0);
    }

    #[test]
    fn constant_numbers() {
        let r = regression(&[1.0, 2.0, 3.0, 4.0], &[2.5; 4]);
        assert!(close(r.r2, 0.0) && r.pearson.is_nan() && close(r.mae, 1.0));
        let r = regression(&[0.1; 3], &[0.1; 3]);
        assert!(close(r.r2, 1.0) && r.pearson.is_nan() && close(r.mae, 0.0));
        let r = regression(&[2.0; 3], &[2.0, 2.0, 3.0]);
        assert!(close(r.r2, 0.0) && close(r.mae, 1.0 / 3.0));
        let r = regression(&[1.0], &[1.0]);
        assert!(r.r2.is_nan() && close(r.mae, 0.0));
        let json = serde_json::to_string(&r).unwrap();
        assert_eq!(json, r#"{"r2":null,"pearson":null,"mae":0.0}"#);
    }
}
