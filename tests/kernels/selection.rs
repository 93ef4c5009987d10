//! Noise, top-k and the two relaxations.
use crate::common::gpu;
use crate::compare::hold;
use yoto_gpu::check::cases::selection as cases;

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
            hold(&mut gpu, &cases::topk(n, k, kind));
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
        hold(&mut gpu, &cases::softmask(n, k, tau, kind));
        hold(&mut gpu, &cases::score_update(n, k, tau, kind));
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
        hold(&mut gpu, &cases::sort(n, kind));
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
