//! Backward twins and the whole step against central differences in f64.
#[path = "common/cells.rs"]
mod cells;

use cells::{Random, planted};
use yoto_gpu::cpu::Cpu;
use yoto_gpu::data::cells::{Targets, Task, TaskKind};
use yoto_gpu::kernels::{activation::Activation, softmask::SoftMask, softsort::SoftSort};
use yoto_gpu::model::layout::{Layout, Shape};
use yoto_gpu::model::net::{Cells, DeviceTask, Net};
use yoto_gpu::model::step::{PanelInput, Selection, Selector, panel_gradient, selection_gradient};
use yoto_gpu::model::trunk::{Batch, Dropout};
use yoto_gpu::ops::{FBuf, MISSING, Ops, UBuf};
use yoto_gpu::reference::{
    activation, cross_entropy, first, huber, linear, noise, softmask, softsort, sparse,
};
use yoto_gpu::train::settings::Relaxation;

const STEP: f64 = 1e-5;

/// Worst difference between a gradient and central differences of `f` at `x`, over the largest
/// entry of the gradient; infinite where anything is not finite.
fn mismatch(x: &[f64], gradient: &[f64], mut f: impl FnMut(&[f64]) -> f64) -> f64 {
    assert_eq!(x.len(), gradient.len());
    let top = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
    if top.is_nan() || top <= 1e-6 {
        return f64::INFINITY; // a gradient of zeros proves nothing
    }
    let mut at = x.to_vec();
    let mut worst = 0.0f64;
    for i in 0..x.len() {
        at[i] = x[i] + STEP;
        let up = f(&at);
        at[i] = x[i] - STEP;
        let down = f(&at);
        at[i] = x[i];
        let error = ((up - down) / (2.0 * STEP) - gradient[i]).abs() / top;
        worst = if error.is_finite() {
            worst.max(error)
        } else {
            f64::INFINITY
        };
    }
    worst
}

/// The gradient fits, and a planted fault in it does not.
fn assert_fits(what: &str, x: &[f64], gradient: &[f64], mut f: impl FnMut(&[f64]) -> f64) {
    let error = mismatch(x, gradient, &mut f);
    assert!(error < 1e-6, "{what}: {error:e}");
    let mut wrong = gradient.to_vec();
    let largest = (0..wrong.len())
        .max_by(|&a, &b| wrong[a].abs().total_cmp(&wrong[b].abs()))
        .unwrap();
    wrong[largest] *= 1.001;
    assert!(
        mismatch(x, &wrong, &mut f) > 1e-6,
        "{what}: a fault of a thousandth passes"
    );
    wrong[largest] = f64::NAN;
    assert!(mismatch(x, &wrong, &mut f) > 1e-6, "{what}: NaN passes");
}

fn vector(n: usize, seed: u64) -> Vec<f64> {
    let mut random = Random(seed);
    (0..n).map(|_| random.signed()).collect()
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[test]
fn relaxation_a() {
    for (n, k, tau) in [(2, 1, 0.7), (17, 5, 0.3), (40, 39, 0.2), (101, 1, 0.5)] {
        let (s, u) = (vector(n, 1), vector(n, 2));
        let p = SoftMask {
            n: n as u32,
            k,
            tau,
        };
        let (mut mask, mut gradient) = (vec![0.0; n], vec![0.0; n]);
        softmask::forward(&p, &s, &mut mask);
        assert!((mask.iter().sum::<f64>() - f64::from(k)).abs() < 1e-9);
        softmask::backward(&p, &mask, &u, &mut gradient);
        assert_fits("relaxation A", &s, &gradient, |s| {
            let mut mask = vec![0.0; n];
            softmask::forward(&p, s, &mut mask);
            inner(&mask, &u)
        });
    }
}

#[test]
fn relaxation_b() {
    for (n, k, tau) in [(2, 1, 0.7), (17, 5, 0.3), (40, 39, 0.2), (101, 1, 0.5)] {
        let (s, u) = (vector(n, 3), vector(n, 4));
        let p = SoftSort {
            n: n as u32,
            k,
            tau,
        };
        let forward = |s: &[f64], scratch: &mut [f64], order: &mut [u32]| {
            let mut mask = vec![0.0; n];
            softsort::order(s, order);
            softsort::forward(&p, s, order, scratch, &mut mask);
            mask
        };
        let (mut scratch, mut order, mut gradient) = (vec![0.0; 6 * n], vec![0; n], vec![0.0; n]);
        let mask = forward(&s, &mut scratch, &mut order);
        assert!((mask.iter().sum::<f64>() - f64::from(k)).abs() < 1e-9);
        softsort::backward(&p, &s, &order, &scratch, &u, &mut gradient);
        assert_fits("relaxation B", &s, &gradient, |s| {
            inner(&forward(s, &mut vec![0.0; 6 * n], &mut vec![0; n]), &u)
        });
    }
}

#[test]
fn both_relaxations_become_the_hard_mask_as_tau_falls() {
    let (n, k) = (50, 7);
    let s = vector(n, 5);
    let (mut hard, mut index) = (vec![0.0; n], vec![0; k]);
    yoto_gpu::reference::topk::topk(k, &s, &mut hard, &mut index);
    let far = |mask: &[f64]| {
        mask.iter()
            .zip(&hard)
            .fold(0.0f64, |m, (a, b)| m.max((a - b).abs()))
    };
    let (mut a, mut b, mut order) = (vec![0.0; n], vec![0.0; n], vec![0; n]);
    for (tau, bound) in [(1e-4, 1e-3), (1e-5, 1e-9)] {
        softmask::forward(
            &SoftMask {
                n: n as u32,
                k: k as u32,
                tau,
            },
            &s,
            &mut a,
        );
        softsort::order(&s, &mut order);
        let p = SoftSort {
            n: n as u32,
            k: k as u32,
            tau,
        };
        softsort::forward(&p, &s, &order, &mut vec![0.0; 6 * n], &mut b);
        assert!(
            far(&a) < bound && far(&b) < bound,
            "{} {}",
            far(&a),
            far(&b)
        );
    }
    softmask::forward(
        &SoftMask {
            n: n as u32,
            k: k as u32,
            tau: 1.0,
        },
        &s,
        &mut a,
    );
    assert!(far(&a) > 0.1);
}

#[test]
fn dense_layer() {
    let (n_in, n_out) = (9, 11);
    let (a, w, b, dy) = (
        vector(n_in, 1),
        vector(n_in * n_out, 2),
        vector(n_out, 3),
        vector(n_out, 4),
    );
    let loss = |a: &[f64], w: &[f64]| {
        let mut y = vec![0.0; n_out];
        linear::forward_row(a, w, &b, &mut y);
        inner(&y, &dy)
    };
    let mut da = vec![0.0; n_in];
    linear::grad_input_row(&dy, &w, &mut da);
    assert_fits("dense, inputs", &a, &da, |a| loss(a, &w));
    let dw: Vec<f64> = (0..n_in)
        .flat_map(|i| {
            let mut row = vec![0.0; n_out];
            linear::grad_weight_row(i, n_in, &a, &dy, &mut row);
            row
        })
        .collect();
    assert_fits("dense, weights", &w, &dw, |w| loss(&a, w));
}

#[test]
fn relu_with_dropout() {
    let p = Activation {
        n: 40,
        drop_below: 1 << 30,
        keep_scale: 4.0 / 3.0,
        seed: 1,
        stream: 16,
        step: 2,
    };
    let (z, da) = (vector(40, 1), vector(40, 2));
    let mut dz = vec![0.0; 40];
    activation::backward(&p, 0, &z, &da, &mut dz);
    assert!(
        z.iter().zip(&dz).any(|(&z, &d)| z > 0.0 && d == 0.0),
        "nothing was dropped"
    );
    assert_fits("activation", &z, &dz, |z| {
        let mut a = vec![0.0; 40];
        activation::forward(&p, 0, z, &mut a);
        inner(&a, &da)
    });
}

#[test]
fn losses() {
    let (logits, weights) = (vector(6, 1), [0.5, 1.0, 2.0, 1.0, 3.0, 1.0]);
    let run = |x: &[f64], d: &mut [f64]| cross_entropy::row(x, 4, 0.3, &weights, d);
    let mut d = vec![0.0; 6];
    run(&logits, &mut d);
    assert_fits("cross-entropy", &logits, &d, |x| run(x, &mut [0.0; 6]));
    assert_eq!(
        (
            cross_entropy::row(&logits, MISSING, 0.3, &weights, &mut d),
            d[0]
        ),
        (0.0, 0.0)
    );
    for e in [-3.0, -0.4, 0.2, 1.7] {
        assert_fits("Huber", &[e], &[huber::row(e, 1.0, 0.7).0], |x| {
            huber::row(x[0], 1.0, 0.7).1
        });
    }
}

#[test]
fn first_layer_of_one_gene() {
    let h = 12;
    let (r, w, d) = (vector(h, 1), vector(h, 2), vector(h, 3));
    let (mask, mean, inv_sd) = (0.6, 0.8, 1.7);
    // L = sum_h t_h m w_h: linear in m and w, with t = inv_sd (r - mean d)
    let loss = |m: f64, w: &[f64]| {
        (0..h)
            .map(|i| inv_sd * (r[i] - mean * d[i]) * m * w[i])
            .sum::<f64>()
    };
    let mut dw = vec![0.0; h];
    let u = first::gradient_row(&r, &w, mask, mean, inv_sd, &d, &mut dw);
    assert_fits("first layer, weights", &w, &dw, |w| loss(mask, w));
    assert_fits("first layer, mask", &[mask], &[u], |m| loss(m[0], &w));
}

#[test]
fn sparse_products_are_adjoint() {
    let data = planted(20, 0, 70, 3, 1 << 20, 1);
    let (width, ones) = (5, vec![1.0; 70]);
    let (w, d) = (vector(70 * width, 1), vector(20 * width, 2));
    let page = &data.cells.pages[0];
    let mut forward = 0.0;
    let mut transposed = vec![0.0; 70usize.next_multiple_of(32) * width];
    for cell in 0..20 {
        let (mut z, row) = (vec![0.0; width], &d[cell * width..(cell + 1) * width]);
        sparse::forward_row(data.cells.cell(cell), &ones, &w, &vec![0.0; width], &mut z);
        forward += inner(&z, row);
        for (j, out) in transposed.chunks_exact_mut(32 * width).enumerate() {
            let at = cell * (data.cells.n_blocks + 1) + j;
            let entries = &page.entries[page.blocks[at] as usize..page.blocks[at + 1] as usize];
            sparse::transpose_cell(entries, 1, row, out);
        }
    }
    let backward = inner(&transposed[..70 * width], &w);
    assert!(
        forward.abs() > 0.1 && (forward - backward).abs() < 1e-10 * forward.abs(),
        "{forward} {backward}"
    );
}

/// A network of two hidden layers over two pages of cells and two tasks, one of them partly
/// unlabelled and one a number, in f64.
struct Whole {
    ops: Cpu<f64>,
    cells: Cells,
    tasks: Vec<DeviceTask>,
    net: Net,
    rows: UBuf,
    losses: FBuf,
    start: Vec<f64>,
}

fn whole(n_in: usize, with_scores: bool) -> Whole {
    let mut data = planted(24, 0, 40, 3, 100, 7);
    assert!(data.cells.pages.len() > 1);
    if let Targets::Classes(labels) = &mut data.tasks[0].targets {
        labels.iter_mut().step_by(5).for_each(|y| *y = MISSING);
    }
    let values = (0..24)
        .map(|i| if i % 4 == 0 { f32::NAN } else { i as f32 })
        .collect();
    let kind = TaskKind::Regression {
        mean: 12.0,
        sd: 5.0,
    };
    data.tasks.push(Task {
        name: "age".into(),
        kind,
        targets: Targets::Values(values),
    });
    let mut ops = Cpu::<f64>::default();
    let cells = Cells::new(&mut ops, &data.cells).unwrap();
    let classes = DeviceTask::new(&mut ops, &data.tasks[0], 0, 24, 0.5).unwrap();
    let number = DeviceTask::new(&mut ops, &data.tasks[1], 3, 24, 0.5).unwrap();
    let layout = Layout::new(
        Shape {
            n_in,
            hidden: vec![6, 5],
            n_out: 4,
        },
        with_scores,
    );
    let net = Net::new(&mut ops, layout, 24).unwrap();
    let rows = ops
        .adopt_u("rows", (0..24).map(|i| (i * 7) % 24).collect())
        .unwrap();
    let losses = ops.alloc_f("losses", 2).unwrap();
    let start: Vec<f64> = vector(net.layout.len, 11).iter().map(|x| x * 0.8).collect();
    Whole {
        ops,
        cells,
        tasks: vec![classes, number],
        net,
        rows,
        losses,
        start,
    }
}

/// Compares the gradient that a step leaves in the arena with central differences of its loss.
fn check(w: &mut Whole, run: impl Fn(&mut Whole, Batch)) {
    let batch = Batch {
        rows: w.rows,
        offset: 0,
        n: 24,
    };
    let start = w.start.clone();
    w.ops.set(w.net.params, &start);
    run(w, batch);
    let gradient = w.ops.values(w.net.grads);
    let layout = w.net.layout.clone();
    let places = layout
        .weights
        .iter()
        .chain(&layout.biases)
        .chain([&layout.scores])
        .filter(|p| p.len > 0);
    for place in places {
        let range = place.offset..place.offset + place.len;
        assert_fits(
            &format!("{place:?}"),
            &start[range.clone()],
            &gradient[range.clone()],
            |x| {
                let mut at = start.clone();
                at[range.clone()].copy_from_slice(x);
                w.ops.set(w.net.params, &at);
                run(w, batch);
                w.ops.values(w.losses).iter().sum()
            },
        );
    }
}

#[test]
fn whole_selection_step() {
    for relaxation in [Relaxation::Sigmoid, Relaxation::Softsort] {
        let mut w = whole(40, true);
        let ops = &mut w.ops;
        let stats = ops.alloc_f("stats", 80).unwrap();
        ops.set(
            stats,
            &vector(80, 21).iter().map(|x| x + 1.5).collect::<Vec<_>>(),
        );
        let mut floats = |n| ops.alloc_f("scratch", n).unwrap();
        let sel = Selector {
            stats,
            noisy: floats(40),
            soft: floats(40),
            hard: floats(40),
            scans: floats(240),
            work: floats(240),
            scale: floats(40),
            shift: floats(40),
            base: floats(6),
            r: floats(240),
            d: floats(6),
            u: floats(40),
            tables: ops.adopt_u("tables", noise::tables()).unwrap(),
            index: ops.alloc_u("index", 40).unwrap(),
            order: ops.alloc_u("order", 40).unwrap(),
            sort: ops.alloc_u("sort", 120).unwrap(),
        };
        let s = Selection {
            k: 9,
            tau: 0.5,
            beta: 0.1,
            hard: false,
            relaxation,
            seed: 3,
            step: 4,
        };
        let dropout = Dropout {
            input: 0.0,
            hidden: 0.25,
            seed: 3,
            step: 4,
        };
        check(&mut w, |w, batch| {
            let (net, scales) = (w.net.clone(), [0.04, 0.07]);
            selection_gradient(
                &mut w.ops, &net, &sel, &w.cells, &w.tasks, batch, &scales, &s, &dropout, w.losses,
                0,
            );
        });
    }
}

#[test]
fn whole_panel_step() {
    let mut w = whole(5, false);
    let ops = &mut w.ops;
    let input = PanelInput {
        genes: ops.adopt_u("genes", vec![0, 2, 3, 17, 39]).unwrap(),
        stats: ops.alloc_f("stats", 10).unwrap(),
        x: ops.alloc_f("x", 24 * 5).unwrap(),
        n: 5,
    };
    ops.set(
        input.stats,
        &[0.4, 0.5, 0.6, 0.3, 0.2, 1.1, 1.2, 0.9, 1.3, 0.8],
    );
    let dropout = Dropout {
        input: 0.2,
        hidden: 0.25,
        seed: 3,
        step: 9,
    };
    check(&mut w, |w, batch| {
        let (net, scales) = (w.net.clone(), [0.04, 0.07]);
        panel_gradient(
            &mut w.ops, &net, &input, &w.cells, &w.tasks, batch, &scales, &dropout, w.losses, 0,
        );
    });
}
