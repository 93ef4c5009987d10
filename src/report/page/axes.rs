//! A frame with two axes, their ticks and names, and places in it.
use super::canvas::{Drawn, Pen, TEXT};
use super::palette::{DIM, FAINT, INK};
use super::words::figure;
use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;

/// Where the frame lies, in pixels.
const LEFT: f64 = 52.0;
const BELOW: f64 = 46.0;
const TOP: f64 = 14.0;
const RIGHT: f64 = 14.0;

/// One axis.
pub(super) struct Axis<'a> {
    /// What it says.
    pub(super) name: &'a str,
    /// First and last value.
    pub(super) range: [f64; 2],
    /// Its ticks, where they are not to be found.
    pub(super) ticks: Option<Vec<f64>>,
    /// Whether it goes by the logarithm of base 2.
    pub(super) log: bool,
}

impl<'a> Axis<'a> {
    /// From one value to another; a range without width is widened.
    #[must_use]
    pub(super) fn new(name: &'a str, from: f64, to: f64) -> Self {
        let wide = to - from > 1e-9 * from.abs().max(to.abs()).max(1e-9);
        let more = if wide { 0.0 } else { 0.5 };
        Self {
            name,
            range: [from - more, to + more],
            ticks: None,
            log: false,
        }
    }

    fn scaled(&self, v: f64) -> f64 {
        if self.log { v.max(1e-9).log2() } else { v }
    }

    fn ends(&self) -> std::ops::Range<f64> {
        self.scaled(self.range[0])..self.scaled(self.range[1])
    }

    fn marks(&self, most: usize) -> Vec<f64> {
        match &self.ticks {
            Some(ticks) => ticks.clone(),
            None => RangedCoordf64::from(self.ends()).key_points(most),
        }
    }
}

/// A frame on a sheet.
pub(super) struct Axes<'a> {
    x: Axis<'a>,
    y: Axis<'a>,
    size: (f64, f64),
    top: f64,
    right: f64,
}

impl<'a> Axes<'a> {
    /// A frame that fills a sheet of this size, less so many pixels on the right, for names of curves.
    #[must_use]
    pub(super) fn new(x: Axis<'a>, y: Axis<'a>, size: (f64, f64), right: f64) -> Self {
        let right = right.max(RIGHT);
        Self {
            x,
            y,
            size,
            top: TOP,
            right,
        }
    }

    /// The same with so many more pixels above the frame.
    #[must_use]
    pub(super) fn below(mut self, above: f64) -> Self {
        self.top += above;
        self
    }

    /// Left, top, right, bottom of the frame.
    #[must_use]
    pub(super) fn frame(&self) -> [f64; 4] {
        [
            LEFT,
            self.top,
            self.size.0 - self.right,
            self.size.1 - BELOW,
        ]
    }

    /// The place of a pair of values.
    #[must_use]
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let [left, top, right, bottom] = self.frame();
        let map = |axis: &Axis, v: f64, ends: (f64, f64)| {
            // the library maps to whole numbers: to thousandths of a pixel here
            let ends = ((ends.0 * 1e3) as i32, (ends.1 * 1e3) as i32);
            f64::from(RangedCoordf64::from(axis.ends()).map(&axis.scaled(v), ends)) / 1e3
        };
        (
            map(&self.x, x, (left, right)),
            map(&self.y, y, (bottom, top)),
        )
    }

    /// Draws grid, ticks and names.
    pub(super) fn draw(&self, pen: &Pen) -> Drawn {
        let [left, top, right, bottom] = self.frame();
        for v in self.y.marks(6) {
            let (_, y) = self.at(self.x.range[0], v);
            pen.line(&[(left, y), (right, y)], FAINT, 0.7)?;
            pen.text(&figure(v), (left - 6.0, y), 1, TEXT - 1.0, DIM)?;
        }
        let mut last = f64::NEG_INFINITY;
        for v in self.x.marks(7) {
            let (x, _) = self.at(v, self.y.range[0]);
            pen.line(&[(x, bottom), (x, bottom + 4.0)], DIM, 1.0)?;
            // ticks that stand too close have one number
            if x - last > 24.0 {
                pen.text(&figure(v), (x, bottom + 14.0), 0, TEXT - 1.0, DIM)?;
                last = x;
            }
        }
        pen.line(&[(left, top), (left, bottom), (right, bottom)], DIM, 1.0)?;
        let middle = (left + right) / 2.0;
        pen.text(self.x.name, (middle, bottom + 34.0), 0, TEXT, INK)?;
        let middle = (top + bottom) / 2.0;
        pen.upwards(self.y.name, (12.0, middle), 0, TEXT, INK)
    }
}

/// Smallest and largest of some values; 0 and 1 where there are none.
pub(super) fn range(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let known = values.filter(|v| v.is_finite());
    known
        .fold(None, |r: Option<[f64; 2]>, v| {
            Some(r.map_or([v, v], |[a, b]| [a.min(v), b.max(v)]))
        })
        .unwrap_or([0.0, 1.0])
}
