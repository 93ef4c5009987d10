//! Noise, top-k and the two relaxations.
use crate::check::{Case, Device, Inputs, Mode, Rng, U, equal};
use crate::kernels::noise::{self, Noise};
use crate::kernels::softsort::{self, SoftSort};
use crate::reference::noise::tables;

/// Small cases of every entry.
#[must_use]
pub fn all() -> Vec<Case<'static>> {
    vec![
        noise_bits(257, 7),
        noise_on_scores(1009),
        softsort_order(129, "levels"),
        softsort_order(1009, "wide"),
        softsort(257, 7, 0.1, "spread"),
        softsort(513, 40, 0.5, "levels"),
    ]
}

/// n scores of a kind: `spread`, `levels` (few, so ties), `equal`, `zeros` (of both signs),
/// `rising`, `wide` (huge and tiny).
#[must_use]
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
