//! The device form of the sparse matrix: 4 bytes a nonzero, in pages, with gene-block pointers.
use super::dataset::Csr;
use crate::ops::BLOCK;
use half::f16;

/// One page of cells, as [`crate::ops::PageBuf`] describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// First cell of the page.
    pub first_cell: usize,
    /// Cells of the page.
    pub n_cells: usize,
    /// Packed nonzeros: gene in the low 16 bits, f16 value in the high 16.
    pub entries: Vec<u32>,
    /// Gene-block pointers, `n_cells * (n_blocks + 1)`.
    pub blocks: Vec<u32>,
}

impl Page {
    fn at(first_cell: usize) -> Self {
        Self {
            first_cell,
            n_cells: 0,
            entries: Vec::new(),
            blocks: Vec::new(),
        }
    }
}

/// Sparse cells in device form; a cell never straddles two pages.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// Cells.
    pub n_cells: usize,
    /// Genes, at most 65,535.
    pub n_genes: usize,
    /// Blocks of [`BLOCK`] genes.
    pub n_blocks: usize,
    /// Pages in cell order.
    pub pages: Vec<Page>,
}

/// Most genes that the packed form can name.
pub const MAX_GENES: usize = 65_535;

/// Most words of a page of entries or of pointers, for pointers are u32. A device may hold less at once
/// ([`crate::ops::Ops::max_elements`]); a page costs a step up to three launches, so the fewer the better.
pub const MAX_PAGE_WORDS: usize = u32::MAX as usize;

/// Rounds to the f16 that stands in a packed entry; values that f16 holds only as subnormals
/// become 0, so that no device's flush mode matters.
#[must_use]
pub fn quantise(value: f32) -> f16 {
    let h = f16::from_f32(value);
    if h.is_normal() { h } else { f16::ZERO }
}

/// Packs one nonzero.
#[must_use]
pub fn pack(gene: u32, value: f16) -> u32 {
    (gene & 0xffff) | (u32::from(value.to_bits()) << 16)
}

/// Gene and value of a packed nonzero, by the same integer steps as `shaders/common/entry.wgsl`.
#[inline(always)]
#[must_use]
pub fn unpack(entry: u32) -> (usize, f32) {
    let bits = (entry & 0x8000_0000) | ((entry >> 3) & 0x0fff_e000);
    // 2^112 moves the exponent from f16's bias to f32's, exactly
    (
        (entry & 0xffff) as usize,
        f32::from_bits(bits) * f32::from_bits(0x7780_0000),
    )
}

impl Packed {
    /// Packs the `rows` of `x`, keeping the columns for which `column_of[var]` is a gene index
    /// (`u32::MAX` drops one; kept columns ascend), each value through `value(gene, x)`; pages
    /// hold at most `page_words` words of entries and as many of pointers.
    #[must_use]
    pub fn new(
        x: &Csr,
        rows: &[u32],
        column_of: &[u32],
        n_genes: usize,
        page_words: usize,
        value: impl Fn(usize, f32) -> f32,
    ) -> Self {
        let mut packed = Self::empty(n_genes);
        for &row in rows {
            let (columns, values) = x.row(row as usize);
            packed.push(columns, values, column_of, page_words, &value);
        }
        packed
    }

    /// No cells yet.
    #[must_use]
    pub fn empty(n_genes: usize) -> Self {
        let n_blocks = n_genes.div_ceil(BLOCK);
        Self {
            n_cells: 0,
            n_genes,
            n_blocks,
            pages: vec![Page::at(0)],
        }
    }

    /// Adds a cell, with the arguments of [`Packed::new`].
    pub fn push(
        &mut self,
        columns: &[u32],
        values: &[f32],
        column_of: &[u32],
        page_words: usize,
        value: impl Fn(usize, f32) -> f32,
    ) {
        let n_blocks = self.n_blocks;
        let full = self.pages.last().is_none_or(|p: &Page| {
            p.n_cells > 0
                && (p.entries.len() + columns.len() > page_words
                    || p.blocks.len() + n_blocks + 1 > page_words)
        });
        if full {
            if let Some(page) = self.pages.last_mut() {
                page.entries.shrink_to_fit();
                page.blocks.shrink_to_fit();
            }
            self.pages.push(Page::at(self.n_cells));
        }
        let Some(page) = self.pages.last_mut() else {
            return;
        };
        let mut next_block = 0;
        for (&column, &v) in columns.iter().zip(values) {
            let gene = column_of[column as usize];
            if gene == u32::MAX {
                continue;
            }
            let h = quantise(value(gene as usize, v));
            if h == f16::ZERO {
                continue;
            }
            while next_block <= gene as usize / BLOCK {
                page.blocks.push(page.entries.len() as u32);
                next_block += 1;
            }
            page.entries.push(pack(gene, h));
        }
        while next_block <= n_blocks {
            page.blocks.push(page.entries.len() as u32);
            next_block += 1;
        }
        page.n_cells += 1;
        self.n_cells += 1;
    }

    /// Some of the cells, in this order; pages hold at most `page_words` words of entries and as many of pointers.
    #[must_use]
    pub fn take(&self, cells: &[u32], page_words: usize) -> Self {
        let mut taken = Self::empty(self.n_genes);
        let identity: Vec<u32> = (0..self.n_genes as u32).collect();
        let (mut genes, mut values) = (Vec::new(), Vec::new());
        for &cell in cells {
            genes.clear();
            values.clear();
            for &entry in self.cell(cell as usize) {
                let (gene, value) = unpack(entry);
                genes.push(gene as u32);
                values.push(value);
            }
            // what is f16 already stays as it is
            taken.push(&genes, &values, &identity, page_words, |_, v| v);
        }
        taken
    }

    /// Packed nonzeros of a cell.
    #[must_use]
    pub fn cell(&self, cell: usize) -> &[u32] {
        let page = &self.pages[self.pages.partition_point(|p| p.first_cell <= cell) - 1];
        let at = (cell - page.first_cell) * (self.n_blocks + 1);
        &page.entries[page.blocks[at] as usize..page.blocks[at + self.n_blocks] as usize]
    }
}
