//! A network's buffers on a device.
use super::layout::{Layout, Place};
use crate::data::cells::{Targets, Task, TaskKind};
use crate::data::packed::Packed;
use crate::ops::{COLUMN_CHUNK, FBuf, MISSING, Ops, PageBuf, Result, UBuf};

/// Parameters, their gradients and Adam moments, and the activations of a batch.
#[derive(Clone, Debug)]
pub struct Net {
    /// Places in the four arenas.
    pub layout: Layout,
    /// Parameters.
    pub params: FBuf,
    /// Gradients.
    pub grads: FBuf,
    /// First moments.
    pub m: FBuf,
    /// Second moments.
    pub v: FBuf,
    /// Outputs of each layer before the activation; the last ones are the logits.
    pub y: Vec<FBuf>,
    /// Gradients of `y`.
    pub dy: Vec<FBuf>,
    /// Hidden activations.
    pub a: Vec<FBuf>,
    /// Gradients of `a`.
    pub da: Vec<FBuf>,
    /// Loss of each cell for the task at hand.
    pub loss: FBuf,
    /// Partial column sums.
    pub partial: FBuf,
    /// Ones, as many as rows.
    pub ones: FBuf,
    /// Zeros, as wide as the widest layer.
    pub zeros: FBuf,
    /// Cells that fit a batch.
    pub max_rows: usize,
}

impl Net {
    /// Allocates a network for batches of up to `max_rows` cells.
    ///
    /// # Errors
    /// Out of device memory.
    pub fn new<O: Ops>(ops: &mut O, layout: Layout, max_rows: usize) -> Result<Self> {
        let shape = &layout.shape;
        let layers = shape.n_layers();
        let widest = (0..layers).map(|l| shape.output(l)).max().unwrap_or(1);
        let chunks = max_rows.max(shape.n_in).div_ceil(COLUMN_CHUNK);
        let mut wide = |name, l: usize| ops.alloc_f(name, max_rows * shape.output(l));
        let y = (0..layers)
            .map(|l| wide("layer outputs", l))
            .collect::<Result<Vec<_>>>()?;
        let dy = (0..layers)
            .map(|l| wide("gradients of layer outputs", l))
            .collect::<Result<Vec<_>>>()?;
        let a = (0..layers - 1)
            .map(|l| wide("activations", l))
            .collect::<Result<Vec<_>>>()?;
        let da = (0..layers - 1)
            .map(|l| wide("gradients of activations", l))
            .collect::<Result<Vec<_>>>()?;
        let ones = ops.alloc_f("ones", max_rows)?;
        ops.write_f(ones, &vec![1.0; max_rows])?;
        Ok(Self {
            params: ops.alloc_f("parameters", layout.len)?,
            grads: ops.alloc_f("gradients", layout.len)?,
            m: ops.alloc_f("first moments", layout.len)?,
            v: ops.alloc_f("second moments", layout.len)?,
            loss: ops.alloc_f("losses of the cells", max_rows)?,
            partial: ops.alloc_f("partial column sums", chunks * widest)?,
            zeros: ops.alloc_f("zeros", widest)?,
            y,
            dy,
            a,
            da,
            ones,
            max_rows,
            layout,
        })
    }

    /// A range of the parameters.
    #[must_use]
    pub fn param(&self, place: Place) -> FBuf {
        self.params.slice(place.offset, place.len)
    }
    /// A range of the gradients.
    #[must_use]
    pub fn grad(&self, place: Place) -> FBuf {
        self.grads.slice(place.offset, place.len)
    }
    /// The logits of the batch.
    #[must_use]
    pub fn logits(&self) -> FBuf {
        self.y[self.y.len() - 1]
    }

    /// Frees all buffers.
    pub fn release<O: Ops>(self, ops: &mut O) {
        let one = [
            self.params,
            self.grads,
            self.m,
            self.v,
            self.loss,
            self.partial,
            self.ones,
            self.zeros,
        ];
        let all = one
            .into_iter()
            .chain(self.y)
            .chain(self.dy)
            .chain(self.a)
            .chain(self.da);
        all.for_each(|b| ops.release_f(b));
    }
}

/// The packed cells on a device.
#[derive(Clone, Debug)]
pub struct Cells {
    /// Pages in cell order.
    pub pages: Vec<PageBuf>,
    /// Genes.
    pub n_genes: usize,
    /// Gene blocks.
    pub n_blocks: usize,
}

impl Cells {
    /// Uploads the cells, page by page.
    ///
    /// # Errors
    /// Out of device memory.
    pub fn new<O: Ops>(ops: &mut O, packed: &Packed) -> Result<Self> {
        let mut pages = Vec::with_capacity(packed.pages.len());
        for page in &packed.pages {
            // an empty binding is not allowed
            let entries = if page.entries.is_empty() {
                vec![0]
            } else {
                page.entries.clone()
            };
            pages.push(PageBuf {
                entries: ops.adopt_u("expression", entries)?,
                blocks: ops.adopt_u("gene-block pointers", page.blocks.clone())?,
                first_cell: page.first_cell as u32,
                n_cells: page.n_cells as u32,
            });
        }
        Ok(Self {
            pages,
            n_genes: packed.n_genes,
            n_blocks: packed.n_blocks,
        })
    }
}

/// Labels of a task on a device.
#[derive(Clone, Copy, Debug)]
pub enum DeviceTargets {
    /// Class codes and class weights.
    Classes {
        /// A code a cell.
        labels: UBuf,
        /// A weight a class.
        weights: FBuf,
    },
    /// Standardised values.
    Values {
        /// A value a cell.
        targets: FBuf,
        /// 1 where the value is known, else 0.
        known: FBuf,
    },
}

/// A task's labels on a device, and what the host needs of them.
#[derive(Clone, Debug)]
pub struct DeviceTask {
    /// Labels.
    pub targets: DeviceTargets,
    /// First column of the logits.
    pub column: usize,
    /// Columns of the logits.
    pub width: usize,
    /// Weight of each cell in the loss: its class weight, 1, or 0 where it has no label.
    pub cell_weight: Vec<f32>,
}

impl DeviceTask {
    /// Uploads a task; class weights are (mean n / n_c)^`power` over the first `n_train` cells,
    /// scaled to a weighted mean of 1.
    ///
    /// # Errors
    /// Out of device memory.
    pub fn new<O: Ops>(
        ops: &mut O,
        task: &Task,
        column: usize,
        n_train: usize,
        power: f64,
    ) -> Result<Self> {
        let width = task.kind.width();
        match (&task.targets, &task.kind) {
            (Targets::Classes(labels), _) => {
                let weights = class_weights(&labels[..n_train], width, power);
                let cell_weight = labels
                    .iter()
                    .map(|&y| {
                        if y == MISSING {
                            0.0
                        } else {
                            weights[y as usize]
                        }
                    })
                    .collect();
                let buffer = ops.alloc_f("class weights", width)?;
                ops.write_f(buffer, &weights)?;
                let labels = ops.adopt_u("labels", labels.clone())?;
                Ok(Self {
                    targets: DeviceTargets::Classes {
                        labels,
                        weights: buffer,
                    },
                    column,
                    width,
                    cell_weight,
                })
            }
            (Targets::Values(values), kind) => {
                let (mean, sd) = match kind {
                    TaskKind::Regression { mean, sd } => (*mean, *sd),
                    TaskKind::Classification { .. } => (0.0, 1.0),
                };
                let scaled: Vec<f32> = values
                    .iter()
                    .map(|&v| {
                        if v.is_nan() {
                            0.0
                        } else {
                            ((f64::from(v) - mean) / sd) as f32
                        }
                    })
                    .collect();
                let cell_weight: Vec<f32> = values
                    .iter()
                    .map(|v| if v.is_nan() { 0.0 } else { 1.0 })
                    .collect();
                let targets = ops.alloc_f("targets", values.len())?;
                let known = ops.alloc_f("known targets", values.len())?;
                ops.write_f(targets, &scaled)?;
                ops.write_f(known, &cell_weight)?;
                Ok(Self {
                    targets: DeviceTargets::Values { targets, known },
                    column,
                    width,
                    cell_weight,
                })
            }
        }
    }
}

/// (mean n / n_c)^`power`, scaled so that the mean over the labelled cells is 1.
fn class_weights(labels: &[u32], n_classes: usize, power: f64) -> Vec<f32> {
    let mut count = vec![0.0f64; n_classes];
    labels
        .iter()
        .filter(|&&y| y != MISSING)
        .for_each(|&y| count[y as usize] += 1.0);
    let n: f64 = count.iter().sum();
    let raw: Vec<f64> = count
        .iter()
        .map(|&c| (n / n_classes as f64 / c.max(1.0)).powf(power))
        .collect();
    let total: f64 = raw.iter().zip(&count).map(|(w, c)| w * c).sum();
    raw.iter()
        .map(|w| {
            if total > 0.0 {
                (w * n / total) as f32
            } else {
                1.0
            }
        })
        .collect()
}
