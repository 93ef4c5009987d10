//! The operations of a training step, network by network.
use super::{Cpu, SERIAL_WORK, cell_entries, rows};
use crate::kernels::{
    adamw::AdamW, first::First, heads::Heads, linear::Linear, noise::Noise, panel::Panel,
    scores::Scores, softmask::SoftMask, sparse::Sparse, topk::TopK,
};
use crate::ops::{BLOCK, CENTRE_CHUNK, FBuf, PageBuf, UBuf, stride};
use crate::reference as twin;
use crate::reference::linear::Gate;
use crate::reference::sparse::COLUMNS;
use crate::reference::{Real, adamw::Adam};
use rayon::prelude::*;

/// Elements that one task of an elementwise operation takes.
const PIECE: usize = 4096;

/// The part of network r: `len` elements, `stride` apart.
fn part<T>(all: &[T], r: usize, stride: usize, len: usize) -> &[T] {
    &all[r * stride..r * stride + len]
}

fn part_mut<T>(all: &mut [T], r: usize, stride: usize, len: usize) -> &mut [T] {
    &mut all[r * stride..r * stride + len]
}

/// First and second moments of a range of network r's arena.
fn moments_of<T>(
    all: &mut [T],
    r: usize,
    arena: usize,
    at: usize,
    n: usize,
) -> (&mut [T], &mut [T]) {
    let (m, v) = all[2 * r * arena..2 * (r + 1) * arena].split_at_mut(arena);
    (&mut m[at..at + n], &mut v[at..at + n])
}

pub(super) fn perturb<T: Real>(cpu: &mut Cpu<T>, p: Noise, scores: FBuf, tables: UBuf, out: FBuf) {
    let (n, gap) = (p.n as usize, p.scores_stride as usize);
    cpu.with(out, |d, out| {
        let (tables, scores) = (d.u(tables), d.f(scores));
        for r in 0..p.models as usize {
            let seed = p.seed.wrapping_add(r as u32);
            let own = Noise { seed, ..p };
            let scores = part(scores, r, gap, n);
            let out = part_mut(out, r, stride(n), n);
            rows(out, PIECE, n * 40, |c, out| {
                let at = c * PIECE;
                twin::noise::perturb(&own, tables, at, &scores[at..at + out.len()], out);
            });
        }
    });
}

pub(super) fn topk<T: Real>(cpu: &mut Cpu<T>, p: TopK, scores: FBuf, mask: FBuf, index: UBuf) {
    let (n, k) = (p.n as usize, p.k as usize);
    let mut chosen = std::mem::take(&mut cpu.words[index.id as usize]);
    let mut order = std::mem::take(&mut cpu.order);
    cpu.with(mask, |d, mask| {
        let chosen = &mut chosen[index.offset..index.offset + index.len];
        for r in 0..p.models as usize {
            twin::topk::topk(
                k,
                part(d.f(scores), r, p.scores_stride as usize, n),
                &mut order,
                part_mut(mask, r, p.mask_stride as usize, n),
                part_mut(chosen, r, stride(k), k),
            );
        }
    });
    cpu.order = order;
    cpu.words[index.id as usize] = chosen;
}

pub(super) fn soft_forward<T: Real>(cpu: &mut Cpu<T>, p: SoftMask, scores: FBuf, mask: FBuf) {
    let (n, arch) = (p.n as usize, cpu.arch);
    cpu.with(mask, |d, mask| {
        for r in 0..p.models as usize {
            let scores = part(d.f(scores), r, stride(n), n);
            let mask = part_mut(mask, r, p.mask_stride as usize, n);
            arch.dispatch(|| twin::softmask::forward(&p, scores, mask));
        }
    });
}

pub(super) fn score_update<T: Real>(
    cpu: &mut Cpu<T>,
    p: Scores,
    mask: FBuf,
    u: FBuf,
    params: FBuf,
    moments: FBuf,
) {
    let (n, arena, at) = (p.n as usize, p.arena as usize, p.scores_offset as usize);
    let (adam, arch) = (Adam::new(&p.adam()), cpu.arch);
    let mut moments_all = std::mem::take(&mut cpu.floats[moments.id as usize]);
    let mut sums = std::mem::take(&mut cpu.scratch);
    cpu.with(params, |d, params| {
        for r in 0..p.models as usize {
            let mask = part(d.f(mask), r, p.mask_stride as usize, n);
            let lists = part(d.f(u), r, p.u_stride as usize, p.tiles as usize * stride(n));
            sums.clear();
            sums.resize(2 * n, T::ZERO);
            let (u, gradient) = sums.split_at_mut(n);
            for list in lists.chunks_exact(stride(n)) {
                u.iter_mut().zip(list).for_each(|(u, &x)| *u += x);
            }
            let (m, v) = moments_of(&mut moments_all[moments.offset..], r, arena, at, n);
            let scores = part_mut(params, r, arena, at + n);
            arch.dispatch(|| {
                twin::scores::gradient(p.tau, mask, u, gradient);
                adam.range(&mut scores[at..], gradient, m, v);
            });
        }
    });
    cpu.scratch = sums;
    cpu.floats[moments.id as usize] = moments_all;
}

pub(super) fn adamw<T: Real>(cpu: &mut Cpu<T>, p: AdamW, params: FBuf, grads: FBuf, moments: FBuf) {
    let (n, arena, at, arch) = (p.n as usize, p.arena as usize, p.offset as usize, cpu.arch);
    let adam = Adam::new(&p.adam());
    let mut moments_all = std::mem::take(&mut cpu.floats[moments.id as usize]);
    cpu.with(params, |d, params| {
        let (m, v) = moments_of(&mut moments_all[moments.offset..], 0, arena, at, n);
        let pieces = params[at..at + n].par_chunks_mut(PIECE);
        pieces
            .zip(d.f(grads)[..n].par_chunks(PIECE))
            .zip(m.par_chunks_mut(PIECE).zip(v.par_chunks_mut(PIECE)))
            .for_each(|((p, g), (m, v))| arch.dispatch(|| adam.range(p, g, m, v)));
    });
    cpu.floats[moments.id as usize] = moments_all;
}

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
                arch.dispatch(|| {
                    twin::first::centre_chunk(
                        &mean[from..to],
                        &inv_sd[from..to],
                        &mask[from..to],
                        &w[from * width..to * width],
                        out,
                    );
                });
            });
        }
    });
}

fn gate_of<T: Real>(
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
                arch.dispatch(|| {
                    for from in (0..n_blocks.max(1)).step_by(at_once) {
                        let to = n_blocks.min(from + at_once);
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
                    for (b, (z, &cell)) in out.chunks_exact_mut(width).zip(batch).enumerate() {
                        if own(0, 0, cell).is_some() {
                            gate.apply((c * cells + b) * width, z);
                        }
                    }
                });
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
                    arch.dispatch(|| {
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
                    });
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
            rows(out, k, n * k * 40, |b, out| {
                let page = (p.first_cell, p.n_cells, p.n_blocks);
                let all = (0, p.n_blocks as usize);
                if let Some(cell) = cell_entries(entries, blocks, batch[b], page, all) {
                    twin::panel::gather_row(&own, b, cell, genes, stats, out);
                }
            });
        }
    });
}

/// Cells that one task of a dense layer takes.
const ROWS: usize = 8;

/// Weights and biases of network r.
fn layer<T>(params: &[T], p: Linear, r: usize) -> (&[T], &[T]) {
    let arena = &params[r * p.arena as usize..];
    let w = &arena[p.w_offset as usize..][..(p.n_in * p.n_out) as usize];
    (w, &arena[p.bias_offset as usize..][..p.n_out as usize])
}

pub(super) fn linear_forward<T: Real>(
    cpu: &mut Cpu<T>,
    p: Linear,
    a: FBuf,
    params: FBuf,
    out: FBuf,
) {
    let (n, n_in, n_out) = (p.n_rows as usize, p.n_in as usize, p.n_out as usize);
    let arch = cpu.arch;
    cpu.with(out, |d, out| {
        for r in 0..p.models as usize {
            let a = part(d.f(a), r, stride(n * n_in), n * n_in);
            let (w, bias) = layer(d.f(params), p, r);
            let key = (p.seed, p.stream, p.step);
            let gate = gate_of::<T>(p.activate, p.drop_below, p.keep_scale, key, r);
            let gap = stride((n + p.spare_row as usize) * n_out);
            let out = part_mut(out, r, gap, n * n_out);
            rows(out, ROWS * n_out, n * n_in * n_out, |c, out| {
                arch.dispatch(|| {
                    for (i, y) in out.chunks_exact_mut(n_out).enumerate() {
                        let row = c * ROWS + i;
                        twin::linear::forward_row(&a[row * n_in..(row + 1) * n_in], w, bias, y);
                        gate.apply(row * n_out, y);
                    }
                });
            });
        }
    });
}

pub(super) fn linear_grad_input<T: Real>(
    cpu: &mut Cpu<T>,
    p: Linear,
    dz: FBuf,
    params: FBuf,
    gate: FBuf,
    out: FBuf,
) {
    let (n, n_in, n_out) = (p.n_rows as usize, p.n_in as usize, p.n_out as usize);
    let (arch, keep) = (cpu.arch, T::of(f64::from(p.keep_scale)));
    cpu.with(out, |d, out| {
        for r in 0..p.models as usize {
            let dz = part(d.f(dz), r, stride((n + 1) * n_out), n * n_out);
            let a = part(d.f(gate), r, stride(n * n_in), n * n_in);
            let (w, _) = layer(d.f(params), p, r);
            let out = part_mut(out, r, stride((n + 1) * n_in), n * n_in);
            rows(out, ROWS * n_in, n * n_in * n_out, |c, out| {
                arch.dispatch(|| {
                    for (i, out) in out.chunks_exact_mut(n_in).enumerate() {
                        let row = c * ROWS + i;
                        let dz = &dz[row * n_out..(row + 1) * n_out];
                        let a = &a[row * n_in..(row + 1) * n_in];
                        twin::linear::grad_input_row(dz, w, a, keep, out);
                    }
                });
            });
        }
    });
}

pub(super) fn linear_update<T: Real>(
    cpu: &mut Cpu<T>,
    p: Linear,
    a: FBuf,
    dz: FBuf,
    [params, moments, dz_below, loss, losses]: [FBuf; 5],
) {
    let (n, n_in, n_out) = (p.n_rows as usize, p.n_in as usize, p.n_out as usize);
    let (arena, below, tasks) = (p.arena as usize, p.below as usize, p.n_tasks as usize);
    let (arch, adam) = (cpu.arch, Adam::<T>::new(&p.adam()));
    let plain = adam.without_decay();
    let mut moments_all = std::mem::take(&mut cpu.floats[moments.id as usize]);
    let mut below_all = std::mem::take(&mut cpu.floats[dz_below.id as usize]);
    let mut losses_all = std::mem::take(&mut cpu.floats[losses.id as usize]);
    let mut scratch = std::mem::take(&mut cpu.scratch);
    scratch.clear();
    scratch.resize(n_in * n_out + n_out, T::ZERO);
    let (dw, sums) = scratch.split_at_mut(n_in * n_out);
    cpu.with(params, |d, params| {
        for r in 0..p.models as usize {
            let a = part(d.f(a), r, stride(n * n_in), n * n_in);
            let dz = part(d.f(dz), r, stride((n + 1) * n_out), n * n_out);
            let all = &mut moments_all[moments.offset..];
            let own = part_mut(params, r, arena, arena);
            let at = p.w_offset as usize;
            let (m, v) = moments_of(all, r, arena, at, n_in * n_out);
            let w = &mut own[at..at + n_in * n_out];
            if n_in * n_out > 0 {
                rows(dw, ROWS * n_out, n * n_in * n_out, |c, dw| {
                    arch.dispatch(|| {
                        for (i, dw) in dw.chunks_exact_mut(n_out).enumerate() {
                            twin::linear::grad_weight_row(c * ROWS + i, n_in, a, dz, dw);
                        }
                    });
                });
                arch.dispatch(|| adam.range(w, dw, m, v));
            }
            let mut bias = |at: usize, sums: &[T]| {
                let (m, v) = moments_of(all, r, arena, at, sums.len());
                plain.range(&mut own[at..at + sums.len()], sums, m, v);
            };
            if p.own_bias == 1 {
                arch.dispatch(|| twin::linear::column_sum(dz, sums));
                bias(p.bias_offset as usize, sums);
            }
            if below > 0 {
                let gap = stride((n + 1) * below);
                let dz = part_mut(&mut below_all[dz_below.offset..], r, gap, (n + 1) * below);
                let (dz, sums) = dz.split_at_mut(n * below);
                arch.dispatch(|| twin::linear::column_sum(dz, sums));
                bias(p.below_offset as usize, sums);
            }
            let loss = part(d.f(loss), r, stride(tasks * n), tasks * n);
            let slot = losses.offset + r * p.slot_stride as usize + p.slot as usize;
            for t in 0..tasks {
                let own = loss[t * n..(t + 1) * n].iter();
                losses_all[slot + t] = own.fold(T::ZERO, |s, &x| s + x);
            }
        }
    });
    cpu.scratch = scratch;
    cpu.floats[losses.id as usize] = losses_all;
    cpu.floats[dz_below.id as usize] = below_all;
    cpu.floats[moments.id as usize] = moments_all;
}

pub(super) fn heads<T: Real>(
    cpu: &mut Cpu<T>,
    p: Heads,
    [a, params, scales]: [FBuf; 3],
    batch: UBuf,
    targets: UBuf,
    [logits, loss, dz]: [FBuf; 3],
) {
    let (n, n_in, n_out) = (p.n_rows as usize, p.n_in as usize, p.n_out as usize);
    let (tasks, arch, keep) = (p.n_tasks as usize, cpu.arch, T::of(f64::from(p.keep_scale)));
    let mut loss_all = std::mem::take(&mut cpu.floats[loss.id as usize]);
    let mut dz_all = std::mem::take(&mut cpu.floats[dz.id as usize]);
    let mut losses = std::mem::take(&mut cpu.scratch);
    cpu.with(logits, |d, logits| {
        let targets = d.u(targets);
        for r in 0..p.models as usize {
            let at = r * p.row_stride as usize + p.row_offset as usize;
            let batch = &d.u(batch)[at..at + n];
            let at = r * p.scale_stride as usize + p.scale_offset as usize;
            let scales = &d.f(scales)[at..at + tasks];
            let a = part(d.f(a), r, stride(n * n_in), n * n_in);
            let arena = &d.f(params)[r * p.arena as usize..];
            let w = &arena[p.w_offset as usize..][..n_in * n_out];
            let bias = &arena[p.bias_offset as usize..][..n_out];
            let logits = part_mut(logits, r, stride((n + 1) * n_out), n * n_out);
            let below = p.gradients == 1 && n_in > 0;
            let dz = &mut dz_all[dz.offset..];
            let dz = part_mut(
                dz,
                r,
                stride((n + 1) * n_in),
                if below { n * n_in } else { 0 },
            );
            losses.clear();
            losses.resize(tasks * n, T::ZERO);
            let cells = |first: usize, logits: &mut [T], losses: &mut [T], dz: &mut [T]| {
                arch.dispatch(|| {
                    let rows = logits.chunks_exact_mut(n_out);
                    for (i, (logits, losses)) in
                        rows.zip(losses.chunks_exact_mut(tasks)).enumerate()
                    {
                        let b = first + i;
                        let a = &a[b * n_in..(b + 1) * n_in];
                        if n_in > 0 {
                            twin::linear::forward_row(a, w, bias, logits);
                        }
                        let cell = batch[b] as usize;
                        twin::heads::cell(&p, targets, scales, cell, logits, |t, x| losses[t] = x);
                        if below {
                            let dz = &mut dz[i * n_in..(i + 1) * n_in];
                            twin::linear::grad_input_row(logits, w, a, keep, dz);
                        }
                    }
                });
            };
            if n * (n_in + 8) * n_out < SERIAL_WORK || tasks == 0 {
                cells(0, logits, &mut losses, dz);
            } else {
                let at_once = n.div_ceil(2 * rayon::current_num_threads()).max(8);
                let parts = logits.par_chunks_mut(at_once * n_out);
                let parts = parts
                    .zip(losses.par_chunks_mut(at_once * tasks))
                    .enumerate();
                if below {
                    let parts = parts.zip(dz.par_chunks_mut(at_once * n_in));
                    parts.for_each(|((c, (x, l)), dz)| cells(c * at_once, x, l, dz));
                } else {
                    parts.for_each(|(c, (x, l))| cells(c * at_once, x, l, &mut []));
                }
            }
            // by task
            let loss = part_mut(
                &mut loss_all[loss.offset..],
                r,
                stride(tasks * n),
                tasks * n,
            );
            for (b, own) in losses.chunks_exact(tasks.max(1)).enumerate() {
                own.iter()
                    .enumerate()
                    .for_each(|(t, &x)| loss[t * n + b] = x);
            }
        }
    });
    cpu.scratch = losses;
    cpu.floats[dz.id as usize] = dz_all;
    cpu.floats[loss.id as usize] = loss_all;
}
