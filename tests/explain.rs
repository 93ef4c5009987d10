//! What the report says of each gene: measured here again by the plain way.
#[path = "common/cells.rs"]
mod cells;

use cells::{Random, planted};
use yoto_gpu::data::cells::{Targets, Task, TaskKind, TestCells, TrainingData};
use yoto_gpu::data::dataset::Csr;
use yoto_gpu::data::packed::unpack;
use yoto_gpu::model::panel_model::{Dense, ModelTask, PanelGene, PanelModel};
use yoto_gpu::report::explain::{OfClass, Role, explain, separation};
use yoto_gpu::report::predict::{Predicted, Scores, predict, scores};

const CLASSES: usize = 3;

/// A network that answers with the class of its largest input: gene c marks class c.
fn model(data: &TrainingData) -> PanelModel {
    let gene = |g: usize| PanelGene {
        name: data.gene_names[g].clone(),
        index: g as u32,
        score: 0.0,
        mean: data.stats.mean[g],
        inv_sd: data.stats.inv_sd[g],
        clip: data.stats.clip[g],
    };
    let mut random = Random(3);
    let mut eye = |n: usize, diagonal: f32| -> Vec<f32> {
        let mut w: Vec<f32> = (0..n * n).map(|_| 0.01 * random.signed() as f32).collect();
        (0..n).for_each(|i| w[i * n + i] = diagonal);
        w
    };
    let dense = |w: Vec<f32>, b: f32| Dense {
        n_in: CLASSES,
        n_out: CLASSES,
        w,
        b: vec![b; CLASSES],
    };
    PanelModel {
        genes: (0..CLASSES).map(gene).collect(),
        layers: vec![
            dense(eye(CLASSES, 1.0), -0.3),
            dense(eye(CLASSES, 2.0), 0.0),
        ],
        tasks: vec![ModelTask {
            name: data.tasks[0].name.clone(),
            kind: data.tasks[0].kind.clone(),
        }],
        transform: data.transform,
        calibration: Default::default(),
    }
}

/// The training cells as test cells.
fn as_test(data: &TrainingData) -> TestCells {
    let mut x = Csr {
        n_obs: data.n_train,
        n_vars: data.cells.n_genes,
        indptr: vec![0],
        indices: Vec::new(),
        values: Vec::new(),
    };
    for cell in 0..data.n_train {
        for &entry in data.cells.cell(cell) {
            let (gene, value) = unpack(entry);
            x.indices.push(gene as u32);
            x.values.push(value);
        }
        x.indptr.push(x.values.len());
    }
    TestCells {
        x,
        obs_names: (0..data.n_train).map(|i| format!("cell{i}")).collect(),
        tasks: data.tasks.clone(),
        batches: None,
        squares: Vec::new(),
    }
}

/// Values of a gene in the training cells whose class is (or is not) `c`.
fn values(data: &TrainingData, gene: usize, c: usize, own: bool) -> Vec<f64> {
    let cells = (0..data.n_train).filter(|i| (i % CLASSES == c) == own);
    let value = |i: usize| {
        let all = data.cells.cell(i).iter().map(|&e| unpack(e));
        all.filter(|e| e.0 == gene)
            .map(|e| f64::from(e.1))
            .sum::<f64>()
    };
    cells.map(value).collect()
}

/// Never true of NaN.
fn close(a: f64, b: f64) -> bool {
    b.is_finite() && (a - b).abs() < 1e-9
}

#[test]
fn classes_and_losses_are_those_of_the_plain_way() {
    let data = planted(150, 0, 12, CLASSES, 500, 11);
    let (model, test) = (model(&data), as_test(&data));
    let explained = explain(&model, separation(&model, &data), &test);
    assert_eq!(explained.len(), CLASSES);
    let whole = scores(&model, &test, &predict(&model, &test.x));
    let Scores::Classes(whole) = whole[0] else {
        panic!()
    };
    assert!(whole.accuracy > 0.75);
    let mut strong = 0;
    for (g, e) in explained.iter().enumerate() {
        assert_eq!(
            (e.gene.as_str(), e.task.as_str()),
            (model.genes[g].name.as_str(), "class")
        );
        let Role::Classes {
            marks,
            separates,
            accuracy_drop,
            macro_f1_drop,
            loses,
            classes,
        } = &e.role
        else {
            panic!()
        };
        for (c, class) in classes.iter().enumerate() {
            let (own, rest) = (values(&data, g, c, true), values(&data, g, c, false));
            let n = own.len() as f64;
            let pairs = own.iter().flat_map(|a| rest.iter().map(move |b| (a, b)));
            let wins: f64 = pairs
                .map(|(a, b)| {
                    if a > b {
                        1.0
                    } else if a == b {
                        0.5
                    } else {
                        0.0
                    }
                })
                .sum();
            assert_eq!(class.cells, own.len());
            // means are kept in single precision
            let mean = own.iter().sum::<f64>() / n;
            let detected = own.iter().filter(|v| **v > 0.0).count() as f64 / n;
            for (found, wanted) in [(class.mean, mean), (class.detected, detected)] {
                assert!((found - wanted).abs() < 1e-6 * wanted, "{found} {wanted}");
            }
            assert!(close(class.auroc, wins / (n * rest.len() as f64)));
        }
        let best = |list: &[OfClass]| list[0].class.clone();
        let own = format!("class {g}");
        assert_eq!((marks, best(separates)), (&vec![own.clone()], own.clone()));
        // masked as one would do it by hand: the gene's test values replaced by its mean
        let mut without = test.clone();
        replace(&mut without.x, g as u32, model.genes[g].mean);
        let by_hand = predict(&model, &without.x);
        let Scores::Classes(b) = scores(&model, &without, &by_hand)[0] else {
            panic!()
        };
        assert!(close(*accuracy_drop, whole.accuracy - b.accuracy));
        assert!(close(*macro_f1_drop, whole.macro_f1 - b.macro_f1));
        // a cell without any input has one class by default: the other genes' loss is large
        if loses.is_empty() {
            continue;
        }
        strong += usize::from(*accuracy_drop > 0.1);
        assert_eq!(loses[0].class, own);
        let Predicted::Classes(p) = &by_hand[0] else {
            panic!()
        };
        let recall = p
            .iter()
            .skip(g)
            .step_by(CLASSES)
            .filter(|p| p.0 == g as u32)
            .count() as f64;
        let n = classes[g].cells as f64;
        assert!(close(classes[g].recall_without, recall / n));
        assert!(close(loses[0].recall_drop, classes[g].recall - recall / n));
        // the negative control: another gene's masking is another loss
        let other = (g + 1) % CLASSES;
        assert!(!close(
            classes[other].recall - classes[other].recall_without,
            loses[0].recall_drop
        ));
    }
    assert!(strong >= 2);
}

/// Puts a value into a column of every row.
fn replace(x: &mut Csr, gene: u32, value: f32) {
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for i in 0..x.n_obs {
        let (genes, row) = x.row(i);
        let mut all: Vec<(u32, f32)> = genes.iter().copied().zip(row.iter().copied()).collect();
        all.retain(|e| e.0 != gene);
        all.push((gene, value));
        all.sort_by_key(|e| e.0);
        indices.extend(all.iter().map(|e| e.0));
        values.extend(all.iter().map(|e| e.1));
        indptr.push(values.len());
    }
    (x.indptr, x.indices, x.values) = (indptr, indices, values);
}

#[test]
fn numbers_have_a_correlation_and_a_loss() {
    let mut data = planted(60, 0, 6, CLASSES, 500, 2);
    let value: Vec<f32> = (0..60)
        .map(|i| values(&data, 0, i % CLASSES, true)[i / CLASSES] as f32)
        .collect();
    data.tasks[0].kind = TaskKind::Regression { mean: 0.0, sd: 1.0 };
    data.tasks[0].targets = yoto_gpu::data::cells::Targets::Values(value);
    let mut model = model(&data);
    // the answer is the first gene's standardised value
    model.layers = vec![Dense {
        n_in: CLASSES,
        n_out: 1,
        w: vec![1.0, 0.0, 0.0],
        b: vec![0.0],
    }];
    let (mean, inv_sd) = (
        f64::from(model.genes[0].mean),
        f64::from(model.genes[0].inv_sd),
    );
    model.tasks[0].kind = TaskKind::Regression {
        mean,
        sd: 1.0 / inv_sd,
    };
    let explained = explain(&model, separation(&model, &data), &as_test(&data));
    let role = |i: usize| match &explained[i].role {
        Role::Value {
            correlation,
            r2_drop,
        } => (*correlation, *r2_drop),
        Role::Classes { .. } | Role::Reconstruction { .. } => panic!(),
    };
    assert!(
        role(0).0 > 0.999 && (role(0).1 - 1.0).abs() < 1e-3,
        "{:?}",
        role(0)
    );
    assert!(role(1).0 < 0.5 && role(1).1.abs() < 1e-9, "{:?}", role(1));
}

#[test]
fn components_are_explained_together_and_beside_a_label() {
    let mut data = planted(90, 0, 6, CLASSES, 500, 5);
    let mut model = model(&data);
    // a class, then two components that hang on the first and the second gene
    let mut random = Random(8);
    let sds = [1.5f32, 0.5];
    for (d, &sd) in sds.iter().enumerate() {
        let kind = TaskKind::Component {
            sd: f64::from(sd),
            share: 0.5,
        };
        let value = |i: usize| (values(&data, d, i % CLASSES, true)[i / CLASSES]) as f32 - 1.0;
        let noisy = (0..90).map(|i| value(i) + 0.2 * random.signed() as f32);
        let task = Task {
            name: format!("component{d}"),
            kind: kind.clone(),
            targets: Targets::Values(noisy.collect()),
        };
        model.tasks.push(ModelTask {
            name: task.name.clone(),
            kind,
        });
        data.tasks.push(task);
    }
    let head = &mut model.layers[1];
    (head.n_out, head.b) = (CLASSES + 2, vec![0.0; CLASSES + 2]);
    // gene g speaks for class g, and for component g
    let weight = |i: usize| {
        let (gene, column) = (i / (CLASSES + 2), i % (CLASSES + 2));
        if column % CLASSES == gene { 0.6 } else { 0.0 }
    };
    head.w = (0..CLASSES * (CLASSES + 2)).map(weight).collect();
    let mut test = as_test(&data);
    test.squares = (0..90).map(|i| 3.0 + f64::from(i % 7)).collect();
    let figure = |test: &TestCells| {
        let all = scores(&model, test, &predict(&model, &test.x));
        assert_eq!(all.len(), 2);
        let Scores::Reconstruction(r) = all[1] else {
            panic!("{all:?}")
        };
        r.explained
    };
    let explained = explain(&model, separation(&model, &data), &test);
    assert_eq!(explained.len(), 2 * CLASSES);
    let mut drops = Vec::new();
    for (g, e) in explained.chunks_exact(2).enumerate() {
        assert!(matches!(e[0].role, Role::Classes { .. }));
        let Role::Reconstruction { explained_drop } = e[1].role else {
            panic!("{e:?}")
        };
        let mut without = test.clone();
        replace(&mut without.x, g as u32, model.genes[g].mean);
        let by_hand = figure(&test) - figure(&without);
        assert!(
            (explained_drop - by_hand).abs() < 1e-6,
            "{explained_drop} {by_hand}"
        );
        drops.push(explained_drop);
    }
    // what one gene is for is not what another is for
    assert!(
        (drops[0] - drops[1]).abs() > 1e-3 && drops[2].abs() < 1e-3,
        "{drops:?}"
    );
}
