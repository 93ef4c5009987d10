//! The first layer, over all genes and of a panel, on the CPU.
use super::step::{moments_of, part, part_mut};
use super::{Cpu, FETCHED, LINE, cell_entries, fetch, rows, wide};
use crate::kernels::{first::First, panel::Panel, sparse::Sparse};
use crate::ops::{BLOCK, CENTRE_CHUNK, FBuf, PageBuf, UBuf, stride};
use crate::reference as twin;
use crate::reference::linear::Gate;
use crate::reference::sparse::COLUMNS;
use crate::reference::{Real, adamw::Adam};
use rayon::prelude::*;

/// The lists of network r in `gene`: means, inverse standard deviations, mask.
fn lists<T>(gene: &[T], r: usize, n: usize) -> [&[T]; 3] {
    [0, 1, 2].map(|i| part(gene, 3 * r + i, stride(n), n))
}

pub(super) fn centre<T: Real>(cpu: &mut Cpu<T>, p: First, gene: FBuf, params: FBuf, partial: FBuf) {
    let (n, width, arch) = (p.n_genes as usize, p.width as usize, cpu.arch);
    let total = n.div_ceil(CENTRE_CHUNK) * width;
    cpu.with(partial, |d, partial| {
        for r in 0..p.models as usize {
            let [mean, inv_sd, mask] = lists(d.f(gene), r, n);
            let at = r * p.arena as usize + p.w_offset as usize;
            let w = &d.f(params)[at..at + n * width];
            let out = part_mut(partial, r, stride(total), total);
            rows(out, width, n * width, |c, out| {
                let from = c * CENTRE_CHUNK;
                let to = n.min(from + CENTRE_CHUNK);
                wide(
                    arch,
                    #[inline(always)]
                    || {
                        twin::first::centre_chunk(
                            &mean[from..to],
                            &inv_sd[from..to],
                            &mask[from..to],
                            &w[from * width..to * width],
                            out,
                        );
                    },
                );
            });
        }
    });
}

pub(super) fn gate_of<T: Real>(
    activate: u32,
    drop_below: u32,
    keep_scale: f32,
    key: (u32, u32, u32),
    r: usize,
) -> Gate<T> {
    Gate {
        activate: activate == 1,
        drop_below,
        keep_scale: T::of(f64::from(keep_scale)),
        key: (key.0.wrapping_add(r as u32), key.1, key.2),
    }
}

/// Weights that a pass over a part of the cells keeps in the second-level cache.
const CACHED: usize = 1 << 16;

pub(super) fn sparse_forward<T: Real>(
    cpu: &mut Cpu<T>,
    p: Sparse,
    page: PageBuf,
    batch: UBuf,
    [gene, params, centre, out]: [FBuf; 4],
) {
    let (n, width, arch) = (p.n_rows as usize, p.width as usize, cpu.arch);
    let (genes, n_blocks) = (p.n_genes as usize, p.n_blocks as usize);
    let mut scratch = std::mem::take(&mut cpu.scratch);
    cpu.with(out, |d, out| {
        let (entries, blocks) = (d.u(page.entries), d.u(page.blocks));
        for r in 0..p.models as usize {
            let at = r * p.row_stride as usize + p.row_offset as usize;
            let batch = &d.u(batch)[at..at + n];
            let [_, inv_sd, mask] = lists(d.f(gene), r, genes);
            let arena = &d.f(params)[r * p.arena as usize..];
            let w = &arena[p.w_offset as usize..][..genes * width];
            scratch.clear();
            scratch.extend_from_slice(&arena[p.bias_offset as usize..][..width]);
            let total = p.n_chunks as usize * width;
            for chunk in part(d.f(centre), r, stride(total), total).chunks_exact(width) {
                scratch.iter_mut().zip(chunk).for_each(|(b, &c)| *b -= c);
            }
            scratch.extend(mask.iter().zip(inv_sd).map(|(&m, &s)| m * s));
            let (bias, scale) = scratch.split_at(width);
            let key = (p.seed, p.stream, p.step);
            let gate = gate_of::<T>(p.activate, p.drop_below, p.keep_scale, key, r);
            let gap = stride((n + p.spare_row as usize) * width);
            let out = part_mut(out, r, gap, n * width);
            // the weights pass by each part of the cells once, some blocks of genes at a time
            let cells = n.div_ceil(2 * rayon::current_num_threads()).max(8);
            let at_once = (CACHED / (BLOCK * width)).max(1);
            rows(out, cells * width, usize::MAX, |c, out| {
                let page = (p.first_cell, p.n_cells, p.n_blocks);
                let batch = &batch[c * cells..];
                let own = |from, to, cell| cell_entries(entries, blocks, cell, page, (from, to));
                wide(
                    arch,
                    #[inline(always)]
                    || {
                        for from in (0..n_blocks.max(1)).step_by(at_once) {
                            let to = n_blocks.min(from + at_once);
                            let some = out.chunks_mut(FETCHED * width);
                            for (out, batch) in some.zip(batch.chunks(FETCHED)) {
                                fetch(entries, blocks, batch, page, [(from, to)].into_iter());
                                for (z, &cell) in out.chunks_exact_mut(width).zip(batch) {
                                    let Some(entries) = own(from, to, cell) else {
                                        continue;
                                    };
                                    if from == 0 {
                                        z.copy_from_slice(bias);
                                    }
                                    twin::sparse::forward_row(entries, scale, w, z);
                                }
                            }
                        }
                        for (b, (z, &cell)) in out.chunks_exact_mut(width).zip(batch).enumerate() {
                            if own(0, 0, cell).is_some() {
                                gate.apply((c * cells + b) * width, z);
                            }
                        }
                    },
                );
            });
        }
    });
    cpu.scratch = scratch;
}

pub(super) fn first_update<T: Real>(
    cpu: &mut Cpu<T>,
    p: First,
    page: PageBuf,
    batch: UBuf,
    [d_buf, gene, params, moments, work]: [FBuf; 5],
) {
    let (n, genes, width) = (p.n_rows as usize, p.n_genes as usize, p.width as usize);
    let (arena, arch, adam) = (p.arena as usize, cpu.arch, Adam::<T>::new(&p.adam()));
    let tiles = width.div_ceil(64);
    let behind = tiles * stride(genes);
    let gap = behind + if p.add == 1 { stride(genes * width) } else { 0 };
    let mut moments_all = std::mem::take(&mut cpu.floats[moments.id as usize]);
    let mut work_all = std::mem::take(&mut cpu.floats[work.id as usize]);
    cpu.with(params, |d, params| {
        let (entries, blocks) = (d.u(page.entries), d.u(page.blocks));
        for r in 0..p.models as usize {
            let at = r * p.row_stride as usize + p.row_offset as usize;
            let batch = &d.u(batch)[at..at + n];
            let dense = part(d.f(d_buf), r, stride((n + 1) * width), (n + 1) * width);
            let (dense, column_sums) = dense.split_at(n * width);
            let [mean, inv_sd, mask] = lists(d.f(gene), r, genes);
            let at = p.w_offset as usize;
            let w = &mut part_mut(params, r, arena, arena)[at..at + genes * width];
            let all = &mut moments_all[moments.offset..];
            let (m, v) = moments_of(all, r, arena, at, genes * width);
            let (u, old) = work_all[work.offset + r * gap..][..gap].split_at_mut(behind);
            let old = &*old;
            u.fill(T::ZERO);
            let block = BLOCK * width;
            w.par_chunks_mut(block)
                .zip(m.par_chunks_mut(block).zip(v.par_chunks_mut(block)))
                .zip(u[..genes].par_chunks_mut(BLOCK))
                .enumerate()
                .for_each(|(j, ((w, (m, v)), u))| {
                    let page = (p.first_cell, p.n_cells, p.n_blocks);
                    let cells = || {
                        let of = |(b, &cell): (usize, &u32)| {
                            let own = cell_entries(entries, blocks, cell, page, (j, j + 1))?;
                            Some((b, own))
                        };
                        batch.iter().enumerate().filter_map(of)
                    };
                    wide(
                        arch,
                        #[inline(always)]
                        || {
                            let mut sums = [T::ZERO; BLOCK * COLUMNS];
                            for from in (0..width).step_by(COLUMNS) {
                                let columns = COLUMNS.min(width - from);
                                for row in sums.chunks_exact_mut(COLUMNS) {
                                    row[..columns].fill(T::ZERO);
                                }
                                for (b, own) in cells() {
                                    let dense = &dense[b * width + from..][..columns];
                                    twin::sparse::transpose_tile(own, dense, &mut sums);
                                }
                                for (i, u) in u.iter_mut().enumerate() {
                                    let g = j * BLOCK + i;
                                    let sums = &mut sums[i * COLUMNS..][..columns];
                                    if p.add == 1 {
                                        let old = &old[g * width + from..][..columns];
                                        sums.iter_mut().zip(old).for_each(|(s, &o)| *s += o);
                                    }
                                    let own = i * width + from..i * width + from + columns;
                                    *u += twin::first::update_row(
                                        &adam,
                                        sums,
                                        (mean[g], inv_sd[g], mask[g]),
                                        &column_sums[from..from + columns],
                                        &mut w[own.clone()],
                                        &mut m[own.clone()],
                                        &mut v[own],
                                    );
                                }
                            }
                        },
                    );
                });
        }
    });
    cpu.floats[work.id as usize] = work_all;
    cpu.floats[moments.id as usize] = moments_all;
}

pub(super) fn panel_gather<T: Real>(
    cpu: &mut Cpu<T>,
    p: Panel,
    page: PageBuf,
    batch: UBuf,
    genes: UBuf,
    stats: FBuf,
    out: FBuf,
) {
    let (n, k) = (p.n_rows as usize, p.n_panel as usize);
    cpu.with(out, |d, out| {
        let (entries, blocks) = (d.u(page.entries), d.u(page.blocks));
        for r in 0..p.models as usize {
            let at = r * p.row_stride as usize + p.row_offset as usize;
            let batch = &d.u(batch)[at..at + n];
            let genes = part(d.u(genes), r, stride(k), k);
            let stats = part(d.f(stats), r, stride(2 * k), 2 * k);
            let seed = p.seed.wrapping_add(r as u32);
            let own = Panel { seed, ..p };
            let out = part_mut(out, r, stride(n * k), n * k);
            let page = (p.first_cell, p.n_cells, p.n_blocks);
            // a row read from end to end has more reads under way than as many lines in places apart
            let lines = entries.len() / (p.n_cells as usize).max(1) / LINE;
            let whole = lines <= 2 * k;
            rows(out, FETCHED * k, n * k * 64, |c, out| {
                let first = c * FETCHED;
                let batch = &batch[first..n.min(first + FETCHED)];
                if whole {
                    fetch(
                        entries,
                        blocks,
                        batch,
                        page,
                        [(0, p.n_blocks as usize)].into_iter(),
                    );
                } else {
                    let block = |&gene: &u32| (gene as usize / BLOCK, gene as usize / BLOCK + 1);
                    fetch(entries, blocks, batch, page, genes.iter().map(block));
                }
                for (i, (out, &cell)) in out.chunks_exact_mut(k).zip(batch).enumerate() {
                    if cell.wrapping_sub(p.first_cell) < p.n_cells {
                        let block = |j| cell_entries(entries, blocks, cell, page, (j, j + 1));
                        let block = |j| block(j).unwrap_or(&[]);
                        twin::panel::gather_row(&own, first + i, block, genes, stats, out);
                    }
                }
            });
        }
    });
}
