//! What a run came to: one sentence a task, and its figures with intervals.
use super::canvas::Drawn;
use super::data::{Figure, Kind, Report, Task};
use super::words::{known, meaning, measure, name, percent, score, several};
use super::writer::Writer;
use std::fmt::Write;

/// Writes the section.
pub(super) fn write(w: &mut Writer, report: &Report) -> Drawn {
    w.section("In short", |w| {
        if report.stopped {
            w.raw(
                "<p class=\"warn\">This run was stopped before its end. The figures are those of the best model \
                 it had by then.</p>\n",
            );
        }
        if report.data.test == 0 {
            w.raw(
                "<p class=\"warn\">No cells were kept for testing, so that there are no test figures. Train with \
                 <code>--test-fraction</code> above 0 to have them.</p>\n",
            );
        }
        for task in &report.tasks {
            w.paragraph(&sentence(report, task));
            w.raw(&cards(task));
        }
        w.note(
            "All figures are of test cells, which neither training nor the choice of genes ever saw. The 95 % \
             interval says how much a figure would vary had other cells of the same kind been tested: it comes \
             from drawing the test cells again and again, with replacement. It does not cover other donors or \
             laboratories.",
        );
        Ok(())
    })
}

/// What a task came to, in words.
fn sentence(report: &Report, task: &Task) -> String {
    let genes = several(report.panel.len(), "gene", "genes");
    let named = name(&task.name);
    let Some(first) = task.figures.first() else {
        return named;
    };
    let Some(value) = first.value else {
        return format!(
            "<strong>{named}</strong>: no test cell has a value, so there are no figures."
        );
    };
    let cells = several(task.cells, "test cell", "test cells");
    match &task.of {
        Kind::Classification {
            classes, confusion, ..
        } => {
            let mut of_class = vec![0usize; classes.len()];
            confusion.iter().for_each(|c| of_class[c[0]] += c[2]);
            let most = of_class.iter().copied().max().unwrap_or(0) as f64;
            format!(
                "<strong>{named}</strong>: with {genes}, {} of {cells} are given the right one of {}. Always naming \
                 the most frequent class would be right for {}.",
                percent(value),
                several(classes.len(), "class", "classes"),
                percent(most / task.cells.max(1) as f64)
            )
        }
        Kind::Regression { .. } => format!(
            "<strong>{named}</strong>: {genes} predict {} of its variance over {cells}.",
            percent(value)
        ),
        Kind::Reconstruction { components } => format!(
            "<strong>{named}</strong>: {genes} predict {} of the variance of all genes over {cells}, through {}; \
             these themselves hold {}.",
            percent(value),
            several(*components, "component", "components"),
            known(task.figures.get(1).and_then(|f| f.value), percent)
        ),
    }
}

/// The interval of a figure, in words; nothing where there is none.
#[must_use]
pub(super) fn interval(figure: &Figure) -> String {
    figure.interval.map_or_else(String::new, |[low, high]| {
        format!("{} to {}", score(low), score(high))
    })
}

fn cards(task: &Task) -> String {
    let mut html = "<dl class=\"cards\">\n".to_owned();
    for (i, figure) in task.figures.iter().enumerate() {
        let class = if i == 0 { " class=\"lead\"" } else { "" };
        let range = match interval(figure) {
            none if none.is_empty() => String::new(),
            range => format!("<span>95 % interval {range}</span>"),
        };
        // writing to a string does not fail
        let _ = writeln!(
            html,
            "<div{class}><dt>{}</dt><dd><strong>{}</strong>{range}<span>{}</span></dd></div>",
            measure(&figure.name),
            known(figure.value, score),
            meaning(&figure.name)
        );
    }
    html + "</dl>\n"
}
