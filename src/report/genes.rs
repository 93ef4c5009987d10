//! What the training cells say of the panel's genes together: mean, detection, redundancy.
use crate::data::cells::TrainingData;
use crate::data::packed::unpack;
use crate::model::panel_model::PanelModel;
use rayon::prelude::*;

/// Most training cells that are looked at, evenly spread, and fewest, where the panel is large: all pairs of
/// genes are compared, which shall take no more than about a second.
const MOST: usize = 16_384;
const LEAST: usize = 2_048;
const PRODUCTS: usize = 2_000_000_000;
/// Sums side by side, so that the processor can take them at once.
const LANES: usize = 8;

/// A gene of the panel among the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// Mean of the transformed values.
    pub mean: f64,
    /// Share of cells where the gene was detected.
    pub detected: f64,
    /// Rank (from 0) of the gene with the largest |correlation|, and Pearson's correlation with it.
    pub alike: Option<(usize, f64)>,
}

/// Describes each gene of a panel, by rank, from the training cells it was trained on.
#[must_use]
pub fn facts(model: &PanelModel, data: &TrainingData) -> Vec<Facts> {
    let k = model.genes.len();
    let most = (PRODUCTS / (k * k).max(1)).clamp(LEAST, MOST);
    let n = data.n_train.min(most);
    let column = |index: u32| {
        // a panel's genes are genes of the data it was trained on
        let column = data.gene_index.binary_search(&index).ok();
        let value = |i: usize| {
            let entries = data.cells.cell(i * data.n_train / n);
            let at = column.and_then(|g| {
                entries
                    .binary_search_by_key(&g, |&entry| unpack(entry).0)
                    .ok()
            });
            at.map_or(0.0, |at| unpack(entries[at]).1)
        };
        (0..n).map(value).collect::<Vec<f32>>()
    };
    let columns: Vec<Vec<f32>> = (model.genes.par_iter())
        .map(|gene| column(gene.index))
        .collect();
    of_columns(columns)
}

fn of_columns(mut columns: Vec<Vec<f32>>) -> Vec<Facts> {
    let mut facts: Vec<Facts> = columns
        .par_iter_mut()
        .map(|values| {
            let n = values.len() as f64;
            let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            let detected = values.iter().filter(|v| **v != 0.0).count() as f64 / n;
            values.iter_mut().for_each(|v| *v -= mean as f32);
            let norm = f64::from(dot(values, values)).sqrt();
            let factor = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            values.iter_mut().for_each(|v| *v *= factor as f32);
            Facts {
                mean,
                detected,
                alike: None,
            }
        })
        .collect();
    let alike = |i: usize| {
        let others = (0..columns.len()).filter(|&j| j != i);
        let all = others.map(|j| (j, f64::from(dot(&columns[i], &columns[j]))));
        // a gene that never changes is like none; of equals the better rank
        all.filter(|p| p.1 != 0.0)
            .reduce(|a, b| if b.1.abs() > a.1.abs() { b } else { a })
            .map(|(j, r)| (j, r.clamp(-1.0, 1.0)))
    };
    let found: Vec<_> = (0..columns.len()).into_par_iter().map(alike).collect();
    facts.iter_mut().zip(found).for_each(|(f, a)| f.alike = a);
    facts
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a, rest_a) = a.as_chunks::<LANES>();
    let (b, rest_b) = b.as_chunks::<LANES>();
    for (x, y) in a.iter().zip(b) {
        for (s, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *s += x * y;
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::of_columns;

    #[test]
    fn the_most_alike_gene_is_found() {
        let a: Vec<f32> = (0..20).map(|i| (i % 5) as f32).collect();
        let same: Vec<f32> = a.iter().map(|x| 2.0 * x + 1.0).collect();
        let other: Vec<f32> = (0..20).map(|i| ((i * 7) % 4) as f32).collect();
        let opposite: Vec<f32> = other.iter().map(|x| 9.0 - x).collect();
        let facts = of_columns(vec![a, same, other, opposite, vec![3.0; 20]]);
        let near = |f: Option<(usize, f64)>, j: usize, r: f64| {
            f.is_some_and(|(i, c)| i == j && (c - r).abs() < 1e-5)
        };
        assert!(near(facts[0].alike, 1, 1.0) && near(facts[1].alike, 0, 1.0));
        assert!(near(facts[2].alike, 3, -1.0), "{:?}", facts[2]);
        assert_eq!(facts[4].alike, None);
        assert!((facts[0].mean - 2.0).abs() < 1e-9 && (facts[0].detected - 0.8).abs() < 1e-9);
        assert_eq!(of_columns(vec![vec![1.0, 2.0]])[0].alike, None);
    }
}
