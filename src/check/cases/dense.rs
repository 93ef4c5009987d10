//! Dense layers, losses, the optimiser.
use super::{ADAM, MODELS, after_adam, draw, faulty, gather, moments_of, sum_errors};
use crate::check::{Case, Device, Inputs, Mode, U, Values, sums};
use crate::kernels::ablate::{self, Ablate};
use crate::kernels::adamw::{self, AdamW};
use crate::kernels::heads::{self, CLASSES, Heads, VALUES};
use crate::kernels::linear::{self, Linear, TILES};
use crate::ops::{MISSING, stride};

/// Small cases of every entry.
#[must_use]
pub fn all() -> Vec<Case<'static>> {
    let mut cases = vec![
        heads(33, 17, 14),
        heads(9, 130, 101),
        heads(20, 0, 5),
        // a large eps shows whether it stands outside the root
        adamw(257, 0.1),
        adamw(1009, 1e-8),
    ];
    for activate in [0, 1] {
        cases.push(ablate(Ablate {
            n_rows: 17,
            width: 15,
            n_panel: 9,
            first_gene: 2,
            n_genes: 7,
            activate,
        }));
    }
    for shape in 0..TILES.len() {
        cases.push(linear(shape, 37, 131, 5, 0.0));
        cases.push(linear(shape, 65, 17, 70, 0.25));
        cases.push(linear_update(shape, 37, 131, 5, 0));
        cases.push(linear_update(shape, 65, 17, 70, 130));
        cases.push(linear_update(shape, 10, 0, 0, 9));
    }
    cases
}

/// One step of AdamW on a range of an arena: parameters, first and second moments.
#[must_use]
pub fn adamw(n: u32, eps: f32) -> Case<'static> {
    let (len, offset) = (n as usize, 64);
    let arena = stride(len) + offset;
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let mut p = AdamW {
            n,
            arena: arena as u32,
            offset: offset as u32,
            lr: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            eps,
            weight_decay: 0.1,
            correction1: 0.271,
            correction2: 0.002_997,
        };
        if inputs.mode == Mode::Fault {
            p.eps += 1e-4;
            p.weight_decay *= 1.01;
        }
        let (w, g, m) = (
            inputs.rng.floats(arena),
            inputs.rng.floats(len),
            inputs.rng.floats(arena),
        );
        let v = inputs.rng.floats(arena);
        let v: Vec<f32> = v.iter().map(|v| v * v * 1e-3).collect();
        let (w, g, moments) = (dev.f(&w), dev.f(&g), dev.f(&[m, v].concat()));
        dev.adamw(p, w, g, moments);
        let moments = dev.get(moments);
        let (m, v) = moments.split_at(arena);
        vec![dev.get(w), m.to_vec(), v.to_vec()]
    };
    let bound = move |want: &[Values], _: &[Values]| {
        // the step lr m / sqrt(v): eight roundings, more where m cancels
        let step = |((w, m), v): ((&f64, &f64), &f64)| {
            let root = (v / 0.002_997).sqrt() + f64::from(eps);
            3.0 * U * w.abs() + 0.01 * ((m.abs() * 10.0 + 8.0) / 0.271) / root * U
        };
        let w = want[0].iter().zip(&want[1]).zip(&want[2]).map(step);
        let m = want[1].iter().map(|_| 4.0 * U);
        let v = want[2].iter().map(|v| 6.0 * U * v.abs() + 1e-30);
        vec![w.collect(), m.collect(), v.collect()]
    };
    let name = format!("adamw n={n} eps={eps}");
    Case::new(name, &[&adamw::ADAMW; 3], run, bound)
}

/// Layers without a gene each.
#[must_use]
pub fn ablate(p: Ablate) -> Case<'static> {
    let (r, h, k) = (p.n_rows as usize, p.width as usize, p.n_panel as usize);
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let (mut z, x, w) = (inputs.draw(r * h), inputs.draw(r * k), inputs.draw(k * h));
        if inputs.mode == Mode::Fault {
            z.iter_mut().for_each(|z| *z += 0.01);
        }
        let x = if inputs.mode == Mode::Size {
            x.iter().map(|x| -x).collect()
        } else {
            x
        };
        let (z, x, w) = (dev.f(&z), dev.f(&x), dev.f(&w));
        let out = dev.poison(p.n_genes as usize * r * h);
        dev.ablate(p, z, x, w, out);
        vec![dev.get(out)]
    };
    Case::new(format!("ablate {p:?}"), &[&ablate::ABLATE], run, sums(2))
}

/// Parameters of a layer of two networks whose weights begin at 64, the biases behind them.
fn layer(n_rows: u32, n_in: u32, n_out: u32, more: usize) -> Linear {
    let bias = 64 + stride((n_in * n_out) as usize);
    Linear {
        models: MODELS as u32,
        n_rows,
        n_in,
        n_out,
        arena: (bias + stride(n_out as usize) + stride(more)) as u32,
        w_offset: 64,
        bias_offset: bias as u32,
        below_offset: (bias + stride(n_out as usize)) as u32,
        keep_scale: 1.0,
        ..Linear::default()
    }
}

/// A dense layer of two networks, with ReLU and dropout where `drop` is above 0, and the gradient of its
/// input.
#[must_use]
pub fn linear(shape: usize, n_rows: u32, n_in: u32, n_out: u32, drop: f64) -> Case<'static> {
    let (r, i, o) = (n_rows as usize, n_in as usize, n_out as usize);
    let p = Linear {
        activate: u32::from(drop > 0.0),
        drop_below: (drop * 4_294_967_296.0) as u32,
        keep_scale: (1.0 / (1.0 - drop)) as f32,
        seed: 3,
        stream: 16,
        step: 5,
        spare_row: u32::from(drop > 0.0),
        ..layer(n_rows, n_in, n_out, 0)
    };
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let a = draw(inputs, r * i, stride(r * i));
        let arena = p.arena as usize;
        let params = inputs.draw(MODELS * arena);
        let mut dz = draw(inputs, r * o, stride((r + 1) * o));
        let gate = inputs.rng.floats(MODELS * stride(r * i));
        let a = if inputs.mode == Mode::Fault {
            dz.iter_mut().for_each(|d| *d *= 1.01);
            a.iter().map(|x| x * 1.01 + 0.01).collect()
        } else {
            a
        };
        dev.shape_tiles(shape);
        let (a, params, dz, gate) = (dev.f(&a), dev.f(&params), dev.f(&dz), dev.f(&gate));
        let y_gap = stride((r + p.spare_row as usize) * o);
        let y = dev.poison(MODELS * y_gap);
        let below = dev.poison(MODELS * stride((r + 1) * i));
        dev.linear_forward(p, a, params, y);
        dev.linear_grad_input(p, dz, params, gate, below);
        let (y, below) = (dev.get(y), dev.get(below));
        vec![
            gather(&y, y_gap, r * o),
            gather(&below, stride((r + 1) * i), r * i),
        ]
    };
    let bound = move |want: &[Values], size: &[Values]| {
        let one = |terms: usize, j: usize| sums(terms)(&want[j..=j], &size[j..=j]).remove(0);
        vec![one(i + 2, 0), one(o + 1, 1)]
    };
    let entries = [&linear::FORWARD[shape], &linear::GRAD_INPUT[shape]];
    let name = format!(
        "linear {n_rows}x{n_in}x{n_out} tile {} drop {drop}",
        TILES[shape]
    );
    Case::new(name, &entries, run, bound)
}

/// The AdamW step of a layer of two networks and its biases, or (`below` above 0) those of the layer below,
/// with the sums of the losses of two tasks.
#[must_use]
pub fn linear_update(
    shape: usize,
    n_rows: u32,
    n_in: u32,
    n_out: u32,
    below: u32,
) -> Case<'static> {
    let (r, i, o, b) = (
        n_rows as usize,
        n_in as usize,
        n_out as usize,
        below as usize,
    );
    let (tasks, slots) = (2usize, 7usize);
    let p = Linear {
        own_bias: u32::from(below == 0),
        below,
        n_tasks: tasks as u32,
        slot: 3,
        slot_stride: stride(slots) as u32,
        ..layer(n_rows, n_in, n_out, b).with_adam(&ADAM)
    };
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let arena = p.arena as usize;
        let a = draw(inputs, r * i, stride(r * i));
        let params = inputs.draw(MODELS * arena);
        let dz = faulty(inputs, r * o, stride((r + 1) * o));
        let dz_below = faulty(inputs, r * b, stride((r + 1) * b));
        let loss = faulty(inputs, tasks * r, stride(tasks * r));
        dev.shape_tiles(shape);
        let (a, params, dz, loss) = (dev.f(&a), dev.f(&params), dev.f(&dz), dev.f(&loss));
        let (moments, dz_below) = (dev.f(&vec![0.0; 2 * MODELS * arena]), dev.f(&dz_below));
        let losses = dev.f(&vec![9.0; MODELS * stride(slots)]);
        dev.linear_update(p, a, dz, params, moments, dz_below, loss, losses);
        let (params, moments) = (dev.get(params), dev.get(moments));
        let (dz_below, losses) = (dev.get(dz_below), dev.get(losses));
        let [ms, vs] = moments_of(&moments, arena);
        let column_sums = dz_below.chunks_exact(stride((r + 1) * b).max(1));
        let column_sums = column_sums.flat_map(|c| c[r * b..(r + 1) * b].to_vec());
        vec![
            params,
            ms,
            vs,
            column_sums.collect(),
            gather(&losses, stride(slots), slots),
        ]
    };
    let bound = move |want: &[Values], size: &[Values]| {
        let mut bounds = after_adam(want, &sum_errors(&size[1], r));
        bounds.extend(sums(r)(&want[3..], &size[3..]));
        bounds
    };
    let name = format!(
        "linear update {n_rows}x{n_in}x{n_out}+{below} tile {}",
        TILES[shape]
    );
    Case::new(name, &[&linear::UPDATE[shape]; 5], run, bound)
}

/// The last layer and the losses of a task with classes and one with numbers, of two networks; `n_in` of 0
/// takes the logits as they stand.
#[must_use]
pub fn heads(n_rows: u32, n_in: u32, n_out: u32) -> Case<'static> {
    let (r, i, o, cells) = (n_rows as usize, n_in as usize, n_out as usize, 77);
    let classes = o - 2; // a column of numbers, then one that no task has
    let bias = 64 + stride(i * o);
    let arena = bias + stride(o);
    let p = Heads {
        models: MODELS as u32,
        n_rows,
        row_offset: 2,
        row_stride: n_rows + 5,
        n_in,
        n_out,
        n_tasks: 2,
        arena: arena as u32,
        w_offset: 64,
        bias_offset: bias as u32,
        scale_offset: 1,
        scale_stride: 4,
        keep_scale: 1.25,
        delta: 0.7,
        gradients: 1,
    };
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let rng = &mut inputs.rng;
        let a: Vec<f32> = rng
            .floats(MODELS * stride(r * i))
            .iter()
            .map(|x| x.max(0.0))
            .collect();
        let mut params = rng.floats(MODELS * arena);
        let spread = 6.0 / (i.max(1) as f32).sqrt();
        params.iter_mut().for_each(|x| *x *= spread);
        let mut logits = rng.floats(MODELS * stride((r + 1) * o));
        logits.iter_mut().for_each(|x| *x *= 6.0);
        let rows: Vec<u32> = (0..MODELS * (r + 5))
            .map(|_| rng.below(cells) as u32)
            .collect();
        let mut weights: Vec<f32> = rng.floats(classes).iter().map(|x| x.abs() + 0.1).collect();
        let mut values = rng.floats(cells);
        if inputs.mode == Mode::Fault {
            weights.iter_mut().for_each(|w| *w *= 1.01);
            values.iter_mut().for_each(|v| *v += 0.01);
        }
        let (first, second) = (8, 8 + (classes + cells) as u32);
        let (width, column) = (classes as u32, classes as u32);
        let mut targets = vec![0, width, CLASSES, first, column, 1, VALUES, second];
        targets.extend(weights.iter().map(|w| w.to_bits()));
        let label = |c: usize, drawn: usize| if c % 5 == 4 { MISSING } else { drawn as u32 };
        targets.extend((0..cells).map(|c| label(c, inputs.rng.below(classes))));
        let value = |(c, v): (usize, &f32)| if c % 4 == 3 { MISSING } else { v.to_bits() };
        targets.extend(values.iter().enumerate().map(value));
        let scales = [0.0, 0.05, 0.3, 0.0, 0.0, 0.04, 0.2, 0.0];
        let (a, params, rows) = (dev.f(&a), dev.f(&params), dev.u(&rows));
        let (targets, scales, logits) = (dev.u(&targets), dev.f(&scales), dev.f(&logits));
        let loss = dev.poison(MODELS * stride(2 * r));
        let dz = dev.poison(MODELS * stride((r + 1) * i).max(1));
        let none = dev.f(&[0.0; 64]);
        // without gradients first: the same losses, and the logits stay
        let plain = dev.poison(MODELS * stride(2 * r));
        let quiet = Heads { gradients: 0, ..p };
        dev.heads(
            quiet,
            if i > 0 { a } else { none },
            params,
            rows,
            targets,
            scales,
            logits,
            plain,
            dz,
        );
        dev.heads(
            p,
            if i > 0 { a } else { none },
            params,
            rows,
            targets,
            scales,
            logits,
            loss,
            dz,
        );
        let (logits, loss, plain) = (dev.get(logits), dev.get(loss), dev.get(plain));
        let mut out = vec![
            gather(&logits, stride((r + 1) * o), r * o),
            gather(&loss, stride(2 * r), 2 * r),
            gather(&plain, stride(2 * r), 2 * r),
        ];
        if i > 0 {
            out.push(gather(&dev.get(dz), stride((r + 1) * i), r * i));
        }
        out
    };
    let bound = move |want: &[Values], _: &[Values]| {
        // logits below 6 sqrt(i) 6 off by i roundings; exp of x to 3 + 2 |x| units, a quotient
        let most = if i > 0 { 6.0 * (i as f64).sqrt() } else { 6.0 };
        let logit = (i as f64 + 5.0) * U * most;
        let relative = (3.0 + 4.0 * most + o as f64 + 8.0) * U + 2.0 * logit;
        let s = 0.3 * 1.1;
        let free = |j: usize| j % o == o - 1; // the column that no task has keeps its logit
        let d = want[0].iter().enumerate().map(|(j, d)| {
            if free(j) {
                logit
            } else {
                relative * (d.abs() + s * 1e-2) + 4.0 * U * s + logit * s
            }
        });
        let d: Values = d.collect();
        let l =
            |l: &f64| (4.0 * U + relative) * s + (4.0 * U + relative) * l.abs() + 2.0 * logit * s;
        let mut bounds = vec![
            d,
            want[1].iter().map(l).collect(),
            want[2].iter().map(l).collect(),
        ];
        if i > 0 {
            let spread = 6.0 / (i as f64).sqrt();
            let each = relative * s * 0.02 + 4.0 * U * s + logit * s;
            let sum = 1.25 * spread * o as f64 * (2.0 * each + (o as f64 + 4.0) * U * s);
            bounds.push(vec![sum + 1.25 * spread * o as f64 * logit; want[3].len()]);
        }
        bounds
    };
    let outputs = if i > 0 { 4 } else { 3 };
    let name = format!("heads {n_rows}x{n_in}x{n_out}");
    Case::new(name, &vec![&heads::HEADS; outputs], run, bound)
}
