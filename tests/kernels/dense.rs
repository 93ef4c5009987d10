//! Dense layers, losses, the optimiser.
use crate::common::gpu;
use crate::compare::hold;
use yoto_gpu::check::cases::dense as cases;
use yoto_gpu::kernels::{ablate::Ablate, linear::TILES};

#[test]
fn linear() {
    let Some(mut gpu) = gpu() else { return };
    let sizes = [
        (1, 1, 1),
        (63, 64, 65),
        (64, 16, 64),
        (65, 17, 63),
        (37, 131, 5),
        (129, 32, 130),
        (200, 3, 2),
    ];
    for (i, (n_rows, n_in, n_out)) in sizes.into_iter().enumerate() {
        for shape in 0..TILES.len() {
            let drop = [0.0, 0.3][i % 2];
            hold(&mut gpu, &cases::linear(shape, n_rows, n_in, n_out, drop));
            let below = [0, 1, 65][i % 3];
            let update = cases::linear_update(shape, n_rows, n_in, n_out, below);
            hold(&mut gpu, &update);
        }
    }
}

#[test]
fn linear_beyond_65535_groups() {
    let Some(mut gpu) = gpu() else { return };
    hold(&mut gpu, &cases::linear(0, 32 * 65_536 + 1, 1, 1, 0.0));
}

#[test]
fn heads() {
    let Some(mut gpu) = gpu() else { return };
    // the last one has more than 65,535 workgroups
    for (n_rows, n_in, n_out) in [
        (1, 1, 3),
        (63, 64, 66),
        (5, 7, 64),
        (40, 0, 65),
        (12, 129, 130),
        (66_000, 3, 4),
    ] {
        hold(&mut gpu, &cases::heads(n_rows, n_in, n_out));
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
        for activate in [0, 1] {
            let p = Ablate {
                n_rows,
                width,
                n_panel,
                first_gene,
                n_genes,
                activate,
            };
            hold(&mut gpu, &cases::ablate(p));
        }
    }
}
