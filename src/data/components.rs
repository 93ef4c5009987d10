//! Leading principal components of the standardised values: what `--reconstruct` predicts.
//!
//! Randomised subspace iteration (Halko, Martinsson and Tropp 2011) over the sparse training cells.
//! Centring is implicit: with `s = 1 / sd` and means `m`, the standardised cell is `x s - m s`, so a
//! product with a basis Q is that of the stored values less one row, `(m s)^T Q`. Sums are taken in a
//! fixed order, so the bytes do not depend on the number of threads.
use super::cells::{Targets, Task, TaskKind, TestCells, TrainingData};
use super::columns::Columns;
use super::eigen::{eigen, orthonormalise};
use super::packed::{Packed, unpack};
use super::random::SplitMix;
use crate::error::DataError;
use rayon::prelude::*;

/// Name of the task that the components are, in the reports.
pub const TASK: &str = "reconstruction";
/// Directions beside those asked for, and rounds: enough for singular values that fall slowly.
const MORE: usize = 12;
const ROUNDS: usize = 10;

/// Components of the considered genes over the training cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Components {
    /// How many.
    pub n: usize,
    /// Loadings, n_genes x n, row-major; columns are orthonormal, the largest loading positive.
    pub loadings: Vec<f32>,
    /// Variance of the training cells along each, descending; the total is the number of genes.
    pub variance: Vec<f64>,
    /// Index in `var` of each gene.
    pub gene_index: Vec<u32>,
    /// Mean, 1 / sd and clip of each gene.
    mean: Vec<f32>,
    factor: Vec<f32>,
    clip: Vec<f32>,
    /// `-(m s)^T P`, n.
    offset: Vec<f64>,
}

/// Adds the components of the training cells to the tasks, where a reconstruction is asked for.
///
/// # Errors
/// As [`Components::new`]; cells that are not all in memory.
pub fn with_components(
    data: &mut TrainingData,
    n: Option<usize>,
    seed: u64,
) -> Result<Option<Components>, DataError> {
    let Some(n) = n else {
        return Ok(None);
    };
    if data.stream.is_some() {
        return Err(DataError::new(
            "--reconstruct needs all cells in memory, and these stream from a file",
            "give more memory (--memory), or leave --reconstruct out",
        ));
    }
    let components = Components::new(data, n, seed)?;
    data.tasks.extend(components.tasks(data));
    Ok(Some(components))
}

impl Components {
    /// Computes `n` components.
    ///
    /// # Errors
    /// More components than genes or training cells less one.
    pub fn new(data: &TrainingData, n: usize, seed: u64) -> Result<Self, DataError> {
        let (cells, genes) = (data.n_train, data.cells.n_genes);
        let most = genes.min(cells.saturating_sub(1));
        if n == 0 || n > most {
            return Err(DataError::new(
                format!(
                    "--reconstruct {n}: {cells} training cells of {genes} genes have {most} components"
                ),
                format!("ask for 1 to {most}"),
            ));
        }
        let width = (n + MORE).min(most);
        let (mean, factor) = (data.stats.mean.clone(), data.stats.inv_sd.clone());
        let columns = Columns::new(data);
        let mut random = SplitMix::new(seed ^ 0x7265_636f_6e73);
        // uniform in [-1, 1): any direction not at right angles to the leading ones will do
        let unit = |w: u64| (w >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
        let mut basis: Vec<f64> = (0..genes * width).map(|_| unit(random.next())).collect();
        orthonormalise(&mut basis, width);
        for _ in 0..ROUNDS {
            let y = project(&data.cells, cells, &mean, &factor, &basis, width);
            basis = back(&columns, &mean, &factor, &y, width);
            orthonormalise(&mut basis, width);
        }
        let y = project(&data.cells, cells, &mean, &factor, &basis, width);
        let mut gram = vec![0.0f64; width * width];
        for row in y.chunks_exact(width) {
            for (i, &a) in row.iter().enumerate() {
                for (g, &b) in gram[i * width..].iter_mut().zip(row) {
                    *g += a * b / cells as f64;
                }
            }
        }
        let (variance, turn) = eigen(&gram, width);
        let least = variance.first().map_or(0.0, |v| v * 1e-10);
        let varying = variance.iter().filter(|v| **v > least).count();
        if n > varying {
            return Err(DataError::new(
                format!(
                    "--reconstruct {n}: the {genes} genes vary in {varying} directions over the training cells"
                ),
                format!("ask for 1 to {varying}"),
            ));
        }
        let mut loadings = vec![0.0f32; genes * n];
        for (row, own) in basis.chunks_exact(width).zip(loadings.chunks_exact_mut(n)) {
            for (d, l) in own.iter_mut().enumerate() {
                let sum: f64 = (0..width).map(|j| row[j] * turn[j * width + d]).sum();
                *l = sum as f32;
            }
        }
        for d in 0..n {
            let column = || loadings.iter().skip(d).step_by(n);
            let largest = column().fold(0.0f32, |m, &l| if l.abs() > m.abs() { l } else { m });
            if largest < 0.0 {
                loadings
                    .iter_mut()
                    .skip(d)
                    .step_by(n)
                    .for_each(|l| *l = -*l);
            }
        }
        let mut offset = vec![0.0f64; n];
        for ((row, &m), &s) in loadings.chunks_exact(n).zip(&mean).zip(&factor) {
            let shift = f64::from(m) * f64::from(s);
            offset
                .iter_mut()
                .zip(row)
                .for_each(|(o, &l)| *o -= shift * f64::from(l));
        }
        Ok(Self {
            n,
            loadings,
            variance: variance[..n].to_vec(),
            gene_index: data.gene_index.clone(),
            mean,
            factor,
            clip: data.stats.clip.clone(),
            offset,
        })
    }

    /// The components as regression tasks of the training and validation cells.
    #[must_use]
    pub fn tasks(&self, data: &TrainingData) -> Vec<Task> {
        let values: Vec<Vec<f32>> = (0..data.cells.n_cells)
            .into_par_iter()
            .map(|cell| self.of(data.cells.cell(cell).iter().map(|&e| unpack(e))).0)
            .collect();
        self.as_tasks(&values)
    }

    /// Adds the components to the tasks of the test cells, and the sums of squares.
    pub fn add_to_test(&self, test: &mut TestCells) {
        let rows: Vec<(Vec<f32>, f64)> = (0..test.x.n_obs)
            .into_par_iter()
            .map(|cell| {
                let (genes, values) = test.x.row(cell);
                // the genes of the file that are considered, as the training cells hold them
                let entries = genes.iter().zip(values).filter_map(|(&var, &v)| {
                    let g = self.gene_index.binary_search(&var).ok()?;
                    Some((g, super::packed::quantise(v.min(self.clip[g])).to_f32()))
                });
                self.of(entries)
            })
            .collect();
        let (values, squares): (Vec<Vec<f32>>, Vec<f64>) = rows.into_iter().unzip();
        test.tasks.extend(self.as_tasks(&values));
        test.squares = squares;
    }

    /// `loadings.csv`: a row a considered gene, with its name, index in `var`, mean, standard deviation
    /// and loadings: its value is about `mean + sd * sum(loading * component)`.
    #[must_use]
    pub fn csv(&self, names: &[String]) -> Vec<u8> {
        let mut out = csv::Writer::from_writer(Vec::new());
        let mut header: Vec<String> = ["gene", "index", "mean", "sd"].map(String::from).into();
        header.extend((1..=self.n).map(|d| format!("component_{d}")));
        // writing to a vector does not fail
        let _ = out.write_record(&header);
        for (g, row) in self.loadings.chunks_exact(self.n).enumerate() {
            let mut fields = vec![names[g].clone(), self.gene_index[g].to_string()];
            fields.extend([self.mean[g], 1.0 / self.factor[g]].map(|x| x.to_string()));
            fields.extend(row.iter().map(f32::to_string));
            let _ = out.write_record(&fields);
        }
        out.into_inner().unwrap_or_default()
    }

    fn as_tasks(&self, values: &[Vec<f32>]) -> Vec<Task> {
        let total: f64 = self.variance.iter().sum();
        let one = |d: usize| Task {
            name: format!("{TASK} {}", d + 1),
            kind: TaskKind::Component {
                sd: self.variance[d].sqrt(),
                share: self.variance[d] / total,
            },
            targets: Targets::Values(values.iter().map(|v| v[d]).collect()),
        };
        (0..self.n).map(one).collect()
    }

    /// Projection of a cell given by its stored genes and values, and its sum of squares.
    fn of(&self, entries: impl Iterator<Item = (usize, f32)>) -> (Vec<f32>, f64) {
        let mut y = self.offset.clone();
        let mut square = self.zero_square();
        for (g, v) in entries {
            let (m, s) = (f64::from(self.mean[g]), f64::from(self.factor[g]));
            let v = f64::from(v);
            square += ((v - m) * s).powi(2) - (m * s).powi(2);
            let row = &self.loadings[g * self.n..(g + 1) * self.n];
            y.iter_mut()
                .zip(row)
                .for_each(|(y, &l)| *y += v * s * f64::from(l));
        }
        (y.into_iter().map(|y| y as f32).collect(), square)
    }

    /// Sum of squares of a cell that has no gene.
    fn zero_square(&self) -> f64 {
        let one = |(&m, &s): (&f32, &f32)| (f64::from(m) * f64::from(s)).powi(2);
        self.mean.iter().zip(&self.factor).map(one).sum()
    }
}

/// Standardised cells times a basis (n_genes x width): cells x width.
fn project(
    packed: &Packed,
    cells: usize,
    mean: &[f32],
    factor: &[f32],
    basis: &[f64],
    width: usize,
) -> Vec<f64> {
    let mut offset = vec![0.0f64; width];
    for ((row, &m), &s) in basis.chunks_exact(width).zip(mean).zip(factor) {
        let shift = f64::from(m) * f64::from(s);
        offset
            .iter_mut()
            .zip(row)
            .for_each(|(o, &q)| *o -= shift * q);
    }
    let mut out = vec![0.0f64; cells * width];
    out.par_chunks_exact_mut(width)
        .enumerate()
        .for_each(|(cell, y)| {
            y.copy_from_slice(&offset);
            for &entry in packed.cell(cell) {
                let (g, v) = unpack(entry);
                let scaled = f64::from(v) * f64::from(factor[g]);
                let row = &basis[g * width..(g + 1) * width];
                y.iter_mut().zip(row).for_each(|(y, &q)| *y += scaled * q);
            }
        });
    out
}

/// Transpose of the standardised cells times `y` (cells x width): n_genes x width.
fn back(columns: &Columns, mean: &[f32], factor: &[f32], y: &[f64], width: usize) -> Vec<f64> {
    let mut total = vec![0.0f64; width];
    for row in y.chunks_exact(width) {
        total.iter_mut().zip(row).for_each(|(t, &y)| *t += y);
    }
    let mut out = vec![0.0f64; mean.len() * width];
    out.par_chunks_exact_mut(width)
        .enumerate()
        .for_each(|(g, row)| {
            for (&cell, &v) in columns.of(g) {
                let own = &y[cell as usize * width..][..width];
                row.iter_mut()
                    .zip(own)
                    .for_each(|(r, &y)| *r += f64::from(v) * y);
            }
            let (m, s) = (f64::from(mean[g]), f64::from(factor[g]));
            row.iter_mut()
                .zip(&total)
                .for_each(|(r, &t)| *r = s * (*r - m * t));
        });
    out
}
