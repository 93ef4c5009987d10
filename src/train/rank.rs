//! A first ranking of the genes: one-versus-rest rank-sum tests, genes taken from each list in turn.
use crate::data::cells::{Targets, Task, TaskKind, TrainingData};
use crate::data::columns::Columns;
use crate::ops::MISSING;
use rayon::prelude::*;

/// Ranks (1-based, ties averaged) of one gene's values over the labelled cells: those of its
/// nonzeros and the one that all its zeros share.
fn ranks(columns: &Columns, gene: usize, labelled: &[bool], n: usize) -> (Vec<(u32, f64)>, f64) {
    let pairs = columns.of(gene);
    let mut pairs: Vec<(f32, u32)> = pairs
        .filter(|(c, _)| labelled[**c as usize])
        .map(|(&c, &v)| (v, c))
        .collect();
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let zeros = n - pairs.len();
    let negative = pairs.partition_point(|p| p.0 < 0.0);
    let mut out = Vec::with_capacity(pairs.len());
    let mut i = 0;
    while i < pairs.len() {
        let tie = pairs[i..].partition_point(|p| p.0 <= pairs[i].0);
        let below = i + if i >= negative { zeros } else { 0 };
        let rank = below as f64 + (tie as f64 + 1.0) / 2.0;
        out.extend(pairs[i..i + tie].iter().map(|p| (p.1, rank)));
        i += tie;
    }
    (out, negative as f64 + (zeros as f64 + 1.0) / 2.0)
}

/// z scores of all genes for one class or number.
struct List {
    z: Vec<f32>,
    /// Standard deviation, where the gene tells nothing, of the effect that z is a multiple of
    /// (2 AUROC - 1, or Spearman's rho); infinite where nothing can be told.
    sd: f64,
    /// Whether the sign of z says nothing, as for a number.
    two_sided: bool,
}

/// z scores of one task over the cells that `inside` is true of: for each class, or the one number,
/// those of all genes (Wilcoxon 1945 for classes, normal approximation without tie correction as
/// scanpy's default; Spearman's rho times sqrt(n - 1) for numbers).
fn task_scores(
    columns: &Columns,
    n_genes: usize,
    task: &Task,
    n_train: usize,
    inside: &dyn Fn(usize) -> bool,
) -> Vec<List> {
    let labelled: Vec<bool> = match &task.targets {
        Targets::Classes(y) => (0..n_train).map(|i| y[i] != MISSING && inside(i)).collect(),
        Targets::Values(v) => (0..n_train).map(|i| !v[i].is_nan() && inside(i)).collect(),
    };
    let mut sds = Vec::new();
    let two_sided = matches!(task.targets, Targets::Values(_));
    let n = labelled.iter().filter(|&&l| l).count();
    let mean = (n as f64 + 1.0) / 2.0;
    let by_gene: Vec<Vec<f32>> = match &task.targets {
        Targets::Classes(labels) => {
            let width = task.kind.width();
            let mut sizes = vec![0.0f64; width];
            labels[..n_train]
                .iter()
                .zip(&labelled)
                .filter(|(_, labelled)| **labelled)
                .for_each(|(&y, _)| sizes[y as usize] += 1.0);
            let rest = |size: f64| size * (n as f64 - size);
            sds = (sizes.iter())
                .map(|&s| ((n as f64 + 1.0) / (3.0 * rest(s))).sqrt())
                .collect();
            (0..n_genes)
                .into_par_iter()
                .map(|gene| {
                    let (stored, zero) = ranks(columns, gene, &labelled, n);
                    let mut sums: Vec<f64> = sizes.iter().map(|s| s * (zero - mean)).collect();
                    stored.iter().for_each(|&(cell, rank)| {
                        sums[labels[cell as usize] as usize] += rank - zero
                    });
                    let z = |(s, &size): (&f64, &f64)| {
                        let sd = (size * (n as f64 - size) * (n as f64 + 1.0) / 12.0).sqrt();
                        if sd > 0.0 { (s / sd) as f32 } else { 0.0 }
                    };
                    sums.iter().zip(&sizes).map(z).collect()
                })
                .collect()
        }
        Targets::Values(values) => {
            let target_ranks = value_ranks(values, &labelled);
            sds.push((n as f64 - 1.0).max(0.0).sqrt().recip());
            let spread = |r: f64| (r - mean) * (r - mean);
            let target_ss: f64 = target_ranks
                .iter()
                .filter(|r| !r.is_nan())
                .map(|&r| spread(r))
                .sum();
            (0..n_genes)
                .into_par_iter()
                .map(|gene| {
                    let (stored, zero) = ranks(columns, gene, &labelled, n);
                    let product: f64 = stored
                        .iter()
                        .map(|&(c, r)| (r - zero) * (target_ranks[c as usize] - mean))
                        .sum();
                    let zeros = (n - stored.len()) as f64;
                    let ss: f64 =
                        stored.iter().map(|&(_, r)| spread(r)).sum::<f64>() + zeros * spread(zero);
                    let rho = product / (ss * target_ss).sqrt().max(1e-300);
                    vec![(rho * (n as f64 - 1.0).max(0.0).sqrt()) as f32]
                })
                .collect()
        }
    };
    let list = |(c, sd): (usize, f64)| List {
        z: by_gene.iter().map(|g| g[c]).collect(),
        sd,
        two_sided,
    };
    sds.into_iter().enumerate().map(list).collect()
}

/// Scores of the genes for one class or number from those within each batch: the mean effect, each
/// batch weighted by how well it can tell, but no more than what any of them allows, within two
/// standard deviations; in units of z. A gene that tells a class in one batch only has no effect in
/// another one, and so none.
fn hold(lists: &[&List]) -> Vec<f32> {
    let told: Vec<&&List> = lists.iter().filter(|l| l.sd.is_finite()).collect();
    let precision: f64 = told.iter().map(|l| l.sd.powi(-2)).sum();
    let score = |gene: usize, sign: f64| {
        let effects = || {
            told.iter()
                .map(|l| (sign * f64::from(l.z[gene]) * l.sd, l.sd))
        };
        let sum: f64 = effects().map(|(e, sd)| e * sd.powi(-2)).sum();
        let allowed = effects().map(|(e, sd)| e + 2.0 * sd);
        allowed.fold(sum / precision, f64::min) * precision.sqrt()
    };
    let n_genes = lists.first().map_or(0, |l| l.z.len());
    let of = |gene: usize| match lists[0].two_sided {
        _ if told.is_empty() => 0.0,
        true => score(gene, 1.0).max(score(gene, -1.0)) as f32,
        false => score(gene, 1.0) as f32,
    };
    (0..n_genes).map(of).collect()
}

/// Average ranks of the labelled values; NaN elsewhere.
fn value_ranks(values: &[f32], labelled: &[bool]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..labelled.len()).filter(|&i| labelled[i]).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut out = vec![f64::NAN; labelled.len()];
    let mut i = 0;
    while i < order.len() {
        let tie = order[i..]
            .iter()
            .take_while(|&&j| values[j] == values[order[i]])
            .count();
        order[i..i + tie]
            .iter()
            .for_each(|&j| out[j] = i as f64 + (tie as f64 + 1.0) / 2.0);
        i += tie;
    }
    out
}

/// A component's share of the variance.
fn share(kind: &TaskKind) -> Option<f64> {
    match kind {
        TaskKind::Component { share, .. } => Some(*share),
        _ => None,
    }
}

/// z scores, their size alone where the sign says nothing.
fn without_sign(list: List) -> Vec<f32> {
    let two_sided = list.two_sided;
    let of = |z: f32| if two_sided { z.abs() } else { z };
    list.z.into_iter().map(of).collect()
}

/// AUROC of each considered gene for each class of a task against the rest of the labelled training cells
/// (classes x genes); 0.5 where a class has no cell.
pub(super) fn aurocs(data: &TrainingData, task: &Task) -> Vec<Vec<f32>> {
    let columns = Columns::new(data);
    let lists = task_scores(&columns, data.cells.n_genes, task, data.n_train, &|_| true);
    let auroc = |list: &List| {
        // sd is that of 2 AUROC - 1
        let of = |z: &f32| (0.5 + f64::from(*z) * list.sd / 2.0) as f32;
        list.z
            .iter()
            .map(of)
            .map(|a| if a.is_finite() { a } else { 0.5 })
            .collect()
    };
    lists.iter().map(auroc).collect()
}

/// Genes in the order in which they are taken from each class's list (and each number's) in turn,
/// largest z first; classes of a task in code order. A component has as many turns, of those of the
/// leading one, as it has of its variance. With batches z is what holds in all of
/// them.
#[must_use]
pub fn round_robin(data: &TrainingData) -> Vec<u32> {
    let (columns, n_genes) = (Columns::new(data), data.cells.n_genes);
    let mut lists: Vec<(f64, Vec<u32>)> = Vec::new();
    let first = data.tasks.iter().find_map(|t| share(&t.kind));
    for task in &data.tasks {
        let within = |inside: &dyn Fn(usize) -> bool| {
            task_scores(&columns, n_genes, task, data.n_train, inside)
        };
        let scores: Vec<Vec<f32>> = match &data.batches {
            None => within(&|_| true).into_iter().map(without_sign).collect(),
            Some(batches) => {
                let each: Vec<Vec<List>> = (batches.counted(0..data.n_train, 1).into_iter())
                    .map(|b| within(&|cell| batches.of[cell] == b))
                    .collect();
                let of = |c: usize| hold(&each.iter().map(|lists| &lists[c]).collect::<Vec<_>>());
                (0..each.first().map_or(0, Vec::len)).map(of).collect()
            }
        };
        for scores in scores {
            let mut list: Vec<u32> = (0..n_genes as u32).collect();
            list.sort_by(|&a, &b| {
                scores[b as usize]
                    .total_cmp(&scores[a as usize])
                    .then(a.cmp(&b))
            });
            let turns = share(&task.kind)
                .zip(first)
                .map_or(1.0, |(own, first)| own / first);
            lists.push((turns, list));
        }
    }
    let (mut taken, mut out) = (vec![false; n_genes], Vec::with_capacity(n_genes));
    for place in 0..n_genes {
        for (turns, list) in &lists {
            let at = (place as f64 * turns) as usize;
            // a list of half the turns stays where it is every other time
            if place > 0 && at == ((place - 1) as f64 * turns) as usize {
                continue;
            }
            let gene = list[at];
            if !std::mem::replace(&mut taken[gene as usize], true) {
                out.push(gene);
            }
        }
    }
    out
}
