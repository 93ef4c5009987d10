//! The page of a run, or of several side by side: one HTML file without any other, for a browser that is
//! offline, light or dark, wide or narrow, and for those who hear it read.
//!
//! [`write()`] puts everything that it shows into a [`data::Report`], which `train` keeps as `report.json`;
//! [`html`] draws the page of one or several of them and of nothing else. The same reports are the same
//! bytes. Plots are plotters'; there is no script.
mod about;
mod axes;
mod calibration;
mod canvas;
mod classes;
mod collect;
mod compare;
pub mod data;
mod dots;
mod groups;
mod headline;
mod map;
mod palette;
mod panel;
pub mod read;
mod sizes;
mod tasks;
mod training;
mod tsne;
mod values;
mod words;
mod writer;

use self::canvas::Drawn;
use self::data::{Kind, Report, Task};
use self::words::{count, name, several};
use self::writer::Writer;
use crate::data::cells::TestCells;
use crate::error::OutputError;
use crate::markup::{self, escape};
use crate::report::files::{Panel, RunDir};
use crate::report::summary::Summary;
use serde_json::Value;
use std::fmt::Write;

/// What the page shows, in the folder of a run.
pub const FILE: &str = "report.json";
/// The page, in the folder of a run.
pub const PAGE: &str = "report.html";

/// Writes `report.json` and `report.html` of a run: those of the panel `main` of `panels`.
///
/// # Errors
/// As [`RunDir::write`].
pub fn write(
    dir: &RunDir,
    panels: &[Panel],
    main: usize,
    test: &TestCells,
    summary: &Summary,
    config: &Value,
) -> Result<(), OutputError> {
    let report = collect::collect(panels, main, test, summary, config, dir.command());
    let json = serde_json::to_vec(&report).map_err(|e| unwritten(&e))?;
    dir.write(FILE, &json)?;
    dir.write(PAGE, html(std::slice::from_ref(&report))?.as_bytes())
}

fn unwritten(e: &dyn std::fmt::Display) -> OutputError {
    OutputError::new(
        format!("the report could not be drawn: {e}"),
        "report this as a bug; the other results do not need it",
    )
}

/// The page of one run, or of several.
///
/// # Errors
/// A plot that cannot be drawn; none can fail as things stand.
pub fn html(reports: &[Report]) -> Result<String, OutputError> {
    let mut w = Writer::new();
    let names = compare::names(reports);
    let body = match reports {
        [one] => run(&mut w, one),
        several => all(&mut w, several, &names),
    };
    body.map_err(|e| unwritten(&e))?;
    let (title, heading, below) = headings(reports);
    let mut page = format!(
        "<a class=\"skip\" href=\"#main\">Skip to the figures</a>\n<header>\n<h1>{heading}</h1>\n\
         <p class=\"sub\">{below}</p>\n</header>\n<nav aria-label=\"Sections\">\n<ul>\n"
    );
    for (id, heading) in &w.contents {
        // writing to a string does not fail
        let _ = writeln!(page, "<li><a href=\"#{id}\">{heading}</a></li>");
    }
    page += "</ul>\n</nav>\n<main id=\"main\">\n";
    page += &w.into_html();
    let _ = write!(
        page,
        "</main>\n<footer>Drawn by yoto-gpu {} from {FILE} of {}. Nothing on this page is loaded from elsewhere.\
         </footer>\n",
        env!("CARGO_PKG_VERSION"),
        if reports.len() == 1 {
            "the run"
        } else {
            "the runs"
        }
    );
    let style = palette::css() + include_str!("page.css");
    Ok(markup::page(&title, &style, &page))
}

/// Title (plain text), first heading and the line below it (HTML).
fn headings(reports: &[Report]) -> (String, String, String) {
    let [report] = reports else {
        let heading = format!("{} runs side by side", reports.len());
        let all: Vec<String> = reports.iter().map(|r| name(&r.out)).collect();
        return (format!("{heading}: yoto-gpu"), heading, all.join(", "));
    };
    let genes = several(report.panel.len(), "gene", "genes");
    let of = |task: &Task| match task.of {
        Kind::Reconstruction { .. } => "all other genes".to_owned(),
        _ => task.name.clone(),
    };
    let tasks: Vec<String> = report.tasks.iter().map(of).collect();
    let named: Vec<String> = tasks.iter().map(|t| name(t)).collect();
    let d = &report.data;
    let below = format!(
        "{}: {} cells, {} genes. Trained {} by yoto-gpu {} in {}.",
        name(&d.path),
        count(d.n_obs),
        count(d.n_vars),
        escape(report.date.get(..10).unwrap_or(&report.date)),
        escape(&report.version),
        name(&report.out)
    );
    (
        format!("Panel of {genes} for {}: yoto-gpu", tasks.join(", ")),
        format!("A panel of {genes} for {}", named.join(", ")),
        below,
    )
}

/// The sections of one run.
fn run(w: &mut Writer, report: &Report) -> Drawn {
    headline::write(w, report)?;
    panel::write(w, report)?;
    for task in &report.tasks {
        self::task(w, report, task)?;
    }
    sizes::one(w, report)?;
    groups::write(w, report)?;
    training::one(w, report)?;
    about::write(w, report)
}

/// What compares several runs, then each of them.
fn all(w: &mut Writer, reports: &[Report], names: &[String]) -> Drawn {
    compare::write(w, reports, names)?;
    for (report, title) in reports.iter().zip(names) {
        w.section(&format!("Run {}", name(title)), |w| run(w, report))?;
    }
    Ok(())
}

fn task(w: &mut Writer, report: &Report, task: &Task) -> Drawn {
    match &task.of {
        Kind::Classification {
            classes: all,
            confusion,
            calibration: bins,
            shown,
        } => {
            let heading = format!(
                "{}: {}",
                name(&task.name),
                several(all.len(), "class", "classes")
            );
            w.section(&heading, |w| {
                w.section("The genes in the classes", |w| {
                    dots::write(w, &task.name, &report.panel, all)
                })?;
                if confusion.is_empty() {
                    return Ok(());
                }
                classes::confusion(w, &task.name, all, confusion)?;
                classes::table(w, &task.name, all, confusion)?;
                if let Some(map) = &report.map {
                    map::classes(w, &task.name, map, all, shown)?;
                }
                calibration::write(w, &task.name, bins)
            })
        }
        Kind::Regression { shown } if task.cells > 0 => {
            w.section(&format!("{}: a number", name(&task.name)), |w| {
                values::scatter(w, &task.name, shown, task.cells)?;
                match &report.map {
                    Some(map) => map::values(w, &task.name, map, shown),
                    None => Ok(()),
                }
            })
        }
        Kind::Regression { .. } | Kind::Reconstruction { .. } => Ok(()),
    }
}
