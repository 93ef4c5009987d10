//! Dense layers, activations, losses, sums, the optimiser.
use crate::common::gpu;
use crate::compare::{Device, Inputs, Mode, U, compare, hold, sums};
use yoto_gpu::check::cases::dense as cases;
use yoto_gpu::kernels::{
    ablate::Ablate, activation::Activation, column_sum::ColumnSum, cross_entropy::CrossEntropy,
    first::First, huber::Huber, linear::Linear, sum::Sum,
};
use yoto_gpu::ops::{COLUMN_CHUNK, MISSING};

#[test]
fn linear() {
    let Some(mut gpu) = gpu() else { return };
    for (n_rows, n_in, n_out) in [
        (1, 1, 1),
        (63, 64, 65),
        (64, 16, 64),
        (65, 17, 63),
        (37, 131, 5),
        (129, 32, 70),
        (200, 3, 2),
    ] {
        let (r, i, o) = (n_rows as usize, n_in as usize, n_out as usize);
        let p = Linear {
            n_rows,
            n_in,
            n_out,
        };
        let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
            let (a, w) = (inputs.draw(r * i), inputs.faulty(i * o));
            let (b, dy) = (inputs.draw(o), inputs.faulty(r * o));
            let (a, w, b, dy) = (dev.f(&a), dev.f(&w), dev.f(&b), dev.f(&dy));
            let (y, da, dw) = (dev.poison(r * o), dev.poison(r * i), dev.poison(i * o));
            dev.linear_forward(p, a, w, b, y);
            dev.linear_grad_input(p, dy, w, da);
            dev.linear_grad_weight(p, a, dy, dw);
            vec![dev.get(y), dev.get(da), dev.get(dw)]
        };
        let bound = |want: &[Vec<f64>], size: &[Vec<f64>]| {
            let one = |terms: usize, j: usize| sums(terms)(&want[j..=j], &size[j..=j]).remove(0);
            vec![one(i + 1, 0), one(o, 1), one(r, 2)]
        };
        compare(
            &format!("linear {n_rows}x{n_in}x{n_out}"),
            &mut gpu,
            &run,
            &bound,
        );
    }
}

#[test]
fn linear_beyond_65535_groups() {
    let Some(mut gpu) = gpu() else { return };
    let n_rows = 64 * 65_536 + 1;
    let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
        let (n_in, n_out) = (1, 1);
        let (a, w, b) = (inputs.draw(n_rows), inputs.faulty(1), inputs.draw(1));
        let (a, w, b, y) = (dev.f(&a), dev.f(&w), dev.f(&b), dev.poison(n_rows));
        let n_rows = n_rows as u32;
        dev.linear_forward(
            Linear {
                n_rows,
                n_in,
                n_out,
            },
            a,
            w,
            b,
            y,
        );
        vec![dev.get(y)]
    };
    compare("linear of 4,194,305 cells", &mut gpu, &run, &sums(2));
}

#[test]
fn activation() {
    let Some(mut gpu) = gpu() else { return };
    // the last one has more than 65,535 workgroups
    for (n, drop) in [
        (1, 0.0),
        (255, 0.5),
        (256, 0.0),
        (257, 0.3),
        (1009, 0.9),
        (16_777_300, 0.1),
    ] {
        let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
            let p = Activation {
                n,
                drop_below: (drop * 4_294_967_296.0) as u32,
                keep_scale: (1.0 / (1.0 - drop)) as f32,
                seed: 3,
                stream: 16,
                step: 5 + u32::from(inputs.mode == Mode::Fault),
            };
            let z = inputs.rng.floats(n as usize);
            let z = if inputs.mode == Mode::Fault {
                z.iter().map(|z| z.abs() + 0.5).collect()
            } else {
                z
            };
            let (z, da) = (dev.f(&z), dev.f(&[z.as_slice()].concat()));
            let (a, dz) = (dev.poison(n as usize), dev.poison(n as usize));
            dev.act_forward(p, z, a);
            dev.act_backward(p, z, da, dz);
            let out = vec![dev.get(a), dev.get(dz)];
            for b in [z, da, a, dz] {
                dev.release_f(b);
            }
            out
        };
        // one product
        let bound = |want: &[Vec<f64>], _: &[Vec<f64>]| {
            want.iter()
                .map(|v| v.iter().map(|x| U * x.abs()).collect())
                .collect()
        };
        compare(
            &format!("activation n={n} drop={drop}"),
            &mut gpu,
            &run,
            &bound,
        );
    }
}

#[test]
fn first_layer() {
    let Some(mut gpu) = gpu() else { return };
    for (n, width) in [
        (1, 1),
        (7, 32),
        (8, 33),
        (257, 31),
        (1009, 70),
        (524_300, 1),
    ] {
        let (g, h) = (n as usize, width as usize);
        let p = First { n, width };
        let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
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
        compare(
            &format!("first n={n} width={width}"),
            &mut gpu,
            &run,
            &sums(h + 3),
        );
    }
}

#[test]
fn column_sums() {
    let Some(mut gpu) = gpu() else { return };
    let chunk = COLUMN_CHUNK as u32;
    for (n_rows, width) in [
        (1, 1),
        (chunk - 1, 63),
        (chunk, 64),
        (chunk + 1, 65),
        (1009, 13),
        (1, 4_194_400),
    ] {
        for power in [1, 2] {
            let (r, h) = (n_rows as usize, width as usize);
            let p = ColumnSum {
                n_rows,
                width,
                power,
            };
            let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
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
            compare(&name, &mut gpu, &run, &sums(r + 2));
        }
    }
}

#[test]
fn cross_entropy() {
    let Some(mut gpu) = gpu() else { return };
    for (n, classes, column, scale) in [
        (1, 2, 0, 1.0f32),
        (63, 1, 1, 1.0),
        (64, 14, 3, 0.05),
        (65, 101, 2, 0.01),
        (1009, 5, 0, 3.0),
        (4_194_400, 1, 0, 1.0),
    ] {
        let (c, stride) = (classes as usize, column as usize + classes as usize + 1);
        let cells = 77;
        let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
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
            let rows: Vec<u32> = (0..n as usize + 2)
                .map(|_| inputs.rng.below(cells) as u32)
                .collect();
            let labels: Vec<u32> = (0..cells)
                .map(|i| {
                    if i % 5 == 4 {
                        MISSING
                    } else {
                        inputs.rng.below(c) as u32
                    }
                })
                .collect();
            let mut weight: Vec<f32> = inputs.rng.floats(c).iter().map(|x| x.abs() + 0.1).collect();
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
        let bound = |want: &[Vec<f64>], _: &[Vec<f64>]| {
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
        compare(
            &format!("cross_entropy {n}x{classes}"),
            &mut gpu,
            &run,
            &bound,
        );
    }
}

#[test]
fn huber() {
    let Some(mut gpu) = gpu() else { return };
    for (n, delta) in [
        (1u32, 1.0f32),
        (63, 0.5),
        (64, 0.1),
        (65, 2.0),
        (64 * 65_535 + 1, 0.7),
    ] {
        let cells = 50;
        let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
            let p = Huber {
                n_rows: n,
                row_offset: 1,
                stride: 3,
                column: 1,
                delta,
                scale: 0.25,
            };
            let logits: Vec<f32> = inputs
                .rng
                .floats(n as usize * 3)
                .iter()
                .map(|x| 2.0 * x)
                .collect();
            let rows: Vec<u32> = (0..n as usize + 1)
                .map(|i| ((i * 7 + 1) % cells) as u32)
                .collect();
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
        let bound = |want: &[Vec<f64>], _: &[Vec<f64>]| {
            let d = want[0]
                .iter()
                .map(|d| if *d == 7.0 { 0.0 } else { 4.0 * U });
            vec![d.collect(), want[1].iter().map(|_| 16.0 * U).collect()]
        };
        compare(
            &format!("huber n={n} delta={delta}"),
            &mut gpu,
            &run,
            &bound,
        );
    }
}

#[test]
fn sum() {
    let Some(mut gpu) = gpu() else { return };
    for n in [0, 1, 255, 256, 257, 10_007] {
        let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
            if n == 0 && inputs.mode == Mode::Fault {
                return Vec::new();
            }
            let v = inputs.faulty(n);
            let (v, ring) = (dev.f(&v), dev.f(&[9.0; 5]));
            dev.sum(
                Sum {
                    n: n as u32,
                    slot: 3,
                },
                v,
                ring,
            );
            let ring = dev.get(ring);
            vec![vec![ring[3]], vec![ring[0], ring[1], ring[2], ring[4]]]
        };
        let bound = |want: &[Vec<f64>], size: &[Vec<f64>]| {
            vec![
                sums(n.div_ceil(256) + 8)(&want[..1], &size[..1]).remove(0),
                vec![0.0; 4],
            ]
        };
        compare(&format!("sum n={n}"), &mut gpu, &run, &bound);
    }
}

#[test]
fn adamw() {
    let Some(mut gpu) = gpu() else { return };
    // a large eps shows whether it stands outside the root; the last has more than 65,535 groups
    for (n, eps) in [
        (1u32, 1e-8f32),
        (255, 0.1),
        (256, 1e-8),
        (257, 0.1),
        (10_007, 1e-8),
        (256 * 65_535 + 1, 0.1),
    ] {
        hold(&mut gpu, &cases::adamw(n, eps));
    }
}

#[test]
fn ablate() {
    let Some(mut gpu) = gpu() else { return };
    for (n_rows, width, n_panel, first_gene, n_genes) in [
        (1, 1, 1, 0, 1),
        (17, 15, 9, 2, 7),
        (5, 257, 3, 1, 2),
        (64, 4, 8, 0, 8),
        (64, 65_536, 4, 0, 4), // 65,536 groups
    ] {
        let p = Ablate {
            n_rows,
            width,
            n_panel,
            first_gene,
            n_genes,
        };
        hold(&mut gpu, &cases::ablate(p));
    }
}
