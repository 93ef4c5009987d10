//! Several results side by side, with ratios to the first.
use super::schema::{DeviceResult, Report};
use super::table::{short, table};

/// One device of one file.
#[derive(Clone, Debug)]
pub struct Column {
    /// `A`, `B`, ...
    pub letter: String,
    /// The file's name as the user wrote it.
    pub file: String,
    /// The file.
    pub report: Report,
    /// Which of its devices.
    pub device: usize,
}

impl Column {
    /// The device.
    #[must_use]
    pub fn result(&self) -> &DeviceResult {
        &self.report.devices[self.device]
    }
    /// What it is, in a line.
    #[must_use]
    pub fn title(&self) -> String {
        let (info, s) = (&self.result().device.info, &self.report.setup);
        format!(
            "{}: {} ({}), {} size, {}",
            self.letter, info.name, info.backend, s.size, self.file
        )
    }
}

/// A column for every device of every file, in order.
#[must_use]
pub fn columns(reports: Vec<(String, Report)>) -> Vec<Column> {
    let mut columns = Vec::new();
    for (file, report) in reports {
        for device in 0..report.devices.len() {
            columns.push(Column {
                letter: letter(columns.len()),
                file: file.clone(),
                report: report.clone(),
                device,
            });
        }
    }
    columns
}

/// A to Z, then A1 to Z1 and so on.
fn letter(i: usize) -> String {
    let letter = char::from(b'A' + (i % 26) as u8);
    match i / 26 {
        0 => letter.to_string(),
        n => format!("{letter}{n}"),
    }
}

/// A measure and its value in every column.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// `ceilings`, `steps` or `kernels`.
    pub group: &'static str,
    /// Its name with its unit.
    pub measure: String,
    /// A value a column, `None` where it was not measured.
    pub values: Vec<Option<f64>>,
}

impl Line {
    /// Value of a column over that of the first one.
    #[must_use]
    pub fn ratio(&self, column: usize) -> Option<f64> {
        let (first, value) = (self.values.first()?.as_ref()?, self.values[column]?);
        (*first != 0.0).then(|| value / first)
    }
}

/// All that the columns can be compared by, in the order in which the first file has it.
#[must_use]
pub fn lines(columns: &[Column]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        for (group, measure, value) in measures(column.result()) {
            let known = |l: &&mut Line| l.group == group && l.measure == measure;
            let line = match lines.iter_mut().find(known) {
                Some(line) => line,
                None => {
                    lines.push(Line {
                        group,
                        measure,
                        values: vec![None; columns.len()],
                    });
                    let last = lines.len() - 1;
                    &mut lines[last]
                }
            };
            line.values[at] = value;
        }
    }
    let place = |l: &Line| {
        ["ceilings", "steps", "kernels"]
            .iter()
            .position(|g| *g == l.group)
    };
    lines.sort_by_key(place);
    lines.retain(|l| l.values.iter().any(Option::is_some));
    lines
}

fn measures(d: &DeviceResult) -> Vec<(&'static str, String, Option<f64>)> {
    let c = &d.ceilings;
    let known = |x: f64| Some(x).filter(|x| *x > 0.0);
    let mut all = vec![
        ("ceilings", "copy, GB/s".to_owned(), known(c.copy_gb_s)),
        ("ceilings", "fp32, GFLOP/s".into(), known(c.fp32_gflop_s)),
        ("ceilings", "f16, GFLOP/s".into(), c.f16_gflop_s),
        (
            "ceilings",
            "cooperative matrices, GFLOP/s".into(),
            c.matrix_gflop_s,
        ),
        (
            "ceilings",
            "empty dispatch, us".into(),
            known(c.empty_dispatch_us),
        ),
        (
            "ceilings",
            "empty submit, us".into(),
            known(c.empty_submit_us),
        ),
        ("steps", "start to first step, s".into(), d.first_step_s),
        (
            "steps",
            "peak memory of the process, MB".into(),
            d.peak_memory_bytes.map(|b| b as f64 / 1e6),
        ),
    ];
    for s in &d.steps {
        let of = match s.models {
            1 => s.phase.clone(),
            r => format!("{} x {r} models", s.phase),
        };
        let mut add = |what: &str, value| all.push(("steps", format!("{of}: {what}"), value));
        add("steps/s", Some(s.steps_per_s));
        add("cells/s", Some(s.cells_per_s));
        if s.models > 1 {
            add("models/s", Some(s.models_per_s));
        }
        add("dispatches a step", Some(s.dispatches));
        add("host, us a dispatch", s.host_us_per_dispatch);
        add("idle share", s.idle_share);
        add("device memory, MB", Some(s.device_bytes as f64 / 1e6));
    }
    for k in &d.kernels {
        let name = format!("{} {}", k.phase, k.label());
        all.push(("kernels", format!("{name}, us"), Some(k.median_us)));
        all.push((
            "kernels",
            format!("{name}, of roof"),
            Some(k.roofline_share),
        ));
    }
    all
}

/// Why figures of the columns should be compared with care, one line each.
#[must_use]
pub fn warnings(columns: &[Column]) -> Vec<String> {
    let mut warnings = Vec::new();
    let Some(first) = columns.first() else {
        return warnings;
    };
    for c in columns {
        let (a, b) = (&first.report.setup, &c.report.setup);
        let shape =
            |s: &super::schema::Setup| (s.genes, s.nonzeros, s.batch, s.hidden, s.k, s.cells);
        if shape(a) != shape(b) {
            warnings.push(format!("{} was measured at another size than A", c.letter));
        }
        if c.report.program.build != "release" {
            warnings.push(format!("{} is of a debug build", c.letter));
        }
        if c.report.program.commit != first.report.program.commit {
            warnings.push(format!("{} is of another commit than A", c.letter));
        }
        if !c.result().check.agrees {
            warnings.push(format!(
                "results of {} do not agree with the CPU twins",
                c.letter
            ));
        }
    }
    warnings
}

/// The columns side by side.
#[must_use]
pub fn text(columns: &[Column]) -> String {
    let mut text = String::new();
    columns.iter().for_each(|c| text += &(c.title() + "\n"));
    warnings(columns)
        .iter()
        .for_each(|w| text += &format!("note: {w}\n"));
    let mut heading = vec!["".to_owned()];
    for (i, c) in columns.iter().enumerate() {
        heading.push(c.letter.clone());
        if i > 0 {
            heading.push(format!("{}/A", c.letter));
        }
    }
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    let all = lines(columns);
    for group in ["ceilings", "steps", "kernels"] {
        let rows: Vec<Vec<String>> = all.iter().filter(|l| l.group == group).map(cells).collect();
        if !rows.is_empty() {
            let mut heading = heading.clone();
            heading[0] = group;
            text += &format!("\n{}", table(&heading, &rows, 1));
        }
    }
    text
}

/// A line's cells: the measure, then a value a column and its ratio to the first.
pub(super) fn cells(line: &Line) -> Vec<String> {
    let mut cells = vec![line.measure.clone()];
    for (i, value) in line.values.iter().enumerate() {
        cells.push(value.map_or_else(|| "-".into(), short));
        if i > 0 {
            let ratio = line.ratio(i);
            cells.push(ratio.map_or_else(|| "-".into(), |r| format!("{}x", short(r))));
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_to_the_first_and_absent_where_one_is() {
        let line = |values: &[Option<f64>]| Line {
            group: "steps",
            measure: "x".into(),
            values: values.to_vec(),
        };
        let full = line(&[Some(4.0), Some(2.0), None]);
        assert_eq!(
            [full.ratio(0), full.ratio(1), full.ratio(2)],
            [Some(1.0), Some(0.5), None]
        );
        assert_eq!(cells(&full), ["x", "4.00", "2.00", "0.500x", "-", "-"]);
        assert_eq!(line(&[None, Some(1.0)]).ratio(1), None);
        assert_eq!(line(&[Some(0.0), Some(1.0)]).ratio(1), None);
    }

    #[test]
    fn letters_do_not_run_out() {
        assert_eq!([0, 25, 26, 53].map(letter), ["A", "Z", "A1", "B2"]);
    }
}
