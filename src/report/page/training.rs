//! Loss and score while training went on; several runs in one plot.
use super::axes::{Axes, Axis, range};
use super::canvas::{Drawn, Pen, Sheet, TEXT, cut, sheet, width_of};
use super::data::Report;
use super::palette::{BAND, DIM, INK, SERIES};
use super::words::{figure, known, score};
use super::writer::Writer;
use crate::train::settings::Epoch;
use plotters::style::RGBColor;

const SIZE: (f64, f64) = (480.0, 320.0);
/// Room for the names of the phases, and for a row of names of curves.
const PHASES: f64 = 16.0;
const ROW: f64 = 18.0;
/// Letters of a name, at most.
const LETTERS: usize = 30;

/// A curve: its name, its colour, its points.
struct Curve {
    name: String,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// A value of an epoch.
type Value = fn(&Epoch) -> Option<f64>;

fn train_loss(e: &Epoch) -> Option<f64> {
    Some(e.train_loss)
}
fn validation_loss(e: &Epoch) -> Option<f64> {
    e.validation_loss
}
fn validation_score(e: &Epoch) -> Option<f64> {
    e.validation_score
}

fn curve(report: &Report, name: &str, colour: usize, value: Value) -> Curve {
    let point = |e: &Epoch| Some((e.step as f64, value(e).filter(|v| v.is_finite())?));
    Curve {
        name: name.into(),
        colour: SERIES[colour % SERIES.len()],
        points: report.history.iter().filter_map(point).collect(),
    }
}

/// Writes the section of one run.
pub(super) fn one(w: &mut Writer, report: &Report) -> Drawn {
    w.section("Training", |w| {
        if report.history.is_empty() {
            w.paragraph("No epoch was finished, so that there is no curve.");
            return Ok(());
        }
        let t = &report.training;
        let selects = report.history.iter().any(|e| e.phase == "select");
        let phases = if selects {
            "<strong>select</strong> weighs all genes at once, <strong>refine</strong> adds and drops genes, \
             <strong>finish</strong> trains the network of the panel that is left. Jumps are where genes come and go"
        } else {
            "the panel was there from the start; <strong>refine</strong> is the first steps on it, \
             <strong>finish</strong> the others"
        };
        w.paragraph(&format!(
            "Training went through its phases in {} steps ({} epochs): {phases}. The model is that of epoch {}, the \
             best one on the validation cells.",
            t.steps, t.epochs, t.best_epoch
        ));
        if let Some(contest) = &t.contest {
            w.paragraph(&contest.text());
        }
        if !report.curve.is_empty() {
            w.paragraph(
                "Then genes leave for the next smaller panel, which has rounds and a finish of its own, and so on: \
                 hence the higher loss later.",
            );
        }
        let loss = [
            curve(report, "training", 0, train_loss),
            curve(report, "validation", 1, validation_loss),
        ];
        let scores = [curve(report, "validation", 1, validation_score)];
        let best = report.history.iter().find(|e| e.epoch == t.best_epoch);
        w.beside(|w| {
            plot(w, report, "Loss", "loss, lower is better", &loss, best.map(|e| e.step))?;
            if scores[0].points.is_empty() {
                return Ok(());
            }
            let name = "score, higher is better";
            plot(w, report, "Validation score", name, &scores, best.map(|e| e.step))
        })?;
        w.note(
            "The score is the mean over the tasks of macro-F1 (classes) or R² (numbers). Training loss counts \
             dropout and weights of classes in, so that it may lie above the validation loss.",
        );
        Ok(())
    })
}

/// Writes the curves of several runs; `names` are theirs.
pub(super) fn several(w: &mut Writer, reports: &[Report], names: &[String]) -> Drawn {
    let all = |value: Value| -> Vec<Curve> {
        let pairs = reports.iter().zip(names).enumerate();
        let curves = pairs.map(|(i, (r, name))| curve(r, name, i, value));
        curves.filter(|c| !c.points.is_empty()).collect()
    };
    let (loss, scores) = (all(validation_loss), all(validation_score));
    if loss.is_empty() && scores.is_empty() {
        return Ok(());
    }
    w.section("Training, side by side", |w| {
        w.paragraph("Losses of different tasks or data are not to be compared, their course is.");
        w.beside(|w| {
            for (title, axis, curves) in [
                ("Validation loss", "loss, lower is better", &loss),
                ("Validation score", "score, higher is better", &scores),
            ] {
                if !curves.is_empty() {
                    let drawing = draw(axis, curves, &[], None)?;
                    w.plot(
                        &drawing,
                        false,
                        &format!("{title} of all runs"),
                        &words(curves),
                        title,
                    )?;
                }
            }
            Ok(())
        })
    })
}

fn plot(
    w: &mut Writer,
    report: &Report,
    title: &str,
    axis: &str,
    curves: &[Curve],
    best: Option<u64>,
) -> Drawn {
    let drawing = draw(axis, curves, &report.history, best)?;
    w.plot(
        &drawing,
        false,
        title,
        &words(curves),
        &format!("{title} after each epoch; the bands are the phases, the dashed line is the model that was kept."),
    )
}

fn words(curves: &[Curve]) -> String {
    let known_at = |p: Option<&(f64, f64)>| known(p.map(|p| p.1), score);
    let one = |c: &Curve| {
        let [low, high] = range(c.points.iter().map(|p| p.1));
        format!(
            "{}: from {} to {}, lowest {}, highest {}.",
            c.name,
            known_at(c.points.first()),
            known_at(c.points.last()),
            score(low),
            score(high)
        )
    };
    curves.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn draw(axis: &str, curves: &[Curve], history: &[Epoch], best: Option<u64>) -> Drawn<Sheet> {
    let points = || curves.iter().flat_map(|c| &c.points);
    let last = points().map(|p| p.0).fold(1.0, f64::max);
    let [low, high] = range(points().map(|p| p.1));
    let room = 0.06 * (high - low);
    let top = high + room * if history.is_empty() { 1.0 } else { 2.5 };
    let rows = legend(curves);
    let above = ROW
        * rows
            .iter()
            .map(|r| r.1)
            .max()
            .map_or(0.0, |r| (r + 1) as f64);
    let size = (SIZE.0, SIZE.1 + above);
    let axes = Axes::new(
        Axis::new("step", 0.0, last),
        Axis::new(axis, low - room, top),
        size,
        20.0,
    )
    .below(above);
    sheet(size.0, size.1, |pen| {
        bands(pen, &axes, history)?;
        axes.draw(pen)?;
        if let Some(step) = best {
            let [_, top, _, bottom] = axes.frame();
            let (x, _) = axes.at(step as f64, low);
            pen.dashes((x, top + PHASES), (x, bottom), DIM)?;
        }
        for c in curves {
            let places: Vec<(f64, f64)> = c.points.iter().map(|p| axes.at(p.0, p.1)).collect();
            pen.line(&places, c.colour, 2.0)?;
            if let [only] = places[..] {
                pen.circle(only, 3.0, c.colour)?;
            }
        }
        for (c, (x, row)) in curves.iter().zip(&rows) {
            let y = 8.0 + ROW * *row as f64;
            pen.line(&[(*x, y), (x + 20.0, y)], c.colour, 3.0)?;
            pen.text(&cut(&c.name, LETTERS), (x + 26.0, y), -1, TEXT, INK)?;
        }
        Ok(())
    })
}

/// A band for every second phase, and their names.
fn bands(pen: &Pen, axes: &Axes, history: &[Epoch]) -> Drawn {
    let [_, top, _, bottom] = axes.frame();
    let (mut from, mut start, mut second) = (0, 0.0, false);
    while from < history.len() {
        let phase = &history[from].phase;
        let same = history[from..].iter().take_while(|e| e.phase == *phase);
        let to = from + same.count();
        let end = history[to - 1].step as f64;
        let ((left, _), (right, _)) = (axes.at(start, 0.0), axes.at(end, 0.0));
        if second {
            pen.rectangle((left, top), (right, bottom), BAND)?;
        }
        if right - left > width_of(phase, TEXT - 1.0) {
            pen.text(phase, ((left + right) / 2.0, top + 8.0), 0, TEXT - 1.0, DIM)?;
        }
        (from, start, second) = (to, end, !second);
    }
    Ok(())
}

/// Where the name of each curve stands above the frame: its left edge and its row.
fn legend(curves: &[Curve]) -> Vec<(f64, usize)> {
    let (mut x, mut row) = (52.0, 0);
    let one = |c: &Curve| {
        let width = 44.0 + width_of(&cut(&c.name, LETTERS), TEXT);
        if x + width > SIZE.0 && x > 52.0 {
            (x, row) = (52.0, row + 1);
        }
        let place = (x, row);
        x += width;
        place
    };
    curves.iter().map(one).collect()
}

/// How long it took, in words.
#[must_use]
pub(super) fn duration(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{} s", figure((seconds * 10.0).round() / 10.0))
    } else if seconds < 5400.0 {
        format!(
            "{:.0} min {:.0} s",
            (seconds / 60.0).floor(),
            seconds % 60.0
        )
    } else {
        format!(
            "{:.0} h {:.0} min",
            (seconds / 3600.0).floor(),
            seconds / 60.0 % 60.0
        )
    }
}
