//! What a run was made from and how: data, device, time, versions, settings, the command.
use super::canvas::Drawn;
use super::data::Report;
use super::training::duration;
use super::words::{count, name, several};
use super::writer::{Look, Table, Writer};
use crate::markup::escape;
use serde_json::Value;

/// Writes the section.
pub(super) fn write(w: &mut Writer, report: &Report) -> Drawn {
    w.section("How this run was made", |w| {
        w.paragraph("This command repeats it; with the same seed and device it gives the same panel and model:");
        // one line, whatever its length: a break at a dash would look like a blank
        w.raw(&format!(
            "<pre tabindex=\"0\" role=\"group\" aria-label=\"Command\"><code>{}</code></pre>\n",
            escape(&report.command)
        ));
        w.table(&facts(report), "facts");
        let mut rows = Vec::new();
        flat("", &report.settings, &mut rows);
        let mut table = Table::new(
            "Every setting, as in config.json",
            &[("Setting", Look::Words), ("Value", Look::Words)],
        );
        table.rows = rows;
        w.raw("<details><summary>All settings</summary>\n");
        w.table(&table, "");
        w.raw("</details>\n");
        Ok(())
    })
}

fn facts(report: &Report) -> Table {
    let (d, t, device) = (&report.data, &report.training, &report.device);
    let mut table = Table::new(
        "Data, split and device",
        &[("What", Look::Words), ("Value", Look::Words)],
    );
    let mut row = |what: &str, value: String| table.rows.push(vec![what.into(), value]);
    row("Data", name(&d.path));
    let density = 100.0 * d.nnz as f64 / (d.n_obs.max(1) as f64 * d.n_vars.max(1) as f64);
    row(
        "Size",
        format!(
            "{}, {}, {} stored values ({density:.1} % of the matrix)",
            several(d.n_obs, "cell", "cells"),
            several(d.n_vars, "gene", "genes"),
            count(d.nnz)
        ),
    );
    row(
        "Split",
        format!(
            "{} training, {} validation, {} test cells",
            count(d.train),
            count(d.validation),
            count(d.test)
        ),
    );
    row("Values", escape(&d.transform));
    row("Genes to choose from", count(d.considered));
    for (what, n) in &d.left_out {
        row("Left out", format!("{} {}", count(*n), escape(what)));
    }
    for rare in &d.rare_classes {
        row("Small class", name(rare));
    }
    row(
        "Device",
        format!(
            "{} ({}, {})",
            name(&device.name),
            escape(&device.backend),
            escape(&device.kind)
        ),
    );
    row(
        "Time of training",
        format!(
            "{}, {} cells a second",
            duration(t.seconds),
            count(t.cells_per_second.max(0.0) as usize)
        ),
    );
    row("Seed", report.seed.to_string());
    row(
        "Ended",
        format!("<time datetime=\"{0}\">{0}</time>", escape(&report.date)),
    );
    row("Version", format!("yoto-gpu {}", escape(&report.version)));
    row("Folder", name(&report.out));
    table
}

/// Settings within settings as `outer.inner`.
fn flat(path: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                flat(&path, value, rows);
            }
        }
        Value::String(text) => rows.push(vec![name(path), name(text)]),
        other => rows.push(vec![name(path), name(&other.to_string())]),
    }
}
