//! The roofline of a device as SVG: arithmetic intensity against rate, both logarithmic, the
//! ceilings as lines, the kernels as points (Williams, Waterman and Patterson, CACM 2009).
use super::compare::Column;
use super::schema::KernelResult;
use super::table::short;
use crate::markup::image;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width and height in pixels.
const SIZE: (u32, u32) = (860, 520);
/// Ink and paper; the page turns them around on a dark screen.
const INK: RGBColor = RGBColor(0, 0, 0);
const PAPER: RGBColor = RGBColor(255, 255, 255);
const FAINT: RGBColor = RGBColor(170, 170, 170);
const ROOF: RGBColor = RGBColor(200, 70, 20);
/// Points of the phases: to be told apart by everyone, on light and on dark.
const SELECT: RGBColor = RGBColor(0, 114, 178);
const PANEL: RGBColor = RGBColor(0, 150, 110);

/// Width of a letter of a label, about.
const LETTER: i32 = 6;

/// A kernel in the plane.
struct Point<'a> {
    kernel: &'a KernelResult,
    intensity: f64,
    rate: f64,
}

fn points(column: &Column) -> Vec<Point<'_>> {
    let real = |k: &&KernelResult| k.operations > 0 && k.bytes > 0 && k.gflop_s > 0.0;
    let kernels = column.result().kernels.iter().filter(real);
    kernels
        .map(|kernel| Point {
            kernel,
            intensity: kernel.operations as f64 / kernel.bytes as f64,
            rate: kernel.gflop_s,
        })
        .collect()
}

/// What the plot shows, in words.
#[must_use]
pub fn words(column: &Column) -> String {
    let c = &column.result().ceilings;
    let mut text = format!(
        "Roofline of {}. Horizontal: floating-point operations a byte; vertical: GFLOP/s; both \
         logarithmic. The roof rises with {} GB/s of copy bandwidth to {} GFLOP/s of fp32.",
        column.title(),
        short(c.copy_gb_s),
        short(c.fp32_gflop_s)
    );
    let points = points(column);
    if points.is_empty() {
        text += " No kernel was timed.";
    }
    for p in points {
        text += &format!(
            " {} {}: {} operations a byte, {} GFLOP/s, {:.0} % of the roof.",
            p.kernel.phase,
            p.kernel.label(),
            short(p.intensity),
            short(p.rate),
            100.0 * p.kernel.roofline_share
        );
    }
    text
}

type Fault = Box<dyn std::error::Error>;

/// The plot, with a title and a description for those who do not see it.
///
/// # Errors
/// None as things stand; what the plotting library says, should it fail.
pub fn svg(column: &Column, id: usize) -> Result<String, Fault> {
    let mut text = String::new();
    draw(column, &mut text)?;
    let attributes = format!("viewBox=\"0 0 {} {}\"", SIZE.0, SIZE.1);
    let title = format!("Roofline of {}", column.title());
    image(
        &text,
        &format!("plot{id}"),
        &attributes,
        &title,
        &words(column),
    )
    .ok_or_else(|| "the plot is no SVG".into())
}

fn draw(column: &Column, to: &mut String) -> Result<(), Fault> {
    let c = &column.result().ceilings;
    let (bandwidth, flops) = (c.copy_gb_s.max(1e-3), c.fp32_gflop_s.max(1e-3));
    let points = points(column);
    let ridge = flops / bandwidth;
    let least = |values: &mut dyn Iterator<Item = f64>, start: f64| values.fold(start, f64::min);
    let most = |values: &mut dyn Iterator<Item = f64>, start: f64| values.fold(start, f64::max);
    let x0 = least(&mut points.iter().map(|p| p.intensity), ridge / 4.0) / 2.0;
    let x1 = most(&mut points.iter().map(|p| p.intensity), ridge * 4.0) * 4.0;
    let y0 = least(&mut points.iter().map(|p| p.rate), flops / 100.0) / 2.0;
    let extra = [c.f16_gflop_s, c.matrix_gflop_s];
    let top = most(&mut extra.into_iter().flatten(), flops);
    let y1 = most(&mut points.iter().map(|p| p.rate), top) * 2.5;

    let root = SVGBackend::with_string(to, SIZE).into_drawing_area();
    root.fill(&PAPER)?;
    let font = |size: u32| ("sans-serif", size).into_font().color(&INK);
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((x0..x1).log_scale(), (y0..y1).log_scale())?;
    chart
        .configure_mesh()
        .bold_line_style(FAINT.mix(0.35))
        .light_line_style(FAINT.mix(0.12))
        .axis_style(INK)
        .label_style(font(12))
        .axis_desc_style(font(13))
        .x_desc("operations a byte")
        .y_desc("GFLOP/s")
        .x_label_formatter(&|x| short(*x))
        .y_label_formatter(&|y| short(*y))
        .draw()?;
    let mut line = |from: (f64, f64), to: (f64, f64), style: ShapeStyle| {
        chart
            .draw_series([PathElement::new(vec![from, to], style)])
            .map(drop)
    };
    let begin = x0.max(y0 / bandwidth);
    line(
        (begin, begin * bandwidth),
        (ridge, flops),
        ROOF.stroke_width(2),
    )?;
    line((ridge, flops), (x1, flops), ROOF.stroke_width(2))?;
    for rate in extra.into_iter().flatten() {
        let from = (rate / bandwidth).max(x0);
        line((ridge, flops), (from, rate), ROOF.mix(0.5).stroke_width(1))?;
        line((from, rate), (x1, rate), ROOF.mix(0.5).stroke_width(1))?;
    }
    for p in &points {
        let colour = colour(p.kernel);
        let place = (p.intensity, p.rate);
        chart.draw_series([Circle::new(place, 4, colour.filled())])?;
    }

    let mut labels = Labels::default();
    let right = |x: f64, y: f64| chart.backend_coord(&(x, y));
    for p in &points {
        let (x, y) = right(p.intensity, p.rate);
        labels.taken.push([x - 5, y - 5, x + 5, y + 5]);
    }
    let ceilings = [
        Some((flops, "fp32")),
        c.f16_gflop_s.map(|r| (r, "f16")),
        c.matrix_gflop_s.map(|r| (r, "cooperative matrices")),
    ];
    for (rate, name) in ceilings.into_iter().flatten() {
        let (x, y) = right(x1, rate);
        let text = format!("{name} {} GFLOP/s", short(rate));
        let width = text.chars().count() as i32 * LETTER;
        labels.put(
            &root,
            &text,
            (x - width - 4, y - 9),
            (x - width / 2, y),
            INK,
        )?;
    }
    let half = (begin * ridge).sqrt();
    let (x, y) = right(half, half * bandwidth);
    let text = format!("copy {} GB/s", short(bandwidth));
    labels.put(
        &root,
        &text,
        (x - text.chars().count() as i32 * LETTER - 8, y - 8),
        (x, y),
        INK,
    )?;
    for p in &points {
        let (x, y) = right(p.intensity, p.rate);
        let text = p.kernel.label();
        labels.put(&root, &text, (x + 8, y), (x, y), colour(p.kernel))?;
    }
    for (i, (name, colour)) in [("select", SELECT), ("panel", PANEL)]
        .into_iter()
        .enumerate()
    {
        let at = (90, 26 + 18 * i as i32);
        root.draw(&Circle::new(at, 4, colour.filled()))?;
        let style = font(12).pos(Pos::new(HPos::Left, VPos::Center));
        root.draw(&Text::new(format!("{name} step"), (at.0 + 10, at.1), style))?;
    }
    root.present()?;
    Ok(())
}

fn colour(k: &KernelResult) -> RGBColor {
    if k.phase == "panel" { PANEL } else { SELECT }
}

/// Boxes that hold a label or a point already.
#[derive(Default)]
struct Labels {
    taken: Vec<[i32; 4]>,
}

impl Labels {
    /// Writes a label as near to `wanted` (its left edge and middle) as there is room, with a line
    /// to what it belongs to where that is far.
    fn put<B: DrawingBackend>(
        &mut self,
        root: &DrawingArea<B, plotters::coord::Shift>,
        text: &str,
        wanted: (i32, i32),
        owner: (i32, i32),
        colour: RGBColor,
    ) -> Result<(), Fault>
    where
        B::ErrorType: 'static,
    {
        let (width, height) = (text.chars().count() as i32 * LETTER, 14);
        let area = |(x, y): (i32, i32)| [x, y - height / 2, x + width, y + height / 2];
        let inside = |a: &[i32; 4]| a[0] > 66 && a[1] > 8 && a[2] < SIZE.0 as i32 - 8 && a[3] < 462;
        let free = |a: &[i32; 4]| {
            let apart = |b: &[i32; 4]| a[2] < b[0] || b[2] < a[0] || a[3] < b[1] || b[3] < a[1];
            self.taken.iter().all(apart)
        };
        let left = owner.0 - 8 - width;
        let steps = (0..24).flat_map(|i| [7 * i, -7 * i]);
        let places = steps.flat_map(|dy| [(wanted.0, wanted.1 + dy), (left, wanted.1 + dy)]);
        let place = places
            .into_iter()
            .find(|p| inside(&area(*p)) && free(&area(*p)))
            .unwrap_or(wanted);
        self.taken.push(area(place));
        let to_the_left = place.0 < owner.0;
        let edge = if to_the_left {
            place.0 + width
        } else {
            place.0
        };
        if (place.1 - wanted.1).abs() > 10 {
            let end = edge + if to_the_left { 1 } else { -1 };
            let line = vec![owner, (end, place.1)];
            root.draw(&PathElement::new(line, FAINT.stroke_width(1)))?;
        }
        let style = ("sans-serif", 12).into_font().color(&colour);
        let side = if to_the_left { HPos::Right } else { HPos::Left };
        let style = style.pos(Pos::new(side, VPos::Center));
        root.draw(&Text::new(text.to_owned(), (edge, place.1), style))?;
        Ok(())
    }
}
