//! Noise, top-k and the two relaxations.
use crate::common::gpu;
use crate::compare::{Device, Inputs, Mode, Rng, U, compare, equal, hold, seed};
use yoto_gpu::check::cases::selection::{self as cases, move_last, scores};
use yoto_gpu::kernels::{softmask::SoftMask, topk::TopK};

/// One workgroup and its neighbours, a prime, several runs an invocation.
const SIZES: [usize; 8] = [1, 2, 127, 255, 256, 257, 1009, 5003];

#[test]
fn noise() {
    let Some(mut gpu) = gpu() else { return };
    // bit for bit: the noise itself, over sizes, keys and counters
    for (n, step) in SIZES.iter().copied().zip(0..).chain([(70_001, 99)]) {
        hold(&mut gpu, &cases::noise_bits(n, step));
    }
    hold(&mut gpu, &cases::noise_on_scores(1009));
}

#[test]
fn topk() {
    let Some(mut gpu) = gpu() else { return };
    let mut cases: Vec<(usize, &str)> = Vec::new();
    for n in SIZES {
        cases.extend(["spread", "levels", "zeros"].map(|kind| (n, kind)));
    }
    cases.extend([(1009, "equal"), (1009, "wide"), (1009, "rising")]);
    cases.extend([(65_536, "spread"), (65_536, "levels"), (65_535, "equal")]);
    for (n, kind) in cases {
        let mut ks = vec![1, 2, n / 3, n - 1, n];
        ks.retain(|&k| (1..=n).contains(&k));
        ks.dedup();
        for k in ks {
            let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
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
                dev.topk(
                    TopK {
                        n: n as u32,
                        k: k as u32,
                    },
                    s,
                    mask,
                    index,
                );
                let mut index = dev.words(index);
                index.resize(n, 0.0);
                vec![dev.get(mask), index]
            };
            compare(&format!("topk {kind} n={n} k={k}"), &mut gpu, &run, &equal);
        }
    }
}

#[test]
fn softmask() {
    let Some(mut gpu) = gpu() else { return };
    let mut cases: Vec<(usize, usize, f32, &str)> = vec![
        (1, 1, 0.5, "spread"),
        (2, 1, 0.5, "spread"),
        (5003, 32, 0.05, "rising"),
        (5003, 32, 1e-4, "spread"),
        (1009, 64, 1e-3, "levels"),
        (1009, 64, 1e3, "spread"),
        (20_011, 64, 0.1, "spread"),
    ];
    for n in [255, 256, 257, 1009] {
        for k in [1, n / 3, n - 1, n] {
            cases.push((n, k, 0.3, "spread"));
        }
        cases.push((n, n / 5, 0.01, "equal"));
        cases.push((n, n / 5, 0.02, "spread"));
    }
    for (n, k, tau, kind) in cases {
        let p = SoftMask {
            n: n as u32,
            k: k as u32,
            tau,
        };
        let name = format!("softmask {kind} n={n} k={k} tau={tau}");
        let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
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
            let s = dev.f(&s);
            let mask = dev.poison(n);
            dev.soft_forward(p, s, mask);
            vec![dev.get(mask)]
        };
        // the sigmoid of x = ln(m / (1 - m)), and the share of the error of the sum that falls on i
        let bound = |want: &[Vec<f64>], _: &[Vec<f64>]| {
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
        compare(&name, &mut gpu, &run, &bound);

        let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
            if (n < 3 || k == n) && inputs.mode == Mode::Fault {
                return Vec::new(); // the gradient is 0, or so for two equal shares
            }
            // a mask as the forward pass makes them, the same on both devices
            let mut cpu = yoto_gpu::cpu::Cpu::<f64>::default();
            let s = scores(kind, n, &mut inputs.rng);
            let (s, m) = (cpu.f(&s), cpu.poison(n));
            yoto_gpu::ops::Ops::soft_forward(&mut cpu, p, s, m);
            let m: Vec<f32> = cpu.get(m).iter().map(|&x| x as f32).collect();
            let mut u = inputs.draw(n);
            if inputs.mode == Mode::Fault {
                u.iter_mut().for_each(|u| *u *= 1.01);
            }
            let (m, u, grad) = (dev.f(&m), dev.f(&u), dev.poison(n));
            dev.soft_backward(p, m, u, grad);
            vec![dev.get(grad)]
        };
        let exact = |want: &[Vec<f64>], _: &[Vec<f64>]| {
            let mut cpu = yoto_gpu::cpu::Cpu::<f64>::default();
            let mut inputs = Inputs {
                rng: Rng(seed(&format!("{name} backward"))),
                mode: Mode::Plain,
            };
            let s = scores(kind, n, &mut inputs.rng);
            let (s, m) = (cpu.f(&s), cpu.poison(n));
            yoto_gpu::ops::Ops::soft_forward(&mut cpu, p, s, m);
            let bound = cpu.get(m).into_iter().map(|m| {
                let v = m * (1.0 - m) / f64::from(tau);
                // |u| < 1 and so is its mean; sums of n terms, three roundings more
                (f64::from(p.n).sqrt() * 4.0 + 24.0) * U * v * 2.0 + 4.0 * U * U / f64::from(tau)
            });
            assert_eq!(want[0].len(), n);
            vec![bound.collect()]
        };
        compare(&format!("{name} backward"), &mut gpu, &run, &exact);
    }
}

#[test]
fn softsort() {
    let Some(mut gpu) = gpu() else { return };
    for (n, kind) in [
        (1, "spread"),
        (2, "zeros"),
        (127, "spread"),
        (128, "levels"),
        (129, "zeros"),
        (256, "spread"),
        (1009, "wide"),
        (1009, "levels"),
        (5003, "spread"),
        (65_536, "levels"),
    ] {
        hold(&mut gpu, &cases::softsort_order(n, kind));
    }
    for (n, k, tau, kind) in [
        (1, 1, 0.5, "spread"),
        (2, 1, 0.5, "spread"),
        (255, 7, 0.1, "spread"),
        (256, 256, 0.3, "spread"),
        (257, 1, 0.02, "spread"),
        (513, 40, 0.5, "levels"),
        (700, 32, 0.4, "equal"),
        (1009, 32, 1e-3, "spread"),
    ] {
        hold(&mut gpu, &cases::softsort(n, k, tau, kind));
    }
}
