//! Products with the packed cells and the panel's values, over one page and over several.
use crate::common::gpu;
use crate::compare::{Device, Inputs, Mode, Rng, U, compare, sums};
use yoto_gpu::data::{dataset::Csr, packed::Packed};
use yoto_gpu::kernels::{panel::Panel, sparse::Sparse};
use yoto_gpu::ops::{FBuf, PageBuf};

/// Cells with every seventh empty, one full, values up to 9.
fn cells(n_cells: usize, n_genes: usize, density: usize, page_words: usize) -> Packed {
    let mut rng = Rng((n_cells * n_genes) as u64);
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for cell in 0..n_cells {
        for gene in 0..n_genes {
            let full = cell == n_cells / 2;
            if full || (cell % 7 != 3 && rng.below(100) < density) {
                indices.push(gene as u32);
                values.push(rng.float().abs() * 9.0 + 0.001);
            }
        }
        indptr.push(indices.len());
    }
    let x = Csr {
        n_obs: n_cells,
        n_vars: n_genes,
        indptr,
        indices,
        values,
    };
    let rows: Vec<u32> = (0..n_cells as u32).collect();
    let columns: Vec<u32> = (0..n_genes as u32).collect();
    Packed::new(&x, &rows, &columns, n_genes, page_words, |_, v| v)
}

fn upload(dev: &mut dyn Device, packed: &Packed) -> Vec<PageBuf> {
    let mut page = |p: &yoto_gpu::data::packed::Page| PageBuf {
        entries: dev.u(&p.entries),
        blocks: dev.u(&p.blocks),
        first_cell: p.first_cell as u32,
        n_cells: p.n_cells as u32,
    };
    packed.pages.iter().map(&mut page).collect()
}

fn params(packed: &Packed, page: &PageBuf, n_rows: usize, row_offset: u32, width: usize) -> Sparse {
    Sparse {
        n_rows: n_rows as u32,
        row_offset,
        first_cell: page.first_cell,
        n_cells: page.n_cells,
        n_blocks: packed.n_blocks as u32,
        n_genes: packed.n_genes as u32,
        width: width as u32,
        power_x: 1,
        power_d: 1,
        accumulate: 0,
    }
}

/// (cells, genes, percent, words a page, cells of the batch, width)
const CASES: [(usize, usize, usize, usize, usize, usize); 9] = [
    (1, 1, 100, 1 << 20, 1, 1),
    (9, 31, 50, 1 << 20, 5, 63),
    (20, 32, 30, 1 << 20, 33, 64),
    (40, 33, 30, 100, 32, 65),
    (50, 257, 20, 1500, 64, 7),
    (50, 600, 60, 1 << 20, 31, 128),
    (30, 1009, 10, 2000, 40, 33),
    (6, 70, 50, 1 << 20, 6, 300),
    (4, 40, 50, 1 << 20, 3, 1100),
];

#[test]
fn forward() {
    let Some(mut gpu) = gpu() else { return };
    for (case, soft) in CASES.into_iter().flat_map(|c| [(c, false), (c, true)]) {
        let (n_cells, n_genes, density, page_words, batch, width) = case;
        let packed = cells(n_cells, n_genes, density, page_words);
        let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
            let rows: Vec<u32> = (0..batch + 3)
                .map(|_| inputs.rng.below(n_cells) as u32)
                .collect();
            let (scale, w) = (inputs.faulty(n_genes), inputs.faulty(n_genes * width));
            // a hard mask keeps every third gene
            let keep = |g: usize| soft || g % 3 == (n_genes - 1) % 3;
            let scale: Vec<f32> = (0..n_genes)
                .map(|g| if keep(g) { scale[g] } else { 0.0 })
                .collect();
            let base = inputs.faulty(width);
            let (rows, scale, w, base) = (dev.u(&rows), dev.f(&scale), dev.f(&w), dev.f(&base));
            let z = dev.poison(batch * width);
            for page in upload(dev, &packed) {
                dev.sparse_forward(
                    params(&packed, &page, batch, 3, width),
                    page,
                    rows,
                    scale,
                    w,
                    base,
                    z,
                );
            }
            vec![dev.get(z)]
        };
        let name = format!(
            "sparse forward {case:?} soft={soft} pages={}",
            packed.pages.len()
        );
        compare(&name, &mut gpu, &run, &sums(n_genes + 2));
    }
}

#[test]
fn forward_leaves_other_pages_alone() {
    let Some(mut gpu) = gpu() else { return };
    let packed = cells(40, 33, 30, 100);
    assert!(packed.pages.len() > 3, "several pages");
    let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
        let rows: Vec<u32> = (0..40).collect();
        let (scale, w, base) = (inputs.draw(33), inputs.draw(33 * 5), inputs.faulty(5));
        let (rows, scale, w, base) = (dev.u(&rows), dev.f(&scale), dev.f(&w), dev.f(&base));
        let z = dev.f(&[7.0; 200]);
        let page = upload(dev, &packed)[2];
        dev.sparse_forward(
            params(&packed, &page, 40, 0, 5),
            page,
            rows,
            scale,
            w,
            base,
            z,
        );
        vec![dev.get(z)]
    };
    let page = &packed.pages[2];
    let inside = page.first_cell..page.first_cell + page.n_cells;
    let bound = |want: &[Vec<f64>], size: &[Vec<f64>]| {
        let mut b = sums(34)(want, size);
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
    let (batch, packed) = (65_541, cells(5, 3, 50, 1 << 20));
    let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
        let rows: Vec<u32> = (0..batch).map(|b| (b % 5) as u32).collect();
        let (scale, w, base) = (inputs.draw(3), inputs.draw(3), inputs.faulty(1));
        let (rows, scale, w, base) = (dev.u(&rows), dev.f(&scale), dev.f(&w), dev.f(&base));
        let (z, page) = (dev.poison(batch), upload(dev, &packed)[0]);
        dev.sparse_forward(
            params(&packed, &page, batch, 0, 1),
            page,
            rows,
            scale,
            w,
            base,
            z,
        );
        vec![dev.get(z)]
    };
    compare("sparse forward of 65,541 cells", &mut gpu, &run, &sums(5));
}

#[test]
fn transpose() {
    let Some(mut gpu) = gpu() else { return };
    for (i, case) in CASES.into_iter().enumerate() {
        let (n_cells, n_genes, density, page_words, batch, width) = case;
        let packed = cells(n_cells, n_genes, density, page_words);
        let (power_x, power_d, add) = ([1, 2][i % 2], [1, 1, 2, 2][i % 4], i % 3 == 1);
        let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
            let mut rows: Vec<u32> = (0..batch + 3)
                .map(|_| inputs.rng.below(n_cells) as u32)
                .collect();
            rows[3 + batch / 2] = (n_cells / 2) as u32; // the full cell
            let mut d = inputs.draw(batch * width);
            if inputs.mode == Mode::Fault {
                d[batch / 2 * width] += 0.01;
            }
            let old = inputs.draw(n_genes * width);
            let (rows, d) = (dev.u(&rows), dev.f(&d));
            let out: FBuf = if add {
                dev.f(&old)
            } else {
                dev.poison(n_genes * width)
            };
            for (j, page) in upload(dev, &packed).into_iter().enumerate() {
                let p = Sparse {
                    power_x,
                    power_d,
                    accumulate: u32::from(add || j > 0),
                    ..params(&packed, &page, batch, 3, width)
                };
                dev.sparse_transpose(p, page, rows, d, out);
            }
            vec![dev.get(out)]
        };
        let name = format!("sparse transpose {case:?} powers {power_x} {power_d} add={add}");
        compare(&name, &mut gpu, &run, &sums(batch + packed.pages.len() + 2));
    }
}

#[test]
fn panel() {
    let Some(mut gpu) = gpu() else { return };
    for (i, case) in CASES.into_iter().enumerate() {
        let (n_cells, n_genes, density, page_words, batch, _) = case;
        let packed = cells(n_cells, n_genes, density, page_words);
        let k = n_genes.min(1 + 13 * i);
        let drop = [0.0, 0.4][i % 2];
        let run = |dev: &mut dyn Device, inputs: &mut Inputs| {
            let rows: Vec<u32> = (0..batch + 1)
                .map(|_| inputs.rng.below(n_cells) as u32)
                .collect();
            let genes: Vec<u32> = (0..k).map(|j| (j * n_genes / k) as u32).collect();
            let mut stats = inputs.rng.floats(2 * k);
            if inputs.mode == Mode::Fault {
                stats.iter_mut().for_each(|s| *s += 0.01);
            }
            let (rows, genes, stats) = (dev.u(&rows), dev.u(&genes), dev.f(&stats));
            let out = dev.poison(batch * k);
            for page in upload(dev, &packed) {
                let p = Panel {
                    n_rows: batch as u32,
                    row_offset: 1,
                    first_cell: page.first_cell,
                    n_cells: page.n_cells,
                    n_blocks: packed.n_blocks as u32,
                    n_panel: k as u32,
                    drop_below: (drop * 4_294_967_296.0) as u32,
                    keep_scale: (1.0 / (1.0 - drop)) as f32,
                    seed: 11,
                    stream: 2,
                    step: 4,
                };
                dev.panel_gather(p, page, rows, genes, stats, out);
            }
            vec![dev.get(out)]
        };
        // a difference and two products
        let bound = |want: &[Vec<f64>], _: &[Vec<f64>]| {
            vec![want[0].iter().map(|x| 3.0 * U * x.abs() + U).collect()]
        };
        compare(
            &format!("panel {case:?} k={k} drop={drop}"),
            &mut gpu,
            &run,
            &bound,
        );
    }
}
