//! Values that come one by one, with their cell and gene.
use super::dataset::Csr;
use super::input::Result;
use super::tidy::{tell, tidy};

/// Cell, gene and value of each.
#[derive(Debug, Default)]
pub(crate) struct Triples {
    cells: Vec<u32>,
    genes: Vec<u32>,
    values: Vec<f32>,
}

impl Triples {
    /// Adds one.
    pub(crate) fn push(&mut self, cell: u32, gene: u32, value: f32) {
        self.cells.push(cell);
        self.genes.push(gene);
        self.values.push(value);
    }
    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
    /// Cells and genes exchanged.
    pub(crate) fn turned(self) -> Self {
        Self {
            cells: self.genes,
            genes: self.cells,
            values: self.values,
        }
    }
    /// As a tidy matrix; all cells and genes lie below `n_obs` and `n_vars`.
    pub(crate) fn matrix(
        self,
        n_obs: usize,
        n_vars: usize,
        notices: &mut Vec<String>,
    ) -> Result<Csr> {
        let mut indptr = vec![0usize; n_obs + 1];
        for cell in &self.cells {
            indptr[*cell as usize + 1] += 1;
        }
        for i in 0..n_obs {
            indptr[i + 1] += indptr[i];
        }
        let mut x = if self.cells.is_sorted() {
            Csr {
                n_obs,
                n_vars,
                indptr,
                indices: self.genes,
                values: self.values,
            }
        } else {
            let mut next = indptr[..n_obs].to_vec();
            let (mut indices, mut values) = (vec![0; self.len()], vec![0.0; self.len()]);
            for ((cell, gene), value) in self.cells.iter().zip(&self.genes).zip(&self.values) {
                let place = &mut next[*cell as usize];
                indices[*place] = *gene;
                values[*place] = *value;
                *place += 1;
            }
            Csr {
                n_obs,
                n_vars,
                indptr,
                indices,
                values,
            }
        };
        // the order within a cell is nobody's business here, duplicates are
        let (_, duplicates) = tidy(&mut x);
        tell((0, duplicates), notices);
        Ok(x)
    }
}
