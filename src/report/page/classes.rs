//! A task of classes on the test cells: confusion, a row a class.
use super::canvas::Drawn;
use super::data::Class;
use super::palette::step_of;
use super::words::{count, name, percent, score};
use super::writer::{Look, Table, Writer, bar};
use crate::markup::escape;
use std::fmt::Write;

/// More classes than this have a list of their confusions alone.
const MATRIX: usize = 80;
/// More than this, small cells.
const ROOMY: usize = 16;
/// Up to this, the list stands beside the matrix.
const SMALL: usize = 12;
/// Confusions in the list.
const LISTED: usize = 12;

/// What is counted of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    /// Test cells of the class.
    pub(super) truth: usize,
    /// Test cells predicted so.
    pub(super) predicted: usize,
    /// Both.
    pub(super) right: usize,
}

impl Counts {
    /// Those of every class.
    #[must_use]
    pub(super) fn of(n: usize, confusion: &[[usize; 3]]) -> Vec<Self> {
        let mut all = vec![Self::default(); n];
        for &[t, p, cells] in confusion {
            all[t].truth += cells;
            all[p].predicted += cells;
            if t == p {
                all[t].right += cells;
            }
        }
        all
    }

    /// Recall, precision and F1; `None` where undefined.
    #[must_use]
    pub(super) fn scores(&self) -> [Option<f64>; 3] {
        let share = |of: usize| (of > 0).then(|| self.right as f64 / of as f64);
        let both = self.truth + self.predicted;
        let f1 = (both > 0).then(|| 2.0 * self.right as f64 / both as f64);
        [share(self.truth), share(self.predicted), f1]
    }
}

/// Writes the confusion matrix and the list of the most frequent confusions.
pub(super) fn confusion(
    w: &mut Writer,
    task: &str,
    classes: &[Class],
    confusion: &[[usize; 3]],
) -> Drawn {
    w.section("Which classes are taken for which", |w| {
        let counts = Counts::of(classes.len(), confusion);
        if classes.len() <= MATRIX {
            w.paragraph(
                "A row is what the test cells are, a column what they are predicted to be. A cell has the share of \
                 its row in percent, and below it the number of cells; empty means none. All on the diagonal would \
                 be without error.",
            );
        }
        // a small matrix has the list beside it
        let beside = classes.len() <= SMALL;
        w.raw(if beside { "<div class=\"plots\">\n" } else { "" });
        if classes.len() <= MATRIX {
            let matrix = matrix(w, task, classes, confusion, &counts);
            w.raw(&matrix);
        }
        listed(w, task, classes, confusion, &counts);
        w.raw(if beside { "</div>\n" } else { "" });
        Ok(())
    })
}

/// Writes the most frequent confusions.
fn listed(
    w: &mut Writer,
    task: &str,
    classes: &[Class],
    confusion: &[[usize; 3]],
    counts: &[Counts],
) {
    let mut wrong: Vec<&[usize; 3]> = confusion.iter().filter(|c| c[0] != c[1]).collect();
    wrong.sort_by_key(|c| (std::cmp::Reverse(c[2]), c[0], c[1]));
    if wrong.is_empty() {
        w.paragraph("No test cell is predicted wrongly.");
        return;
    }
    let mut table = Table::new(
        &format!("The most frequent confusions of {}", name(task)),
        &[
            ("True class", Look::Words),
            ("Predicted", Look::Words),
            ("Cells", Look::Number),
            ("Of the true class", Look::Number),
        ],
    );
    for &&[t, p, cells] in wrong.iter().take(LISTED) {
        table.rows.push(vec![
            name(&classes[t].name),
            name(&classes[p].name),
            count(cells),
            percent(cells as f64 / counts[t].truth as f64),
        ]);
    }
    w.table(&table, "");
}

fn matrix(
    w: &Writer,
    task: &str,
    classes: &[Class],
    confusion: &[[usize; 3]],
    counts: &[Counts],
) -> String {
    let n = classes.len();
    let mut cells = vec![0usize; n * n];
    confusion.iter().for_each(|c| cells[c[0] * n + c[1]] = c[2]);
    let dense = if n > ROOMY { " dense" } else { "" };
    let mut html = w.box_start(&format!("Confusion matrix of {task}"));
    // writing to a string does not fail
    let _ = write!(
        html,
        "<table class=\"matrix{dense}\"><caption>Confusion matrix of {}, percent of each row</caption>\n\
         <thead><tr><th scope=\"col\"><span>true ↓ predicted →</span></th>",
        name(task)
    );
    for class in classes {
        let _ = write!(
            html,
            "<th scope=\"col\"><span>{}</span></th>",
            name(&class.name)
        );
    }
    html += "</tr></thead>\n<tbody>\n";
    for (t, class) in classes.iter().enumerate() {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", name(&class.name));
        for (p, other) in classes.iter().enumerate() {
            let found = cells[t * n + p];
            if found == 0 {
                html += "<td></td>";
                continue;
            }
            let share = found as f64 / counts[t].truth as f64;
            let _ = write!(
                html,
                "<td class=\"q{}\" title=\"{} of {} cells of {} predicted {}\">{:.0}",
                step_of(share),
                count(found),
                count(counts[t].truth),
                escape(&class.name),
                escape(&other.name),
                100.0 * share
            );
            if n <= ROOMY {
                let _ = write!(html, "<small>{}</small>", count(found));
            }
            html += "</td>";
        }
        html += "</tr>\n";
    }
    html + "</tbody></table></div>\n"
}

/// Writes the table of the classes.
pub(super) fn table(
    w: &mut Writer,
    task: &str,
    classes: &[Class],
    confusion: &[[usize; 3]],
) -> Drawn {
    w.section("Class by class", |w| {
        w.paragraph(
            "<strong>Recall</strong> is the share of the class’s test cells that are found, \
             <strong>precision</strong> the share of the cells predicted so that are of it, <strong>F1</strong> the \
             harmonic mean of both. Figures of few cells are rough.",
        );
        let mut table = Table::new(
            &format!("Test figures of each class of {}", name(task)),
            &[
                ("Class", Look::Words),
                ("Training cells", Look::Number),
                ("Test cells", Look::Number),
                ("Recall", Look::Number),
                ("Precision", Look::Number),
                ("F1", Look::Number),
            ],
        );
        for (class, counts) in classes.iter().zip(Counts::of(classes.len(), confusion)) {
            let mut row = vec![name(&class.name), count(class.train), count(counts.truth)];
            let cell = |x: Option<f64>| x.map_or_else(|| "–".into(), |x| bar(&score(x), x));
            row.extend(counts.scores().map(cell));
            table.rows.push(row);
        }
        w.table(&table, "");
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_give_recall_precision_and_f1() {
        let confusion = [[0, 0, 3], [0, 1, 1], [1, 1, 2]];
        let counts = Counts::of(3, &confusion);
        let want = [Some(0.75), Some(1.0), Some(6.0 / 7.0)];
        assert_eq!(counts[0].scores(), want);
        assert_eq!(counts[1].scores(), [Some(1.0), Some(2.0 / 3.0), Some(0.8)]);
        assert_eq!(counts[2].scores(), [None; 3]);
    }
}
