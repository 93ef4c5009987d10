//! Dense layers, losses, the optimiser.
use crate::check::{Case, Device, Inputs, Mode, U, Values, sums};
use crate::kernels::ablate::{self, Ablate};
use crate::kernels::activation::{self, Activation};
use crate::kernels::adamw::{self, AdamW};
use crate::kernels::column_sum::{self, ColumnSum};
use crate::kernels::cross_entropy::{self, CrossEntropy};
use crate::kernels::first::{self, First};
use crate::kernels::huber::{self, Huber};
use crate::kernels::linear::{self, Linear};
use crate::kernels::sum::{self, Sum};
use crate::ops::{COLUMN_CHUNK, MISSING};

/// Small cases of every entry.
#[must_use]
pub fn all() -> Vec<Case<'static>> {
    // a large eps shows whether it stands outside the root
    vec![
        linear(37, 131, 5),
        linear(65, 17, 70),
        activation(1009, 0.3),
        first(257, 31),
        column_sum(130, 65, 1),
        column_sum(130, 65, 2),
        cross_entropy(65, 14, 3, 0.05),
        cross_entropy(64, 101, 2, 0.01),
        huber(65, 0.5),
        sum(1009),
        adamw(257, 0.1),
        adamw(1009, 1e-8),
        ablate(Ablate {
            n_rows: 17,
            width: 15,
            n_panel: 9,
            first_gene: 2,
            n_genes: 7,
        }),
    ]
}

/// One step of AdamW on n parameters: parameters, first and second moment.
#[must_use]
pub fn adamw(n: u32, eps: f32) -> Case<'static> {
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let mut p = AdamW {
            n,
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
        let len = n as usize;
        let (w, g, m) = (
            inputs.rng.floats(len),
            inputs.rng.floats(len),
            inputs.rng.floats(len),
        );
        let v = inputs.rng.floats(len);
        let v: Vec<f32> = v.iter().map(|v| v * v * 1e-3).collect();
        let (w, g, m, v) = (dev.f(&w), dev.f(&g), dev.f(&m), dev.f(&v));
        dev.adamw(p, w, g, m, v);
        vec![dev.get(w), dev.get(m), dev.get(v)]
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
        let (z, x, w) = (inputs.faulty(r * h), inputs.draw(r * k), inputs.draw(k * h));
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

/// A dense layer, and the gradients of its input and weights.
#[must_use]
pub fn linear(n_rows: u32, n_in: u32, n_out: u32) -> Case<'static> {
    let (r, i, o) = (n_rows as usize, n_in as usize, n_out as usize);
    let p = Linear {
        n_rows,
        n_in,
        n_out,
    };
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let (a, w) = (inputs.draw(r * i), inputs.faulty(i * o));
        let (b, dy) = (inputs.draw(o), inputs.faulty(r * o));
        let (a, w, b, dy) = (dev.f(&a), dev.f(&w), dev.f(&b), dev.f(&dy));
        let (y, da, dw) = (dev.poison(r * o), dev.poison(r * i), dev.poison(i * o));
        dev.linear_forward(p, a, w, b, y);
        dev.linear_grad_input(p, dy, w, da);
        dev.linear_grad_weight(p, a, dy, dw);
        vec![dev.get(y), dev.get(da), dev.get(dw)]
    };
    let bound = move |want: &[Values], size: &[Values]| {
        let one = |terms: usize, j: usize| sums(terms)(&want[j..=j], &size[j..=j]).remove(0);
        vec![one(i + 1, 0), one(o, 1), one(r, 2)]
    };
    let entries = [&linear::FORWARD, &linear::GRAD_INPUT, &linear::GRAD_WEIGHT];
    Case::new(
        format!("linear {n_rows}x{n_in}x{n_out}"),
        &entries,
        run,
        bound,
    )
}

/// Rectifier and dropout of n values, and their gradient.
#[must_use]
pub fn activation(n: u32, drop: f64) -> Case<'static> {
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let p = Activation {
            n,
            drop_below: (drop * 4_294_967_296.0) as u32,
            keep_scale: (1.0 / (1.0 - drop)) as f32,
            seed: 3,
            stream: 16,
            step: 5 + u32::from(inputs.mode == Mode::Fault),
        };
        let z = inputs.rng.floats(n as usize);
        let z: Vec<f32> = if inputs.mode == Mode::Fault {
            z.iter().map(|z| z.abs() + 0.5).collect()
        } else {
            z
        };
        let (z, da) = (dev.f(&z), dev.f(&z));
        let (a, dz) = (dev.poison(n as usize), dev.poison(n as usize));
        dev.act_forward(p, z, a);
        dev.act_backward(p, z, da, dz);
        let out = vec![dev.get(a), dev.get(dz)];
        for b in [z, da, a, dz] {
            dev.release_f(b);
        }
        out
    };
    let name = format!("activation n={n} drop={drop}");
    let entries = [&activation::FORWARD, &activation::BACKWARD];
    // one product
    Case::new(name, &entries, run, |want, _| {
        let one = |v: &Values| v.iter().map(|x| U * x.abs()).collect();
        want.iter().map(one).collect()
    })
}

/// The first layer's scale and shift of n genes, and the gradients of its weights and mask.
#[must_use]
pub fn first(n: u32, width: u32) -> Case<'static> {
    let (g, h) = (n as usize, width as usize);
    let p = First { n, width };
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let (mask, mut stats) = (inputs.draw(g), inputs.draw(2 * g));
        if inputs.mode == Mode::Size {
            // r - mean d becomes |r| + |mean d|
            stats[..g].iter_mut().for_each(|m| *m = -*m);
        }
        let (r, w, d) = (inputs.draw(g * h), inputs.faulty(g * h), inputs.faulty(h));
        let mask = inputs.spoil(mask);
        let (mask, stats) = (dev.f(&mask), dev.f(&stats));
        let (r, w, d) = (dev.f(&r), dev.f(&w), dev.f(&d));
        let (scale, shift) = (dev.poison(g), dev.poison(g));
        let (dw, u) = (dev.poison(g * h), dev.poison(g));
        dev.first_scale(p, mask, stats, scale, shift);
        dev.first_gradient(p, r, w, mask, stats, d, dw, u);
        let out = vec![dev.get(scale), dev.get(shift), dev.get(dw), dev.get(u)];
        for b in [mask, stats, r, w, d, scale, shift, dw, u] {
            dev.release_f(b);
        }
        out
    };
    let entries = [
        &first::SCALE,
        &first::SCALE,
        &first::GRADIENT,
        &first::GRADIENT,
    ];
    let name = format!("first n={n} width={width}");
    Case::new(name, &entries, run, sums(h + 3))
}

/// Sums of columns, weighted by row, of a power of the values.
#[must_use]
pub fn column_sum(n_rows: u32, width: u32, power: u32) -> Case<'static> {
    let (r, h) = (n_rows as usize, width as usize);
    let p = ColumnSum {
        n_rows,
        width,
        power,
    };
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let (a, coef, bias) = (inputs.draw(r * h), inputs.faulty(r), inputs.draw(h));
        let (a, coef, bias) = (dev.f(&a), dev.f(&coef), dev.f(&bias));
        let partial = dev.poison(r.div_ceil(COLUMN_CHUNK) * h);
        let out = dev.poison(h);
        dev.column_partial(p, a, coef, partial);
        dev.column_finish(p, partial, bias, out);
        let result = vec![dev.get(partial), dev.get(out)];
        for b in [a, coef, bias, partial, out] {
            dev.release_f(b);
        }
        result
    };
    let name = format!("column_sum {n_rows}x{width} power {power}");
    let entries = [&column_sum::PARTIAL_SUMS, &column_sum::FINISH];
    Case::new(name, &entries, run, sums(r + 2))
}

/// Softmax cross-entropy of n cells with a fifth of the labels missing, classes weighted.
#[must_use]
pub fn cross_entropy(n: u32, classes: u32, column: u32, scale: f32) -> Case<'static> {
    let (c, stride) = (classes as usize, (column + classes + 1) as usize);
    let cells = 77;
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        if c == 1 && inputs.mode == Mode::Fault {
            return Vec::new(); // one class: loss and gradient are 0 whatever the weight
        }
        let p = CrossEntropy {
            n_rows: n,
            row_offset: 2,
            stride: stride as u32,
            column,
            n_classes: classes,
            scale,
        };
        let spread = if c > 50 { 30.0 } else { 4.0 };
        let logits = inputs.rng.floats(n as usize * stride);
        let logits: Vec<f32> = logits.iter().map(|x| x * spread).collect();
        let rows = (0..n as usize + 2).map(|_| inputs.rng.below(cells) as u32);
        let rows: Vec<u32> = rows.collect();
        let label = |i| {
            let drawn = inputs.rng.below(c) as u32;
            if i % 5 == 4 { MISSING } else { drawn }
        };
        let labels: Vec<u32> = (0..cells).map(label).collect();
        let weight = inputs.rng.floats(c);
        let mut weight: Vec<f32> = weight.iter().map(|x| x.abs() + 0.1).collect();
        if inputs.mode == Mode::Fault {
            weight.iter_mut().for_each(|w| *w *= 1.001);
        }
        let (logits, rows, labels) = (dev.f(&logits), dev.u(&rows), dev.u(&labels));
        let (weight, dlogits, loss) = (
            dev.f(&weight),
            dev.f(&vec![7.0; n as usize * stride]),
            dev.poison(n as usize),
        );
        dev.cross_entropy(p, logits, rows, labels, weight, dlogits, loss);
        let result = vec![dev.get(dlogits), dev.get(loss)];
        for b in [logits, weight, dlogits, loss] {
            dev.release_f(b);
        }
        result
    };
    // exp of x to 3 + 2 |x| units, a sum of c terms, a quotient; the logarithm to 2^-21 absolute
    let bound = move |want: &[Values], _: &[Values]| {
        let spread = if c > 50 { 60.0 } else { 8.0 };
        let relative = (3.0 + 2.0 * spread + c as f64 + 8.0) * U;
        let s = f64::from(scale) * 1.1;
        let d = want[0].iter().map(|d| {
            if *d == 7.0 {
                0.0
            } else {
                relative * d.abs().max(1e-3 * s) + 4.0 * U * s
            }
        });
        let l = want[1]
            .iter()
            .map(|l| (4.0 * U + relative * 0.5) * s + 4.0 * U * l.abs());
        vec![d.collect(), l.collect()]
    };
    let name = format!("cross_entropy {n}x{classes}");
    Case::new(name, &[&cross_entropy::CROSS_ENTROPY; 2], run, bound)
}

/// Huber loss of n cells with a quarter of the targets missing.
#[must_use]
pub fn huber(n: u32, delta: f32) -> Case<'static> {
    let cells = 50;
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let p = Huber {
            n_rows: n,
            row_offset: 1,
            stride: 3,
            column: 1,
            delta,
            scale: 0.25,
        };
        let logits = inputs.rng.floats(n as usize * 3);
        let logits: Vec<f32> = logits.iter().map(|x| 2.0 * x).collect();
        let rows = (0..n as usize + 1).map(|i| ((i * 7 + 1) % cells) as u32);
        let rows: Vec<u32> = rows.collect();
        let mut targets = inputs.rng.floats(cells);
        if inputs.mode == Mode::Fault {
            targets.iter_mut().for_each(|t| *t += 0.01);
        }
        let known: Vec<f32> = (0..cells).map(|i| f32::from(i % 4 != 3)).collect();
        let (logits, rows, targets) = (dev.f(&logits), dev.u(&rows), dev.f(&targets));
        let (known, dlogits) = (dev.f(&known), dev.f(&vec![7.0; n as usize * 3]));
        let loss = dev.poison(n as usize);
        dev.huber(p, logits, rows, targets, known, dlogits, loss);
        vec![dev.get(dlogits), dev.get(loss)]
    };
    let name = format!("huber n={n} delta={delta}");
    Case::new(name, &[&huber::HUBER; 2], run, |want, _| {
        let d = want[0]
            .iter()
            .map(|d| if *d == 7.0 { 0.0 } else { 4.0 * U });
        vec![d.collect(), want[1].iter().map(|_| 16.0 * U).collect()]
    })
}

/// A sum of n values into a slot, the others left alone.
#[must_use]
pub fn sum(n: usize) -> Case<'static> {
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        if n == 0 && inputs.mode == Mode::Fault {
            return Vec::new();
        }
        let v = inputs.faulty(n);
        let (v, ring) = (dev.f(&v), dev.f(&[9.0; 5]));
        let n = n as u32;
        dev.sum(Sum { n, slot: 3 }, v, ring);
        let ring = dev.get(ring);
        vec![vec![ring[3]], vec![ring[0], ring[1], ring[2], ring[4]]]
    };
    let name = format!("sum n={n}");
    Case::new(name, &[&sum::SUM; 2], run, move |want, size| {
        let terms = n.div_ceil(256) + 8;
        vec![sums(terms)(&want[..1], &size[..1]).remove(0), vec![0.0; 4]]
    })
}
