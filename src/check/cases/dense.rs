//! Dense layers, losses, the optimiser.
use crate::check::{Case, Device, Inputs, Mode, U, Values, sums};
use crate::kernels::ablate::{self, Ablate};
use crate::kernels::adamw::{self, AdamW};

/// Small cases of every entry.
#[must_use]
pub fn all() -> Vec<Case<'static>> {
    // a large eps shows whether it stands outside the root
    vec![
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
