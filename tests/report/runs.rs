//! Runs to draw: one of the program, and made-up ones of any size.
#[path = "../common/program.rs"]
pub mod program;

use program::yoto;
use std::path::Path;
use yoto_gpu::ops::DeviceInfo;
use yoto_gpu::report::page::data::*;
use yoto_gpu::train::settings::Epoch;

/// A short run of the demo on the CPU.
pub fn train(out: &Path, more: &[&str]) {
    let out = out.display().to_string();
    let mut args = vec![
        "train", "--device", "cpu", "--steps", "40", "--out", &out, "-q",
    ];
    args.extend(more);
    let output = yoto(&args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

/// A made-up run with a task of classes and one of numbers; `name` makes the names of genes, classes, tasks.
pub fn made_up(
    genes: usize,
    classes: usize,
    cells: usize,
    name: &dyn Fn(&str, usize) -> String,
) -> Report {
    let wave = |i: usize, j: usize| ((i * 7 + j * 13) as f64 * 0.37).sin() * 0.5 + 0.5;
    let figure = |n: &str| Figure {
        name: n.into(),
        value: Some(0.9),
        interval: Some([0.85, 0.95]),
    };
    let truth = |i: usize| i % classes;
    let predicted = |i: usize| {
        if i % 10 == 3 {
            (i + 1) % classes
        } else {
            i % classes
        }
    };
    let mut confusion = vec![0usize; classes * classes];
    (0..cells).for_each(|i| confusion[truth(i) * classes + predicted(i)] += 1);
    let role = |g: usize| Role {
        marks: vec![name("class", g % classes)],
        best: Some((name("class", g % classes), 0.93)),
        loses: vec![(name("class", g % classes), 0.2)],
        correlation: Some(0.4),
        drop: Some(0.01),
    };
    let epoch = |e: u64| Epoch {
        epoch: e,
        step: 10 * e,
        phase: ["select", "refine", "finish"][e as usize * 3 / 31].into(),
        train_loss: 1.0 / e as f64,
        validation_loss: Some(1.2 / e as f64),
        validation_score: Some(1.0 - 0.5 / e as f64),
    };
    Report {
        kind: KIND.into(),
        schema_version: SCHEMA_VERSION,
        version: "0.1.0".into(),
        date: "2026-11-21T12:00:00Z".into(),
        out: name("folder", 0),
        command: format!("yoto-gpu train {}", name("file", 0)),
        stopped: false,
        seed: 0,
        device: DeviceInfo {
            name: name("device", 0),
            backend: "native".into(),
            kind: "cpu".into(),
        },
        data: DataFacts {
            path: name("file", 0),
            n_obs: 10 * cells,
            n_vars: 2000,
            nnz: 1000 * cells,
            train: 7 * cells,
            validation: cells,
            test: cells,
            considered: 2000,
            transform: "log1p".into(),
            left_out: vec![("cells without a label".into(), 3)],
            rare_classes: vec![name("rare", 0)],
        },
        settings: serde_json::json!({"settings": {"label": [name("task", 0)], "deep": {"er": null}}}),
        training: Training {
            epochs: 30,
            steps: 300,
            seconds: 3.0,
            cells_per_second: 1000.0,
            best_epoch: 25,
            contest: None,
        },
        history: (1..=30).map(epoch).collect(),
        panel: (0..genes)
            .map(|g| Gene {
                gene: name("gene", g),
                index: g as u32,
                score: 0.1 / (g + 1) as f64,
                mean: Some(wave(g, 0)),
                detected: Some(wave(g, 1)),
                alike: Some(Alike {
                    gene: name("gene", (g + 1) % genes),
                    correlation: -0.95,
                }),
                roles: vec![role(g), role(g)],
            })
            .collect(),
        tasks: vec![
            Task {
                name: name("task", 0),
                cells,
                figures: ["accuracy", "balanced_accuracy", "macro_f1", "weighted_f1"]
                    .map(figure)
                    .into(),
                of: Kind::Classification {
                    classes: (0..classes)
                        .map(|c| Class {
                            name: name("class", c),
                            train: 70,
                            mean: (0..genes).map(|g| Some(4.0 * wave(g, c))).collect(),
                            detected: (0..genes).map(|g| Some(wave(c, g))).collect(),
                            auroc: (0..genes).map(|g| Some(wave(g + c, g))).collect(),
                        })
                        .collect(),
                    confusion: (0..classes * classes)
                        .filter(|i| confusion[*i] > 0)
                        .map(|i| [i / classes, i % classes, confusion[i]])
                        .collect(),
                    calibration: (3..10)
                        .map(|b| Bin {
                            from: f64::from(b) / 10.0,
                            to: Some(f64::from(b + 1) / 10.0),
                            cells: 10,
                            confidence: f64::from(b) / 10.0 + 0.05,
                            accuracy: f64::from(b) / 10.0,
                        })
                        .collect(),
                    shown: (0..cells)
                        .map(|i| ((i % 17 != 5).then(|| truth(i)), predicted(i)))
                        .collect(),
                },
            },
            Task {
                name: name("task", 1),
                cells,
                figures: ["r2", "pearson", "mae"].map(figure).into(),
                of: Kind::Regression {
                    shown: (0..cells)
                        .map(|i| (Some(wave(i, 2)), wave(i, 2) + 0.1 * wave(3, i)))
                        .collect(),
                },
            },
        ],
        map: Some(Map {
            method: "made up".into(),
            of: 3 * cells,
            points: (0..cells)
                .map(|i| [wave(i, 3) as f32, (truth(i) as f64 / classes as f64) as f32])
                .collect(),
        }),
        curve: [4, 8, 16]
            .map(|k| Size {
                k,
                validation_score: Some(0.9),
                tasks: vec![(name("task", 0), vec![figure("accuracy")])],
            })
            .into(),
        hierarchy: vec![Within {
            child: name("task", 0),
            parent: name("task", 1),
            consistency: None,
        }],
        batches: Some(Batches {
            column: name("column", 0),
            rows: vec![BatchRow {
                batch: name("batch", 0),
                task: name("task", 0),
                cells,
                figures: vec![("accuracy".into(), None)],
            }],
        }),
        cross_validation: Some(Cross {
            column: name("column", 0),
            rows: vec![CrossRow {
                group: name("batch", 0),
                task: name("task", 0),
                cells,
                unseen: 2,
                measure: "accuracy".into(),
                within: Some(0.9),
                across: None,
            }],
            skipped: vec![(name("batch", 1), name("why", 0))],
        }),
        repeats: Some(Repeats {
            n: 3,
            result: "consensus".into(),
            jaccard: Some(0.7),
            jaccard_of_groups: Some(0.8),
            genes: (0..genes).map(|g| (name("gene", g), 0.67)).collect(),
            interchangeable: vec![(vec![name("gene", 0), name("gene", 1)], 1.0)],
        }),
    }
}

/// Plain names.
pub fn plainly(what: &str, i: usize) -> String {
    format!("{what} {i}")
}

/// Names that would break a page that took them as they are.
pub fn hostile(what: &str, i: usize) -> String {
    let kinds = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' & \" </text></svg></title><b>",
        "مجموعة \u{202e}abc",
        "🧬 αβγ 细胞",
        "]]> <!-- -->",
        "\u{0}\u{1b}[31m\u{7f}",
        "a very long name that goes on and on without any end in sight, as consortia like to give, of the 3rd kind",
    ];
    format!("{what}{i}{}", kinds[i % kinds.len()])
}
