//! Cases of the first layer over all genes.
use super::sparse::{Cells, PAGED, SMALL, SPREAD, WIDE, params, upload};
use super::{ADAM, MODELS, after_adam, draw, gather, moments_of, sum_errors};
use crate::check::{Case, Device, Inputs, Mode, Values, sums};
use crate::kernels::first::{self, First};
use crate::kernels::sparse::{self, Sparse};
use crate::kernels::{tiled_forward, tiled_update};
use crate::ops::{CENTRE_CHUNK, stride};

/// Small cases of every entry.
#[must_use]
pub fn all() -> Vec<Case<'static>> {
    vec![
        forward(SMALL, true, 0.0, false),
        forward(SMALL, false, 0.25, false),
        forward(PAGED, true, 0.0, false),
        forward(WIDE, true, 0.25, false),
        forward(SMALL, true, 0.25, true),
        forward(SPREAD, false, 0.0, true),
        forward(PAGED, true, 0.0, true),
        first_update(SMALL, true, false),
        first_update(PAGED, false, false),
        first_update(SMALL, true, true),
        first_update(PAGED, false, true),
    ]
}

/// The lists of two networks: means, inverse standard deviations, mask; a hard one has every third gene.
/// Under [`Mode::Size`] the signs are such that differences become sums of sizes.
fn gene_lists(inputs: &mut Inputs, n: usize, soft: bool) -> Vec<f32> {
    let mut all = Vec::new();
    for _ in 0..MODELS {
        let (mut mean, inv_sd) = (inputs.draw(n), inputs.draw(n));
        if inputs.mode == Mode::Size {
            mean.iter_mut().for_each(|m| *m = -*m);
        }
        let keep = |g: usize| soft || g % 3 == (n - 1) % 3;
        let mask = inputs.faulty(n);
        let mask: Vec<f32> = (0..n)
            .map(|g| if keep(g) { mask[g] } else { 0.0 })
            .collect();
        for list in [mean, inv_sd, mask] {
            all.extend(&list);
            all.resize(all.len().next_multiple_of(64), 0.0);
        }
    }
    all
}

/// The first layer of two networks: parts of the centring, then the batch's cells times masked weights,
/// over all pages, with ReLU and dropout where `drop` is above 0.
#[must_use]
pub fn forward(cells: Cells, soft: bool, drop: f64, tiled: bool) -> Case<'static> {
    let packed = cells.packed();
    let (n, width, batch) = (cells.n_genes, cells.width, cells.batch);
    let (w_offset, chunks) = (64, n.div_ceil(CENTRE_CHUNK));
    let bias_offset = w_offset + stride(n * width);
    let arena = bias_offset + stride(width);
    let name = format!("sparse forward {cells} soft={soft} drop={drop} tiled={tiled}");
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let rows = [
            cells.rows(3, &mut inputs.rng),
            cells.rows(3, &mut inputs.rng),
        ]
        .concat();
        let gene = gene_lists(inputs, n, soft);
        let weights = draw(inputs, arena, arena);
        let (rows, gene, weights) = (dev.u(&rows), dev.f(&gene), dev.f(&weights));
        let centre = dev.poison(MODELS * stride(chunks * width));
        let out_gap = stride((batch + usize::from(soft)) * width);
        let out = dev.poison(MODELS * out_gap);
        let first = First {
            models: MODELS as u32,
            n_genes: n as u32,
            width: width as u32,
            arena: arena as u32,
            w_offset: w_offset as u32,
            ..First::default()
        };
        dev.tile_first_layer(tiled);
        dev.centre(first, gene, weights, centre);
        for page in upload(dev, &packed) {
            let p = Sparse {
                models: MODELS as u32,
                row_stride: batch as u32 + 3,
                arena: arena as u32,
                w_offset: w_offset as u32,
                bias_offset: bias_offset as u32,
                n_chunks: chunks as u32,
                activate: u32::from(drop > 0.0),
                drop_below: (drop * 4_294_967_296.0) as u32,
                keep_scale: (1.0 / (1.0 - drop)) as f32,
                seed: 8,
                stream: 16,
                step: 2,
                spare_row: u32::from(soft),
                ..params(&packed, &page, batch, 3, width)
            };
            dev.sparse_forward(p, page, rows, gene, weights, centre, out);
        }
        let (centre, out) = (dev.get(centre), dev.get(out));
        vec![
            gather(&centre, stride(chunks * width), chunks * width),
            gather(&out, out_gap, batch * width),
        ]
    };
    let bound = move |want: &[Values], size: &[Values]| {
        // sizes of the centring are negative
        let size: Vec<Values> = size
            .iter()
            .map(|s| s.iter().map(|x| x.abs()).collect())
            .collect();
        sums(2 * n + 6)(want, &size)
    };
    let entry = if tiled {
        &tiled_forward::FORWARD
    } else {
        &sparse::FORWARD
    };
    Case::new(name, &[&first::CENTRE, entry], run, bound)
}

/// The AdamW step of the first layer's weights of two networks and the gradient of their masks, from the
/// last page on (earlier ones through the transposed product).
#[must_use]
pub fn first_update(cells: Cells, soft: bool, tiled: bool) -> Case<'static> {
    let packed = cells.packed();
    let pages = packed.pages.len();
    let (n, width, batch) = (cells.n_genes, cells.width, cells.batch);
    let (w_offset, lists) = (64, width.div_ceil(64) * stride(n));
    let arena = w_offset + stride(n * width);
    let gap = lists + if pages > 1 { stride(n * width) } else { 0 };
    let d_gap = stride((batch + 1) * width);
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let mut rows = [
            cells.rows(3, &mut inputs.rng),
            cells.rows(3, &mut inputs.rng),
        ]
        .concat();
        rows[3 + batch / 2] = (cells.n_cells / 2) as u32; // the full cell
        let gene = gene_lists(inputs, n, soft);
        let weights = draw(inputs, arena, arena);
        let mut d = draw(inputs, (batch + 1) * width, d_gap);
        if inputs.mode == Mode::Fault {
            d[batch / 2 * width] += 0.01;
        }
        let (rows, gene, weights, d) = (dev.u(&rows), dev.f(&gene), dev.f(&weights), dev.f(&d));
        dev.tile_first_layer(tiled);
        let (moments, work) = (
            dev.f(&vec![0.0; 2 * MODELS * arena]),
            dev.poison(MODELS * gap),
        );
        for (i, page) in upload(dev, &packed).into_iter().enumerate() {
            if i + 1 < pages {
                for r in 0..MODELS {
                    let offset = (3 + r * (batch + 3)) as u32;
                    let p = Sparse {
                        accumulate: u32::from(i > 0),
                        ..params(&packed, &page, batch, offset, width)
                    };
                    let sums = work.slice(r * gap + lists, n * width);
                    dev.sparse_transpose(p, page, rows, d.slice(r * d_gap, batch * width), sums);
                }
                continue;
            }
            let p = First {
                models: MODELS as u32,
                n_genes: n as u32,
                width: width as u32,
                n_rows: batch as u32,
                row_offset: 3,
                row_stride: batch as u32 + 3,
                first_cell: page.first_cell,
                n_cells: page.n_cells,
                n_blocks: packed.n_blocks as u32,
                add: u32::from(pages > 1),
                arena: arena as u32,
                w_offset: w_offset as u32,
                ..First::default().with_adam(&ADAM)
            };
            dev.first_update(p, page, rows, d, gene, weights, moments, work);
        }
        let (weights, moments, work) = (dev.get(weights), dev.get(moments), dev.get(work));
        let [ms, vs] = moments_of(&moments, arena);
        // the lists added up: how many there are is the device's own affair
        let u = work.chunks_exact(gap).flat_map(|own| {
            let sum = |g| {
                own[..lists]
                    .chunks(stride(n))
                    .map(|list| list[g])
                    .sum::<f64>()
            };
            (0..n).map(sum).collect::<Values>()
        });
        vec![weights, ms, vs, u.collect()]
    };
    let bound = move |want: &[Values], size: &[Values]| {
        let size: Vec<Values> = size
            .iter()
            .map(|s| s.iter().map(|x| x.abs()).collect())
            .collect();
        let mut bounds = after_adam(want, &sum_errors(&size[1], batch + pages + 4));
        bounds.extend(sums(batch + width + pages + 6)(&want[3..], &size[3..]));
        bounds
    };
    let name = format!("first update {cells} soft={soft} tiled={tiled}");
    let entry = if tiled {
        &tiled_update::UPDATE
    } else {
        &first::UPDATE
    };
    Case::new(name, &[entry; 4], run, bound)
}
