//! How much of a covariance of genes and classes may be the chance of a few cells.
use super::ridge::System;
use crate::data::cells::{Targets, TaskKind, TrainingData};
use crate::data::packed::unpack;
use crate::ops::MISSING;

/// Cells, sum and sum of squares of each gene in a class.
#[derive(Clone, Default)]
struct Class {
    cells: f64,
    sums: Vec<[f64; 2]>,
}

impl Class {
    /// Mean of a gene, and the square of the mean's standard error; infinite for a single cell.
    fn mean(&self, slot: usize) -> [f64; 2] {
        let [sum, squares] = self.sums[slot];
        let mean = sum / self.cells;
        let spread = (squares - sum * mean).max(0.0);
        let error = if self.cells > 1.0 {
            spread / (self.cells - 1.0) / self.cells
        } else {
            f64::INFINITY
        };
        [mean, error]
    }
}

impl System {
    /// Multiplies the covariance of each gene and class by `1 - chance / t^2`, at least 0, with Welch's t of the gene in
    /// the class against the other labelled cells (positive-part shrinkage, James and Stein 1961; by chance t^2 is 1 on
    /// average). Of 4 cells of a class a gene in 1 says nothing, one in all 4 as much as before: a regression would take
    /// any gene that is nowhere else for a marker. Classes of many cells keep theirs. Numbers stay as they are.
    pub(super) fn discount_chance(
        &mut self,
        data: &TrainingData,
        genes: &[u32],
        cells: &[u32],
        chance: f64,
    ) {
        if chance == 0.0 {
            return;
        }
        let mut slot_of = vec![usize::MAX; data.cells.n_genes];
        (genes.iter().enumerate()).for_each(|(s, &g)| slot_of[g as usize] = s);
        let mut first = self.n;
        for task in &data.tasks {
            let (width, column) = (task.kind.width(), first);
            first += width;
            let (TaskKind::Classification { .. }, Targets::Classes(labels)) =
                (&task.kind, &task.targets)
            else {
                continue;
            };
            let mut classes = vec![
                Class {
                    cells: 0.0,
                    sums: vec![[0.0; 2]; self.n],
                };
                width
            ];
            for &cell in cells {
                let label = labels[cell as usize];
                if label == MISSING {
                    continue;
                }
                let class = &mut classes[label as usize];
                class.cells += 1.0;
                for (g, v) in data.cells.cell(cell as usize).iter().map(|&e| unpack(e)) {
                    if let Some([sum, squares]) = class.sums.get_mut(slot_of[g]) {
                        *sum += f64::from(v);
                        *squares += f64::from(v) * f64::from(v);
                    }
                }
            }
            let mut all = Class {
                cells: classes.iter().map(|c| c.cells).sum(),
                sums: vec![[0.0; 2]; self.n],
            };
            for class in &classes {
                for (all, own) in all.sums.iter_mut().zip(&class.sums) {
                    (0..2).for_each(|i| all[i] += own[i]);
                }
            }
            for (c, class) in classes.iter().enumerate() {
                let less = |(all, own): (&[f64; 2], &[f64; 2])| [all[0] - own[0], all[1] - own[1]];
                let others = Class {
                    cells: all.cells - class.cells,
                    sums: all.sums.iter().zip(&class.sums).map(less).collect(),
                };
                // such a class has no covariance
                if class.cells == 0.0 || others.cells == 0.0 {
                    continue;
                }
                for slot in 0..self.n {
                    let ([m, e], [mo, eo]) = (class.mean(slot), others.mean(slot));
                    let keep = 1.0 - chance * (e + eo) / (m - mo).powi(2);
                    // NaN where the gene does not vary: it has no covariance
                    self.rows[slot * self.stride + column + c] *= keep.max(0.0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::eliminate::tests::training_data;
    use crate::train::stages::n_out;

    const RARE: usize = 3;

    /// What stays of the covariances of all genes, which are 1 before, with four cells in the last class.
    fn kept(chance: f64) -> (TrainingData, Vec<u32>, Vec<Vec<f64>>) {
        let mut data = training_data();
        let cells: Vec<u32> = (0..data.n_train as u32).filter(|c| c % 7 > 0).collect();
        let mut left = 4;
        if let Targets::Classes(y) = &mut data.tasks[0].targets {
            for &cell in &cells {
                let label = &mut y[cell as usize];
                if *label == RARE as u32 && left > 0 {
                    left -= 1;
                } else if *label == RARE as u32 {
                    *label = MISSING;
                }
            }
        }
        let n = data.cells.n_genes;
        let stride = n + n_out(&data);
        let mut system = System {
            n,
            stride,
            rows: vec![1.0; n * stride],
        };
        let genes: Vec<u32> = (0..n as u32).collect();
        system.discount_chance(&data, &genes, &cells, chance);
        let rows = system.rows.chunks_exact(stride).map(<[f64]>::to_vec);
        (data, cells, rows.collect())
    }

    #[test]
    fn what_a_few_cells_may_show_by_chance_does_not_count() {
        let (data, cells, rows) = kept(2.0);
        let Targets::Classes(labels) = &data.tasks[0].targets else {
            panic!("a class label");
        };
        let values = |gene: usize, of: &dyn Fn(u32) -> bool| -> Vec<f64> {
            let own = cells.iter().filter(|&&c| of(labels[c as usize]));
            let value = |cell: &u32| {
                let mut all = data.cells.cell(*cell as usize).iter().map(|&e| unpack(e));
                all.find(|e| e.0 == gene).map_or(0.0, |e| f64::from(e.1))
            };
            own.map(value).collect()
        };
        let moments = |v: &[f64]| {
            let n = v.len() as f64;
            let mean = v.iter().sum::<f64>() / n;
            let variance = v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
            (mean, variance / n)
        };
        let (mut nothing, mut most) = (0, 0);
        for (gene, row) in rows.iter().enumerate() {
            let n = rows.len();
            assert!(row[..n].iter().all(|&x| x == 1.0), "covariances of genes");
            assert_eq!(row[n + 4], 1.0, "that with a number");
            for class in 0..4 {
                let (m, e) = moments(&values(gene, &|y| y == class as u32));
                let (mo, eo) = moments(&values(gene, &|y| y != class as u32 && y != MISSING));
                let t2 = (m - mo).powi(2) / (e + eo);
                let wanted = (1.0 - 2.0 / t2).max(0.0);
                let found = row[n + class];
                assert!((found - wanted).abs() < 1e-6, "{gene}: {found} {wanted}");
                if class == RARE {
                    nothing += usize::from(found == 0.0);
                    most += usize::from(found > 0.5);
                }
            }
        }
        // noise and markers
        assert!(nothing >= 10 && most >= 2, "{nothing} {most}");
        let (_, _, rows) = kept(0.0);
        assert!(rows.iter().flatten().all(|&x| x == 1.0));
    }

    #[test]
    fn a_single_cell_shows_nothing() {
        let class = Class {
            cells: 1.0,
            sums: vec![[3.0, 9.0]],
        };
        assert_eq!(class.mean(0), [3.0, f64::INFINITY]);
    }
}
