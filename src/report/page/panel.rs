//! The panel as a table: what each gene is for.
use super::canvas::Drawn;
use super::data::{Gene, Kind, Report, Role, Task};
use super::words::{change, figure, gene_score, known, lost, name, names, percent, several};
use super::writer::{Look, Table, Writer, bar};

/// Genes that are seen at once where there are many; the others open on demand.
const OPEN: usize = 60;
const MANY: usize = 80;
/// Genes with a correlation above this say nearly the same.
const ALIKE: f64 = 0.9;

/// An AUROC that is nearer to a half than this tells nothing.
const TELLS: f64 = 0.1;

/// Writes the section.
pub(super) fn write(w: &mut Writer, report: &Report) -> Drawn {
    let heading = format!(
        "The panel: {}",
        several(report.panel.len(), "gene", "genes")
    );
    w.section(&heading, |w| {
        w.paragraph(&explanation(report));
        let mut table = table(report);
        let rest = table.rows.split_off(if table.rows.len() > MANY { OPEN } else { table.rows.len() });
        w.table(&table, "panel");
        if !rest.is_empty() {
            w.raw(&format!(
                "<details><summary>{}</summary>\n",
                several(rest.len(), "more gene", "more genes")
            ));
            table.caption = "Further genes of the panel by rank".into();
            table.rows = rest;
            w.table(&table, "panel");
            w.raw("</details>\n");
        }
        let doubles = report.panel.iter().filter(|g| {
            g.alike.as_ref().is_some_and(|a| a.correlation.abs() > ALIKE)
        });
        let doubles = doubles.count();
        if doubles > 0 {
            w.note(&format!(
                "{} of the panel {} a correlation above {ALIKE} with another: look whether the assay needs both.",
                several(doubles, "gene", "genes"),
                if doubles == 1 { "has" } else { "have" }
            ));
        }
        Ok(())
    })
}

/// What the columns mean.
fn explanation(report: &Report) -> String {
    let any = |is: fn(&Kind) -> bool| report.tasks.iter().any(|t| is(&t.of));
    let mut text = "The genes by rank. <strong>Score</strong> is how much worse training goes (its loss rises) when \
                    the gene is blanked out, <strong>lost without it</strong> how much of the test figure (accuracy, R² \
                    or variance explained) goes with it: a gene may lose little because another one steps in, and small losses, those below 0 too, are chance."
        .to_owned();
    if any(|k| matches!(k, Kind::Classification { .. })) {
        text += " <strong>Marks</strong> are the classes that the gene alone tells from all others well (AUROC of \
                 0.8 or more, on training cells); where there are none, the class where it is most unusual is named.";
    }
    if any(|k| matches!(k, Kind::Regression { .. })) {
        text += " <strong>Correlation</strong> is that of the gene and the number to predict, on training cells.";
    }
    text + " <strong>Detected</strong> is the share of training cells with any of it, <strong>mean</strong> its mean \
            over them in the values that the network reads. <strong>Most alike</strong> is the gene of the panel that \
            goes with it most, and their correlation: near 1 or −1 the two say much the same."
}

fn table(report: &Report) -> Table {
    let several_tasks = report.tasks.len() > 1;
    let mut table = Table::new(
        "Genes of the panel by rank",
        &[
            ("Gene", Look::Words),
            ("Rank", Look::Number),
            ("Score", Look::Number),
        ],
    );
    for task in &report.tasks {
        let of = if several_tasks {
            format!(" ({})", name(&task.name))
        } else {
            String::new()
        };
        if matches!(task.of, Kind::Classification { .. }) {
            table.columns.push((format!("Marks{of}"), Look::Words));
        }
        if matches!(task.of, Kind::Regression { .. }) {
            table
                .columns
                .push((format!("Correlation{of}"), Look::Number));
        }
        table
            .columns
            .push((format!("Lost without it{of}"), Look::Number));
    }
    for heading in ["Detected", "Mean"] {
        table.columns.push((heading.into(), Look::Number));
    }
    table.columns.push(("Most alike".into(), Look::Words));
    let most = report.panel.iter().map(|g| g.score).fold(0.0, f64::max);
    let drops: Vec<f64> = (0..report.tasks.len())
        .map(|t| {
            let all = report.panel.iter().filter_map(|g| g.roles[t].drop);
            all.fold(0.0, f64::max)
        })
        .collect();
    for (rank, gene) in report.panel.iter().enumerate() {
        table.rows.push(row(report, rank, gene, most, &drops));
    }
    table
}

fn row(report: &Report, rank: usize, gene: &Gene, most: f64, drops: &[f64]) -> Vec<String> {
    let mut row = vec![
        name(&gene.gene),
        (rank + 1).to_string(),
        bar(&gene_score(gene.score), gene.score / most),
    ];
    for ((task, role), drop) in report.tasks.iter().zip(&gene.roles).zip(drops) {
        match task.of {
            Kind::Classification { .. } => row.push(marks(task, role)),
            Kind::Regression { .. } => row.push(known(role.correlation, change)),
            Kind::Reconstruction { .. } => {}
        }
        let share = role.drop.unwrap_or(0.0) / drop;
        // what a gene adds to the variance of all genes is small
        let shown = match task.of {
            Kind::Reconstruction { .. } => known(role.drop, lost),
            _ => known(role.drop, change),
        };
        row.push(bar(&shown, share));
    }
    row.push(known(gene.detected, percent));
    row.push(known(gene.mean, figure));
    row.push(gene.alike.as_ref().map_or_else(
        || "–".into(),
        |a| format!("{} ({})", name(&a.gene), change(a.correlation)),
    ));
    row
}

/// The classes that a gene marks; where it marks none, the one that it tells best.
fn marks(task: &Task, role: &Role) -> String {
    if !role.marks.is_empty() {
        return names(&role.marks, 3);
    }
    let Kind::Classification { classes, .. } = &task.of else {
        return "–".into();
    };
    match &role.best {
        Some((class, auroc)) if (auroc - 0.5).abs() >= TELLS && classes.len() > 2 => {
            let how = if *auroc < 0.5 { "low" } else { "high" };
            format!("none; {how} in {} ({auroc:.2})", name(class))
        }
        Some((class, auroc)) if *auroc - 0.5 >= TELLS => {
            format!("none; high in {} ({auroc:.2})", name(class))
        }
        _ => "none".into(),
    }
}
