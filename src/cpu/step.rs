//! The operations on scores, masks and parameters of a training step, network by network.
use super::{Cpu, rows, wide};
use crate::kernels::{adamw::AdamW, noise::Noise, scores::Scores, softmask::SoftMask, topk::TopK};
use crate::ops::{FBuf, UBuf, stride};
use crate::reference as twin;
use crate::reference::{Real, adamw::Adam};
use rayon::prelude::*;

/// Elements that one task of an elementwise operation takes.
const PIECE: usize = 4096;

/// The part of network r: `len` elements, `stride` apart.
pub(super) fn part<T>(all: &[T], r: usize, stride: usize, len: usize) -> &[T] {
    &all[r * stride..r * stride + len]
}

pub(super) fn part_mut<T>(all: &mut [T], r: usize, stride: usize, len: usize) -> &mut [T] {
    &mut all[r * stride..r * stride + len]
}

/// First and second moments of a range of network r's arena.
pub(super) fn moments_of<T>(
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
    let (n, gap, arch) = (p.n as usize, p.scores_stride as usize, cpu.arch);
    cpu.with(out, |d, out| {
        let (tables, scores) = (d.u(tables), d.f(scores));
        for r in 0..p.models as usize {
            let seed = p.seed.wrapping_add(r as u32);
            let own = Noise { seed, ..p };
            let scores = part(scores, r, gap, n);
            let out = part_mut(out, r, stride(n), n);
            rows(out, PIECE, n * 40, |c, out| {
                let at = c * PIECE;
                let scores = &scores[at..at + out.len()];
                wide(
                    arch,
                    #[inline(always)]
                    || twin::noise::perturb(&own, tables, at, scores, out),
                );
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
            wide(
                arch,
                #[inline(always)]
                || twin::softmask::forward(&p, scores, mask),
            );
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
            wide(
                arch,
                #[inline(always)]
                || {
                    twin::scores::gradient(p.tau, mask, u, gradient);
                    adam.range(&mut scores[at..], gradient, m, v);
                },
            );
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
            .for_each(|((p, g), (m, v))| {
                wide(
                    arch,
                    #[inline(always)]
                    || adam.range(p, g, m, v),
                )
            });
    });
    cpu.floats[moments.id as usize] = moments_all;
}
