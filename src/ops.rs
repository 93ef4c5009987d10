//! The operations that every device implements: one method for each kernel entry.
//!
//! The order of the operations of a training step is written once, in [`crate::model`], over
//! [`Ops`]; `crate::cpu` runs the twins of `crate::reference`, `crate::gpu` the kernels of
//! `shaders/`. Shapes are row-major. A buffer that an operation writes must not be one that it
//! reads, not even at another range (wgpu forbids it).
use crate::error::DeviceError;
use crate::kernels::{
    ablate::Ablate, activation::Activation, adamw::AdamW, column_sum::ColumnSum,
    cross_entropy::CrossEntropy, first::First, huber::Huber, linear::Linear, noise::Noise,
    panel::Panel, softmask::SoftMask, softsort::SoftSort, sparse::Sparse, sum::Sum, topk::TopK,
};

/// Result of an operation on a device.
pub type Result<T> = std::result::Result<T, DeviceError>;

/// Sub-ranges of a buffer begin at multiples of this many elements (256 bytes).
pub const ALIGN: usize = 64;
/// Rows that one partial sum of [`Ops::column_partial`] covers.
pub const COLUMN_CHUNK: usize = 64;
/// Genes that one block pointer of the sparse matrix covers.
pub const BLOCK: usize = 32;
/// Label of a cell that has none.
pub const MISSING: u32 = u32::MAX;

macro_rules! handle {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            /// Which allocation.
            pub id: u32,
            /// First element of the range, a multiple of [`ALIGN`].
            pub offset: usize,
            /// Elements of the range.
            pub len: usize,
        }
        impl $name {
            /// A range of this buffer; `offset` is a multiple of [`ALIGN`].
            #[must_use]
            pub fn slice(self, offset: usize, len: usize) -> Self {
                debug_assert!(offset % ALIGN == 0 && offset + len <= self.len);
                Self { id: self.id, offset: self.offset + offset, len }
            }
            /// The first `len` elements.
            #[must_use]
            pub fn first(self, len: usize) -> Self {
                self.slice(0, len)
            }
        }
    };
}
handle! {
    /// A range of a device buffer of floats (f32 on a GPU; f32 or f64 on the CPU).
    FBuf
}
handle! {
    /// A range of a device buffer of u32.
    UBuf
}

/// One page of the sparse matrix on a device.
///
/// `entries`: one word a nonzero, gene in the low 16 bits, f16 value (never subnormal) in the high
/// 16, ascending genes within a cell. `blocks[c * (n_blocks + 1) + j]` is the first entry of cell
/// `c` (of this page) whose gene is `>= 32 j`; the last pointer of a cell is its end.
#[derive(Clone, Copy, Debug)]
pub struct PageBuf {
    /// Packed nonzeros.
    pub entries: UBuf,
    /// Gene-block pointers.
    pub blocks: UBuf,
    /// First cell of the page.
    pub first_cell: u32,
    /// Cells of the page.
    pub n_cells: u32,
}

/// A device that runs the kernels.
///
/// # Errors
/// Every method that returns a [`Result`] fails with [`DeviceError`] where memory runs out or the
/// device is lost; the launching methods only record and report at the next read or [`Ops::sync`].
pub trait Ops {
    /// Name of the device, for messages and results.
    fn info(&self) -> DeviceInfo;
    /// The most elements that one buffer range may hold when bound.
    fn max_elements(&self) -> usize;
    /// Allocates `len` floats, zero.
    fn alloc_f(&mut self, name: &'static str, len: usize) -> Result<FBuf>;
    /// Allocates `len` integers, zero.
    fn alloc_u(&mut self, name: &'static str, len: usize) -> Result<UBuf>;
    /// Puts a vector on the device; the CPU keeps it, a GPU uploads and drops it.
    fn adopt_u(&mut self, name: &'static str, data: Vec<u32>) -> Result<UBuf>;
    /// Overwrites the first `data.len()` elements of `buf`, ordered after all earlier launches.
    fn write_f(&mut self, buf: FBuf, data: &[f32]) -> Result<()>;
    /// As [`Ops::write_f`].
    fn write_u(&mut self, buf: UBuf, data: &[u32]) -> Result<()>;
    /// Runs what was recorded, waits, and reads the range.
    fn read_f(&mut self, buf: FBuf) -> Result<Vec<f32>>;
    /// As [`Ops::read_f`].
    fn read_u(&mut self, buf: UBuf) -> Result<Vec<u32>>;
    /// Frees the whole allocation that `buf` is a range of.
    fn release_f(&mut self, buf: FBuf);
    /// As [`Ops::release_f`].
    fn release_u(&mut self, buf: UBuf);
    /// Hands what was recorded to the device without waiting for it.
    fn submit(&mut self) -> Result<()>;
    /// Runs what was recorded and waits for it.
    fn sync(&mut self) -> Result<()>;

    /// `out[i] = scores[i] + beta * gumbel(i)`; `tables` as made by `reference::noise::tables`.
    fn perturb(&mut self, p: Noise, scores: FBuf, tables: UBuf, out: FBuf);
    /// `mask[i] = 1` for the k largest scores (ties to the lower index), else 0; `index`
    /// (length k) lists them by ascending gene.
    fn topk(&mut self, p: TopK, scores: FBuf, mask: FBuf, index: UBuf);
    /// `mask[i] = sigmoid((scores[i] - nu) / tau)` with `sum mask = k` (method.md, relaxation A).
    fn soft_forward(&mut self, p: SoftMask, scores: FBuf, mask: FBuf);
    /// `grad[i] = v_i (u_i - <v,u> / sum v)`, `v = m (1 - m) / tau`.
    fn soft_backward(&mut self, p: SoftMask, mask: FBuf, u: FBuf, grad: FBuf);
    /// `order` = genes by descending score, ties to the lower index; `scratch` holds 3n words.
    fn softsort_order(&mut self, p: SoftSort, scores: FBuf, order: UBuf, scratch: UBuf);
    /// Mask of relaxation B in gene order; `scratch` holds 6n floats (L1, R1, i, A, B and one
    /// temporary, in sorted order), which [`Ops::softsort_backward`] reads.
    fn softsort_forward(
        &mut self,
        p: SoftSort,
        scores: FBuf,
        order: UBuf,
        scratch: FBuf,
        mask: FBuf,
    );
    /// `grad = J^T u` of relaxation B in gene order; `work` holds 6n floats.
    fn softsort_backward(
        &mut self,
        p: SoftSort,
        scores: FBuf,
        order: UBuf,
        scratch: FBuf,
        u: FBuf,
        work: FBuf,
        grad: FBuf,
    );
    /// `scale = mask * inv_sd`, `shift = -mask * inv_sd * mean`; `stats` = means, then inverse
    /// standard deviations (2n).
    fn first_scale(&mut self, p: First, mask: FBuf, stats: FBuf, scale: FBuf, shift: FBuf);
    /// With `t_gh = inv_sd_g (r_gh - mean_g d_h)`: `dw_gh = mask_g t_gh`, `u_g = <t_g, w_g>`.
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
    );
    /// `z[b, :] = base + sum_g x[rows[row_offset + b], g] scale_g w[g, :]` for the batch's cells
    /// that lie in the page; the other rows of `z` stay.
    fn sparse_forward(
        &mut self,
        p: Sparse,
        page: PageBuf,
        rows: UBuf,
        scale: FBuf,
        w: FBuf,
        base: FBuf,
        z: FBuf,
    );
    /// `out[g, h] (+)= sum_b x[b, g]^power_x d[b, h]^power_d` over the batch's cells in the page.
    fn sparse_transpose(&mut self, p: Sparse, page: PageBuf, rows: UBuf, d: FBuf, out: FBuf);
    /// `partial[c, h] = sum_{r in chunk c} coef[r] a[r, h]^power`, chunks of [`COLUMN_CHUNK`] rows.
    fn column_partial(&mut self, p: ColumnSum, a: FBuf, coef: FBuf, partial: FBuf);
    /// `out[h] = bias[h] + sum_c partial[c, h]`.
    fn column_finish(&mut self, p: ColumnSum, partial: FBuf, bias: FBuf, out: FBuf);
    /// `out[b, j] = drop((x[rows[row_offset + b], genes[j]] - mean_j) inv_sd_j)` for the batch's
    /// cells in the page; `stats` = means, then inverse standard deviations of the panel's genes.
    /// Dropout word: element `b n_panel + j`.
    fn panel_gather(
        &mut self,
        p: Panel,
        page: PageBuf,
        rows: UBuf,
        genes: UBuf,
        stats: FBuf,
        out: FBuf,
    );
    /// `y = a w + b`; a: n_rows x n_in, w: n_in x n_out.
    fn linear_forward(&mut self, p: Linear, a: FBuf, w: FBuf, b: FBuf, y: FBuf);
    /// `da = dy w^T`.
    fn linear_grad_input(&mut self, p: Linear, dy: FBuf, w: FBuf, da: FBuf);
    /// `dw = a^T dy`.
    fn linear_grad_weight(&mut self, p: Linear, a: FBuf, dy: FBuf, dw: FBuf);
    /// `a = max(z, 0)`, then dropout.
    fn act_forward(&mut self, p: Activation, z: FBuf, a: FBuf);
    /// `dz = da [z > 0]`, then the same dropout.
    fn act_backward(&mut self, p: Activation, z: FBuf, da: FBuf, dz: FBuf);
    /// With `y = labels[rows[row_offset + b]]` and `s = scale class_weight[y]` (0 where y is
    /// [`MISSING`]): `dlogits[b, column + c] = s (softmax_c - [c = y])`, `loss[b] = s * -log softmax_y`.
    fn cross_entropy(
        &mut self,
        p: CrossEntropy,
        logits: FBuf,
        rows: UBuf,
        labels: UBuf,
        class_weight: FBuf,
        dlogits: FBuf,
        loss: FBuf,
    );
    /// With `e = logits[b, column] - targets[row]` and `s = scale known[row]` (1 known, 0 missing):
    /// `dlogits = s clamp(e, -delta, delta)`, `loss = s (e^2/2 or delta (|e| - delta/2))`.
    fn huber(
        &mut self,
        p: Huber,
        logits: FBuf,
        rows: UBuf,
        targets: FBuf,
        known: FBuf,
        dlogits: FBuf,
        loss: FBuf,
    );
    /// `out[slot] = sum values`.
    fn sum(&mut self, p: Sum, values: FBuf, out: FBuf);
    /// `m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p -= lr wd p; p -= lr (m/c1) / (sqrt(v/c2) + eps)`.
    fn adamw(&mut self, p: AdamW, params: FBuf, grads: FBuf, m: FBuf, v: FBuf);
    /// `out[j n_rows + b, h] = z[b, h] - x[b, first_gene + j] w[first_gene + j, h]`, j in 0..n_genes.
    fn ablate(&mut self, p: Ablate, z: FBuf, x: FBuf, w: FBuf, out: FBuf);
}

/// What a device says of itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeviceInfo {
    /// Name as the driver gives it, or `CPU`.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl` or `native`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software`, `cpu` or `other`.
    #[serde(rename = "type")]
    pub kind: String,
}
