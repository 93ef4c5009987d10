//! A network's buffers on a device.
use super::layout::{Layout, Place};
use crate::data::cells::{self, Task};
use crate::data::packed::Packed;
use crate::kernels::heads::{CLASSES, TASK_WORDS, VALUES};
use crate::ops::{ALIGN, FBuf, MISSING, Ops, PageBuf, Result, UBuf, stride};

/// Parameters, Adam moments, and the activations of a batch, of one network or of several that train
/// side by side (see [`crate::ops`]).
#[derive(Clone, Debug)]
pub struct Net {
    /// Places in an arena.
    pub layout: Layout,
    /// Networks.
    pub models: usize,
    /// Parameters, an arena a network.
    pub params: FBuf,
    /// First moments, then second moments: two arenas a network.
    pub moments: FBuf,
    /// Activations of each hidden layer.
    pub a: Vec<FBuf>,
    /// Gradients of the hidden layers before the activation, and their column sums.
    pub dz: Vec<FBuf>,
    /// Outputs of the last layer or their gradients, and their column sums.
    pub logits: FBuf,
    /// Loss of each task and cell.
    pub loss: FBuf,
    /// Bound where an operation has nothing to read.
    pub none: FBuf,
    /// Bound where an operation has nothing to write.
    pub spare: FBuf,
    /// Cells that fit a batch of one network.
    pub max_rows: usize,
}

/// How much a [`Net`] takes at once.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Networks.
    pub models: usize,
    /// Cells of a batch of all networks.
    pub batch: usize,
    /// Cells of a batch of one network.
    pub max_rows: usize,
    /// Tasks.
    pub tasks: usize,
}

impl Room {
    /// Elements for `width` values a cell, and one row more for column sums where `sums` is 1.
    #[must_use]
    pub fn elements(&self, width: usize, sums: usize) -> usize {
        let many = self.models * stride((self.batch + sums) * width);
        many.max((self.max_rows + sums) * width)
    }
}

impl Net {
    /// Allocates networks.
    ///
    /// # Errors
    /// Out of device memory.
    pub fn new<O: Ops>(ops: &mut O, layout: Layout, room: Room) -> Result<Self> {
        let (hidden, models) = (&layout.shape.hidden, room.models);
        let (mut a, mut dz) = (Vec::new(), Vec::new());
        for &width in hidden {
            a.push(ops.alloc_f("activations", room.elements(width, 0))?);
            dz.push(ops.alloc_f("gradients of the layers", room.elements(width, 1))?);
        }
        Ok(Self {
            params: ops.alloc_f("parameters", models * layout.len)?,
            moments: ops.alloc_f("moments", 2 * models * layout.len)?,
            logits: ops.alloc_f("logits", room.elements(layout.shape.n_out, 1))?,
            loss: ops.alloc_f("losses of the cells", room.elements(room.tasks, 0))?,
            none: ops.alloc_f("nothing", ALIGN)?,
            spare: ops.alloc_f("nothing", ALIGN)?,
            a,
            dz,
            models,
            max_rows: room.max_rows,
            layout,
        })
    }

    /// Network `r` alone, with the activations of all of them at its disposal.
    #[must_use]
    pub fn model(&self, r: usize) -> Self {
        let n = self.layout.len;
        Self {
            models: 1,
            params: self.params.slice(r * n, n),
            moments: self.moments.slice(2 * r * n, 2 * n),
            ..self.clone()
        }
    }
    /// A range of the parameters of the first network.
    #[must_use]
    pub fn param(&self, place: Place) -> FBuf {
        self.params.slice(place.offset, place.len)
    }
    /// Where the first layer writes: activations, or logits where it is the last one.
    #[must_use]
    pub fn first_out(&self) -> FBuf {
        self.a.first().copied().unwrap_or(self.logits)
    }
    /// Gradients of the first layer's outputs.
    #[must_use]
    pub fn first_dz(&self) -> FBuf {
        self.dz.first().copied().unwrap_or(self.logits)
    }

    /// Frees all buffers.
    pub fn release<O: Ops>(self, ops: &mut O) {
        let one = [self.params, self.moments, self.logits, self.loss];
        let two = [self.none, self.spare];
        let all = one.into_iter().chain(two).chain(self.a).chain(self.dz);
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
        Self::adopt(ops, packed.clone())
    }

    /// Uploads the cells, page by page, and keeps nothing of them on the host.
    ///
    /// # Errors
    /// Out of device memory.
    pub fn adopt<O: Ops>(ops: &mut O, packed: Packed) -> Result<Self> {
        let mut pages = Vec::with_capacity(packed.pages.len());
        for mut page in packed.pages {
            // an empty binding is not allowed
            if page.entries.is_empty() {
                page.entries.push(0);
            }
            pages.push(PageBuf {
                entries: ops.adopt_u("expression", page.entries)?,
                blocks: ops.adopt_u("gene-block pointers", page.blocks)?,
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

impl Cells {
    /// Frees the buffers.
    pub fn release<O: Ops>(self, ops: &mut O) {
        for page in self.pages {
            ops.release_u(page.entries);
            ops.release_u(page.blocks);
        }
    }
}

/// What the host needs of a task.
#[derive(Clone, Debug)]
pub struct DeviceTask {
    /// First column of the logits.
    pub column: usize,
    /// Columns of the logits.
    pub width: usize,
    /// Weight of each cell in the loss: its class weight, 1, or 0 where it has no label.
    pub cell_weight: Vec<f32>,
}

/// The labels of all tasks on a device.
///
/// Four words a task (first column, width, kind, place), then at its place the bits of its class
/// weights and a class code a cell, or the bits of a standardised value a cell; [`MISSING`] where
/// there is none.
#[derive(Clone, Debug)]
pub struct Targets {
    /// The words.
    pub words: UBuf,
    /// The tasks in the order of their columns.
    pub tasks: Vec<DeviceTask>,
}

impl Targets {
    /// Uploads the labels; class weights are (mean n / n_c)^`power` over the first `n_train` cells,
    /// scaled to a weighted mean of 1.
    ///
    /// # Errors
    /// Out of device memory.
    pub fn new<O: Ops>(ops: &mut O, tasks: &[Task], n_train: usize, power: f64) -> Result<Self> {
        Self::weighted(ops, tasks, &Self::class_weights(tasks, n_train, power))
    }

    /// The class weights of [`Targets::new`], a list a task (empty for numbers).
    #[must_use]
    pub fn class_weights(tasks: &[Task], n_train: usize, power: f64) -> Vec<Vec<f32>> {
        let of = |task: &Task| match &task.targets {
            cells::Targets::Classes(labels) => {
                class_weights(&labels[..n_train], task.kind.width(), power)
            }
            cells::Targets::Values(_) => Vec::new(),
        };
        tasks.iter().map(of).collect()
    }

    /// Uploads the labels with class weights from elsewhere.
    ///
    /// # Errors
    /// Out of device memory.
    pub fn weighted<O: Ops>(
        ops: &mut O,
        tasks: &[Task],
        class_weights: &[Vec<f32>],
    ) -> Result<Self> {
        let mut words = vec![0u32; TASK_WORDS * tasks.len()];
        let mut of_host = Vec::new();
        let mut column = 0;
        for (t, task) in tasks.iter().enumerate() {
            let (width, place) = (task.kind.width(), words.len() as u32);
            let (kind, cell_weight): (u32, Vec<f32>) = match &task.targets {
                cells::Targets::Classes(labels) => {
                    let weights = &class_weights[t];
                    words.extend(weights.iter().map(|w| w.to_bits()));
                    words.extend(labels);
                    let weight = |&y: &u32| weights.get(y as usize).copied().unwrap_or(0.0);
                    (CLASSES, labels.iter().map(weight).collect())
                }
                cells::Targets::Values(values) => {
                    let (mean, sd) = task.kind.scale();
                    let bits = |&v: &f32| {
                        let scaled = ((f64::from(v) - mean) / sd) as f32;
                        if v.is_nan() {
                            MISSING
                        } else {
                            scaled.to_bits()
                        }
                    };
                    words.extend(values.iter().map(bits));
                    let weight = |v: &f32| if v.is_nan() { 0.0 } else { 1.0 };
                    (VALUES, values.iter().map(weight).collect())
                }
            };
            let head = [column as u32, width as u32, kind, place];
            words[TASK_WORDS * t..TASK_WORDS * (t + 1)].copy_from_slice(&head);
            of_host.push(DeviceTask {
                column,
                width,
                cell_weight,
            });
            column += width;
        }
        Ok(Self {
            words: ops.adopt_u("labels", words)?,
            tasks: of_host,
        })
    }

    /// Factor of each task for these cells: `weights[t]` over the sum of their weights, 0 where none
    /// has a label.
    pub fn scales<'a>(
        &'a self,
        weights: &'a [f32],
        cells: &'a [u32],
    ) -> impl Iterator<Item = f32> + 'a {
        self.tasks.iter().zip(weights).map(|(task, &weight)| {
            let own = cells
                .iter()
                .map(|&c| f64::from(task.cell_weight[c as usize]));
            let sum: f64 = own.sum();
            if sum > 0.0 {
                (f64::from(weight) / sum) as f32
            } else {
                0.0
            }
        })
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
