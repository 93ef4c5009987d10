//! A task of numbers on the test cells: true against predicted.
use super::axes::{Axes, Axis, range};
use super::canvas::{Drawn, Sheet, sheet};
use super::palette::{DIM, SERIES};
use super::words::{count, figure, name, plain};
use super::writer::Writer;

/// Writes the scatter plot.
pub(super) fn scatter(
    w: &mut Writer,
    task: &str,
    shown: &[(Option<f64>, f64)],
    cells: usize,
) -> Drawn {
    let pairs: Vec<(f64, f64)> = shown.iter().filter_map(|s| Some((s.0?, s.1))).collect();
    if pairs.is_empty() {
        return Ok(());
    }
    w.section("True and predicted values", |w| {
        let [low, high] = range(pairs.iter().flat_map(|p| [p.0, p.1]));
        let some = if pairs.len() < cells {
            format!(" Shown are {} of {} cells, spread evenly.", count(pairs.len()), count(cells))
        } else {
            String::new()
        };
        w.paragraph(&format!(
            "Each dot is a test cell. On the dashed line the prediction of {} is right; above it, it is too high.{some}",
            name(task)
        ));
        w.plot(
            &draw(&pairs, low, high)?,
            false,
            &format!("True against predicted {}", plain(task)),
            &format!(
                "{} cells; true and predicted values lie between {} and {}.",
                count(pairs.len()),
                figure(low),
                figure(high)
            ),
            "",
        )
    })
}

fn draw(pairs: &[(f64, f64)], low: f64, high: f64) -> Drawn<Sheet> {
    let size = (480.0, 420.0);
    let room = 0.04 * (high - low);
    let axis = |name| Axis::new(name, low - room, high + room);
    let axes = Axes::new(axis("true value"), axis("predicted value"), size, 0.0);
    let radius = if pairs.len() > 300 { 2.2 } else { 3.4 };
    sheet(size.0, size.1, |pen| {
        axes.draw(pen)?;
        for (truth, predicted) in pairs {
            pen.circle(axes.at(*truth, *predicted), radius, SERIES[0])?;
        }
        pen.dashes(axes.at(low, low), axes.at(high, high), DIM)
    })
}
