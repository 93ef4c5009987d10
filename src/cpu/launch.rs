//! The operations: each takes its output out, calls the twin row by row, and puts it back.
use super::{Cpu, allocate, cell_entries, dense, first, rows, step, wide};
use crate::kernels::{
    ablate::Ablate, adamw::AdamW, first::First, heads::Heads, linear::Linear, noise::Noise,
    panel::Panel, scores::Scores, softmask::SoftMask, softsort::SoftSort, sort::Sort,
    sparse::Sparse, topk::TopK,
};
use crate::ops::{BLOCK, DeviceInfo, FBuf, Ops, PageBuf, Result, UBuf};
use crate::reference as twin;
use crate::reference::Real;

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
        step::perturb(self, p, scores, tables, out);
    }
    fn topk(&mut self, p: TopK, scores: FBuf, mask: FBuf, index: UBuf) {
        step::topk(self, p, scores, mask, index);
    }
    fn soft_forward(&mut self, p: SoftMask, scores: FBuf, mask: FBuf) {
        step::soft_forward(self, p, scores, mask);
    }
    fn score_update(&mut self, p: Scores, mask: FBuf, u: FBuf, params: FBuf, moments: FBuf) {
        step::score_update(self, p, mask, u, params, moments);
    }
    fn sort(&mut self, _p: Sort, scores: FBuf, order: UBuf, _scratch: UBuf) {
        self.with_words(order, |d, order| twin::sort::order(d.f(scores), order));
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
                    wide(
                        arch,
                        #[inline(always)]
                        || {
                            if p.accumulate == 0 {
                                out.fill(T::ZERO);
                            }
                            for (dense, &cell) in dense.chunks_exact(width).zip(batch) {
                                let page = (p.first_cell, p.n_cells, p.n_blocks);
                                if let Some(entries) =
                                    cell_entries(entries, blocks, cell, page, (j, j + 1))
                                {
                                    twin::sparse::transpose_cell(entries, p.power_x, dense, out);
                                }
                            }
                        },
                    );
                },
            );
        });
    }
    fn adamw(&mut self, p: AdamW, params: FBuf, grads: FBuf, moments: FBuf) {
        step::adamw(self, p, params, grads, moments);
    }
    fn centre(&mut self, p: First, gene: FBuf, params: FBuf, partial: FBuf) {
        first::centre(self, p, gene, params, partial);
    }
    fn sparse_forward(
        &mut self,
        p: Sparse,
        page: PageBuf,
        rows: UBuf,
        gene: FBuf,
        params: FBuf,
        centre: FBuf,
        out: FBuf,
    ) {
        first::sparse_forward(self, p, page, rows, [gene, params, centre, out]);
    }
    fn first_update(
        &mut self,
        p: First,
        page: PageBuf,
        rows: UBuf,
        d: FBuf,
        gene: FBuf,
        params: FBuf,
        moments: FBuf,
        work: FBuf,
    ) {
        first::first_update(self, p, page, rows, [d, gene, params, moments, work]);
    }
    fn panel_gather(
        &mut self,
        p: Panel,
        page: PageBuf,
        rows: UBuf,
        genes: UBuf,
        stats: FBuf,
        out: FBuf,
    ) {
        first::panel_gather(self, p, page, rows, genes, stats, out);
    }
    fn linear_forward(&mut self, p: Linear, a: FBuf, params: FBuf, out: FBuf) {
        dense::linear_forward(self, p, a, params, out);
    }
    fn linear_grad_input(&mut self, p: Linear, dz: FBuf, params: FBuf, gate: FBuf, out: FBuf) {
        dense::linear_grad_input(self, p, dz, params, gate, out);
    }
    fn linear_update(
        &mut self,
        p: Linear,
        a: FBuf,
        dz: FBuf,
        params: FBuf,
        moments: FBuf,
        dz_below: FBuf,
        loss: FBuf,
        losses: FBuf,
    ) {
        dense::linear_update(self, p, a, dz, [params, moments, dz_below, loss, losses]);
    }
    fn heads(
        &mut self,
        p: Heads,
        a: FBuf,
        params: FBuf,
        rows: UBuf,
        targets: UBuf,
        scales: FBuf,
        logits: FBuf,
        loss: FBuf,
        dz: FBuf,
    ) {
        dense::heads(
            self,
            p,
            [a, params, scales],
            rows,
            targets,
            [logits, loss, dz],
        );
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
                        p.activate == 1,
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
