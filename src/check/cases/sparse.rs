//! Products with the packed cells and the panel's values, over one page and over several.
use super::{MODELS, gather, spread};
use crate::check::{Case, Device, Inputs, Mode, Rng, U, sums};
use crate::data::{dataset::Csr, packed::Packed, packed::Page};
use crate::kernels::panel::{self, Panel};
use crate::kernels::sparse::{self, Sparse};
use crate::ops::{FBuf, PageBuf, stride};
use std::fmt;

/// Small cases of every entry.
#[must_use]
pub fn all() -> Vec<Case<'static>> {
    vec![
        transpose(SMALL, 1, 1, false),
        transpose(PAGED, 2, 1, true),
        transpose(PAGED, 1, 2, false),
        panel(SMALL, 17, 0.4),
        panel(PAGED, 33, 0.0),
    ]
}

/// Made-up cells, and the batch that is taken of them.
#[derive(Clone, Copy, Debug)]
pub struct Cells {
    /// Cells; one is full, every seventh empty.
    pub n_cells: usize,
    /// Genes.
    pub n_genes: usize,
    /// Percent of the genes that a cell has.
    pub percent: usize,
    /// Words of a page.
    pub page_words: usize,
    /// Cells of the batch, drawn with repetition.
    pub batch: usize,
    /// Columns of the dense matrix, where there is one.
    pub width: usize,
}

impl fmt::Display for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            n_cells,
            n_genes,
            percent,
            page_words,
            batch,
            width,
        } = self;
        write!(
            f,
            "{n_cells}x{n_genes} {percent}% page {page_words} batch {batch} width {width}"
        )
    }
}

/// Some blocks of genes on one page, an odd width.
pub(super) const SMALL: Cells = Cells {
    n_cells: 20,
    n_genes: 70,
    percent: 40,
    page_words: 1 << 20,
    batch: 33,
    width: 65,
};
/// More columns than four rounds of a workgroup.
pub(super) const WIDE: Cells = Cells {
    n_cells: 4,
    n_genes: 40,
    percent: 50,
    page_words: 1 << 20,
    batch: 3,
    width: 1100,
};
/// More cells than a tile has, and tiles of genes that a hard mask leaves out.
pub(super) const SPREAD: Cells = Cells {
    n_cells: 50,
    n_genes: 257,
    percent: 20,
    page_words: 1500,
    batch: 70,
    width: 7,
};
/// Several pages.
pub(super) const PAGED: Cells = Cells {
    n_cells: 40,
    n_genes: 33,
    percent: 30,
    page_words: 100,
    batch: 32,
    width: 63,
};

impl Cells {
    /// The cells, packed; values up to 9.
    #[must_use]
    pub fn packed(&self) -> Packed {
        let mut rng = Rng((self.n_cells * self.n_genes) as u64);
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for cell in 0..self.n_cells {
            for gene in 0..self.n_genes {
                let full = cell == self.n_cells / 2;
                if full || (cell % 7 != 3 && rng.below(100) < self.percent) {
                    indices.push(gene as u32);
                    values.push(rng.float().abs() * 9.0 + 0.001);
                }
            }
            indptr.push(indices.len());
        }
        let x = Csr {
            n_obs: self.n_cells,
            n_vars: self.n_genes,
            indptr,
            indices,
            values,
        };
        let rows: Vec<u32> = (0..self.n_cells as u32).collect();
        let columns: Vec<u32> = (0..self.n_genes as u32).collect();
        let page_words = self.page_words;
        Packed::new(&x, &rows, &columns, self.n_genes, page_words, |_, v| v)
    }

    /// `skip + batch` cells, so that the batch begins at `skip`.
    pub fn rows(&self, skip: usize, rng: &mut Rng) -> Vec<u32> {
        let one = |_| rng.below(self.n_cells) as u32;
        (0..self.batch + skip).map(one).collect()
    }
}

/// Puts the pages on a device.
pub fn upload(dev: &mut dyn Device, packed: &Packed) -> Vec<PageBuf> {
    let mut page = |p: &Page| PageBuf {
        entries: dev.u(&p.entries),
        blocks: dev.u(&p.blocks),
        first_cell: p.first_cell as u32,
        n_cells: p.n_cells as u32,
    };
    packed.pages.iter().map(&mut page).collect()
}

/// Parameters of a product of the batch that begins at `row_offset` with one page.
#[must_use]
pub fn params(
    packed: &Packed,
    page: &PageBuf,
    n_rows: usize,
    row_offset: u32,
    width: usize,
) -> Sparse {
    Sparse {
        n_rows: n_rows as u32,
        row_offset,
        first_cell: page.first_cell,
        n_cells: page.n_cells,
        n_blocks: packed.n_blocks as u32,
        n_genes: packed.n_genes as u32,
        width: width as u32,
        power_x: 1,
        power_d: 1,
        models: 1,
        ..Sparse::default()
    }
}

/// The sum over the batch of `x^power_x d^power_d`, over all pages; `add`: to what is there.
#[must_use]
pub fn transpose(cells: Cells, power_x: u32, power_d: u32, add: bool) -> Case<'static> {
    let packed = cells.packed();
    let pages = packed.pages.len();
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let mut rows = cells.rows(3, &mut inputs.rng);
        rows[3 + cells.batch / 2] = (cells.n_cells / 2) as u32; // the full cell
        let mut d = inputs.draw(cells.batch * cells.width);
        if inputs.mode == Mode::Fault {
            d[cells.batch / 2 * cells.width] += 0.01;
        }
        let old = inputs.draw(cells.n_genes * cells.width);
        let (rows, d) = (dev.u(&rows), dev.f(&d));
        let out: FBuf = if add {
            dev.f(&old)
        } else {
            dev.poison(cells.n_genes * cells.width)
        };
        for (j, page) in upload(dev, &packed).into_iter().enumerate() {
            let p = Sparse {
                power_x,
                power_d,
                accumulate: u32::from(add || j > 0),
                ..params(&packed, &page, cells.batch, 3, cells.width)
            };
            dev.sparse_transpose(p, page, rows, d, out);
        }
        vec![dev.get(out)]
    };
    let name = format!("sparse transpose {cells} powers {power_x} {power_d} add={add}");
    let bound = sums(cells.batch + pages + 2);
    Case::new(name, &[&sparse::TRANSPOSE], run, bound)
}

/// The values of k genes of two panels, standardised, with dropout.
#[must_use]
pub fn panel(cells: Cells, k: usize, drop: f64) -> Case<'static> {
    let packed = cells.packed();
    let n = cells.batch;
    let run = move |dev: &mut dyn Device, inputs: &mut Inputs| {
        let rows = [
            cells.rows(1, &mut inputs.rng),
            cells.rows(1, &mut inputs.rng),
        ]
        .concat();
        let genes: Vec<u32> = (0..k).map(|j| (j * cells.n_genes / k) as u32).collect();
        let other: Vec<u32> = genes.iter().map(|g| cells.n_genes as u32 - 1 - g).collect();
        let mut stats = inputs.rng.floats(MODELS * stride(2 * k));
        if inputs.mode == Mode::Fault {
            stats.iter_mut().for_each(|s| *s += 0.01);
        }
        let genes = spread([&genes, &other], stride(k));
        let (rows, genes, stats) = (dev.u(&rows), dev.u(&genes), dev.f(&stats));
        let out = dev.poison(MODELS * stride(n * k));
        for page in upload(dev, &packed) {
            let p = Panel {
                models: MODELS as u32,
                row_stride: n as u32 + 1,
                n_rows: n as u32,
                row_offset: 1,
                first_cell: page.first_cell,
                n_cells: page.n_cells,
                n_blocks: packed.n_blocks as u32,
                n_panel: k as u32,
                drop_below: (drop * 4_294_967_296.0) as u32,
                keep_scale: (1.0 / (1.0 - drop)) as f32,
                seed: 11,
                stream: 2,
                step: 4,
            };
            dev.panel_gather(p, page, rows, genes, stats, out);
        }
        vec![gather(&dev.get(out), stride(n * k), n * k)]
    };
    // a difference and two products
    let name = format!("panel {cells} k={k} drop={drop}");
    Case::new(name, &[&panel::GATHER], run, |want, _| {
        vec![want[0].iter().map(|x| 3.0 * U * x.abs() + U).collect()]
    })
}
