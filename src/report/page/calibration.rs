//! Whether the probabilities of a task's predictions can be trusted.
use super::axes::{Axes, Axis};
use super::canvas::{Drawn, Sheet, TEXT, sheet};
use super::data::Bin;
use super::palette::{DIM, INK, SERIES};
use super::words::{count, percent, plain, score, several};
use super::writer::Writer;

/// Pixels of a plot.
const PLOT: (f64, f64) = (480.0, 340.0);

/// Mean distance of confidence and accuracy, weighted by the cells (Naeini et al. 2015).
#[must_use]
pub(super) fn expected_calibration_error(bins: &[Bin]) -> Option<f64> {
    let cells: usize = bins.iter().map(|b| b.cells).sum();
    let off = bins
        .iter()
        .map(|b| b.cells as f64 * (b.confidence - b.accuracy).abs());
    (cells > 0).then(|| off.sum::<f64>() / cells as f64)
}

/// Writes the reliability diagram.
pub(super) fn write(w: &mut Writer, task: &str, bins: &[Bin]) -> Drawn {
    let Some(error) = expected_calibration_error(bins) else {
        return Ok(());
    };
    w.section("Whether the probabilities can be trusted", |w| {
        w.paragraph(&format!(
            "Every prediction comes with a probability. Of cells with a probability of 0.8, about 80 % should be \
             right. Points on the dashed line are honest, points below it too sure, points above it too careful. The \
             expected calibration error, the mean distance from the line, is <strong>{}</strong> (0 is best).",
            score(error)
        ));
        let words: Vec<String> = bins
            .iter()
            .map(|b| {
                format!(
                    "Probability {:.2}: {} right, {}.",
                    b.confidence,
                    percent(b.accuracy),
                    several(b.cells, "cell", "cells")
                )
            })
            .collect();
        w.beside(|w| {
            w.plot(
                &reliability(bins)?,
                false,
                &format!("Reliability diagram of {}", plain(task)),
                &words.join(" "),
                "Mean probability of the predictions in each bin against the share that is right; the larger a \
                 point, the more cells. Of few cells, a point says little.",
            )?;
            w.plot(
                &sureness(bins)?,
                false,
                &format!("How sure the predictions of {} are", plain(task)),
                &words.join(" "),
                "Test cells by the probability of their prediction.",
            )
        })
    })
}

fn reliability(bins: &[Bin]) -> Drawn<Sheet> {
    let axes = Axes::new(
        Axis::new("probability of the prediction", 0.0, 1.0),
        Axis::new("share that is right", 0.0, 1.0),
        PLOT,
        0.0,
    );
    let most = bins.iter().map(|b| b.cells).max().unwrap_or(1).max(1) as f64;
    sheet(PLOT.0, PLOT.1, |pen| {
        axes.draw(pen)?;
        pen.dashes(axes.at(0.0, 0.0), axes.at(1.0, 1.0), DIM)?;
        for bin in bins {
            let at = axes.at(bin.confidence, bin.accuracy);
            pen.line(
                &[at, axes.at(bin.confidence, bin.confidence)],
                SERIES[0],
                1.5,
            )?;
            pen.circle(at, 3.0 + 6.0 * (bin.cells as f64 / most).sqrt(), SERIES[0])?;
        }
        Ok(())
    })
}

/// Number of cells in each bin of the probability.
fn sureness(bins: &[Bin]) -> Drawn<Sheet> {
    let most = bins.iter().map(|b| b.cells).max().unwrap_or(1).max(1) as f64;
    let axes = Axes::new(
        Axis::new("probability of the prediction", 0.0, 1.0),
        Axis::new("test cells", 0.0, 1.1 * most),
        PLOT,
        0.0,
    );
    sheet(PLOT.0, PLOT.1, |pen| {
        axes.draw(pen)?;
        for bin in bins {
            let (left, bottom) = axes.at(bin.from, 0.0);
            let right = bin.to.unwrap_or(bin.from + 0.1);
            let (right, top) = axes.at(right, bin.cells as f64);
            pen.rectangle((left + 1.5, top), (right - 1.5, bottom), SERIES[0])?;
            let middle = ((left + right) / 2.0, top - 8.0);
            pen.text(&count(bin.cells), middle, 0, TEXT - 1.0, INK)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibration_error_is_weighted_by_cells() {
        let bin = |cells, confidence, accuracy| Bin {
            from: 0.0,
            to: None,
            cells,
            confidence,
            accuracy,
        };
        let error = expected_calibration_error(&[bin(3, 0.9, 0.7), bin(1, 0.5, 0.6)]).unwrap();
        assert!((error - 0.175).abs() < 1e-12, "{error}");
        assert_eq!(expected_calibration_error(&[]), None);
    }
}
