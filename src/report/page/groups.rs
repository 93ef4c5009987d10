//! How the panel holds across batches, donors left out, coarser labels and repeated runs.
use super::canvas::Drawn;
use super::data::{Batches, Cross, Repeats, Report};
use super::words::{count, known, measure, name, names, percent, score, several};
use super::writer::{Look, Table, Writer, bar};

/// Rows of the table of chosen genes.
const LISTED: usize = 60;

/// Writes the sections that the run has something for.
pub(super) fn write(w: &mut Writer, report: &Report) -> Drawn {
    if !report.hierarchy.is_empty() {
        w.section("Finer within coarser labels", |w| {
            for h in &report.hierarchy {
                w.paragraph(&format!(
                    "{} lies within {}: of the test cells, {} are predicted a {} of their predicted {}. The network \
                     is not told so, hence agreement is a sign of sense.",
                    name(&h.child),
                    name(&h.parent),
                    known(h.consistency, percent),
                    name(&h.child),
                    name(&h.parent)
                ));
            }
            Ok(())
        })?;
    }
    if let Some(b) = &report.batches {
        batches(w, b)?;
    }
    if let Some(c) = &report.cross_validation {
        cross(w, c)?;
    }
    if let Some(r) = &report.repeats {
        repeats(w, r)?;
    }
    Ok(())
}

fn batches(w: &mut Writer, batches: &Batches) -> Drawn {
    w.section(&format!("Each {}", name(&batches.column)), |w| {
        w.paragraph(
            "The test figures of each batch by itself. The genes were chosen to hold in every one; a batch that is \
             much lower than the others deserves a look.",
        );
        let mut table = Table::new(
            &format!("Test figures of each {}", name(&batches.column)),
            &[
                (&name(&batches.column), Look::Words),
                ("Task", Look::Words),
                ("Test cells", Look::Number),
                ("Figures", Look::Words),
            ],
        );
        for row in &batches.rows {
            let figures = row.figures.iter();
            let figures = figures.map(|(n, x)| format!("{} {}", measure(n), known(*x, score)));
            table.rows.push(vec![
                name(&row.batch),
                name(&row.task),
                count(row.cells),
                figures.collect::<Vec<_>>().join(", "),
            ]);
        }
        w.table(&table, "");
        Ok(())
    })
}

fn cross(w: &mut Writer, cross: &Cross) -> Drawn {
    w.section(&format!("Leaving out each {}", name(&cross.column)), |w| {
        w.paragraph(
            "For each row everything was trained again without that group, the choice of genes too. \
             <strong>Within</strong> is on sealed cells of the groups that were trained on, <strong>across</strong> \
             on the group that was left out: that is what to expect of a new one.",
        );
        let mut table = Table::new(
            &format!("Figures without each {}", name(&cross.column)),
            &[
                (&name(&cross.column), Look::Words),
                ("Task", Look::Words),
                ("Measure", Look::Words),
                ("Cells", Look::Number),
                ("Within", Look::Number),
                ("Across", Look::Number),
                ("Of unknown classes", Look::Number),
            ],
        );
        let cell = |x: Option<f64>| x.map_or_else(|| "–".into(), |x| bar(&score(x), x));
        for row in &cross.rows {
            table.rows.push(vec![
                name(&row.group),
                name(&row.task),
                measure(&row.measure).into(),
                count(row.cells),
                cell(row.within),
                cell(row.across),
                count(row.unseen),
            ]);
        }
        if !table.rows.is_empty() {
            w.table(&table, "");
        }
        for (group, why) in &cross.skipped {
            w.note(&format!("{} could not be left out: {}.", name(group), name(why)));
        }
        Ok(())
    })
}

fn repeats(w: &mut Writer, repeats: &Repeats) -> Drawn {
    w.section(&format!("What {} runs agree on", repeats.n), |w| {
        let result = if repeats.result == "consensus" {
            "This panel is that of the majority."
        } else {
            "This panel is that of the run with the lowest validation loss."
        };
        w.paragraph(&format!(
            "The run was repeated with other seeds. {result} Two panels share {} of their genes on average \
             (Jaccard), {} where genes that replace each other count as one.",
            known(repeats.jaccard, percent),
            known(repeats.jaccard_of_groups, percent)
        ));
        let mut table = Table::new(
            "How often each gene was chosen",
            &[("Gene", Look::Words), ("Share of the runs", Look::Number)],
        );
        for (gene, share) in repeats.genes.iter().take(LISTED) {
            table.rows.push(vec![name(gene), bar(&percent(*share), *share)]);
        }
        w.table(&table, "");
        if repeats.genes.len() > LISTED {
            w.note(&format!(
                "{} more were chosen less often; metrics.json has all.",
                several(repeats.genes.len() - LISTED, "gene", "genes")
            ));
        }
        if repeats.interchangeable.is_empty() {
            return Ok(());
        }
        w.section("Genes that replace each other", |w| {
            w.paragraph(
                "Correlated genes of which the runs chose one or another: take whichever the assay measures better.",
            );
            let mut table = Table::new(
                "Genes that replace each other",
                &[("Genes", Look::Words), ("Share of the runs", Look::Number)],
            );
            for (genes, share) in &repeats.interchangeable {
                table.rows.push(vec![names(genes, 12), percent(*share)]);
            }
            w.table(&table, "");
            Ok(())
        })
    })
}
