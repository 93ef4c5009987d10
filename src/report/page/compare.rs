//! Several runs side by side: figures, curves, the genes that their panels share.
use super::canvas::Drawn;
use super::data::{Figure, Report, Size};
use super::headline::interval;
use super::sizes;
use super::training::{self, duration};
use super::words::{count, known, measure, name, score, several};
use super::writer::{Look, Table, Writer};
use std::collections::BTreeMap;

/// Genes in the table of the panels.
const GENES: usize = 400;

/// What a run is called in plots and heads of tables: a letter and its folder's name.
#[must_use]
pub(super) fn names(reports: &[Report]) -> Vec<String> {
    let one = |(i, report): (usize, &Report)| {
        let folder = report.out.trim_end_matches(['/', '\\']);
        let last = folder.rsplit(['/', '\\']).next().unwrap_or(folder);
        let letter = u8::try_from(i)
            .ok()
            .filter(|i| *i < 26)
            .map(|i| char::from(b'A' + i));
        let letter = letter.map_or_else(|| (i + 1).to_string(), String::from);
        format!("{letter} {last}")
    };
    reports.iter().enumerate().map(one).collect()
}

/// Writes the sections that compare.
pub(super) fn write(w: &mut Writer, reports: &[Report], names: &[String]) -> Drawn {
    w.section("Side by side", |w| {
        w.paragraph(
            "Test figures with their 95 % intervals. Figures of different data or other test cells are not to be \
             ranked; where intervals of the same test cells overlap much, the runs are about as good.",
        );
        let figures = figures(reports, names);
        w.table(&figures, "");
        Ok(())
    })?;
    curves(w, reports, names)?;
    training::several(w, reports, names)?;
    w.section("Genes of the panels", |w| {
        overlap(w, reports, names);
        Ok(())
    })
}

fn head(first: &str, names: &[String]) -> Vec<(String, Look)> {
    let mut columns = vec![(first.to_owned(), Look::Words)];
    columns.extend(names.iter().map(|n| (name(n), Look::Words)));
    columns
}

fn figures(reports: &[Report], names: &[String]) -> Table {
    let mut table = Table::new("Headline figures of each run", &[]);
    table.columns = head("Figure", names);
    let mut keys: Vec<(&str, &str)> = Vec::new();
    for task in reports.iter().flat_map(|r| &r.tasks) {
        for figure in &task.figures {
            let key = (task.name.as_str(), figure.name.as_str());
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    let find = |r: &Report, (task, figure): (&str, &str)| -> Option<Figure> {
        let task = r.tasks.iter().find(|t| t.name == task)?;
        task.figures.iter().find(|f| f.name == figure).cloned()
    };
    for key in keys {
        let mut row = vec![format!("{}, {}", name(key.0), measure(key.1))];
        row.extend(reports.iter().map(|r| match find(r, key) {
            Some(f) => format!(
                "<strong>{}</strong><br>{}",
                known(f.value, score),
                interval(&f)
            ),
            None => "–".into(),
        }));
        table.rows.push(row);
    }
    let mut fact = |what: &str, of: fn(&Report) -> String| {
        let mut row = vec![what.to_owned()];
        row.extend(reports.iter().map(of));
        table.rows.push(row);
    };
    fact("Genes", |r| count(r.panel.len()));
    fact("Data", |r| name(&r.data.path));
    fact("Training, test cells", |r| {
        format!("{}, {}", count(r.data.train), count(r.data.test))
    });
    fact("Seed", |r| r.seed.to_string());
    fact("Device", |r| name(&r.device.name));
    fact("Time of training", |r| duration(r.training.seconds));
    table
}

/// Figures against the number of genes: runs of several sizes are curves, others points.
fn curves(w: &mut Writer, reports: &[Report], names: &[String]) -> Drawn {
    let point = |r: &Report| Size {
        k: r.panel.len(),
        validation_score: None,
        tasks: r
            .tasks
            .iter()
            .map(|t| (t.name.clone(), t.figures.clone()))
            .collect(),
    };
    let own = |r: &Report| {
        if r.curve.is_empty() {
            vec![point(r)]
        } else {
            r.curve.clone()
        }
    };
    let all: Vec<Vec<Size>> = reports.iter().map(own).collect();
    let mut ks: Vec<usize> = all.iter().flatten().map(|s| s.k).collect();
    ks.sort_unstable();
    ks.dedup();
    if ks.len() < 2 {
        return Ok(());
    }
    let mut tasks: Vec<&str> = reports
        .iter()
        .flat_map(|r| &r.tasks)
        .map(|t| t.name.as_str())
        .collect();
    tasks.sort_unstable();
    tasks.dedup();
    w.section("Figures against the number of genes", |w| {
        w.beside(|w| {
            for task in tasks {
                let has =
                    |sizes: &&Vec<Size>| sizes.iter().any(|s| s.tasks.iter().any(|t| t.0 == task));
                let runs: Vec<(String, &[Size])> = (names.iter().zip(&all))
                    .filter(|(_, sizes)| has(sizes))
                    .map(|(n, sizes)| (n.clone(), sizes.as_slice()))
                    .collect();
                sizes::plot(w, task, &runs)?;
            }
            Ok(())
        })
    })
}

fn overlap(w: &mut Writer, reports: &[Report], names: &[String]) {
    // of each gene: its rank in each run
    let mut ranks: BTreeMap<&str, Vec<Option<usize>>> = BTreeMap::new();
    for (i, report) in reports.iter().enumerate() {
        for (rank, gene) in report.panel.iter().enumerate() {
            let row = ranks
                .entry(&gene.gene)
                .or_insert_with(|| vec![None; reports.len()]);
            row[i].get_or_insert(rank + 1);
        }
    }
    let mut rows: Vec<(&str, Vec<Option<usize>>)> = ranks.into_iter().collect();
    let held = |row: &[Option<usize>]| row.iter().flatten().count();
    rows.sort_by_key(|(_, row)| {
        let sum: usize = row.iter().flatten().sum();
        (std::cmp::Reverse(held(row)), sum)
    });
    let everywhere = rows.iter().filter(|r| held(&r.1) == reports.len()).count();
    let pairs: Vec<String> = (0..reports.len())
        .flat_map(|i| (i + 1..reports.len()).map(move |j| (i, j)))
        .take(15)
        .map(|(i, j)| {
            let both = rows
                .iter()
                .filter(|r| r.1[i].is_some() && r.1[j].is_some())
                .count();
            format!("{} and {}: {}", name(&names[i]), name(&names[j]), both)
        })
        .collect();
    w.paragraph(&format!(
        "{} in any of the panels, {everywhere} in all of them. Shared by two runs: {}.",
        several(rows.len(), "gene is", "genes are"),
        pairs.join("; ")
    ));
    let mut table = Table::new(
        "Rank of each gene in each panel; empty where it is not in it",
        &[],
    );
    table.columns = head("Gene", names);
    table.columns.push(("Runs".into(), Look::Number));
    for (gene, row) in rows.iter().take(GENES) {
        let mut cells = vec![name(gene)];
        let cell = |rank: &Option<usize>| rank.map_or_else(String::new, |r| format!("● {r}"));
        cells.extend(row.iter().map(cell));
        cells.push(held(row).to_string());
        table.rows.push(cells);
    }
    w.table(&table, "");
    if rows.len() > GENES {
        w.note(&format!(
            "{} more are in fewer panels.",
            count(rows.len() - GENES)
        ));
    }
}
