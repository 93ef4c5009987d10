//! Columns of text.

/// Lines of cells under a heading, columns as wide as their widest cell; the first `left` columns
/// stand to the left, the others to the right.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>], left: usize) -> String {
    let count = |text: &str| text.chars().count();
    let mut widths: Vec<usize> = heading.iter().map(|h| count(h)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(count(cell));
        }
    }
    let line = |cells: &[String]| {
        let mut text = String::new();
        for (i, (cell, &width)) in cells.iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width - count(cell));
            let between = if i == 0 { "" } else { "  " };
            text += between;
            text += &if i < left {
                format!("{cell}{gap}")
            } else {
                format!("{gap}{cell}")
            };
        }
        text.trim_end().to_owned() + "\n"
    };
    let heading: Vec<String> = heading.iter().map(ToString::to_string).collect();
    let mut text = line(&heading);
    rows.iter().for_each(|row| text += &line(row));
    text
}

/// Three digits that count, whatever the size.
pub(crate) fn short(x: f64) -> String {
    match x.abs() {
        _ if !x.is_finite() => "-".into(),
        0.0 => "0".into(),
        a if a >= 100.0 => format!("{x:.0}"),
        a if a >= 10.0 => format!("{x:.1}"),
        a if a >= 1.0 => format!("{x:.2}"),
        a if a >= 0.01 => format!("{x:.3}"),
        _ => format!("{x:.1e}"),
    }
}

/// As [`short`], or a dash.
pub(crate) fn or_dash(x: Option<f64>) -> String {
    x.map_or_else(|| "-".into(), short)
}

/// Bytes in the unit that suits them.
pub(crate) fn bytes(n: u64) -> String {
    let x = n as f64;
    match n {
        0..1_000_000 => format!("{} kB", short(x / 1e3)),
        1_000_000..1_000_000_000 => format!("{} MB", short(x / 1e6)),
        _ => format!("{} GB", short(x / 1e9)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["a".into(), "1.5".into()],
            vec!["bcd".into(), "20".into()],
        ];
        let text = table(&["name", "x"], &rows, 1);
        assert_eq!(text, "name    x\na     1.5\nbcd    20\n");
    }

    #[test]
    fn numbers_keep_three_digits() {
        let texts = [0.0, 1234.5, 99.96, 1.234, 0.5, 0.000_12, f64::NAN].map(short);
        assert_eq!(
            texts,
            ["0", "1234", "100.0", "1.23", "0.500", "1.2e-4", "-"]
        );
        assert_eq!(bytes(123_000_000), "123 MB");
        assert_eq!(or_dash(None), "-");
    }
}
