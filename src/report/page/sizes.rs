//! Test figures against the number of genes, of one run or several.
use super::axes::{Axes, Axis, range};
use super::canvas::{Drawn, Sheet, TEXT, cut, sheet};
use super::data::{Figure, Report, Size};
use super::headline::interval;
use super::palette::{INK, SERIES};
use super::words::{known, measure, name, plain, score};
use super::writer::{Look, Table, Writer};

const SIZE: (f64, f64) = (480.0, 320.0);
/// Letters of a run's name, at most.
const LETTERS: usize = 24;

/// A size of one task: genes, and its headline figure.
fn headline<'a>(size: &'a Size, task: &str) -> Option<(f64, &'a Figure)> {
    let (_, figures) = size.tasks.iter().find(|t| t.0 == task)?;
    Some((size.k as f64, figures.first()?))
}

/// Writes the section of one run, where it has several sizes.
pub(super) fn one(w: &mut Writer, report: &Report) -> Drawn {
    if report.curve.is_empty() {
        return Ok(());
    }
    w.section("How many genes are enough", |w| {
        w.paragraph(
            "Panels of several sizes, each within the next larger one, each with a network of its own. Where the \
             curve is flat, further genes add little. Bars are 95 % intervals.",
        );
        w.beside(|w| {
            for (task, _) in report.curve.first().map_or(&[][..], |s| &s.tasks) {
                plot(w, task, &[(String::new(), &report.curve)])?;
            }
            Ok(())
        })?;
        w.table(&table(report), "");
        Ok(())
    })
}

fn table(report: &Report) -> Table {
    let mut table = Table::new(
        "Figures of each size",
        &[("Genes", Look::Number), ("Validation score", Look::Number)],
    );
    let tasks = report.curve.first().map_or(&[][..], |s| &s.tasks);
    for (task, figures) in tasks {
        for figure in figures {
            let of = if tasks.len() > 1 {
                format!(" ({})", name(task))
            } else {
                String::new()
            };
            table
                .columns
                .push((format!("{}{of}", measure(&figure.name)), Look::Number));
        }
    }
    for size in &report.curve {
        let mark = if size.k == report.panel.len() {
            " (this panel)"
        } else {
            ""
        };
        let mut row = vec![
            format!("{}{mark}", size.k),
            known(size.validation_score, score),
        ];
        let figures = size.tasks.iter().flat_map(|t| &t.1);
        row.extend(figures.map(|f| known(f.value, score)));
        table.rows.push(row);
    }
    table
}

/// Writes one plot of a task with the curves of some runs.
pub(super) fn plot(w: &mut Writer, task: &str, runs: &[(String, &[Size])]) -> Drawn {
    let points: Vec<(f64, &Figure)> = runs
        .iter()
        .flat_map(|(_, sizes)| sizes.iter().filter_map(|s| headline(s, task)))
        .filter(|p| p.1.value.is_some())
        .collect();
    let Some((_, first)) = points.first() else {
        return Ok(());
    };
    let words: Vec<String> = points
        .iter()
        .map(|(k, f)| {
            let range = match interval(f) {
                none if none.is_empty() => String::new(),
                range => format!(" ({range})"),
            };
            format!("{k} genes: {}{range}.", known(f.value, score))
        })
        .collect();
    let what = measure(&first.name);
    w.plot(
        &draw(task, runs, &points, what)?,
        false,
        &format!("{what} of {} against the number of genes", plain(task)),
        &words.join(" "),
        &format!(
            "{what} of {} on the test cells; the axis of the genes is logarithmic.",
            name(task)
        ),
    )
}

fn draw(
    task: &str,
    runs: &[(String, &[Size])],
    points: &[(f64, &Figure)],
    what: &str,
) -> Drawn<Sheet> {
    let ends = points.iter().flat_map(|(_, f)| {
        let [low, high] = f.interval.unwrap_or([f64::NAN; 2]);
        [f.value.unwrap_or(f64::NAN), low, high]
    });
    let [low, high] = range(ends);
    let room = 0.08 * (high - low);
    let mut ks: Vec<f64> = points.iter().map(|p| p.0).collect();
    ks.sort_by(f64::total_cmp);
    ks.dedup();
    let [from, to] = range(ks.iter().copied());
    let x = Axis {
        ticks: Some(ks),
        log: true,
        ..Axis::new("genes", from / 1.15, to * 1.15)
    };
    let axes = Axes::new(x, Axis::new(what, low - room, high + room), SIZE, 0.0);
    sheet(SIZE.0, SIZE.1, |pen| {
        axes.draw(pen)?;
        for (i, (name, sizes)) in runs.iter().enumerate() {
            let colour = SERIES[i % SERIES.len()];
            let own = sizes.iter().filter_map(|s| headline(s, task));
            let own: Vec<(f64, f64, Option<[f64; 2]>)> = own
                .filter_map(|(k, f)| Some((k, f.value?, f.interval)))
                .collect();
            let places: Vec<(f64, f64)> = own.iter().map(|p| axes.at(p.0, p.1)).collect();
            pen.line(&places, colour, 2.0)?;
            for ((k, _, interval), at) in own.iter().zip(&places) {
                if let Some([low, high]) = interval {
                    pen.line(&[axes.at(*k, *low), axes.at(*k, *high)], colour, 1.5)?;
                }
                pen.mark(i, *at, 4.5, colour)?;
            }
            if let (Some(at), false) = (places.last(), name.is_empty()) {
                let [left, _, right, _] = axes.frame();
                let (side, dx) = if at.0 > (left + right) / 2.0 {
                    (1, -8.0)
                } else {
                    (-1, 8.0)
                };
                pen.text(
                    &cut(name, LETTERS),
                    (at.0 + dx, at.1 - 10.0),
                    side,
                    TEXT,
                    INK,
                )?;
            }
        }
        Ok(())
    })
}
