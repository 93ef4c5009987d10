//! The operations: each is one launch of a registered entry.
use super::{Gpu, record::Range};
use crate::kernels::{
    ablate::{self, Ablate},
    activation::{self, Activation},
    adamw::{self, AdamW},
    column_sum::{self, ColumnSum},
    cross_entropy::{self, CrossEntropy},
    first::{self, First},
    huber::{self, Huber},
    linear::{self, Linear},
    noise::{self, Noise},
    panel::{self, Panel},
    softmask::{self, SoftMask},
    softsort::{self, SoftSort},
    sparse::{self, Sparse},
    sum::{self, Sum},
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
    fn soft_backward(&mut self, p: SoftMask, mask: FBuf, u: FBuf, grad: FBuf) {
        let buffers = ranges![mask, u, grad];
        self.launch(&softmask::BACKWARD, &p, buffers, p.groups());
    }
    fn softsort_order(&mut self, p: SoftSort, scores: FBuf, order: UBuf, scratch: UBuf) {
        let buffers = ranges![scores, order, scratch];
        self.launch(&softsort::ORDER, &p, buffers, p.groups());
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
    fn first_scale(&mut self, p: First, mask: FBuf, stats: FBuf, scale: FBuf, shift: FBuf) {
        let buffers = ranges![mask, stats, scale, shift];
        self.launch(&first::SCALE, &p, buffers, p.scale_groups());
    }
    fn first_gradient(
        &mut self,
        p: First,
        r: FBuf,
        w: FBuf,
        mask: FBuf,
        stats: FBuf,
        d: FBuf,
        dw: FBuf,
        u: FBuf,
    ) {
        let buffers = ranges![r, w, mask, stats, d, dw, u];
        self.launch(&first::GRADIENT, &p, buffers, p.gradient_groups());
    }
    fn sparse_forward(
        &mut self,
        p: Sparse,
        page: PageBuf,
        rows: UBuf,
        scale: FBuf,
        w: FBuf,
        base: FBuf,
        z: FBuf,
    ) {
        let buffers = ranges![page.entries, page.blocks, rows, scale, w, base, z];
        self.launch(&sparse::FORWARD, &p, buffers, p.forward_groups());
    }
    fn sparse_transpose(&mut self, p: Sparse, page: PageBuf, rows: UBuf, d: FBuf, out: FBuf) {
        let buffers = ranges![page.entries, page.blocks, rows, d, out];
        self.launch(&sparse::TRANSPOSE, &p, buffers, p.transpose_groups());
    }
    fn column_partial(&mut self, p: ColumnSum, a: FBuf, coef: FBuf, partial: FBuf) {
        let buffers = ranges![a, coef, partial];
        self.launch(&column_sum::PARTIAL_SUMS, &p, buffers, p.partial_groups());
    }
    fn column_finish(&mut self, p: ColumnSum, partial: FBuf, bias: FBuf, out: FBuf) {
        let buffers = ranges![partial, bias, out];
        self.launch(&column_sum::FINISH, &p, buffers, p.finish_groups());
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
    fn linear_forward(&mut self, p: Linear, a: FBuf, w: FBuf, b: FBuf, y: FBuf) {
        let buffers = ranges![a, w, b, y];
        self.launch(&linear::FORWARD, &p, buffers, p.forward_groups());
    }
    fn linear_grad_input(&mut self, p: Linear, dy: FBuf, w: FBuf, da: FBuf) {
        let buffers = ranges![dy, w, da];
        self.launch(&linear::GRAD_INPUT, &p, buffers, p.grad_input_groups());
    }
    fn linear_grad_weight(&mut self, p: Linear, a: FBuf, dy: FBuf, dw: FBuf) {
        let buffers = ranges![a, dy, dw];
        self.launch(&linear::GRAD_WEIGHT, &p, buffers, p.grad_weight_groups());
    }
    fn act_forward(&mut self, p: Activation, z: FBuf, a: FBuf) {
        let buffers = ranges![z, a];
        self.launch(&activation::FORWARD, &p, buffers, p.groups());
    }
    fn act_backward(&mut self, p: Activation, z: FBuf, da: FBuf, dz: FBuf) {
        let buffers = ranges![z, da, dz];
        self.launch(&activation::BACKWARD, &p, buffers, p.groups());
    }
    fn cross_entropy(
        &mut self,
        p: CrossEntropy,
        logits: FBuf,
        rows: UBuf,
        labels: UBuf,
        class_weight: FBuf,
        dlogits: FBuf,
        loss: FBuf,
    ) {
        let buffers = ranges![logits, rows, labels, class_weight, dlogits, loss];
        self.launch(&cross_entropy::CROSS_ENTROPY, &p, buffers, p.groups());
    }
    fn huber(
        &mut self,
        p: Huber,
        logits: FBuf,
        rows: UBuf,
        targets: FBuf,
        known: FBuf,
        dlogits: FBuf,
        loss: FBuf,
    ) {
        let buffers = ranges![logits, rows, targets, known, dlogits, loss];
        self.launch(&huber::HUBER, &p, buffers, p.groups());
    }
    fn sum(&mut self, p: Sum, values: FBuf, out: FBuf) {
        let buffers = ranges![values, out];
        self.launch(&sum::SUM, &p, buffers, p.groups());
    }
    fn adamw(&mut self, p: AdamW, params: FBuf, grads: FBuf, m: FBuf, v: FBuf) {
        let buffers = ranges![params, grads, m, v];
        self.launch(&adamw::ADAMW, &p, buffers, p.groups());
    }
    fn ablate(&mut self, p: Ablate, z: FBuf, x: FBuf, w: FBuf, out: FBuf) {
        let buffers = ranges![z, x, w, out];
        self.launch(&ablate::ABLATE, &p, buffers, p.groups());
    }
}
