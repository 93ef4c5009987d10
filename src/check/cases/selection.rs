//! Noise, top-k and the two relaxations.
use super::{ADAM, MODELS, after_adam, draw, faulty, gather, moments_of, spread};
use crate::check::{Case, Device, Inputs, Mode, Rng, U, Values, equal, seed};
use crate::cpu::Cpu;
use crate::kernels::noise::{self, Noise};
use crate::kernels::scores::{self, Scores};
use crate::kernels::softmask::{self, SoftMask};
use crate::kernels::softsort::{self, SoftSort};
use crate::kernels::sort::{self, Sort};
use crate::kernels::topk::{self, TopK};
use crate::ops::{Ops, stride};
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
        score_update(257, 32, 0.05, "spread"),
        sort(129, "levels"),
        sort(1009, "wide"),
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

/// The noise itself, bit for bit; `step` also chooses the key.
#[must_use]
pub fn noise_bits(n: usize, step: u32) -> Case<'static> {
    let name = format!("noise n={n} step={step}");
    Case::new(
        name,
        &[&noise::PERTURB],
        move |dev, inputs| {
            let p = Noise {
                models: MODELS as u32,
                n: n as u32,
                scores_stride: n as u32,
                seed: 5 + step,
                stream: 1,
                step: step + u32::from(inputs.mode == Mode::Fault),
                beta: 1.0,
            };
            let (scores, tables) = (dev.f(&vec![0.0; MODELS * n]), dev.u(&tables()));
            let out = dev.poison(MODELS * stride(n));
            dev.perturb(p, scores, tables, out);
            vec![gather(&dev.get(out), stride(n), n)]
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
                models: MODELS as u32,
                n: n as u32,
                scores_stride: n as u32 + 3,
                seed: 1,
                stream: 1,
                step: 3,
                beta: 0.37,
            };
            let scores = faulty(inputs, n, n + 3);
            let (scores, tables) = (dev.f(&scores), dev.u(&tables()));
            let out = dev.poison(MODELS * stride(n));
            dev.perturb(p, scores, tables, out);
            vec![gather(&dev.get(out), stride(n), n)]
        },
        |want, _| vec![want[0].iter().map(|x| 2.0 * U * (x.abs() + 2.0)).collect()],
    )
}

/// The order of n scores, which must be equal; ties to the lower index.
#[must_use]
pub fn sort(n: usize, kind: &'static str) -> Case<'static> {
    let name = format!("sort {kind} n={n}");
    Case::new(
        name,
        &[&sort::ORDER],
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
            dev.sort(Sort { n: n as u32 }, s, order, scratch);
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
            lists: 2,
        };
        let s = scores(kind, n, &mut inputs.rng);
        let mut u = draw(inputs, n, stride(n));
        u.iter_mut().for_each(|u| *u *= 0.5);
        if inputs.mode == Mode::Fault {
            u.iter_mut().for_each(|u| *u *= 1.25);
        }
        let (s, u) = (dev.f(&s), dev.f(&u));
        let (order, keys) = (dev.poison_u(n), dev.poison_u(3 * n));
        let (scratch, work) = (dev.poison(6 * n), dev.poison(6 * n));
        let (mask, grad) = (dev.poison(n), dev.poison(n));
        dev.sort(Sort { n: p.n }, s, order, keys);
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
        let other = scores(kind, n, &mut inputs.rng);
        let (s, mask_gap) = (dev.f(&spread([&s, &other], n + 1)), n + 2);
        let (mask, index) = (
            dev.poison(MODELS * mask_gap),
            dev.poison_u(MODELS * stride(k)),
        );
        let p = TopK {
            models: MODELS as u32,
            n: n as u32,
            k: k as u32,
            scores_stride: n as u32 + 1,
            mask_stride: mask_gap as u32,
        };
        dev.topk(p, s, mask, index);
        let mut index = gather(&dev.words(index), stride(k), k);
        index.resize(MODELS * n, 0.0);
        vec![gather(&dev.get(mask), mask_gap, n), index]
    };
    let name = format!("topk {kind} n={n} k={k}");
    Case::new(name, &[&topk::SELECT_K; 2], run, equal)
}

/// The mask of relaxation A of n scores that sums to k at temperature tau.
#[must_use]
pub fn softmask(n: usize, k: usize, tau: f32, kind: &'static str) -> Case<'static> {
    let p = SoftMask {
        models: MODELS as u32,
        n: n as u32,
        k: k as u32,
        tau,
        mask_stride: n as u32 + 1,
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
        let other = scores(kind, n, &mut inputs.rng);
        let s = dev.f(&spread([&s, &other], stride(n)));
        let mask = dev.poison(MODELS * (n + 1));
        dev.soft_forward(p, s, mask);
        let mask = gather(&dev.get(mask), n + 1, n);
        vec![mask[..n].to_vec(), mask[n..].to_vec()]
    };
    // the sigmoid of x = ln(m / (1 - m)), and the share of the error of the sum that falls on i
    let bound = move |want: &[Values], _: &[Values]| {
        let of = |want: &Values| -> Values {
            let v: Vec<f64> = want.iter().map(|m| m * (1.0 - m)).collect();
            let total: f64 = v.iter().sum::<f64>().max(1e-30);
            let one = |(m, v): (&f64, &f64)| {
                let x = if *v > 1e-30 {
                    (m / (1.0 - m)).ln().abs()
                } else {
                    87.0
                };
                (8.0 + 2.0 * x) * U * m + v / total * 24.0 * U * k as f64 + 1e-30
            };
            want.iter().zip(&v).map(one).collect()
        };
        want.iter().map(of).collect()
    };
    let name = format!("softmask {kind} n={n} k={k} tau={tau}");
    Case::new(name, &[&softmask::FORWARD; 2], run, bound)
}

/// The AdamW step of the scores of two networks through the mask of [`softmask()`].
#[must_use]
pub fn score_update(n: usize, k: usize, tau: f32, kind: &'static str) -> Case<'static> {
    let name = format!("softmask {kind} n={n} k={k} tau={tau} scores");
    // a mask as the forward pass makes them, the same on all devices
    let mut cpu = Cpu::<f64>::default();
    let s = scores(kind, n, &mut Rng(seed(&name)));
    let (s, m) = (cpu.f(&s), cpu.poison(n));
    let p = SoftMask {
        models: 1,
        n: n as u32,
        k: k as u32,
        tau,
        mask_stride: n as u32,
    };
    cpu.soft_forward(p, s, m);
    let mask: Vec<f32> = cpu.get(m).iter().map(|&x| x as f32).collect();
    let exact = mask.clone();
    let (offset, arena, lists) = (64, 64 + stride(n), 3);
    let p = Scores {
        models: MODELS as u32,
        n: n as u32,
        tau,
        tiles: lists as u32,
        mask_stride: n as u32,
        u_stride: (lists * stride(n)) as u32,
        arena: arena as u32,
        scores_offset: offset as u32,
        ..Scores::default().with_adam(&ADAM)
    };
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        if (n < 3 || k == n) && inputs.mode == Mode::Fault {
            return Vec::new(); // the gradient is 0, or so for two equal shares
        }
        let mut u = inputs.rng.floats(MODELS * lists * stride(n));
        u.iter_mut().for_each(|u| *u *= tau / lists as f32);
        if inputs.mode == Mode::Fault {
            u.iter_mut().for_each(|u| *u *= 1.01);
        }
        let params = inputs.draw(MODELS * arena);
        let (mask, u, params) = (dev.f(&mask.repeat(MODELS)), dev.f(&u), dev.f(&params));
        let moments = dev.f(&vec![0.0; 2 * MODELS * arena]);
        dev.score_update(p, mask, u, params, moments);
        let [ms, vs] = moments_of(&dev.get(moments), arena);
        vec![dev.get(params), ms, vs]
    };
    let bound = move |want: &[Values], _: &[Values]| {
        let mut errors = vec![0.0; MODELS * arena];
        for own in errors.chunks_exact_mut(arena) {
            for (e, &m) in own[offset..].iter_mut().zip(&exact) {
                let v = f64::from(m) * (1.0 - f64::from(m));
                // |u| < tau and so is its mean; sums of n terms, three roundings more
                *e = ((n as f64).sqrt() * 4.0 + 24.0) * U * v * 2.0 + 4.0 * U * U;
            }
        }
        after_adam(want, &errors)
    };
    Case::new(name, &[&scores::UPDATE; 3], run, bound)
}
