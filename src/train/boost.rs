//! Boosting with one gene a step and class: an order of genes for few cells.
use super::eliminate::near_one;
use super::settings::Settings;
use crate::data::cells::{Targets, TrainingData};
use crate::data::columns::Columns;
use crate::model::net::Targets as Weights;
use crate::ops::MISSING;
use rayon::prelude::*;

/// Steps; each takes a gene for every class.
const STEPS: usize = 40;
/// Times that it is done, with other random weights of the cells each.
const DRAWS: u32 = 5;
/// Share of a step's least-squares weight that is taken.
const RATE: f64 = 0.1;
/// Added to the curvature along each gene, in cells: a gene that few cells have gains little.
const CURVATURE: f64 = 10.0;

/// Sums of a gene over the cells, a value a class.
struct Sums {
    /// Gradient of the log likelihood along the standardised gene.
    gradient: Vec<f64>,
    /// Its curvature.
    curvature: Vec<f64>,
}

/// The genes by what boosting gained with each, the most first; the others follow in the order of `ranking`, the first
/// [`super::recipe::Recipe::eliminate_candidates`] of which (or 2k) may be taken.
///
/// Softmax regression of the classes of each label on the standardised genes, from no gene on: in each step
/// every class takes the gene with the largest score statistic `g^2 / (h + 10)`, whose weight moves by
/// a tenth of `g / (h + 10)` (component-wise likelihood boosting: Tutz and Binder, Biometrics 62, 2006). Cells weigh by
/// class as in the loss, and by a random number near 1 from the seed; what a gene gains is the sum of the statistics with
/// which it was taken, by the weight of the task, over [`DRAWS`] such numbers.
pub(super) fn boosted(
    data: &TrainingData,
    settings: &Settings,
    seed: u64,
    ranking: &[u32],
) -> Vec<u32> {
    let most = settings
        .recipe
        .eliminate_candidates
        .max(2 * settings.genes)
        .min(ranking.len());
    let genes = &ranking[..most];
    let columns = Columns::new(data);
    let weights = Weights::class_weights(
        &data.tasks,
        data.n_train,
        settings.recipe.class_weight_power,
    );
    let mut gains = vec![0.0; genes.len()];
    let tasks = data.tasks.iter().zip(&weights);
    for ((task, weights), counts) in tasks.zip(settings.weights_of(&data.tasks)) {
        let Targets::Classes(labels) = &task.targets else {
            continue;
        };
        let labels = &labels[..data.n_train];
        for draw in 0..DRAWS {
            let weight = |(cell, &y): (usize, &u32)| match y {
                MISSING => 0.0,
                y => f64::from(weights[y as usize]) * near_one(cell as u32, draw, seed),
            };
            let each: Vec<f64> = labels.iter().enumerate().map(weight).collect();
            let own = of_task(data, &columns, genes, labels, weights.len(), &each);
            let all = gains.iter_mut().zip(own);
            all.for_each(|(gain, own)| *gain += f64::from(counts) * own);
        }
    }
    let mut order: Vec<usize> = (0..genes.len()).collect();
    // stable: genes that gained nothing keep the order of the ranking
    order.sort_by(|&a, &b| gains[b].total_cmp(&gains[a]));
    let taken = order.into_iter().map(|at| genes[at]);
    taken.chain(ranking[most..].iter().copied()).collect()
}

/// What each gene gains for one label of `width` classes; `weights`: of each cell, 0 where it has no label.
fn of_task(
    data: &TrainingData,
    columns: &Columns,
    genes: &[u32],
    labels: &[u32],
    width: usize,
    weights: &[f64],
) -> Vec<f64> {
    let n = labels.len();
    let total: f64 = weights.iter().sum();
    let share = |class: usize| {
        let own = (0..n).filter(|&cell| labels[cell] == class as u32);
        (own.map(|cell| weights[cell]).sum::<f64>().max(1.0) / total.max(1.0)).ln()
    };
    let start: Vec<f64> = (0..width).map(share).collect();
    let mut scores = start.repeat(n);
    let mut residual = vec![0.0; n * width];
    let mut curvature = vec![0.0; n * width];
    let mut gains = vec![0.0; genes.len()];
    for _ in 0..STEPS {
        let rows = scores.chunks_exact(width).zip(labels).enumerate();
        for (cell, (scores, &label)) in rows {
            let weight = weights[cell];
            let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|s| (s - top).exp()).sum();
            for (class, score) in scores.iter().enumerate() {
                let p = (score - top).exp() / sum;
                let truth = f64::from(u8::from(label == class as u32));
                residual[cell * width + class] = weight * (truth - p);
                curvature[cell * width + class] = weight * p * (1.0 - p);
            }
        }
        let sums = sums(data, columns, genes, width, &residual, &curvature);
        for class in 0..width {
            let statistic = |s: &Sums| s.gradient[class].powi(2) / (s.curvature[class] + CURVATURE);
            let each = sums.iter().map(statistic).enumerate();
            let best = each.fold((0, 0.0), |b, x| if x.1 > b.1 { x } else { b });
            let (at, statistic) = best;
            let Some(taken) = sums.get(at).filter(|_| statistic > 0.0) else {
                continue;
            };
            gains[at] += statistic;
            let step = RATE * taken.gradient[class] / (taken.curvature[class] + CURVATURE);
            let gene = genes[at] as usize;
            let (mean, unit) = standard(data, gene);
            let every = scores.iter_mut().skip(class).step_by(width);
            every.for_each(|s| *s -= step * mean * unit);
            for (&cell, &x) in columns.of(gene) {
                scores[cell as usize * width + class] += step * f64::from(x) * unit;
            }
        }
    }
    gains
}

/// Mean and 1 / standard deviation of a gene.
fn standard(data: &TrainingData, gene: usize) -> (f64, f64) {
    let stats = &data.stats;
    (f64::from(stats.mean[gene]), f64::from(stats.inv_sd[gene]))
}

/// The sums of each gene; `residual`, `curvature`: cells by classes.
fn sums(
    data: &TrainingData,
    columns: &Columns,
    genes: &[u32],
    width: usize,
    residual: &[f64],
    curvature: &[f64],
) -> Vec<Sums> {
    let totals = |of: &[f64]| {
        let mut sum = vec![0.0; width];
        for row in of.chunks_exact(width) {
            sum.iter_mut().zip(row).for_each(|(s, x)| *s += x);
        }
        sum
    };
    let (all_residual, all_curvature) = (totals(residual), totals(curvature));
    let of = |&gene: &u32| {
        let (mean, unit) = standard(data, gene as usize);
        let mut gradient = vec![0.0; width];
        let mut first = vec![0.0; width];
        let mut second = vec![0.0; width];
        for (&cell, &x) in columns.of(gene as usize) {
            let (x, row) = (f64::from(x), cell as usize * width);
            for class in 0..width {
                gradient[class] += x * residual[row + class];
                first[class] += x * curvature[row + class];
                second[class] += x * x * curvature[row + class];
            }
        }
        for class in 0..width {
            gradient[class] = unit * (gradient[class] - mean * all_residual[class]);
            let centred = second[class] - 2.0 * mean * first[class];
            second[class] = unit * unit * (centred + mean * mean * all_curvature[class]);
        }
        Sums {
            gradient,
            curvature: second,
        }
    };
    genes.par_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::packed::unpack;
    use crate::train::eliminate::tests::training_data;

    /// The same over dense values, straight from the definition.
    fn dense(data: &TrainingData, labels: &[u32], width: usize, weights: &[f64]) -> Vec<f64> {
        let (n, genes) = (labels.len(), data.cells.n_genes);
        let mut z = vec![vec![0.0f64; genes]; n];
        for (cell, z) in z.iter_mut().enumerate() {
            for (g, z) in z.iter_mut().enumerate() {
                let stored = data.cells.cell(cell).iter().map(|&e| unpack(e));
                let x = stored.filter(|e| e.0 == g).map(|e| e.1).sum::<f32>();
                let stats = &data.stats;
                *z = (f64::from(x) - f64::from(stats.mean[g])) * f64::from(stats.inv_sd[g]);
            }
        }
        let labelled: Vec<usize> = (0..n).filter(|&i| labels[i] != MISSING).collect();
        let w = |i: usize| weights[i];
        let total: f64 = labelled.iter().map(|&i| w(i)).sum();
        let of = |c: usize| labelled.iter().filter(move |&&i| labels[i] as usize == c);
        let prior: Vec<f64> = (0..width)
            .map(|c| (of(c).map(|&i| w(i)).sum::<f64>() / total).ln())
            .collect();
        let mut score = vec![prior; n];
        let mut gains = vec![0.0; genes];
        for _ in 0..STEPS {
            let p: Vec<Vec<f64>> = (score.iter())
                .map(|s| {
                    let sum: f64 = s.iter().map(|s| s.exp()).sum();
                    s.iter().map(|s| s.exp() / sum).collect()
                })
                .collect();
            for c in 0..width {
                let of_gene = |g: usize| {
                    let cells = labelled.iter();
                    let (mut a, mut b) = (0.0, CURVATURE);
                    for &i in cells {
                        let y = f64::from(u8::from(labels[i] as usize == c));
                        a += w(i) * (y - p[i][c]) * z[i][g];
                        b += w(i) * p[i][c] * (1.0 - p[i][c]) * z[i][g].powi(2);
                    }
                    (a * a / b, RATE * a / b)
                };
                let all: Vec<(f64, f64)> = (0..genes).map(of_gene).collect();
                let best = (0..genes).fold(0, |b, g| if all[g].0 > all[b].0 { g } else { b });
                gains[best] += all[best].0;
                (0..n).for_each(|i| score[i][c] += all[best].1 * z[i][best]);
            }
        }
        gains
    }

    #[test]
    fn it_gains_what_the_definition_says() {
        let data = training_data();
        let Targets::Classes(labels) = &data.tasks[0].targets else {
            panic!("a class label");
        };
        let labels = &labels[..200];
        let mut part = data.clone();
        part.n_train = 200;
        let weigh = |labels: &[u32]| {
            let of = |(i, &y): (usize, &u32)| match y {
                MISSING => 0.0,
                y => f64::from(y + 1) * (1.0 + 0.01 * i as f64),
            };
            labels.iter().enumerate().map(of).collect::<Vec<f64>>()
        };
        let genes: Vec<u32> = (0..data.cells.n_genes as u32).collect();
        let columns = Columns::new(&part);
        let own = of_task(&part, &columns, &genes, labels, 4, &weigh(labels));
        let wanted = dense(&part, labels, 4, &weigh(labels));
        let close = |a: &[f64]| {
            let all = a.iter().zip(&wanted);
            all.clone().count() == wanted.len()
                && all
                    .clone()
                    .all(|(a, b)| (a - b).abs() <= 1e-9 * (1.0 + b.abs()))
        };
        assert!(close(&own), "{own:?}\n{wanted:?}");
        assert!(own.iter().filter(|&&g| g > 0.0).count() > 4);
        let mut turned = labels.to_vec();
        turned.rotate_right(1);
        assert!(!close(&of_task(
            &part,
            &columns,
            &genes,
            &turned,
            4,
            &weigh(&turned)
        )));
    }

    #[test]
    fn genes_that_gain_nothing_follow_in_the_order_of_the_ranking() {
        let data = training_data();
        let ranking: Vec<u32> = (0..data.cells.n_genes as u32).rev().collect();
        let mut settings = Settings {
            genes: 6,
            ..Settings::default()
        };
        let mut order = boosted(&data, &settings, 0, &ranking);
        let falls = |order: &[u32]| order.windows(2).all(|w| w[0] > w[1]);
        assert!(!falls(&order[..10]) && falls(&order[order.len() - 5..]));
        // no more than twice k of them where few are asked for
        settings.recipe.eliminate_candidates = 1;
        let few = boosted(&data, &settings, 0, &ranking);
        assert_eq!(few[12..], ranking[12..]);
        // other weights of the cells, another order
        settings.recipe.eliminate_candidates = ranking.len();
        assert_ne!(boosted(&data, &settings, 1, &ranking), order);
        order.sort_unstable();
        assert!(order.iter().copied().eq(0..data.cells.n_genes as u32));
    }
}
