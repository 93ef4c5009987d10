//! The dense operations of a training step, network by network.
//!
//! The loops are our own because a step must not allocate: `gemm` 0.19 and `matrixmultiply` 0.3.11 made 1
//! to 2 allocations a call (counted, 2026-11-21). They are faster: in a program of its own on one thread,
//! beside many other builds, 4096 x 512 x 512 ran at 31 and 30 GFLOP/s against 7 for
//! [`twin::linear::Product`]. What `Product` gains inside a step has not been measured.
use super::first::gate_of;
use super::step::{moments_of, part, part_mut};
use super::{Cpu, SERIAL_WORK, rows, wide};
use crate::kernels::{heads::Heads, linear::Linear};
use crate::ops::{FBuf, UBuf, stride};
use crate::reference as twin;
use crate::reference::{Real, adamw::Adam, linear::Product};
use rayon::prelude::*;

/// Cells that one task of a dense layer takes.
const ROWS: usize = 32;

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
            let product = Product {
                a,
                step: (n_in, 1),
                b: w,
                width: n_out,
            };
            rows(out, ROWS * n_out, n * n_in * n_out, |c, out| {
                wide(
                    arch,
                    #[inline(always)]
                    || {
                        for y in out.chunks_exact_mut(n_out) {
                            y.copy_from_slice(bias);
                        }
                        product.add(c * ROWS, out);
                        gate.apply(c * ROWS * n_out, out);
                    },
                );
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
    let mut scratch = std::mem::take(&mut cpu.scratch);
    scratch.clear();
    scratch.resize(n_in * n_out, T::ZERO);
    cpu.with(out, |d, out| {
        for r in 0..p.models as usize {
            let dz = part(d.f(dz), r, stride((n + 1) * n_out), n * n_out);
            let a = part(d.f(gate), r, stride(n * n_in), n * n_in);
            let (w, _) = layer(d.f(params), p, r);
            let out = part_mut(out, r, stride((n + 1) * n_in), n * n_in);
            for (i, w) in w.chunks_exact(n_out.max(1)).enumerate() {
                w.iter()
                    .enumerate()
                    .for_each(|(j, &w)| scratch[j * n_in + i] = w);
            }
            let product = Product {
                a: dz,
                step: (n_out, 1),
                b: &scratch,
                width: n_in,
            };
            rows(out, ROWS * n_in, n * n_in * n_out, |c, out| {
                wide(
                    arch,
                    #[inline(always)]
                    || {
                        out.fill(T::ZERO);
                        product.add(c * ROWS, out);
                        for (o, &a) in out.iter_mut().zip(&a[c * ROWS * n_in..]) {
                            *o = if a > T::ZERO { *o * keep } else { T::ZERO };
                        }
                    },
                );
            });
        }
    });
    cpu.scratch = scratch;
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
                let product = Product {
                    a,
                    step: (1, n_in),
                    b: dz,
                    width: n_out,
                };
                rows(dw, ROWS * n_out, n * n_in * n_out, |c, dw| {
                    wide(
                        arch,
                        #[inline(always)]
                        || {
                            dw.fill(T::ZERO);
                            product.add(c * ROWS, dw);
                        },
                    );
                });
                wide(
                    arch,
                    #[inline(always)]
                    || adam.range(w, dw, m, v),
                );
            }
            let mut bias = |at: usize, sums: &[T]| {
                let (m, v) = moments_of(all, r, arena, at, sums.len());
                plain.range(&mut own[at..at + sums.len()], sums, m, v);
            };
            if p.own_bias == 1 {
                wide(
                    arch,
                    #[inline(always)]
                    || twin::linear::column_sum(dz, sums),
                );
                bias(p.bias_offset as usize, sums);
            }
            if below > 0 {
                let gap = stride((n + 1) * below);
                let dz = part_mut(&mut below_all[dz_below.offset..], r, gap, (n + 1) * below);
                let (dz, sums) = dz.split_at_mut(n * below);
                wide(
                    arch,
                    #[inline(always)]
                    || twin::linear::column_sum(dz, sums),
                );
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
    let mut scratch = std::mem::take(&mut cpu.scratch);
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
            scratch.clear();
            scratch.resize(tasks * n + n_in * n_out, T::ZERO);
            let (losses, transposed) = scratch.split_at_mut(tasks * n);
            // rows as long as the hidden layer is wide, where the classes are few
            for (i, w) in w.chunks_exact(n_out.max(1)).enumerate() {
                let places = transposed[i..].iter_mut().step_by(n_in);
                places.zip(w).for_each(|(place, &w)| *place = w);
            }
            let transposed = &*transposed;
            let cells = |first: usize, logits: &mut [T], losses: &mut [T], dz: &mut [T]| {
                let own = &batch[first..][..losses.len() / tasks.max(1)];
                twin::heads::fetch(targets, tasks, own);
                wide(
                    arch,
                    #[inline(always)]
                    || {
                        let rows = logits.chunks_exact_mut(n_out);
                        for (i, (logits, losses)) in
                            rows.zip(losses.chunks_exact_mut(tasks)).enumerate()
                        {
                            let b = first + i;
                            let a = &a[b * n_in..(b + 1) * n_in];
                            let rows = || transposed.chunks_exact(n_in.max(1));
                            if n_in > 0 {
                                for ((y, &b), w) in logits.iter_mut().zip(bias).zip(rows()) {
                                    *y = b + twin::dot(a, w);
                                }
                            }
                            let cell = batch[b] as usize;
                            twin::heads::cell(&p, targets, scales, cell, logits, |t, x| {
                                losses[t] = x
                            });
                            if below {
                                let dz = &mut dz[i * n_in..(i + 1) * n_in];
                                dz.fill(T::ZERO);
                                for (&g, w) in logits.iter().zip(rows()) {
                                    twin::axpy(g, w, dz);
                                }
                                for (dz, &a) in dz.iter_mut().zip(a) {
                                    *dz = if a > T::ZERO { *dz * keep } else { T::ZERO };
                                }
                            }
                        }
                    },
                );
            };
            if n * (n_in + 8) * n_out < SERIAL_WORK || tasks == 0 {
                cells(0, logits, losses, dz);
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
    cpu.scratch = scratch;
    cpu.floats[dz.id as usize] = dz_all;
    cpu.floats[loss.id as usize] = loss_all;
}
