//! Explanations as tables: columns of `panel.csv`, and `explanations.csv`.
use super::explain::{Explanation, Role};
use super::order::Order;
use super::order_csv::{FIGURES, IDS, figures, ids};
use super::summary::Gene;
use crate::model::panel_model::PanelModel;

/// An undefined figure is an empty field.
fn figure(x: f64) -> String {
    if x.is_finite() {
        format!("{x:.6}")
    } else {
        String::new()
    }
}

/// Between the names of classes in one field.
pub(super) const BETWEEN: &str = "; ";

/// `panel.csv`: a row a gene: ids, expression and flags where the order is known, then what it is to each
/// task; with several tasks the columns of each begin with `<task>_`.
///
/// # Errors
/// Memory alone; the writer is a vector.
pub fn panel(
    model: &PanelModel,
    explanations: &[Explanation],
    order: Option<&Order>,
) -> csv::Result<Vec<u8>> {
    let of = |gene: &Gene| -> Vec<&Explanation> {
        let all = explanations.iter();
        all.filter(|e| e.gene == gene.gene).collect()
    };
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut header = vec!["rank", "gene"];
    header.extend(order.iter().flat_map(|_| IDS));
    header.extend(["score", "index"]);
    header.extend(order.iter().flat_map(|_| FIGURES));
    let mut header: Vec<String> = header.into_iter().map(String::from).collect();
    let first = Gene::all(model).next().as_ref().map(of).unwrap_or_default();
    for e in &first {
        let prefix = if first.len() > 1 {
            format!("{}_", e.task)
        } else {
            String::new()
        };
        let names: &[&str] = match e.role {
            Role::Classes { .. } => &["marks", "auroc", "accuracy_drop", "macro_f1_drop", "loses"],
            Role::Value { .. } => &["correlation", "r2_drop"],
            Role::Reconstruction { .. } => &["explained_drop"],
        };
        header.extend(names.iter().map(|n| format!("{prefix}{n}")));
    }
    out.write_record(&header)?;
    for gene in Gene::all(model) {
        let ordered = order.and_then(|o| o.genes.get(gene.rank - 1));
        let mut row = vec![gene.rank.to_string(), gene.gene.clone()];
        row.extend(ordered.iter().flat_map(|o| ids(o)));
        row.extend([gene.score.to_string(), gene.index.to_string()]);
        row.extend(ordered.iter().flat_map(|o| figures(o)));
        for e in of(&gene) {
            match &e.role {
                Role::Classes {
                    marks,
                    classes,
                    accuracy_drop,
                    macro_f1_drop,
                    loses,
                    ..
                } => {
                    let best = classes.iter().map(|c| c.auroc).fold(f64::NAN, f64::max);
                    let lost: Vec<&str> = loses.iter().map(|l| l.class.as_str()).collect();
                    row.extend([
                        marks.join(BETWEEN),
                        figure(best),
                        figure(*accuracy_drop),
                        figure(*macro_f1_drop),
                        lost.join(BETWEEN),
                    ]);
                }
                Role::Value {
                    correlation,
                    r2_drop,
                } => row.extend([figure(*correlation), figure(*r2_drop)]),
                Role::Reconstruction { explained_drop } => row.push(figure(*explained_drop)),
            }
        }
        out.write_record(&row)?;
    }
    out.into_inner()
        .map_err(|e| csv::Error::from(e.into_error()))
}

/// `explanations.csv`: a row a gene, task and class.
///
/// # Errors
/// Memory alone; the writer is a vector.
pub fn explanations(all: &[Explanation]) -> csv::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record([
        "gene",
        "task",
        "class",
        "cells",
        "mean",
        "detected",
        "auroc",
        "recall",
        "recall_without",
    ])?;
    for e in all {
        let Role::Classes { classes, .. } = &e.role else {
            continue;
        };
        for c in classes {
            let figures = [c.mean, c.detected, c.auroc, c.recall, c.recall_without].map(figure);
            let names = [
                e.gene.clone(),
                e.task.clone(),
                c.class.clone(),
                c.cells.to_string(),
            ];
            out.write_record(names.iter().chain(&figures))?;
        }
    }
    out.into_inner()
        .map_err(|e| csv::Error::from(e.into_error()))
}
