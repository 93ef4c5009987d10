//! Backward twins and the whole step against central differences in f64.
#[path = "common/cells.rs"]
mod cells;

use cells::{Random, planted};
use yoto_gpu::cpu::Cpu;
use yoto_gpu::data::cells::{Targets, Task, TaskKind};
use yoto_gpu::kernels::{softmask::SoftMask, softsort::SoftSort};
use yoto_gpu::model::layout::{Layout, Shape};
use yoto_gpu::model::net::{Cells, Net, Room, Targets as DeviceTargets};
use yoto_gpu::model::panel_step::{PanelInput, panel_step};
use yoto_gpu::model::selector::{Selection, Selector};
use yoto_gpu::model::step::selection_step;
use yoto_gpu::model::trunk::{Adam, BETA1, Batch, Dropout, Slot};
use yoto_gpu::ops::{FBuf, MISSING, Ops, UBuf, stride};
use yoto_gpu::reference::{
    cross_entropy, first, huber, linear, scores, softmask, softsort, sort, sparse,
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
            ..SoftMask::default()
        };
        let (mut mask, mut gradient) = (vec![0.0; n], vec![0.0; n]);
        softmask::forward(&p, &s, &mut mask);
        assert!((mask.iter().sum::<f64>() - f64::from(k)).abs() < 1e-9);
        scores::gradient(tau, &mask, &u, &mut gradient);
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
            lists: 1,
        };
        let forward = |s: &[f64], scratch: &mut [f64], order: &mut [u32]| {
            let mut mask = vec![0.0; n];
            sort::order(s, order);
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
    yoto_gpu::reference::topk::topk(k, &s, &mut Vec::new(), &mut hard, &mut index);
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
                ..SoftMask::default()
            },
            &s,
            &mut a,
        );
        sort::order(&s, &mut order);
        let p = SoftSort {
            n: n as u32,
            k: k as u32,
            tau,
            lists: 0,
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
            ..SoftMask::default()
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
    linear::grad_input_row(&dy, &w, &vec![1.0; n_in], 1.0, &mut da);
    assert_fits("dense, inputs", &a, &da, |a| loss(a, &w));
    let mut dw = vec![0.0; n_in * n_out];
    let product = linear::Product {
        a: &a,
        step: (1, n_in),
        b: &dy,
        width: n_out,
    };
    product.add(0, &mut dw);
    assert_fits("dense, weights", &w, &dw, |w| loss(&a, w));
}

#[test]
fn relu_with_dropout() {
    let gate = linear::Gate {
        activate: true,
        drop_below: 1 << 30,
        keep_scale: 4.0 / 3.0,
        key: (1, 16, 2),
    };
    let (z, da, one) = (vector(40, 1), vector(40, 2), [1.0]);
    let activate = |z: &[f64]| {
        let mut a = z.to_vec();
        gate.apply(0, &mut a);
        a
    };
    let a = activate(&z);
    // as a layer of one input and one output for each value
    let mut dz = vec![0.0; 40];
    for i in 0..40 {
        let (da, a, dz) = (&da[i..=i], &a[i..=i], &mut dz[i..=i]);
        linear::grad_input_row(da, &one, a, gate.keep_scale, dz);
    }
    assert!(
        z.iter().zip(&dz).any(|(&z, &d)| z > 0.0 && d == 0.0),
        "nothing was dropped"
    );
    assert_fits("activation", &z, &dz, |z| inner(&activate(z), &da));
}

#[test]
fn losses() {
    let logits = vector(6, 1);
    let mut d = logits.clone();
    cross_entropy::row(&mut d, 4, 0.9, true);
    let loss = |x: &[f64]| cross_entropy::row(&mut x.to_vec(), 4, 0.9, false);
    assert_fits("cross-entropy", &logits, &d, loss);
    let missing = cross_entropy::row(&mut d, MISSING, 0.9, true);
    assert_eq!((missing, d[0]), (0.0, 0.0));
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
    let mut dw = r.clone();
    let u = first::gradient_row(&mut dw, &w, mask, mean, inv_sd, &d);
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
        sparse::forward_row(data.cells.cell(cell), &ones, &w, &mut z);
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

/// A network over two pages of cells and two tasks, one of them partly unlabelled and one a number,
/// in f64.
struct Whole {
    ops: Cpu<f64>,
    cells: Cells,
    targets: DeviceTargets,
    net: Net,
    batch: Batch,
    losses: FBuf,
    start: Vec<f64>,
}

fn whole(n_in: usize, with_scores: bool, hidden: &[usize]) -> Whole {
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
    let targets = DeviceTargets::new(&mut ops, &data.tasks, 24, 0.5).unwrap();
    let layout = Layout::new(
        Shape {
            n_in,
            hidden: hidden.to_vec(),
            n_out: 4,
        },
        with_scores,
    );
    let room = Room {
        models: 1,
        batch: 24,
        max_rows: 24,
        tasks: 2,
    };
    let net = Net::new(&mut ops, layout, room).unwrap();
    let rows: UBuf = ops
        .adopt_u("rows", (0..24).map(|i| (i * 7) % 24).collect())
        .unwrap();
    let scales = ops.alloc_f("scales", 2).unwrap();
    ops.set(scales, &[0.04, 0.07]);
    let losses = ops.alloc_f("losses", 2).unwrap();
    let start: Vec<f64> = vector(net.layout.len, 11).iter().map(|x| x * 0.8).collect();
    Whole {
        ops,
        cells,
        targets,
        net,
        batch: Batch::of(rows, 24, scales),
        losses,
        start,
    }
}

/// A step that moves nothing, so that its gradient can be read in the first moments.
const STILL: Adam = Adam {
    lr: 0.0,
    lr_scores: 0.0,
    weight_decay: 0.0,
    t: 1,
};

/// Compares the gradient that a step leaves in the moments with central differences of its loss.
fn check(w: &mut Whole, run: impl Fn(&mut Whole, Slot)) {
    let slot = Slot {
        losses: w.losses,
        at: 0,
        stride: 0,
    };
    let start = w.start.clone();
    w.ops.set(w.net.params, &start);
    run(w, slot);
    assert_eq!(w.ops.values(w.net.params), start, "the step moves nothing");
    let moments = w.ops.values(w.net.moments);
    let gradient = moments[..w.net.layout.len].iter();
    let gradient: Vec<f64> = gradient.map(|m| m / (1.0 - f64::from(BETA1))).collect();
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
                run(w, slot);
                w.ops.values(w.losses).iter().sum()
            },
        );
    }
}

#[test]
fn whole_selection_step() {
    let hidden: [&[usize]; 3] = [&[6, 5], &[70], &[]];
    for (relaxation, hidden) in [Relaxation::Sigmoid, Relaxation::Softsort]
        .into_iter()
        .flat_map(|r| hidden.map(|h| (r, h)))
    {
        let mut w = whole(40, true, hidden);
        let width = w.net.layout.shape.width();
        let stats: Vec<f32> = vector(80, 21).iter().map(|x| *x as f32 + 1.5).collect();
        let pages = w.cells.pages.len();
        let genes = (&stats[..40], &stats[40..]);
        let sel = Selector::new(&mut w.ops, genes, width, 1, pages, relaxation).unwrap();
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
        check(&mut w, |w, slot| {
            let (net, ops) = (w.net.clone(), &mut w.ops);
            selection_step(
                ops, &net, &sel, &w.cells, &w.targets, w.batch, &s, &dropout, &STILL, slot,
            );
        });
    }
}

#[test]
fn whole_panel_step() {
    let hidden: [&[usize]; 3] = [&[6, 5], &[7], &[]];
    for hidden in hidden {
        let mut w = whole(5, false, hidden);
        let ops = &mut w.ops;
        let input = PanelInput {
            genes: ops.adopt_u("genes", vec![0, 2, 3, 17, 39]).unwrap(),
            stats: ops.alloc_f("stats", stride(10)).unwrap(),
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
        check(&mut w, |w, slot| {
            let (net, ops) = (w.net.clone(), &mut w.ops);
            panel_step(
                ops, &net, &input, &w.cells, &w.targets, w.batch, &dropout, &STILL, slot,
            );
        });
    }
}
