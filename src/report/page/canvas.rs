//! Drawing on plotters' SVG backend in pixels with a tenth's precision, and the text that comes of it.
use super::palette::LABEL;
use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Units of the drawing a pixel: the library places everything at whole units.
const UNIT: f64 = 10.0;
/// The library divides sizes of fonts by this.
const FONT: f64 = 1.24;
/// Size of most text.
pub(super) const TEXT: f64 = 13.0;

/// Whatever the library fails with; nothing as things stand.
pub(super) type Fault = Box<dyn std::error::Error>;
/// Of drawing.
pub(super) type Drawn<T = ()> = Result<T, Fault>;

/// What marks are shaped like; the colours repeat, the shapes tell them apart.
pub(super) const SHAPES: usize = 4;

/// A pen on a drawing.
pub(super) struct Pen<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// Draws on a sheet of so many pixels; the text of the drawing, without what goes without saying.
///
/// # Errors
/// As [`Fault`].
pub(super) fn sheet(width: f64, height: f64, with: impl FnOnce(&Pen) -> Drawn) -> Drawn<Sheet> {
    let mut svg = String::new();
    {
        let size = (units(width).max(1) as u32, units(height).max(1) as u32);
        let pen = Pen {
            area: SVGBackend::with_string(&mut svg, size).into_drawing_area(),
        };
        with(&pen)?;
        pen.area.present()?;
    }
    // quotes in texts are escaped, so none of these can be in one
    for habit in [
        " opacity=\"1\"",
        " stroke=\"none\" stroke-width=\"1\"",
        " font-family=\"sans-serif\"",
        " text-anchor=\"start\"",
    ] {
        svg = svg.replace(habit, "");
    }
    let svg = svg.replace(">\n", ">").replace("\n</text>", "</text>");
    Ok(Sheet { svg, width, height })
}

/// A finished drawing.
pub(super) struct Sheet {
    /// Its text.
    pub(super) svg: String,
    /// Pixels.
    pub(super) width: f64,
    /// Pixels.
    pub(super) height: f64,
}

impl Sheet {
    /// The attributes that give it its size.
    #[must_use]
    pub(super) fn attributes(&self) -> String {
        format!(
            "viewBox=\"0 0 {} {}\" width=\"{}\" height=\"{}\"",
            units(self.width),
            units(self.height),
            self.width,
            self.height
        )
    }
}

fn units(pixels: f64) -> i32 {
    (pixels * UNIT).round() as i32
}

fn place((x, y): (f64, f64)) -> (i32, i32) {
    (units(x), units(y))
}

/// Pixels that a text takes, about.
#[must_use]
pub(super) fn width_of(text: &str, size: f64) -> f64 {
    // as in DejaVu Sans, the widest of the usual fonts; other scripts and pictures may be wider
    let of = |c: char| match c {
        'i' | 'j' | 'l' | 'f' | 't' | 'r' | 'I' | ' ' | '.' | ',' | ':' | '-' | '(' | ')' => 0.4,
        'm' | 'w' | 'M' | 'W' => 0.95,
        'A'..='Z' => 0.72,
        c if c.is_ascii() => 0.62,
        _ => 1.0,
    };
    text.chars().map(of).sum::<f64>() * size
}

/// A name that takes no more than so many letters, with an ellipsis where it was longer.
#[must_use]
pub(super) fn cut(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    let kept: String = name.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

impl Pen<'_> {
    fn style(colour: RGBColor, width: f64) -> ShapeStyle {
        colour.stroke_width(units(width).max(1) as u32)
    }

    /// A line through points.
    pub(super) fn line(&self, points: &[(f64, f64)], colour: RGBColor, width: f64) -> Drawn {
        let points: Vec<(i32, i32)> = points.iter().map(|p| place(*p)).collect();
        self.area
            .draw(&PathElement::new(points, Self::style(colour, width)))?;
        Ok(())
    }

    /// A dashed line between two points.
    pub(super) fn dashes(&self, from: (f64, f64), to: (f64, f64), colour: RGBColor) -> Drawn {
        let (dash, gap) = (units(4.0), units(4.0));
        let points = vec![place(from), place(to)].into_iter();
        let line = DashedPathElement::new(points, dash, gap, Self::style(colour, 1.2));
        self.area.draw(&line)?;
        Ok(())
    }

    /// A filled rectangle.
    pub(super) fn rectangle(&self, from: (f64, f64), to: (f64, f64), colour: RGBColor) -> Drawn {
        let corners = [place(from), place(to)];
        self.area.draw(&Rectangle::new(corners, colour.filled()))?;
        Ok(())
    }

    /// A filled circle.
    pub(super) fn circle(&self, at: (f64, f64), radius: f64, colour: RGBColor) -> Drawn {
        self.area
            .draw(&Circle::new(place(at), units(radius), colour.filled()))?;
        Ok(())
    }

    /// A mark of one of [`SHAPES`] shapes, as large as a circle of this radius.
    pub(super) fn mark(
        &self,
        shape: usize,
        (x, y): (f64, f64),
        radius: f64,
        colour: RGBColor,
    ) -> Drawn {
        let r = radius;
        let corners: &[(f64, f64)] = match shape % SHAPES {
            0 => return self.circle((x, y), r, colour),
            1 => &[(0.0, -1.3), (1.15, 0.75), (-1.15, 0.75)],
            2 => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            _ => &[(0.0, -1.35), (1.2, 0.0), (0.0, 1.35), (-1.2, 0.0)],
        };
        let corners: Vec<(i32, i32)> = corners
            .iter()
            .map(|(dx, dy)| place((x + r * dx, y + r * dy)))
            .collect();
        self.area.draw(&Polygon::new(corners, colour.filled()))?;
        Ok(())
    }

    /// A text that begins, is centred or ends (-1, 0, 1) at a point, in the middle of its height.
    pub(super) fn text(
        &self,
        text: &str,
        at: (f64, f64),
        side: i8,
        size: f64,
        colour: RGBColor,
    ) -> Drawn {
        self.write(text, at, side, size, colour, FontTransform::None)
    }

    /// A text that goes upwards and begins at a point.
    pub(super) fn upwards(
        &self,
        text: &str,
        at: (f64, f64),
        side: i8,
        size: f64,
        colour: RGBColor,
    ) -> Drawn {
        self.write(text, at, side, size, colour, FontTransform::Rotate270)
    }

    /// A text with a rim, to be read over marks.
    pub(super) fn label(&self, text: &str, at: (f64, f64), side: i8, size: f64) -> Drawn {
        self.text(text, at, side, size, LABEL)
    }

    fn write(
        &self,
        text: &str,
        at: (f64, f64),
        side: i8,
        size: f64,
        colour: RGBColor,
        turn: FontTransform,
    ) -> Drawn {
        let font = ("sans-serif", size * UNIT * FONT)
            .into_font()
            .transform(turn);
        let side = match side {
            -1 => HPos::Left,
            0 => HPos::Center,
            _ => HPos::Right,
        };
        let style = font.color(&colour).pos(Pos::new(side, VPos::Center));
        let known = |c: char| {
            if crate::markup::forbidden(c) {
                '\u{fffd}'
            } else {
                c
            }
        };
        let text: String = text.chars().map(known).collect();
        self.area.draw(&Text::new(text, place(at), style))?;
        Ok(())
    }
}
