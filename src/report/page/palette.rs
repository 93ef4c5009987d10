//! Colours. Drawings name a few fixed colours; the page's style turns each into that of the light or the dark
//! mode. Classes have the colours of Okabe and Ito (2008), which colour-blind people tell apart, less the
//! yellow, which white swallows; marks of another shape go round again.
use plotters::style::RGBColor;
use std::fmt::Write;

/// Text and axes.
pub(super) const INK: RGBColor = RGBColor(0, 0, 0);
/// Text over marks, with a rim of the paper's colour.
pub(super) const LABEL: RGBColor = RGBColor(1, 1, 1);
/// Text of ticks.
pub(super) const DIM: RGBColor = RGBColor(110, 110, 110);
/// Lines of a grid.
pub(super) const FAINT: RGBColor = RGBColor(170, 170, 170);
/// Marks in the background.
pub(super) const PALE: RGBColor = RGBColor(150, 150, 150);
/// A band behind a curve.
pub(super) const BAND: RGBColor = RGBColor(240, 240, 240);
/// Classes, curves, runs.
pub(super) const SERIES: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];
/// The same on a dark page.
const SERIES_DARK: [RGBColor; 7] = [
    RGBColor(77, 160, 224),
    RGBColor(240, 125, 50),
    RGBColor(40, 190, 145),
    RGBColor(226, 150, 192),
    RGBColor(240, 185, 60),
    RGBColor(145, 208, 245),
    RGBColor(170, 170, 170),
];
/// Steps of a ramp, from nothing to all.
pub(super) const STEPS: usize = 11;
/// Paper, ink, dim ink, faint lines, bands and links, in light and dark.
const NAMED: [(&str, RGBColor, RGBColor); 7] = [
    ("paper", RGBColor(255, 255, 255), RGBColor(22, 24, 26)),
    ("ink", RGBColor(26, 26, 26), RGBColor(232, 232, 230)),
    ("dim", RGBColor(90, 94, 98), RGBColor(168, 172, 176)),
    ("faint", RGBColor(208, 211, 214), RGBColor(66, 70, 74)),
    ("pale", RGBColor(178, 184, 190), RGBColor(100, 106, 112)),
    ("band", RGBColor(244, 245, 246), RGBColor(32, 35, 38)),
    ("link", RGBColor(0, 90, 150), RGBColor(120, 190, 245)),
];
/// A ramp as three colours: nothing, half, all.
type Ramp = [RGBColor; 3];
/// Means in the dot plot, in light and dark.
const REDS: [Ramp; 2] = [
    [
        RGBColor(254, 240, 230),
        RGBColor(244, 120, 80),
        RGBColor(120, 0, 20),
    ],
    [
        RGBColor(58, 42, 42),
        RGBColor(200, 80, 60),
        RGBColor(255, 205, 170),
    ],
];
/// Shares in the confusion matrix, in light and dark.
const BLUES: [Ramp; 2] = [
    [
        RGBColor(255, 255, 255),
        RGBColor(107, 174, 214),
        RGBColor(8, 60, 130),
    ],
    [
        RGBColor(22, 24, 26),
        RGBColor(40, 105, 165),
        RGBColor(170, 215, 250),
    ],
];

/// The drawing's colour of a step of the ramp of the dot plot.
#[must_use]
pub(super) fn step(i: usize) -> RGBColor {
    RGBColor(200, 0, i.min(STEPS - 1) as u8)
}

/// The step of a share of the whole; nothing for what is no number.
#[must_use]
pub(super) fn step_of(share: f64) -> usize {
    (share.clamp(0.0, 1.0) * (STEPS - 1) as f64).round() as usize
}

fn between(ramp: &Ramp, i: usize) -> RGBColor {
    let place = i as f64 / (STEPS - 1) as f64 * 2.0;
    let (from, to, share) = if place < 1.0 {
        (ramp[0], ramp[1], place)
    } else {
        (ramp[1], ramp[2], place - 1.0)
    };
    let mix = |a: u8, b: u8| (f64::from(a) + share * (f64::from(b) - f64::from(a))).round() as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

/// Contrast of two colours as WCAG 2 has it, 1 to 21.
#[must_use]
pub(super) fn contrast(a: RGBColor, b: RGBColor) -> f64 {
    let linear = |v: u8| {
        let v = f64::from(v) / 255.0;
        if v <= 0.04045 {
            v / 12.92
        } else {
            ((v + 0.055) / 1.055).powf(2.4)
        }
    };
    let light = |c: RGBColor| 0.2126 * linear(c.0) + 0.7152 * linear(c.1) + 0.0722 * linear(c.2);
    let (a, b) = (light(a) + 0.05, light(b) + 0.05);
    if a > b { a / b } else { b / a }
}

/// Black or white, whichever is read better on a colour.
fn on(colour: RGBColor) -> RGBColor {
    let [dark, bright] = [RGBColor(0, 0, 0), RGBColor(255, 255, 255)];
    if contrast(dark, colour) >= contrast(bright, colour) {
        dark
    } else {
        bright
    }
}

fn hex(c: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", c.0, c.1, c.2)
}

/// The variables of one mode: 0 light, 1 dark.
fn variables(mode: usize) -> String {
    let mut css = String::new();
    // writing to a string does not fail
    for (name, light, dark) in NAMED {
        let _ = write!(css, "--{name}:{};", hex([light, dark][mode]));
    }
    for (i, c) in [SERIES, SERIES_DARK][mode].iter().enumerate() {
        let _ = write!(css, "--s{i}:{};", hex(*c));
    }
    for i in 0..STEPS {
        let (red, blue) = (between(&REDS[mode], i), between(&BLUES[mode], i));
        let _ = write!(
            css,
            "--r{i}:{};--b{i}:{};--t{i}:{};",
            hex(red),
            hex(blue),
            hex(on(blue))
        );
    }
    css
}

/// The variables of both modes, and rules that give drawings and cells of tables their colours.
#[must_use]
pub(super) fn css() -> String {
    let mut css = format!(
        ":root{{color-scheme:light dark;{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n",
        variables(0),
        variables(1)
    );
    let named = [
        (INK, "ink"),
        (LABEL, "ink"),
        (DIM, "dim"),
        (FAINT, "faint"),
        (PALE, "pale"),
        (BAND, "band"),
    ];
    let named = named.into_iter().map(|(c, name)| (c, name.to_owned()));
    let series = SERIES
        .iter()
        .enumerate()
        .map(|(i, &c)| (c, format!("s{i}")));
    let steps = (0..STEPS).map(|i| (step(i), format!("r{i}")));
    for (colour, name) in named.chain(series).chain(steps) {
        let hex = hex(colour);
        let _ = writeln!(
            css,
            "svg [fill='{hex}']{{fill:var(--{name})}}svg [stroke='{hex}']{{stroke:var(--{name})}}"
        );
    }
    for i in 0..STEPS {
        let _ = writeln!(css, ".q{i}{{background:var(--b{i});color:var(--t{i})}}");
    }
    css
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_be_read_in_both_modes() {
        assert!((contrast(RGBColor(0, 0, 0), RGBColor(255, 255, 255)) - 21.0).abs() < 1e-9);
        assert!(contrast(RGBColor(119, 119, 119), RGBColor(255, 255, 255)) < 4.5);
        for mode in 0..2 {
            let of = |name: &str| {
                let found = NAMED.iter().find(|n| n.0 == name).unwrap();
                [found.1, found.2][mode]
            };
            for text in ["ink", "dim", "link"] {
                for paper in ["paper", "band"] {
                    let got = contrast(of(text), of(paper));
                    assert!(got >= 4.5, "{text} on {paper}, mode {mode}: {got}");
                }
            }
            for i in 0..STEPS {
                let cell = between(&BLUES[mode], i);
                assert!(contrast(on(cell), cell) >= 4.5, "step {i}, mode {mode}");
            }
            // marks are no text: 3 is asked of them, of the weakest (orange, sky) less
            for (i, c) in [SERIES, SERIES_DARK][mode].iter().enumerate() {
                assert!(contrast(*c, of("paper")) >= 2.0, "series {i}, mode {mode}");
            }
        }
    }

    #[test]
    fn no_two_colours_of_drawings_are_one() {
        let mut all = vec![INK, LABEL, DIM, FAINT, PALE, BAND];
        all.extend(SERIES);
        all.extend((0..STEPS).map(step));
        let mut names: Vec<String> = all.iter().map(|c| hex(*c)).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
        assert!(names.iter().all(|n| css().contains(n.as_str())));
    }

    #[test]
    fn steps_span_the_ramp() {
        assert_eq!(
            [0.0, 0.5, 1.0, 7.0, f64::NAN].map(step_of),
            [0, 5, 10, 10, 0]
        );
    }
}
