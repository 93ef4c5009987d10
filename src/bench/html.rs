//! The page of `bench compare`: one file without any other, light and dark, plots with words.
use super::compare::{Column, cells, lines, warnings};
use super::plot::svg;
use super::text::conditions;
use crate::error::OutputError;
use crate::markup::{self, escape};

/// Colours that the plots are drawn in turn with the page on a dark screen.
const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --faint: #d5d5d5; --band: #f4f4f2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e6; --paper: #16181a; --faint: #44484c; --band: #202326; }
  svg [fill='#000000'] { fill: #e8e8e6; } svg [stroke='#000000'] { stroke: #e8e8e6; }
  svg rect[fill='#FFFFFF'] { fill: #16181a; }
  svg [fill='#0072B2'] { fill: #5db8ff; } svg [fill='#00966E'] { fill: #3fd0a4; }
  svg [stroke='#C84614'] { stroke: #ff8a5c; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
figure { margin: 1rem 0 2rem; } svg { max-width: 100%; height: auto; }
figcaption { font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--faint); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
tbody th { font-weight: normal; }
.facts td { white-space: normal; min-width: 9rem; }
tbody tr:nth-child(even) { background: var(--band); }
";

/// The page.
///
/// # Errors
/// A plot that cannot be drawn.
pub fn page(columns: &[Column]) -> Result<String, OutputError> {
    let mut html = "<h1>yoto-gpu bench</h1>\n".to_owned();
    html += &about(columns);
    for warning in warnings(columns) {
        html += &format!("<p><strong>Note:</strong> {}.</p>\n", escape(&warning));
    }
    html += "<h2>Rooflines</h2>\n<p>Each point is a kernel, timed inside real training steps. Under the \
             slanted line the copy bandwidth is the limit, under the level one the arithmetic. Points \
             above the roof have their data in a cache. Kernels without floating-point operations are in \
             the table alone.</p>\n";
    for (id, column) in columns.iter().enumerate() {
        let plot = svg(column, id).map_err(|e| {
            OutputError::new(
                format!("the roofline of {} cannot be drawn: {e}", column.title()),
                "report this as a bug; the table needs no --html",
            )
        })?;
        let title = escape(&column.title());
        html += &format!("<figure>\n{plot}\n<figcaption>{title}</figcaption>\n</figure>\n");
    }
    for (group, name) in [
        ("steps", "Training steps"),
        ("kernels", "Kernels"),
        ("ceilings", "Ceilings"),
    ] {
        html += &group_table(columns, group, name);
    }
    let title = format!("yoto-gpu bench: {} results", columns.len());
    Ok(markup::page(&title, STYLE, &html))
}

/// What makes the figures credible, a column each.
fn about(columns: &[Column]) -> String {
    let fact = |name: &str, of: &dyn Fn(&Column) -> String| {
        let cells: String = columns
            .iter()
            .map(|c| format!("<td>{}</td>", escape(&of(c))))
            .collect();
        format!("<tr><th scope=\"row\">{name}</th>{cells}</tr>\n")
    };
    let mut html =
        "<div class=\"wide\"><table class=\"facts\">\n<thead><tr><th scope=\"col\">result</th>"
            .to_owned();
    for c in columns {
        html += &format!("<th scope=\"col\">{}</th>", c.letter);
    }
    html += "</tr></thead>\n<tbody>\n";
    html += &fact("file", &|c| c.file.clone());
    html += &fact("device", &|c| c.result().device.info.name.clone());
    html += &fact("backend, type", &|c| {
        let info = &c.result().device.info;
        format!("{}, {}", info.backend, info.kind)
    });
    html += &fact("vendor", &|c| {
        format!("{:04x}", c.result().device.vendor_id)
    });
    html += &fact("driver", &|c| c.result().device.driver.clone());
    html += &fact("size", &|c| {
        let s = &c.report.setup;
        format!(
            "{}: G {}, nnz {}, B {}, H {}, k {}",
            s.size, s.genes, s.nonzeros, s.batch, s.hidden, s.k
        )
    });
    html += &fact("seed, repeats", &|c| {
        format!("{}, {}", c.report.setup.seed, c.report.setup.repeats)
    });
    html += &fact("program", &|c| {
        let p = &c.report.program;
        let commit: String = p.commit.chars().take(12).collect();
        let dirty = if p.commit.ends_with("-dirty") {
            "-dirty"
        } else {
            ""
        };
        format!(
            "{} {commit}{dirty} ({}), wgpu {}",
            p.version, p.build, p.wgpu
        )
    });
    html += &fact("processor", &|c| c.report.host.cpu.clone());
    html += &fact("system", &|c| c.report.host.os.clone());
    html += &fact("date", &|c| c.report.date.clone());
    html += &fact("heat, clocks, power", &|c| {
        let told = c.result().after.as_ref().or(c.result().before.as_ref());
        told.map_or_else(|| "not told by the system".into(), conditions)
    });
    html + "</tbody></table></div>\n"
}

fn group_table(columns: &[Column], group: &str, name: &str) -> String {
    let all = lines(columns);
    let rows: Vec<_> = all.iter().filter(|l| l.group == group).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<h2>{name}</h2>\n<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">measure</th>"
    );
    for (i, c) in columns.iter().enumerate() {
        html += &format!("<th scope=\"col\">{}</th>", c.letter);
        if i > 0 {
            html += &format!("<th scope=\"col\">{}/A</th>", c.letter);
        }
    }
    html += "</tr></thead>\n<tbody>\n";
    for line in rows {
        let mut row = cells(line).into_iter();
        let measure = row.next().unwrap_or_default();
        let values: String = row.map(|c| format!("<td>{}</td>", escape(&c))).collect();
        html += &format!(
            "<tr><th scope=\"row\">{}</th>{values}</tr>\n",
            escape(&measure)
        );
    }
    html + "</tbody></table></div>\n"
}
