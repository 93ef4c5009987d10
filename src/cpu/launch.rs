//! The operations: each takes its output out, calls the twin row by row, and puts it back.
use super::{Cpu, allocate, rows};
use crate::kernels::{
    ablate::Ablate, activation::Activation, adamw::AdamW, column_sum::ColumnSum,
    cross_entropy::CrossEntropy, first::First, huber::Huber, linear::Linear, noise::Noise,
    panel::Panel, softmask::SoftMask, softsort::SoftSort, sparse::Sparse, sum::Sum, topk::TopK,
};
use crate::ops::{BLOCK, COLUMN_CHUNK, DeviceInfo, FBuf, Ops, PageBuf, Result, UBuf};
use crate::reference as twin;
use crate::reference::Real;

/// Entries of a cell of the page, or `None` where the cell lies in another page.
fn cell_entries<'a>(
    entries: &'a [u32],
    blocks: &[u32],
    cell: u32,
    p: (u32, u32, u32),
    block: Option<usize>,
) -> Option<&'a [u32]> {
    let (first_cell, n_cells, n_blocks) = p;
    let local = cell.wrapping_sub(first_cell);
    if local >= n_cells {
        return None;
    }
    let at = local as usize * (n_blocks as usize + 1);
    let (from, to) = match block {
        Some(j) => (at + j, at + j + 1),
        None => (at, at + n_blocks as usize),
    };
    Some(&entries[blocks[from] as usize..blocks[to] as usize])
}

/// Elements that one task of an elementwise operation takes.
const PIECE: usize = 4096;

impl<T: Real> Ops for Cpu<T> {
    fn info(&self) -> DeviceInfo {
        Self::info_of()
    }
    fn max_elements(&self) -> usize {
        usize::MAX
    }
    fn alloc_f(&mut self, name: &'static str, len: usize) -> Result<FBuf> {
        let v = allocate(name, len, self.held())?;
        Ok(self.hold(v))
    }
    fn alloc_u(&mut self, name: &'static str, len: usize) -> Result<UBuf> {
        let v = allocate(name, len, self.held())?;
        self.adopt_u(name, v)
    }
    fn adopt_u(&mut self, _name: &'static str, data: Vec<u32>) -> Result<UBuf> {
        Ok(self.hold_words(data))
    }
    fn write_f(&mut self, buf: FBuf, data: &[f32]) -> Result<()> {
        self.with(buf, |_, out| {
            for (o, &x) in out.iter_mut().zip(data) {
                *o = T::of(f64::from(x));
            }
        });
        Ok(())
    }
    fn write_u(&mut self, buf: UBuf, data: &[u32]) -> Result<()> {
        self.with_words(buf, |_, out| out[..data.len()].copy_from_slice(data));
        Ok(())
    }
    fn read_f(&mut self, buf: FBuf) -> Result<Vec<f32>> {
        Ok(self.f(buf).iter().map(|x| x.f64() as f32).collect())
    }
    fn read_u(&mut self, buf: UBuf) -> Result<Vec<u32>> {
        Ok(self.u(buf).to_vec())
    }
    fn release_f(&mut self, buf: FBuf) {
        self.floats[buf.id as usize] = Vec::new();
    }
    fn release_u(&mut self, buf: UBuf) {
        self.words[buf.id as usize] = Vec::new();
    }
    fn submit(&mut self) -> Result<()> {
        Ok(())
    }
    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    fn perturb(&mut self, p: Noise, scores: FBuf, tables: UBuf, out: FBuf) {
        self.with(out, |d, out| {
            twin::noise::perturb(&p, d.u(tables), d.f(scores), out)
        });
    }
    fn topk(&mut self, p: TopK, scores: FBuf, mask: FBuf, index: UBuf) {
        let mut chosen = std::mem::take(&mut self.words[index.id as usize]);
        self.with(mask, |d, mask| {
            twin::topk::topk(
                p.k as usize,
                d.f(scores),
                mask,
                &mut chosen[index.offset..index.offset + index.len],
            );
        });
        self.words[index.id as usize] = chosen;
    }
    fn soft_forward(&mut self, p: SoftMask, scores: FBuf, mask: FBuf) {
        self.with(mask, |d, mask| {
            twin::softmask::forward(&p, d.f(scores), mask)
        });
    }
    fn soft_backward(&mut self, p: SoftMask, mask: FBuf, u: FBuf, grad: FBuf) {
        self.with(grad, |d, grad| {
            twin::softmask::backward(&p, d.f(mask), d.f(u), grad)
        });
    }
    fn softsort_order(&mut self, _p: SoftSort, scores: FBuf, order: UBuf, _scratch: UBuf) {
        self.with_words(order, |d, order| twin::softsort::order(d.f(scores), order));
    }
    fn softsort_forward(
        &mut self,
        p: SoftSort,
        scores: FBuf,
        order: UBuf,
        scratch: FBuf,
        mask: FBuf,
    ) {
        let mut kept = std::mem::take(&mut self.floats[scratch.id as usize]);
        self.with(mask, |d, mask| {
            let scratch = &mut kept[scratch.offset..scratch.offset + scratch.len];
            twin::softsort::forward(&p, d.f(scores), d.u(order), scratch, mask);
        });
        self.floats[scratch.id as usize] = kept;
    }
    fn softsort_backward(
        &mut self,
        p: SoftSort,
        scores: FBuf,
        order: UBuf,
        scratch: FBuf,
        u: FBuf,
        _work: FBuf,
        grad: FBuf,
    ) {
        self.with(grad, |d, grad| {
            twin::softsort::backward(&p, d.f(scores), d.u(order), d.f(scratch), d.f(u), grad);
        });
    }
    fn first_scale(&mut self, _p: First, mask: FBuf, stats: FBuf, scale: FBuf, shift: FBuf) {
        let mut shifts = std::mem::take(&mut self.floats[shift.id as usize]);
        self.with(scale, |d, scale| {
            let shift = &mut shifts[shift.offset..shift.offset + shift.len];
            twin::first::scale(d.f(mask), d.f(stats), scale, shift);
        });
        self.floats[shift.id as usize] = shifts;
    }
    fn first_gradient(
        &mut self,
        p: First,
        r: FBuf,
        w: FBuf,
        mask: FBuf,
        stats: FBuf,
        dsum: FBuf,
        dw: FBuf,
        u: FBuf,
    ) {
        use rayon::prelude::*;
        let (n, width, arch) = (p.n as usize, p.width as usize, self.arch);
        let mut us = std::mem::take(&mut self.floats[u.id as usize]);
        self.with(dw, |d, dw| {
            let (r, w, mask, stats, dsum) = (d.f(r), d.f(w), d.f(mask), d.f(stats), d.f(dsum));
            let us = &mut us[u.offset..u.offset + n];
            let genes = 64;
            dw[..n * width]
                .par_chunks_mut(genes * width)
                .zip(us.par_chunks_mut(genes))
                .enumerate()
                .for_each(|(c, (dw, us))| {
                    arch.dispatch(|| {
                        for (i, (dw, u)) in dw.chunks_exact_mut(width).zip(us).enumerate() {
                            let g = c * genes + i;
                            let at = g * width..(g + 1) * width;
                            *u = twin::first::gradient_row(
                                &r[at.clone()],
                                &w[at],
                                mask[g],
                                stats[g],
                                stats[n + g],
                                dsum,
                                dw,
                            );
                        }
                    });
                });
        });
        self.floats[u.id as usize] = us;
    }
    fn sparse_forward(
        &mut self,
        p: Sparse,
        page: PageBuf,
        batch: UBuf,
        scale: FBuf,
        w: FBuf,
        base: FBuf,
        z: FBuf,
    ) {
        let (n, width, arch) = (p.n_rows as usize, p.width as usize, self.arch);
        self.with(z, |d, z| {
            let (entries, blocks) = (d.u(page.entries), d.u(page.blocks));
            let batch = &d.u(batch)[p.row_offset as usize..];
            let (scale, w, base) = (d.f(scale), d.f(w), d.f(base));
            rows(&mut z[..n * width], width, usize::MAX, |b, z| {
                let Some(cell) = cell_entries(
                    entries,
                    blocks,
                    batch[b],
                    (p.first_cell, p.n_cells, p.n_blocks),
                    None,
                ) else {
                    return;
                };
                arch.dispatch(|| twin::sparse::forward_row(cell, scale, w, base, z));
            });
        });
    }
    fn sparse_transpose(&mut self, p: Sparse, page: PageBuf, batch: UBuf, dense: FBuf, out: FBuf) {
        let (n, width, arch) = (p.n_rows as usize, p.width as usize, self.arch);
        self.with(out, |d, out| {
            let (entries, blocks) = (d.u(page.entries), d.u(page.blocks));
            let batch = &d.u(batch)[p.row_offset as usize..][..n];
            let dense = &d.f(dense)[..n * width];
            let squares: Vec<T> = if p.power_d == 2 {
                dense.iter().map(|&x| x * x).collect()
            } else {
                Vec::new()
            };
            let dense = if p.power_d == 2 { &squares } else { dense };
            rows(
                &mut out[..p.n_genes as usize * width],
                BLOCK * width,
                usize::MAX,
                |j, out| {
                    arch.dispatch(|| {
                        if p.accumulate == 0 {
                            out.fill(T::ZERO);
                        }
                        for (dense, &cell) in dense.chunks_exact(width).zip(batch) {
                            let page = (p.first_cell, p.n_cells, p.n_blocks);
                            if let Some(entries) =
                                cell_entries(entries, blocks, cell, page, Some(j))
                            {
                                twin::sparse::transpose_cell(entries, p.power_x, dense, out);
                            }
                        }
                    });
                },
            );
        });
    }
    fn column_partial(&mut self, p: ColumnSum, a: FBuf, coef: FBuf, partial: FBuf) {
        let (n, width, arch) = (p.n_rows as usize, p.width as usize, self.arch);
        self.with(partial, |d, partial| {
            let (a, coef) = (&d.f(a)[..n * width], &d.f(coef)[..n]);
            rows(
                &mut partial[..n.div_ceil(COLUMN_CHUNK) * width],
                width,
                n * width,
                |c, out| {
                    let from = c * COLUMN_CHUNK;
                    let to = n.min(from + COLUMN_CHUNK);
                    arch.dispatch(|| {
                        twin::column_sum::partial(
                            p.power,
                            &a[from * width..to * width],
                            &coef[from..to],
                            out,
                        )
                    });
                },
            );
        });
    }
    fn column_finish(&mut self, p: ColumnSum, partial: FBuf, bias: FBuf, out: FBuf) {
        let width = p.width as usize;
        self.with(out, |d, out| {
            let partial = &d.f(partial)[..(p.n_rows as usize).div_ceil(COLUMN_CHUNK) * width];
            twin::column_sum::finish(partial, &d.f(bias)[..width], &mut out[..width]);
        });
    }
    fn panel_gather(
        &mut self,
        p: Panel,
        page: PageBuf,
        batch: UBuf,
        genes: UBuf,
        stats: FBuf,
        out: FBuf,
    ) {
        let (n, k) = (p.n_rows as usize, p.n_panel as usize);
        self.with(out, |d, out| {
            let (entries, blocks) = (d.u(page.entries), d.u(page.blocks));
            let batch = &d.u(batch)[p.row_offset as usize..];
            let (genes, stats) = (&d.u(genes)[..k], d.f(stats));
            rows(&mut out[..n * k], k, n * k * 40, |b, out| {
                let Some(cell) = cell_entries(
                    entries,
                    blocks,
                    batch[b],
                    (p.first_cell, p.n_cells, p.n_blocks),
                    None,
                ) else {
                    return;
                };
                twin::panel::gather_row(&p, b, cell, genes, stats, out);
            });
        });
    }
    fn linear_forward(&mut self, p: Linear, a: FBuf, w: FBuf, b: FBuf, y: FBuf) {
        let (n, n_in, n_out, arch) = (
            p.n_rows as usize,
            p.n_in as usize,
            p.n_out as usize,
            self.arch,
        );
        self.with(y, |d, y| {
            let (a, w, b) = (d.f(a), d.f(w), &d.f(b)[..n_out]);
            rows(&mut y[..n * n_out], 8 * n_out, n * n_in * n_out, |c, y| {
                arch.dispatch(|| {
                    for (i, y) in y.chunks_exact_mut(n_out).enumerate() {
                        let row = c * 8 + i;
                        twin::linear::forward_row(&a[row * n_in..(row + 1) * n_in], w, b, y);
                    }
                });
            });
        });
    }
    fn linear_grad_input(&mut self, p: Linear, dy: FBuf, w: FBuf, da: FBuf) {
        let (n, n_in, n_out, arch) = (
            p.n_rows as usize,
            p.n_in as usize,
            p.n_out as usize,
            self.arch,
        );
        self.with(da, |d, da| {
            let (dy, w) = (d.f(dy), &d.f(w)[..n_in * n_out]);
            rows(&mut da[..n * n_in], 8 * n_in, n * n_in * n_out, |c, da| {
                arch.dispatch(|| {
                    for (i, da) in da.chunks_exact_mut(n_in).enumerate() {
                        let row = c * 8 + i;
                        twin::linear::grad_input_row(&dy[row * n_out..(row + 1) * n_out], w, da);
                    }
                });
            });
        });
    }
    fn linear_grad_weight(&mut self, p: Linear, a: FBuf, dy: FBuf, dw: FBuf) {
        let (n, n_in, n_out, arch) = (
            p.n_rows as usize,
            p.n_in as usize,
            p.n_out as usize,
            self.arch,
        );
        self.with(dw, |d, dw| {
            let (a, dy) = (&d.f(a)[..n * n_in], &d.f(dy)[..n * n_out]);
            rows(
                &mut dw[..n_in * n_out],
                8 * n_out,
                n * n_in * n_out,
                |c, dw| {
                    arch.dispatch(|| {
                        for (i, dw) in dw.chunks_exact_mut(n_out).enumerate() {
                            twin::linear::grad_weight_row(c * 8 + i, n_in, a, dy, dw);
                        }
                    });
                },
            );
        });
    }
    fn act_forward(&mut self, p: Activation, z: FBuf, a: FBuf) {
        self.with(a, |d, a| {
            let z = d.f(z);
            rows(&mut a[..p.n as usize], PIECE, p.n as usize * 8, |c, a| {
                twin::activation::forward(&p, c * PIECE, &z[c * PIECE..c * PIECE + a.len()], a);
            });
        });
    }
    fn act_backward(&mut self, p: Activation, z: FBuf, da: FBuf, dz: FBuf) {
        self.with(dz, |d, dz| {
            let (z, da) = (d.f(z), d.f(da));
            rows(&mut dz[..p.n as usize], PIECE, p.n as usize * 8, |c, dz| {
                let at = c * PIECE..c * PIECE + dz.len();
                twin::activation::backward(&p, c * PIECE, &z[at.clone()], &da[at], dz);
            });
        });
    }
    fn cross_entropy(
        &mut self,
        p: CrossEntropy,
        logits: FBuf,
        batch: UBuf,
        labels: UBuf,
        class_weight: FBuf,
        dlogits: FBuf,
        loss: FBuf,
    ) {
        let (stride, from, n) = (p.stride as usize, p.column as usize, p.n_rows as usize);
        let to = from + p.n_classes as usize;
        let mut losses = std::mem::take(&mut self.floats[loss.id as usize]);
        self.with(dlogits, |d, dlogits| {
            let (logits, class_weight, labels) = (d.f(logits), d.f(class_weight), d.u(labels));
            let batch = &d.u(batch)[p.row_offset as usize..];
            for (b, l) in losses[loss.offset..loss.offset + n].iter_mut().enumerate() {
                let at = b * stride + from..b * stride + to;
                let label = labels[batch[b] as usize];
                *l = twin::cross_entropy::row(
                    &logits[at.clone()],
                    label,
                    p.scale,
                    class_weight,
                    &mut dlogits[at],
                );
            }
        });
        self.floats[loss.id as usize] = losses;
    }
    fn huber(
        &mut self,
        p: Huber,
        logits: FBuf,
        batch: UBuf,
        targets: FBuf,
        known: FBuf,
        dlogits: FBuf,
        loss: FBuf,
    ) {
        let n = p.n_rows as usize;
        let mut losses = std::mem::take(&mut self.floats[loss.id as usize]);
        self.with(dlogits, |d, dlogits| {
            let (logits, targets, known) = (d.f(logits), d.f(targets), d.f(known));
            let batch = &d.u(batch)[p.row_offset as usize..];
            for (b, l) in losses[loss.offset..loss.offset + n].iter_mut().enumerate() {
                let (at, cell) = (
                    (b * p.stride as usize) + p.column as usize,
                    batch[b] as usize,
                );
                let s = T::of(f64::from(p.scale)) * known[cell];
                (dlogits[at], *l) =
                    twin::huber::row(logits[at] - targets[cell], T::of(f64::from(p.delta)), s);
            }
        });
        self.floats[loss.id as usize] = losses;
    }
    fn sum(&mut self, p: Sum, values: FBuf, out: FBuf) {
        self.with(out, |d, out| {
            out[p.slot as usize] = d.f(values)[..p.n as usize]
                .iter()
                .fold(T::ZERO, |s, &x| s + x);
        });
    }
    fn adamw(&mut self, p: AdamW, params: FBuf, grads: FBuf, m: FBuf, v: FBuf) {
        use rayon::prelude::*;
        let (n, arch) = (p.n as usize, self.arch);
        let mut ms = std::mem::take(&mut self.floats[m.id as usize]);
        let mut vs = std::mem::take(&mut self.floats[v.id as usize]);
        self.with(params, |d, params| {
            let (ms, vs) = (
                &mut ms[m.offset..m.offset + n],
                &mut vs[v.offset..v.offset + n],
            );
            let pieces = params[..n]
                .par_chunks_mut(PIECE)
                .zip(d.f(grads)[..n].par_chunks(PIECE));
            pieces
                .zip(ms.par_chunks_mut(PIECE).zip(vs.par_chunks_mut(PIECE)))
                .for_each(|((p_, g), (m, v))| {
                    arch.dispatch(|| twin::adamw::step(&p, p_, g, m, v));
                });
        });
        self.floats[m.id as usize] = ms;
        self.floats[v.id as usize] = vs;
    }
    fn ablate(&mut self, p: Ablate, z: FBuf, x: FBuf, w: FBuf, out: FBuf) {
        let (n, width, k) = (p.n_rows as usize, p.width as usize, p.n_panel as usize);
        self.with(out, |d, out| {
            let (z, x, w) = (d.f(z), d.f(x), d.f(w));
            let total = p.n_genes as usize * n * width;
            rows(&mut out[..total], n * width, total, |j, out| {
                let gene = p.first_gene as usize + j;
                for (b, out) in out.chunks_exact_mut(width).enumerate() {
                    twin::ablate::row(
                        &z[b * width..(b + 1) * width],
                        x[b * k + gene],
                        &w[gene * width..(gene + 1) * width],
                        out,
                    );
                }
            });
        });
    }
}
