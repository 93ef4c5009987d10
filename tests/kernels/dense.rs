//! Dense layers, activations, losses, sums, the optimiser.
use crate::common::gpu;
use crate::compare::{Device, Inputs, compare, hold, sums};
use yoto_gpu::check::cases::dense as cases;
use yoto_gpu::kernels::{ablate::Ablate, linear::Linear};
use yoto_gpu::ops::COLUMN_CHUNK;

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
        hold(&mut gpu, &cases::linear(n_rows, n_in, n_out));
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
        hold(&mut gpu, &cases::activation(n, drop));
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
        hold(&mut gpu, &cases::first(n, width));
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
            hold(&mut gpu, &cases::column_sum(n_rows, width, power));
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
        hold(&mut gpu, &cases::cross_entropy(n, classes, column, scale));
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
        hold(&mut gpu, &cases::huber(n, delta));
    }
}

#[test]
fn sum() {
    let Some(mut gpu) = gpu() else { return };
    for n in [0, 1, 255, 256, 257, 10_007] {
        hold(&mut gpu, &cases::sum(n));
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
