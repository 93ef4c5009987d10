//! The training cells by genes.
use super::cells::TrainingData;
use super::packed::unpack;

/// Columns of the training cells: cells and values of the nonzeros of each gene.
pub(crate) struct Columns {
    starts: Vec<usize>,
    cells: Vec<u32>,
    values: Vec<f32>,
}

impl Columns {
    pub(crate) fn new(data: &TrainingData) -> Self {
        let mut starts = vec![0usize; data.cells.n_genes + 1];
        for cell in 0..data.n_train {
            data.cells
                .cell(cell)
                .iter()
                .for_each(|&e| starts[unpack(e).0 + 1] += 1);
        }
        for g in 0..data.cells.n_genes {
            starts[g + 1] += starts[g];
        }
        let nnz = starts[data.cells.n_genes];
        let (mut at, mut cells, mut values) = (starts.clone(), vec![0; nnz], vec![0.0; nnz]);
        for cell in 0..data.n_train {
            for &entry in data.cells.cell(cell) {
                let (gene, value) = unpack(entry);
                (cells[at[gene]], values[at[gene]]) = (cell as u32, value);
                at[gene] += 1;
            }
        }
        Self {
            starts,
            cells,
            values,
        }
    }

    /// Cells and values of a gene's nonzeros, cells ascending.
    pub(crate) fn of(&self, gene: usize) -> impl Iterator<Item = (&u32, &f32)> {
        let range = self.starts[gene]..self.starts[gene + 1];
        self.cells[range.clone()].iter().zip(&self.values[range])
    }
}
