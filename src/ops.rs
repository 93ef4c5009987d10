//! The operations that every device implements: one method for each kernel entry.
//!
//! The order of the operations of a training step is written once, in [`crate::model`], over
//! [`Ops`]; `crate::cpu` runs the twins of `crate::reference`, `crate::gpu` the kernels of
//! `shaders/`. Shapes are row-major.
//!
//! Operations with a parameter `models` run that many networks at once: a buffer then holds a copy
//! for each, [`stride`] elements apart for a copy's length, parameters an arena apart, Adam moments two
//! arenas (first moments, then second moments), and network r draws its random numbers with the
//! first one's seed plus r. Buffers of gradients have one row more, for their column sums. A buffer that an operation writes must not be one that it
//! reads, not even at another range (wgpu forbids it).
use crate::error::DeviceError;
use crate::kernels::{
    ablate::Ablate, adamw::AdamW, first::First, heads::Heads, linear::Linear, noise::Noise,
    panel::Panel, scores::Scores, softmask::SoftMask, softsort::SoftSort, sort::Sort,
    sparse::Sparse, topk::TopK,
};

/// Result of an operation on a device.
pub type Result<T> = std::result::Result<T, DeviceError>;

/// Sub-ranges of a buffer begin at multiples of this many elements (256 bytes).
pub const ALIGN: usize = 64;
/// Genes that one partial sum of [`Ops::centre`] covers.
pub const CENTRE_CHUNK: usize = 256;
/// Genes that one block pointer of the sparse matrix covers.
pub const BLOCK: usize = 32;
/// Label, or bits of a value, of a cell that has none.
pub const MISSING: u32 = u32::MAX;

/// Elements between two networks' copies of `len` elements.
#[must_use]
pub const fn stride(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

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
    /// What was chosen on this device and changes the last bits of results; empty where nothing was.
    fn variant(&self) -> String {
        String::new()
    }
    /// Makes ready what the steps of training need, so that the first one does not wait for one kernel
    /// after the other.
    fn prepare(&mut self) -> Result<()> {
        Ok(())
    }
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

    /// `out[i] = scores[i] + beta gumbel(i)`; `tables` as made by `reference::noise::tables`.
    fn perturb(&mut self, p: Noise, scores: FBuf, tables: UBuf, out: FBuf);
    /// `mask[i] = 1` for the k largest scores (ties to the lower index), else 0; `index`
    /// (length k) lists them by ascending gene.
    fn topk(&mut self, p: TopK, scores: FBuf, mask: FBuf, index: UBuf);
    /// `mask[i] = sigmoid((scores[i] - nu) / tau)` with `sum mask = k` (method.md, relaxation A).
    fn soft_forward(&mut self, p: SoftMask, scores: FBuf, mask: FBuf);
    /// With `u` the sum of its lists and `v = m (1 - m) / tau`: an AdamW step of the scores along
    /// `v_i (u_i - <v,u> / sum v)`.
    fn score_update(&mut self, p: Scores, mask: FBuf, u: FBuf, params: FBuf, moments: FBuf);
    /// `order` = genes by descending score, ties to the lower index; `scratch` holds 3n words.
    fn sort(&mut self, p: Sort, scores: FBuf, order: UBuf, scratch: UBuf);
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
    /// `grad = J^T u` of relaxation B in gene order, `u` the sum of its lists; `work` holds 6n floats.
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
    /// An AdamW step of a range of one network's arena.
    fn adamw(&mut self, p: AdamW, params: FBuf, grads: FBuf, moments: FBuf);
    /// `partial[c, h] = sum_{g in chunk c} mask_g mean_g inv_sd_g w[g, h]`, chunks of
    /// [`CENTRE_CHUNK`] genes; `gene` = means, inverse standard deviations, mask, each
    /// [`stride`]`(n_genes)` long.
    fn centre(&mut self, p: First, gene: FBuf, params: FBuf, partial: FBuf);
    /// `out[b, :] = act(bias - sum_c centre[c, :] + sum_g x[rows[b], g] mask_g inv_sd_g w[g, :])` for
    /// the batch's cells that lie in the page, `act` ReLU and dropout or nothing; the other rows of
    /// `out` stay.
    fn sparse_forward(
        &mut self,
        p: Sparse,
        page: PageBuf,
        rows: UBuf,
        gene: FBuf,
        params: FBuf,
        centre: FBuf,
        out: FBuf,
    );
    /// `out[g, h] (+)= sum_b x[b, g]^power_x d[b, h]^power_d` over the batch's cells in the page.
    fn sparse_transpose(&mut self, p: Sparse, page: PageBuf, rows: UBuf, d: FBuf, out: FBuf);
    /// With `r = x^T d` over the batch's cells in the page (and what earlier pages left behind the
    /// lists in `work`) and `t_gh = inv_sd_g (r_gh - mean_g sum_b d_bh)`: an AdamW step of the
    /// weights along `mask_g t_gh`, and `<t_g, w_g>` (w before the step), a list for each 64
    /// columns, each [`stride`]`(n_genes)` long, into `work`.
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
    );
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
    /// `out = act(a w + bias)`; a: n_rows x n_in, w: n_in x n_out; `act` ReLU and dropout or nothing.
    fn linear_forward(&mut self, p: Linear, a: FBuf, params: FBuf, out: FBuf);
    /// `out = keep_scale (dz w^T) [gate > 0]`, `gate` the activations of the layer below.
    fn linear_grad_input(&mut self, p: Linear, dz: FBuf, params: FBuf, gate: FBuf, out: FBuf);
    /// AdamW steps of the weights along `a^T dz`, of this layer's biases along the column sums of
    /// `dz` (own_bias), of the biases of the layer below along those of `dz_below`, which are also
    /// left in its last row; `losses[slot + t] = sum_b loss[t, b]`.
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
    );
    /// Logits `a w + bias` (unless n_in is 0 and they already stand), then for each task t with
    /// factor `scales[t]` and cell b the loss into `loss[t, b]` and, with `gradients`, its gradient in
    /// place of the logits and `keep_scale (dlogits w^T) [a > 0]` in `dz`. `targets` as made by
    /// [`crate::model::net::Targets`]: cross-entropy times the class's weight, or Huber.
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
    );
    /// `out[j n_rows + b, h] = act(z[b, h] - x[b, first_gene + j] w[first_gene + j, h])`, j in
    /// 0..n_genes, `act` ReLU or nothing.
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
