//! Noise, top-k and the two relaxations.
use crate::check::{Case, Device, Inputs, Mode, Rng, U, Values, equal, seed};
use crate::cpu::Cpu;
use crate::kernels::noise::{self, Noise};
use crate::kernels::softmask::{self, SoftMask};
use crate::kernels::softsort::{self, SoftSort};
use crate::kernels::topk::{self, TopK};
use crate::ops::Ops;
use crate::reference::noise::tables;

/// Small cases of every entry.
#[must_use]
pub fn all() -> Vec<Case<'static>> {
    vec![
        noise_bits(257, 7),
        noise_on_scores(1009),
        topk(1009, 64, "spread"),
        topk(257, 85, "levels"),
        softmask(257, 32, 0.05, "spread"),
        softmask(1009, 201, 0.02, "equal"),
        softmask_backward(257, 32, 0.05, "spread"),
        softsort_order(129, "levels"),
        softsort_order(1009, "wide"),
        softsort(257, 7, 0.1, "spread"),
        softsort(513, 40, 0.5, "levels"),
    ]
}

/// n scores of a kind: `spread`, `levels` (few, so ties), `equal`, `zeros` (of both signs),
/// `rising`, `wide` (huge and tiny).
pub fn scores(kind: &str, n: usize, rng: &mut Rng) -> Vec<f32> {
    let one = |i: usize, rng: &mut Rng| match kind {
        "spread" => rng.float(),
        "levels" => rng.below(5) as f32 - 2.0,
        "equal" => 0.25,
        "zeros" => [0.0, -0.0][i % 2],
        "rising" => i as f32 * 1e-3,
        _ => rng.float() * 10f32.powi(rng.below(60) as i32 - 30),
    };
    (0..n).map(|i| one(i, rng)).collect()
}

/// Moves the last score so that it changes sides among the k largest.
pub fn move_last(s: &mut [f32], k: usize) {
    if let Some((last, others)) = s.split_last_mut() {
        let rank = others.iter().filter(|&o| o >= last).count();
        *last = if rank < k { -1e31 } else { 1e31 };
    }
}

/// The noise itself, bit for bit; `step` also chooses key and model.
#[must_use]
pub fn noise_bits(n: usize, step: u32) -> Case<'static> {
    let name = format!("noise n={n} step={step}");
    Case::new(
        name,
        &[&noise::PERTURB],
        move |dev, inputs| {
            let p = Noise {
                n: n as u32,
                seed: 5 + step,
                stream: 1,
                step: step + u32::from(inputs.mode == Mode::Fault),
                model: step % 3,
                beta: 1.0,
            };
            let (scores, tables) = (dev.f(&vec![0.0; n]), dev.u(&tables()));
            let out = dev.poison(n);
            dev.perturb(p, scores, tables, out);
            vec![dev.get(out)]
        },
        equal,
    )
}

/// Noise times a number, added to scores.
#[must_use]
pub fn noise_on_scores(n: usize) -> Case<'static> {
    let name = format!("noise on {n} scores");
    Case::new(
        name,
        &[&noise::PERTURB],
        move |dev, inputs| {
            let p = Noise {
                n: n as u32,
                seed: 1,
                stream: 1,
                step: 3,
                model: 0,
                beta: 0.37,
            };
            let scores = inputs.faulty(n);
            let (scores, tables) = (dev.f(&scores), dev.u(&tables()));
            let out = dev.poison(n);
            dev.perturb(p, scores, tables, out);
            vec![dev.get(out)]
        },
        |want, _| vec![want[0].iter().map(|x| 2.0 * U * (x.abs() + 2.0)).collect()],
    )
}

/// The order of n scores, which must be equal; ties to the lower index.
#[must_use]
pub fn softsort_order(n: usize, kind: &'static str) -> Case<'static> {
    let name = format!("softsort order {kind} n={n}");
    Case::new(
        name,
        &[&softsort::ORDER],
        move |dev, inputs| {
            if n == 1 && inputs.mode == Mode::Fault {
                return Vec::new();
            }
            let mut s = scores(kind, n, &mut inputs.rng);
            if inputs.mode == Mode::Fault {
                move_last(&mut s, 1);
            }
            let s = dev.f(&s);
            let (order, scratch) = (dev.poison_u(n), dev.poison_u(3 * n));
            let p = SoftSort {
                n: n as u32,
                k: 1,
                tau: 1.0,
            };
            dev.softsort_order(p, s, order, scratch);
            vec![dev.words(order)]
        },
        equal,
    )
}

/// The mask of relaxation B of n scores that sums to k at temperature tau, and its gradient.
#[must_use]
pub fn softsort(n: usize, k: u32, tau: f32, kind: &'static str) -> Case<'static> {
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        if n == 1 && inputs.mode == Mode::Fault {
            return Vec::new();
        }
        let p = SoftSort {
            n: n as u32,
            k,
            tau,
        };
        let s = scores(kind, n, &mut inputs.rng);
        let mut u = inputs.draw(n);
        if inputs.mode == Mode::Fault {
            u.iter_mut().for_each(|u| *u *= 1.25);
        }
        let (s, u) = (dev.f(&s), dev.f(&u));
        let (order, keys) = (dev.poison_u(n), dev.poison_u(3 * n));
        let (scratch, work) = (dev.poison(6 * n), dev.poison(6 * n));
        let (mask, grad) = (dev.poison(n), dev.poison(n));
        dev.softsort_order(p, s, order, keys);
        dev.softsort_forward(p, s, order, scratch, mask);
        dev.softsort_backward(p, s, order, scratch, u, work, grad);
        vec![dev.get(mask), dev.get(grad)]
    };
    let name = format!("softsort {kind} n={n} k={k} tau={tau}");
    let outputs = [&softsort::FORWARD, &softsort::BACKWARD];
    // chains of n factors, each of 3 + 2 |x| units; sums of n terms of one sign
    Case::new(name, &outputs, run, move |want, _| {
        let relative = (4.0 * (n as f64) + 64.0) * U;
        let forward = want[0].iter().map(|m| relative * m + 1e-30);
        // |u| < 1: each of the six terms of a gene's gradient is at most its mask or its row
        let backward = want[0]
            .iter()
            .map(|m| relative * (6.0 * m + 6.0 * U) / f64::from(tau));
        vec![forward.collect(), backward.collect()]
    })
}

/// The k largest of n scores, which must be equal; ties to the lower index.
#[must_use]
pub fn topk(n: usize, k: usize, kind: &'static str) -> Case<'static> {
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        if n == 1 && inputs.mode == Mode::Fault {
            return Vec::new();
        }
        let mut s = scores(kind, n, &mut inputs.rng);
        let mut k = k;
        if inputs.mode == Mode::Fault {
            move_last(&mut s, k);
            k = if k == n { (n - 1).max(1) } else { k };
        }
        let s = dev.f(&s);
        let (mask, index) = (dev.poison(n), dev.poison_u(k));
        let p = TopK {
            n: n as u32,
            k: k as u32,
        };
        dev.topk(p, s, mask, index);
        let mut index = dev.words(index);
        index.resize(n, 0.0);
        vec![dev.get(mask), index]
    };
    let name = format!("topk {kind} n={n} k={k}");
    Case::new(name, &[&topk::SELECT_K; 2], run, equal)
}

/// The mask of relaxation A of n scores that sums to k at temperature tau.
#[must_use]
pub fn softmask(n: usize, k: usize, tau: f32, kind: &'static str) -> Case<'static> {
    let p = SoftMask {
        n: n as u32,
        k: k as u32,
        tau,
    };
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        if n == 1 && inputs.mode == Mode::Fault {
            return Vec::new();
        }
        let s = scores(kind, n, &mut inputs.rng);
        let s = if inputs.mode == Mode::Plain {
            s
        } else {
            inputs.spoil(s)
        };
        let p = if inputs.mode == Mode::Fault && k > 1 {
            SoftMask { k: p.k - 1, ..p }
        } else {
            p
        };
        let (s, mask) = (dev.f(&s), dev.poison(n));
        dev.soft_forward(p, s, mask);
        vec![dev.get(mask)]
    };
    // the sigmoid of x = ln(m / (1 - m)), and the share of the error of the sum that falls on i
    let bound = move |want: &[Values], _: &[Values]| {
        let v: Vec<f64> = want[0].iter().map(|m| m * (1.0 - m)).collect();
        let total: f64 = v.iter().sum::<f64>().max(1e-30);
        let one = |(m, v): (&f64, &f64)| {
            let x = if *v > 1e-30 {
                (m / (1.0 - m)).ln().abs()
            } else {
                87.0
            };
            (8.0 + 2.0 * x) * U * m + v / total * 24.0 * U * k as f64 + 1e-30
        };
        vec![want[0].iter().zip(&v).map(one).collect()]
    };
    let name = format!("softmask {kind} n={n} k={k} tau={tau}");
    Case::new(name, &[&softmask::FORWARD], run, bound)
}

/// The gradient of [`softmask()`].
#[must_use]
pub fn softmask_backward(n: usize, k: usize, tau: f32, kind: &'static str) -> Case<'static> {
    let p = SoftMask {
        n: n as u32,
        k: k as u32,
        tau,
    };
    let name = format!("softmask {kind} n={n} k={k} tau={tau} backward");
    // a mask as the forward pass makes them, the same on all devices
    let mut cpu = Cpu::<f64>::default();
    let s = scores(kind, n, &mut Rng(seed(&name)));
    let (s, m) = (cpu.f(&s), cpu.poison(n));
    cpu.soft_forward(p, s, m);
    let mask = cpu.get(m);
    let exact = mask.clone();
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        if (n < 3 || k == n) && inputs.mode == Mode::Fault {
            return Vec::new(); // the gradient is 0, or so for two equal shares
        }
        // past the numbers that the mask was made of
        scores(kind, n, &mut inputs.rng);
        let m: Vec<f32> = mask.iter().map(|&x| x as f32).collect();
        let mut u = inputs.draw(n);
        if inputs.mode == Mode::Fault {
            u.iter_mut().for_each(|u| *u *= 1.01);
        }
        let (m, u, grad) = (dev.f(&m), dev.f(&u), dev.poison(n));
        dev.soft_backward(p, m, u, grad);
        vec![dev.get(grad)]
    };
    let bound = move |_: &[Values], _: &[Values]| {
        let bound = exact.iter().map(|m| {
            let v = m * (1.0 - m) / f64::from(tau);
            // |u| < 1 and so is its mean; sums of n terms, three roundings more
            (f64::from(p.n).sqrt() * 4.0 + 24.0) * U * v * 2.0 + 4.0 * U * U / f64::from(tau)
        });
        vec![bound.collect()]
    };
    Case::new(name, &[&softmask::BACKWARD], run, bound)
}
