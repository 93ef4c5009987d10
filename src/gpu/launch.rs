//! The operations: each is one launch of a registered entry.
use super::{Form, Gpu, record::Range};
use crate::kernels::{
    ablate::{self, Ablate},
    adamw::{self, AdamW},
    first::{self, First},
    heads::{self, Heads},
    linear::{self, Linear, TILES},
    matrix_forward,
    noise::{self, Noise},
    panel::{self, Panel},
    scores::{self, Scores},
    softmask::{self, SoftMask},
    softsort::{self, SoftSort},
    sort::{self, Sort},
    sparse::{self, Sparse},
    tiled_forward, tiled_update,
    topk::{self, TopK},
};
use crate::ops::{DeviceInfo, FBuf, Ops, PageBuf, Result, UBuf};

/// `[a, b, ..]` as ranges of floats or integers.
macro_rules! ranges {
    ($($buffer:expr),+ $(,)?) => { &[$(Range::from($buffer)),+] };
}

impl Ops for Gpu {
    fn info(&self) -> DeviceInfo {
        self.info.clone()
    }
    fn prepare(&mut self) -> Result<()> {
        self.compile_with_cache()
    }
    fn variant(&self) -> String {
        let matrix = if self.matrix { ", f16 matrices" } else { "" };
        let (tile, form) = (TILES[self.tile], self.form);
        format!("tiles of {tile}, {form:?} first layer{matrix}").to_lowercase()
    }
    fn max_elements(&self) -> usize {
        self.max_elements
    }
    fn alloc_f(&mut self, name: &'static str, len: usize) -> Result<FBuf> {
        let (id, offset) = (self.allocate(name, len)?, 0);
        Ok(FBuf { id, offset, len })
    }
    fn alloc_u(&mut self, name: &'static str, len: usize) -> Result<UBuf> {
        let (id, offset) = (self.allocate(name, len)?, 0);
        Ok(UBuf { id, offset, len })
    }
    fn adopt_u(&mut self, name: &'static str, data: Vec<u32>) -> Result<UBuf> {
        let buffer = self.alloc_u(name, data.len())?;
        self.write_u(buffer, &data)?;
        Ok(buffer)
    }
    fn write_f(&mut self, buf: FBuf, data: &[f32]) -> Result<()> {
        self.write(buf.into(), bytemuck::cast_slice(data))
    }
    fn write_u(&mut self, buf: UBuf, data: &[u32]) -> Result<()> {
        self.write(buf.into(), bytemuck::cast_slice(data))
    }
    fn read_f(&mut self, buf: FBuf) -> Result<Vec<f32>> {
        self.read(buf.into())
    }
    fn read_u(&mut self, buf: UBuf) -> Result<Vec<u32>> {
        self.read(buf.into())
    }
    fn release_f(&mut self, buf: FBuf) {
        self.release(buf.id);
    }
    fn release_u(&mut self, buf: UBuf) {
        self.release(buf.id);
    }
    fn submit(&mut self) -> Result<()> {
        self.submit_recorded()
    }
    fn sync(&mut self) -> Result<()> {
        self.wait()
    }
    fn perturb(&mut self, p: Noise, scores: FBuf, tables: UBuf, out: FBuf) {
        let buffers = ranges![scores, tables, out];
        self.launch(&noise::PERTURB, &p, buffers, p.groups());
    }
    fn topk(&mut self, p: TopK, scores: FBuf, mask: FBuf, index: UBuf) {
        let buffers = ranges![scores, mask, index];
        self.launch(&topk::SELECT_K, &p, buffers, p.groups());
    }
    fn soft_forward(&mut self, p: SoftMask, scores: FBuf, mask: FBuf) {
        let buffers = ranges![scores, mask];
        self.launch(&softmask::FORWARD, &p, buffers, p.groups());
    }
    fn sort(&mut self, p: Sort, scores: FBuf, order: UBuf, scratch: UBuf) {
        let buffers = ranges![scores, order, scratch];
        self.launch(&sort::ORDER, &p, buffers, p.groups());
    }
    fn softsort_forward(
        &mut self,
        p: SoftSort,
        scores: FBuf,
        order: UBuf,
        scratch: FBuf,
        mask: FBuf,
    ) {
        let buffers = ranges![scores, order, scratch, mask];
        self.launch(&softsort::FORWARD, &p, buffers, p.groups());
    }
    fn softsort_backward(
        &mut self,
        p: SoftSort,
        scores: FBuf,
        order: UBuf,
        scratch: FBuf,
        u: FBuf,
        work: FBuf,
        grad: FBuf,
    ) {
        let buffers = ranges![scores, order, scratch, u, work, grad];
        self.launch(&softsort::BACKWARD, &p, buffers, p.groups());
    }
    fn sparse_transpose(&mut self, p: Sparse, page: PageBuf, rows: UBuf, d: FBuf, out: FBuf) {
        let buffers = ranges![page.entries, page.blocks, rows, d, out];
        self.launch(&sparse::TRANSPOSE, &p, buffers, p.transpose_groups());
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
        let buffers = ranges![page.entries, page.blocks, rows, genes, stats, out];
        self.launch(&panel::GATHER, &p, buffers, p.groups());
    }
    fn score_update(&mut self, p: Scores, mask: FBuf, u: FBuf, params: FBuf, moments: FBuf) {
        let buffers = ranges![mask, u, params, moments];
        self.launch(&scores::UPDATE, &p, buffers, p.groups());
    }
    fn adamw(&mut self, p: AdamW, params: FBuf, grads: FBuf, moments: FBuf) {
        let buffers = ranges![params, grads, moments];
        self.launch(&adamw::ADAMW, &p, buffers, p.groups());
    }
    fn centre(&mut self, p: First, gene: FBuf, params: FBuf, partial: FBuf) {
        let buffers = ranges![gene, params, partial];
        self.launch(&first::CENTRE, &p, buffers, p.centre_groups());
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
        let buffers = ranges![page.entries, page.blocks, rows, gene, params, centre, out];
        match self.form {
            Form::Sparse => self.launch(&sparse::FORWARD, &p, buffers, p.forward_groups()),
            Form::Tiled => self.launch(&tiled_forward::FORWARD, &p, buffers, p.tiled_groups()),
        }
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
        let (entries, blocks) = (page.entries, page.blocks);
        let buffers = ranges![entries, blocks, rows, d, gene, params, moments, work];
        let entry = match self.form {
            Form::Sparse => &first::UPDATE,
            Form::Tiled => &tiled_update::UPDATE,
        };
        self.launch(entry, &p, buffers, p.update_groups());
    }
    fn linear_forward(&mut self, p: Linear, a: FBuf, params: FBuf, out: FBuf) {
        let (buffers, t) = (ranges![a, params, out], self.tile);
        if self.matrix {
            return self.launch(&matrix_forward::FORWARD, &p, buffers, p.matrix_groups());
        }
        self.launch(&linear::FORWARD[t], &p, buffers, p.forward_groups(TILES[t]));
    }
    fn linear_grad_input(&mut self, p: Linear, dz: FBuf, params: FBuf, gate: FBuf, out: FBuf) {
        let (buffers, t) = (ranges![dz, params, gate, out], self.tile);
        let grid = p.grad_input_groups(TILES[t]);
        self.launch(&linear::GRAD_INPUT[t], &p, buffers, grid);
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
        let t = self.tile;
        let buffers = ranges![a, dz, params, moments, dz_below, loss, losses];
        self.launch(&linear::UPDATE[t], &p, buffers, p.update_groups(TILES[t]));
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
        let buffers = ranges![a, params, rows, targets, scales, logits, loss, dz];
        self.launch(&heads::HEADS, &p, buffers, p.groups());
    }
    fn ablate(&mut self, p: Ablate, z: FBuf, x: FBuf, w: FBuf, out: FBuf) {
        let buffers = ranges![z, x, w, out];
        self.launch(&ablate::ABLATE, &p, buffers, p.groups());
    }
}
