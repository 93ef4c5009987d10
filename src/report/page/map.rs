//! The map of test cells: each is a mark, near those that the network sees alike; once coloured by the truth,
//! once by whether the prediction is right.
use super::canvas::{Drawn, Pen, SHAPES, Sheet, TEXT, cut, sheet, width_of};
use super::data::{Class, Map};
use super::palette::{FAINT, INK, PALE, SERIES, STEPS, step, step_of};
use super::words::{count, figure, name, percent, plain, several};
use super::writer::Writer;
use crate::markup::escape;
use plotters::style::RGBColor;

/// Pixels of a map.
const SIZE: (f64, f64) = (480.0, 400.0);
const EDGE: f64 = 18.0;
/// Letters of a label on the map.
const LETTERS: usize = 20;
/// More classes than this have smaller labels.
const CROWD: usize = 16;

/// Colour and shape of a class.
fn look(class: usize) -> (RGBColor, usize) {
    (SERIES[class % SERIES.len()], class / SERIES.len() % SHAPES)
}

fn place(p: [f32; 2]) -> (f64, f64) {
    let (x, y) = (f64::from(p[0]), f64::from(p[1]));
    let (width, height) = (SIZE.0 - 2.0 * EDGE, SIZE.1 - 2.0 * EDGE);
    (EDGE + width * x, EDGE + height * (1.0 - y))
}

/// Marks of many cells are smaller.
fn radius(cells: usize) -> f64 {
    match cells {
        0..=150 => 4.2,
        151..=500 => 3.4,
        _ => 2.5,
    }
}

fn introduction(map: &Map) -> String {
    let shown = if map.points.len() < map.of {
        format!(
            " Shown are {} of {} test cells, spread evenly.",
            count(map.points.len()),
            count(map.of)
        )
    } else {
        String::new()
    };
    format!(
        "Each mark is a test cell. Cells that the network sees alike lie together: the places are made from what \
         the last hidden layer knows of a cell, which is only the panel’s genes, by {}. Which groups touch means \
         something; how far apart distant groups lie, and the directions, do not.{shown}",
        escape(&map.method)
    )
}

/// Writes the two maps of a task of classes.
pub(super) fn classes(
    w: &mut Writer,
    task: &str,
    map: &Map,
    classes: &[Class],
    shown: &[(Option<usize>, usize)],
) -> Drawn {
    w.section("The test cells on a map", |w| {
        w.paragraph(&introduction(map));
        let wrong = shown.iter().filter(|s| s.0.is_some_and(|t| t != s.1)).count();
        let labelled = shown.iter().filter(|s| s.0.is_some()).count();
        w.beside(|w| {
            let mut of_class = vec![0usize; classes.len()];
            shown.iter().filter_map(|s| s.0).for_each(|t| of_class[t] += 1);
            let described: Vec<String> = classes
                .iter()
                .zip(&of_class)
                .map(|(c, n)| format!("{} {}", plain(&c.name), several(*n, "cell", "cells")))
                .collect();
            w.plot(
                &by_class(map, classes, shown)?,
                false,
                &format!("Map of test cells by {}", plain(task)),
                &described.join(", "),
                &format!("Coloured by the true {}.", name(task)),
            )?;
            let share = percent(wrong as f64 / labelled.max(1) as f64);
            w.plot(
                &by_error(map, shown)?,
                false,
                &format!("Map of the errors of {}", plain(task)),
                &format!("{wrong} of {labelled} shown cells with a label are predicted wrongly, {share}."),
                &format!(
                    "The same places: {wrong} of {labelled} cells (diamonds) are predicted wrongly, the dots rightly."
                ),
            )
        })?;
        let legend = legend(classes, shown.iter().any(|s| s.0.is_none()))?;
        w.raw(&legend);
        Ok(())
    })
}

fn by_class(map: &Map, classes: &[Class], shown: &[(Option<usize>, usize)]) -> Drawn<Sheet> {
    sheet(SIZE.0, SIZE.1, |pen| {
        frame(pen)?;
        let r = radius(shown.len());
        for (p, (truth, _)) in map.points.iter().zip(shown) {
            match truth {
                Some(class) => {
                    let (colour, shape) = look(*class);
                    pen.mark(shape, place(*p), r, colour)?;
                }
                None => pen.circle(place(*p), r * 0.7, PALE)?,
            }
        }
        let size = if classes.len() > CROWD {
            TEXT - 2.0
        } else {
            TEXT
        };
        let mut labels = Labels {
            marks: map.points.iter().map(|p| place(*p)).collect(),
            taken: Vec::new(),
        };
        for (c, class) in classes.iter().enumerate() {
            let own = map.points.iter().zip(shown).filter(|(_, s)| s.0 == Some(c));
            let own: Vec<(f64, f64)> = own.map(|(p, _)| place(*p)).collect();
            if !own.is_empty() {
                labels.put(pen, &cut(&class.name, LETTERS), &own, size)?;
            }
        }
        Ok(())
    })
}

fn by_error(map: &Map, shown: &[(Option<usize>, usize)]) -> Drawn<Sheet> {
    sheet(SIZE.0, SIZE.1, |pen| {
        frame(pen)?;
        let r = radius(shown.len());
        let pairs = || map.points.iter().zip(shown);
        for (p, _) in pairs().filter(|(_, s)| s.0.is_none_or(|t| t == s.1)) {
            pen.circle(place(*p), r * 0.8, PALE)?;
        }
        // errors above, so that none is hidden
        for (p, _) in pairs().filter(|(_, s)| s.0.is_some_and(|t| t != s.1)) {
            pen.mark(3, place(*p), r * 1.3, SERIES[1])?;
        }
        Ok(())
    })
}

/// Writes the two maps of a task of numbers.
pub(super) fn values(w: &mut Writer, task: &str, map: &Map, shown: &[(Option<f64>, f64)]) -> Drawn {
    w.section("The test cells on a map", |w| {
        w.paragraph(&introduction(map));
        let known: Vec<f64> = shown.iter().filter_map(|s| s.0).collect();
        let [low, high] = super::axes::range(known.iter().copied());
        let off = |s: &(Option<f64>, f64)| s.0.map(|t| (s.1 - t).abs());
        let worst = shown.iter().filter_map(off).fold(0.0, f64::max);
        w.beside(|w| {
            let share = |s: &(Option<f64>, f64)| s.0.map(|t| (t - low) / (high - low));
            w.plot(
                &by_value(map, shown, [low, high], share)?,
                false,
                &format!("Map of test cells by {}", plain(task)),
                &format!("Values from {} to {}.", figure(low), figure(high)),
                &format!("Coloured by the true {}.", name(task)),
            )?;
            w.plot(
                &by_value(map, shown, [0.0, worst], |s| off(s).map(|d| d / worst))?,
                false,
                &format!("Map of the errors of {}", plain(task)),
                &format!(
                    "Distances of prediction and truth from 0 to {}.",
                    figure(worst)
                ),
                "The same places, coloured by how far off the prediction is.",
            )
        })
    })
}

fn by_value(
    map: &Map,
    shown: &[(Option<f64>, f64)],
    [low, high]: [f64; 2],
    share: impl Fn(&(Option<f64>, f64)) -> Option<f64>,
) -> Drawn<Sheet> {
    sheet(SIZE.0, SIZE.1 + 34.0, |pen| {
        frame(pen)?;
        let r = radius(shown.len());
        for (p, s) in map.points.iter().zip(shown) {
            let colour = share(s).map_or(PALE, |v| step(step_of(v)));
            pen.circle(place(*p), r, colour)?;
        }
        let y = SIZE.1 + 12.0;
        pen.text(&figure(low), (EDGE + 130.0, y + 5.0), 1, TEXT, INK)?;
        for i in 0..STEPS {
            let x = EDGE + 138.0 + 14.0 * i as f64;
            pen.rectangle((x, y), (x + 14.0, y + 10.0), step(i))?;
        }
        let right = EDGE + 138.0 + 14.0 * STEPS as f64 + 8.0;
        pen.text(&figure(high), (right, y + 5.0), -1, TEXT, INK)
    })
}

fn frame(pen: &Pen) -> Drawn {
    let (right, bottom) = (SIZE.0 - 1.0, SIZE.1 - 1.0);
    let corners = [
        (1.0, 1.0),
        (right, 1.0),
        (right, bottom),
        (1.0, bottom),
        (1.0, 1.0),
    ];
    pen.line(&corners, FAINT, 1.0)
}

/// Where labels stand: none on another, and on as few marks as can be.
struct Labels {
    marks: Vec<(f64, f64)>,
    taken: Vec<[f64; 4]>,
}

impl Labels {
    /// Writes the label of some of the marks near them.
    fn put(&mut self, pen: &Pen, text: &str, own: &[(f64, f64)], size: f64) -> Drawn {
        let middle = |mut all: Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or(0.0)
        };
        let x = middle(own.iter().map(|p| p.0).collect());
        let y = middle(own.iter().map(|p| p.1).collect());
        let half = 0.55 * width_of(text, size) + 2.0;
        let area = |(x, y): (f64, f64)| {
            let x = x.clamp(half.min(SIZE.0 / 2.0), (SIZE.0 - half).max(SIZE.0 / 2.0));
            let y = y.clamp(0.6 * size + 2.0, SIZE.1 - 0.6 * size - 2.0);
            [x - half, y - 0.6 * size, x + half, y + 0.6 * size]
        };
        let shifts = (0..16).flat_map(|i| [f64::from(i) * 6.0, f64::from(-i) * 6.0]);
        let aside = [0.0, 1.0, -1.0];
        let places = shifts.flat_map(|dy| aside.map(|side| (x + side * (half + 8.0), y + dy)));
        let cost = |place: &(f64, f64)| {
            let a = area(*place);
            let over = |b: &&[f64; 4]| a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
            let inside = |p: &&(f64, f64)| a[0] < p.0 && p.0 < a[2] && a[1] < p.1 && p.1 < a[3];
            let labels = self.taken.iter().filter(over).count() as f64;
            let marks = self.marks.iter().filter(inside).count() as f64;
            // a mark covered is as bad as some pixels of distance
            let away = (place.0 - x).abs() + 1.5 * (place.1 - y).abs();
            1e4 * labels + 9.0 * marks + away
        };
        let best = places.min_by(|a, b| cost(a).total_cmp(&cost(b)));
        let area = area(best.unwrap_or((x, y)));
        self.taken.push(area);
        let at = ((area[0] + area[2]) / 2.0, (area[1] + area[3]) / 2.0);
        pen.label(text, at, 0, size)
    }
}

/// The classes with their marks.
fn legend(classes: &[Class], unlabelled: bool) -> Drawn<String> {
    let mut html = "<ul class=\"legend\" aria-label=\"Marks of the classes\">\n".to_owned();
    let mut item = |colour: RGBColor, shape: usize, text: &str| -> Drawn {
        let swatch = sheet(14.0, 14.0, |pen| pen.mark(shape, (7.0, 7.0), 5.0, colour))?;
        let inside = swatch.svg.find('>').map_or("", |at| &swatch.svg[at + 1..]);
        html += &format!(
            "<li><svg aria-hidden=\"true\" {}>{inside}{text}</li>\n",
            swatch.attributes()
        );
        Ok(())
    };
    for (c, class) in classes.iter().enumerate() {
        let (colour, shape) = look(c);
        item(colour, shape, &name(&class.name))?;
    }
    if unlabelled {
        item(PALE, 0, "without a label")?;
    }
    Ok(html + "</ul>\n")
}
