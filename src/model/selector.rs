//! What the selection holds on a device beside its networks, and its settings for one step.
use crate::ops::{CENTRE_CHUNK, FBuf, Ops, Result, UBuf, stride};
use crate::reference::noise::tables;
use serde::{Deserialize, Serialize};

/// Which relaxation of top-k carries the gradient (method.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relaxation {
    /// A: capped-sum sigmoid.
    Sigmoid,
    /// B: SoftSort rows.
    Softsort,
}

/// What the selection phase needs beside its networks; buffers hold a copy a network.
#[derive(Clone, Debug)]
pub struct Selector {
    /// Genes.
    pub n: usize,
    /// Noise tables, shared.
    pub tables: UBuf,
    /// Means, inverse standard deviations and forward mask of the genes.
    pub gene: FBuf,
    /// Perturbed scores.
    pub noisy: FBuf,
    /// Relaxed mask while the forward mask is the hard one.
    pub soft: FBuf,
    /// Genes of the hard mask.
    pub index: UBuf,
    /// Parts of the centring.
    pub centre: FBuf,
    /// Lists of dL/dm, and sums over the pages of cells before the last.
    pub work: FBuf,
    /// Relaxation B only, shared: order of the scores, scratch of the sort, kept scans, scratch of
    /// the backward pass, gradient of the scores.
    pub sort: Option<SortBuffers>,
}

/// Buffers of relaxation B.
#[derive(Clone, Copy, Debug)]
pub struct SortBuffers {
    /// Order of the scores of each network.
    pub order: UBuf,
    /// Scratch of the sort.
    pub keys: UBuf,
    /// Scans of each network, kept for the backward pass.
    pub scans: FBuf,
    /// Scratch of the backward pass.
    pub work: FBuf,
    /// Gradient of the scores.
    pub grad: FBuf,
}

impl Selector {
    /// Allocates for `models` networks over genes with these means and inverse standard deviations.
    ///
    /// # Errors
    /// Out of device memory.
    pub fn new<O: Ops>(
        ops: &mut O,
        (mean, inv_sd): (&[f32], &[f32]),
        width: usize,
        models: usize,
        pages: usize,
        relaxation: Relaxation,
    ) -> Result<Self> {
        let n = mean.len();
        let each = models * stride(n);
        let gene = ops.alloc_f("genes", 3 * each)?;
        let mut lists = vec![0.0f32; 3 * each];
        for own in lists.chunks_exact_mut(3 * stride(n)) {
            own[..n].copy_from_slice(mean);
            own[stride(n)..stride(n) + n].copy_from_slice(inv_sd);
        }
        ops.write_f(gene, &lists)?;
        let sort = match relaxation {
            Relaxation::Sigmoid => None,
            Relaxation::Softsort => Some(SortBuffers {
                order: ops.alloc_u("order of the scores", each)?,
                keys: ops.alloc_u("scratch of the sort", 3 * n)?,
                scans: ops.alloc_f("scans", models * stride(6 * n))?,
                work: ops.alloc_f("scratch of the scans", 6 * n)?,
                grad: ops.alloc_f("gradient of the scores", n)?,
            }),
        };
        let chunks = n.div_ceil(CENTRE_CHUNK);
        let behind = if pages > 1 { stride(n * width) } else { 0 };
        let lists = width.div_ceil(64) * stride(n);
        Ok(Self {
            n,
            tables: ops.adopt_u("noise tables", tables())?,
            gene,
            noisy: ops.alloc_f("perturbed scores", each)?,
            soft: ops.alloc_f("relaxed mask", each)?,
            index: ops.alloc_u("panel", each)?,
            centre: ops.alloc_f("centring", models * stride(chunks * width))?,
            work: ops.alloc_f("mask gradient", models * (lists + behind))?,
            sort,
        })
    }
    /// The forward mask of the first network; those of the others follow at [`Selector::mask_stride`].
    #[must_use]
    pub fn mask(&self) -> FBuf {
        let from = 2 * stride(self.n);
        self.gene.slice(from, self.gene.len - from)
    }
    /// Elements between two networks' forward masks.
    #[must_use]
    pub fn mask_stride(&self) -> usize {
        3 * stride(self.n)
    }
    /// What network `r` alone needs to predict.
    #[must_use]
    pub fn model(&self, r: usize) -> Self {
        let len = 3 * stride(self.n);
        Self {
            gene: self.gene.slice(r * len, len),
            ..self.clone()
        }
    }
    /// Frees all buffers.
    pub fn release<O: Ops>(self, ops: &mut O) {
        let floats = [self.gene, self.noisy, self.soft, self.centre, self.work];
        floats.into_iter().for_each(|b| ops.release_f(b));
        [self.tables, self.index]
            .into_iter()
            .for_each(|b| ops.release_u(b));
        if let Some(s) = self.sort {
            [s.scans, s.work, s.grad]
                .into_iter()
                .for_each(|b| ops.release_f(b));
            [s.order, s.keys].into_iter().for_each(|b| ops.release_u(b));
        }
    }
}

/// Settings of the selection for one step.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    /// Genes in play at this step.
    pub k: usize,
    /// Temperature.
    pub tau: f32,
    /// Noise scale.
    pub beta: f32,
    /// Whether the forward pass uses the hard mask (straight-through) or the relaxed one.
    pub hard: bool,
    /// Which relaxation.
    pub relaxation: Relaxation,
    /// Low word of the key of the first network.
    pub seed: u32,
    /// Global step.
    pub step: u32,
}
