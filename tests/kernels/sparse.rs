//! Products with the packed cells and the panel's values, over one page and over several.
use crate::common::gpu;
use crate::compare::{Device, Inputs, compare, hold, sums};
use yoto_gpu::check::cases::first;
use yoto_gpu::check::cases::sparse::{self as cases, Cells, params, upload};
use yoto_gpu::kernels::sparse::Sparse;

/// Cells, genes, percent, words a page, cells of the batch, width.
const fn cells(
    n_cells: usize,
    n_genes: usize,
    percent: usize,
    page_words: usize,
    batch: usize,
    width: usize,
) -> Cells {
    Cells {
        n_cells,
        n_genes,
        percent,
        page_words,
        batch,
        width,
    }
}

const CASES: [Cells; 9] = [
    cells(1, 1, 100, 1 << 20, 1, 1),
    cells(9, 31, 50, 1 << 20, 5, 63),
    cells(20, 32, 30, 1 << 20, 33, 64),
    cells(40, 33, 30, 100, 32, 65),
    cells(50, 257, 20, 1500, 64, 7),
    cells(50, 600, 60, 1 << 20, 31, 128),
    cells(30, 1009, 10, 2000, 40, 33),
    cells(6, 70, 50, 1 << 20, 6, 300),
    cells(4, 40, 50, 1 << 20, 3, 1100),
];

#[test]
fn forward() {
    let Some(mut gpu) = gpu() else { return };
    for (i, (case, soft)) in CASES
        .into_iter()
        .flat_map(|c| [(c, false), (c, true)])
        .enumerate()
    {
        for tiled in [false, true] {
            let drop = [0.0, 0.3, 0.0][i % 3];
            hold(&mut gpu, &first::forward(case, soft, drop, tiled));
        }
    }
}

#[test]
fn first_update() {
    let Some(mut gpu) = gpu() else { return };
    for (case, soft) in CASES.into_iter().flat_map(|c| [(c, false), (c, true)]) {
        for tiled in [false, true] {
            hold(&mut gpu, &first::first_update(case, soft, tiled));
        }
    }
}

#[test]
fn forward_leaves_other_pages_alone() {
    let Some(mut gpu) = gpu() else { return };
    let packed = cells(40, 33, 30, 100, 40, 5).packed();
    assert!(packed.pages.len() > 3, "several pages");
    let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
        let rows: Vec<u32> = (0..40).collect();
        let (gene, weights) = (inputs.draw(3 * 64), inputs.faulty(33 * 5 + 5));
        let (rows, gene, weights) = (dev.u(&rows), dev.f(&gene), dev.f(&weights));
        let (out, none) = (dev.f(&[7.0; 200]), dev.f(&[0.0; 64]));
        let page = upload(dev, &packed)[2];
        let p = Sparse {
            arena: 170,
            bias_offset: 165,
            ..params(&packed, &page, 40, 0, 5)
        };
        dev.sparse_forward(p, page, rows, gene, weights, none, out);
        vec![dev.get(out)]
    };
    let page = &packed.pages[2];
    let inside = page.first_cell..page.first_cell + page.n_cells;
    let bound = |want: &[Vec<f64>], size: &[Vec<f64>]| {
        let mut b = sums(36)(want, size);
        for (i, b) in b[0].iter_mut().enumerate() {
            if !inside.contains(&(i / 5)) {
                assert_eq!(want[0][i], 7.0, "the twin leaves it alone");
                *b = 0.0;
            }
        }
        b
    };
    compare("sparse forward, one page of many", &mut gpu, &run, &bound);
}

#[test]
fn forward_beyond_65535_groups() {
    let Some(mut gpu) = gpu() else { return };
    let many = cells(5, 3, 50, 1 << 20, 65_541, 1);
    hold(&mut gpu, &first::forward(many, true, 0.0, false));
}

#[test]
fn transpose() {
    let Some(mut gpu) = gpu() else { return };
    for (i, cells) in CASES.into_iter().enumerate() {
        let (power_x, power_d, add) = ([1, 2][i % 2], [1, 1, 2, 2][i % 4], i % 3 == 1);
        hold(&mut gpu, &cases::transpose(cells, power_x, power_d, add));
    }
}

#[test]
fn panel() {
    let Some(mut gpu) = gpu() else { return };
    // the last one takes more than 65,535 groups
    let many = cells(4, 33, 50, 1 << 20, 508_393, 0);
    for (i, cells) in CASES.into_iter().chain([many]).enumerate() {
        let k = cells.n_genes.min(1 + 13 * i);
        hold(&mut gpu, &cases::panel(cells, k, [0.0, 0.4][i % 2]));
    }
}
