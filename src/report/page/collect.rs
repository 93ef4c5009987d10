//! A run that just ended as a [`Report`].
use super::data::{
    Alike, BatchRow, Batches, Cross, CrossRow, DataFacts, Gene, KIND, Map, Repeats, Report, Role,
    SCHEMA_VERSION, Size, Training, Within,
};
use super::tasks::{figures, tasks};
use super::tsne;
use crate::bench::host;
use crate::data::cells::{TestCells, Transform};
use crate::data::filter::Filters;
use crate::report::cross::{CrossValidation, measures};
use crate::report::explain;
use crate::report::files::Panel;
use crate::report::predict::{panel_values, reported};
use crate::report::summary::Summary;
use rayon::prelude::*;
use serde_json::Value;

/// Most test cells that are drawn one by one.
const SHOWN: usize = 1_500;

/// `None` is what is not finite.
pub(super) fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

/// To four digits after the point, as a page shows no more: the file stays small.
pub(super) fn short(x: f64) -> Option<f64> {
    finite((x * 1e4).round() / 1e4)
}

/// Puts everything together that the page shows; `command` repeats the run.
#[must_use]
pub(super) fn collect(
    panels: &[Panel],
    main: usize,
    test: &TestCells,
    summary: &Summary,
    config: &Value,
    command: &str,
) -> Report {
    let panel = &panels[main];
    let model = &panel.fit.model;
    let n = test.x.n_obs;
    let shown: Vec<usize> = (0..n.min(SHOWN)).map(|i| i * n / n.min(SHOWN)).collect();
    // one size is no curve, and its figures stand with the tasks
    let sizes = if panels.len() > 1 { panels } else { &[] };
    let mut curve: Vec<Size> = sizes.iter().map(size).collect();
    curve.sort_by_key(|s| s.k);
    Report {
        kind: KIND.into(),
        schema_version: SCHEMA_VERSION,
        version: summary.version.into(),
        date: host::now(),
        out: summary.out.clone(),
        command: command.into(),
        stopped: panel.fit.stopped,
        seed: summary.seed,
        device: summary.device.clone(),
        data: data_facts(summary, model.transform),
        settings: config.clone(),
        training: Training {
            epochs: summary.training.epochs,
            steps: summary.training.steps,
            seconds: summary.training.seconds,
            cells_per_second: summary.training.cells_per_second,
            best_epoch: summary.training.best_epoch,
            contest: summary.training.contest,
        },
        history: panel.fit.history.clone(),
        panel: genes(panel),
        tasks: tasks(panel, test, &shown),
        map: map(panel, test, &shown),
        curve,
        hierarchy: summary
            .hierarchy
            .iter()
            .map(|h| Within {
                child: h.child.clone(),
                parent: h.parent.clone(),
                consistency: finite(h.consistency),
            })
            .collect(),
        batches: summary.batches.as_ref().map(|b| Batches {
            column: b.column.clone(),
            rows: b
                .groups
                .iter()
                .map(|g| BatchRow {
                    batch: g.batch.clone(),
                    task: g.task.clone(),
                    cells: g.cells,
                    figures: measures(&g.test)
                        .into_iter()
                        .map(|(name, x)| (name.into(), finite(x)))
                        .collect(),
                })
                .collect(),
        }),
        cross_validation: summary.cross_validation.as_ref().map(cross),
        repeats: summary.repeats.as_ref().map(|r| Repeats {
            n: r.n,
            result: r.result.into(),
            jaccard: finite(r.jaccard),
            jaccard_of_groups: finite(r.jaccard_of_groups),
            genes: r.genes.iter().map(|g| (g.gene.clone(), g.share)).collect(),
            interchangeable: (r.interchangeable.iter())
                .map(|g| (g.genes.clone(), g.share))
                .collect(),
        }),
    }
}

/// The leave-one-group-out figures.
#[must_use]
pub(super) fn cross(cross: &CrossValidation) -> Cross {
    let rows = cross.groups.iter().flat_map(|g| {
        let pairs = measures(&g.across).into_iter().zip(measures(&g.within));
        pairs.map(|((measure, across), (_, within))| CrossRow {
            group: g.group.clone(),
            task: g.task.clone(),
            cells: g.cells,
            unseen: g.unseen,
            measure: measure.into(),
            within: finite(within),
            across: finite(across),
        })
    });
    Cross {
        column: cross.column.clone(),
        rows: rows.collect(),
        skipped: (cross.skipped.iter())
            .map(|s| (s.group.clone(), s.why.clone()))
            .collect(),
    }
}

fn size(panel: &Panel) -> Size {
    let model = &panel.fit.model;
    let of = |(i, (_, name)): (usize, (usize, String))| (name, figures(panel, i));
    Size {
        k: model.genes.len(),
        validation_score: panel.fit.best_score.and_then(finite),
        tasks: reported(model).into_iter().enumerate().map(of).collect(),
    }
}

fn data_facts(summary: &Summary, transform: Transform) -> DataFacts {
    let d = &summary.data;
    let transform = match transform {
        Transform::Log => "log1p of counts per 10,000 (--input log)",
        Transform::LogCounts => "log1p of counts (--input log-counts)",
        Transform::Binary => "1 where the gene was detected (--input binary)",
        Transform::AsIs => "as they are in the file (--input none)",
    };
    DataFacts {
        path: d.path.clone(),
        n_obs: d.n_obs,
        n_vars: d.n_vars,
        nnz: d.nnz,
        train: d.train,
        validation: d.validation,
        test: d.test,
        considered: d.filters.genes.considered,
        transform: transform.into(),
        left_out: left_out(&d.filters),
        rare_classes: (d.filters.rare_classes.iter())
            .map(|r| {
                format!(
                    "{}, class {}: {} cells, {}",
                    r.task, r.class, r.cells, r.handled
                )
            })
            .collect(),
    }
}

fn left_out(filters: &Filters) -> Vec<(String, usize)> {
    let (cells, genes) = (&filters.cells, &filters.genes);
    let all = [
        (
            "cells that detect too few genes (--min-genes)",
            cells.min_genes,
        ),
        ("cells without a label for any task", cells.no_label),
        (
            "cells of classes that are too small (--rare-classes)",
            cells.rare_classes,
        ),
        (
            "cells without a group or a part of the split",
            cells.no_part,
        ),
        ("genes that are not among --candidates", genes.candidates),
        ("genes named by --exclude-genes", genes.exclude_genes),
        (
            "genes that too few training cells detect (--min-cells)",
            genes.min_cells,
        ),
        ("genes with one value in all training cells", genes.constant),
        (
            "genes beyond the most variable ones (--max-genes-considered)",
            genes.max_genes_considered,
        ),
    ];
    let some = all.into_iter().filter(|a| a.1 > 0);
    some.map(|(what, n)| (what.to_owned(), n)).collect()
}

fn genes(panel: &Panel) -> Vec<Gene> {
    let model = &panel.fit.model;
    let tasks = reported(model).len();
    let name = |i: usize| model.genes[i].name.clone();
    let one = |(i, gene): (usize, &crate::model::panel_model::PanelGene)| {
        let facts = panel.facts.get(i);
        // the explanations are genes by rank, the tasks of each in order
        let own = panel.explanations.iter().skip(i * tasks).take(tasks);
        Gene {
            gene: gene.name.clone(),
            index: gene.index,
            score: f64::from(gene.score),
            mean: facts.and_then(|f| short(f.mean)),
            detected: facts.and_then(|f| short(f.detected)),
            alike: facts.and_then(|f| f.alike).map(|(j, r)| Alike {
                gene: name(j),
                correlation: (r * 1e4).round() / 1e4,
            }),
            roles: own.map(|e| role(&e.role)).collect(),
        }
    };
    model.genes.iter().enumerate().map(one).collect()
}

fn role(role: &explain::Role) -> Role {
    match role {
        explain::Role::Classes {
            marks,
            separates,
            accuracy_drop,
            loses,
            ..
        } => Role {
            marks: marks.clone(),
            best: separates
                .first()
                .and_then(|c| Some((c.class.clone(), short(c.auroc)?))),
            loses: loses
                .iter()
                .map(|l| (l.class.clone(), l.recall_drop))
                .collect(),
            correlation: None,
            drop: finite(*accuracy_drop),
        },
        explain::Role::Value {
            correlation,
            r2_drop,
        } => Role {
            correlation: short(*correlation),
            drop: finite(*r2_drop),
            ..Role::default()
        },
        explain::Role::Reconstruction { explained_drop } => Role {
            drop: finite(*explained_drop),
            ..Role::default()
        },
    }
}

/// Lays the shown cells out by what the heads read of them.
fn map(panel: &Panel, test: &TestCells, shown: &[usize]) -> Option<Map> {
    let model = &panel.fit.model;
    if shown.len() < 3 {
        return None;
    }
    let columns: Vec<u32> = model.genes.iter().map(|g| g.index).collect();
    let row = |&cell: &usize| {
        let values = panel_values(&test.x, &columns, cell..cell + 1);
        model.outputs(&values).latent
    };
    let rows: Vec<Vec<f32>> = shown.par_iter().map(row).collect();
    let places = tsne::layout(&rows);
    if !places.iter().flatten().all(|v| v.is_finite()) {
        return None;
    }
    let range = |d: usize| {
        let all = || places.iter().map(|p| p[d]);
        let low = all().fold(f32::INFINITY, f32::min);
        (
            low,
            (all().fold(f32::NEG_INFINITY, f32::max) - low).max(f32::MIN_POSITIVE),
        )
    };
    let (x, y) = (range(0), range(1));
    let place = |v: f32, (low, width): (f32, f32)| ((v - low) / width * 1e4).round() / 1e4;
    let method = if rows.len() < tsne::FEWEST {
        "the two leading principal components"
    } else {
        "t-SNE from the principal components, nothing random"
    };
    Some(Map {
        method: method.into(),
        of: test.x.n_obs,
        points: places
            .iter()
            .map(|p| [place(p[0], x), place(p[1], y)])
            .collect(),
    })
}
