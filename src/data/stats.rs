//! Which genes are considered and their means and scales, from the training cells alone.
use super::cells::{GeneStats, Targets, Task, Transform};
use super::dispersion::Sums;
use super::filter::{GeneCounts, GeneFilter, Named, most};
use super::matrix::Matrix;
use super::packed::quantise;
use crate::error::DataError;
use crate::ops::MISSING;
use std::cell::Cell;

/// Bounds of how many standard deviations above the mean values are clipped.
const CLIP_SD: [f64; 2] = [8.0, 64.0];
/// Largest f16.
const LARGEST: f64 = 65_504.0;

/// The considered genes.
pub(super) struct Genes {
    /// Index in `var`, ascending.
    pub(super) index: Vec<u32>,
    /// Statistics of the quantised, clipped values, which are what devices hold.
    pub(super) stats: GeneStats,
    /// How many genes each filter left out.
    pub(super) counts: GeneCounts,
    /// Genes (as in `index`) that must be in the panel, ascending.
    pub(super) include: Vec<u32>,
    /// Genes in `var` that must be in the panel but do not vary.
    pub(super) silent: Vec<u32>,
    /// Genes of the file with a value in any training cell.
    pub(super) detected: usize,
    /// Genes that may be considered with a value above the largest f16 in a training cell.
    pub(super) capped: usize,
}

type Moments = (Vec<f64>, Vec<f64>, Vec<usize>);

/// Mean and population variance of every gene over `rows` of `f(gene, value)`, and the cells that store no
/// value of it, which count as zeros. Two passes in f64, so that a gene of one value has a variance of exactly 0.
fn moments(
    x: &Matrix,
    transform: Transform,
    rows: &[u32],
    f: impl Fn(usize, f32) -> f32,
) -> Result<Moments, DataError> {
    let n = rows.len().max(1) as f64;
    let mut mean = vec![0.0f64; x.n_vars()];
    let mut zeros = vec![rows.len(); x.n_vars()];
    let each = |with: &mut dyn FnMut(usize, f64)| {
        x.visit(rows, transform, &mut |_, genes, values| {
            for (&g, &v) in genes.iter().zip(values) {
                with(g as usize, f64::from(f(g as usize, v)));
            }
        })
    };
    each(&mut |g, v| {
        mean[g] += v;
        zeros[g] -= 1;
    })?;
    for m in &mut mean {
        *m /= n;
    }
    let mut variance: Vec<f64> = mean
        .iter()
        .zip(&zeros)
        .map(|(m, z)| m * m * *z as f64)
        .collect();
    each(&mut |g, v| {
        let d = v - mean[g];
        variance[g] += d * d;
    })?;
    for v in &mut variance {
        *v /= n;
    }
    Ok((mean, variance, zeros))
}

/// Standard deviations above the mean where values are clipped. A gene that the cells of one class alone have, n of N, is
/// sqrt(N / n) above its mean in them: the clip is there for the rarest class (of 3 training cells or more), at least at
/// 8 and at most at 64. At 8 for all, markers of classes of a few cells in a thousand lost what they say. With few genes
/// for the classes there is none to spare for such a class, and the choice is better off without its extremes.
pub(super) fn reach(tasks: &[Task], train: &[u32], spare_outputs: usize) -> f64 {
    if tasks.iter().map(|t| t.kind.width()).sum::<usize>() > spare_outputs {
        return CLIP_SD[0];
    }
    let of_task = |task: &Task| {
        let Targets::Classes(codes) = &task.targets else {
            return CLIP_SD[0];
        };
        let mut count = vec![0u32; task.kind.width()];
        let labelled = train.iter().map(|&r| codes[r as usize]);
        (labelled.filter(|&c| c != MISSING)).for_each(|c| count[c as usize] += 1);
        let rarest = count.iter().copied().filter(|&n| n > 2).min();
        let all = f64::from(count.iter().sum::<u32>());
        rarest.map_or(CLIP_SD[0], |n| (all / f64::from(n)).sqrt())
    };
    let most = tasks.iter().map(of_task).fold(CLIP_SD[0], f64::max);
    most.min(CLIP_SD[1])
}

/// Chooses the genes, of those that their names allow, and measures them on the training rows; values are clipped at
/// `clip_sd` standard deviations above the mean.
///
/// # Errors
/// Cells that cannot be read.
pub(super) fn genes(
    x: &Matrix,
    transform: Transform,
    rows: &[u32],
    filter: &GeneFilter,
    named: &Named,
    clip_sd: f64,
) -> Result<Genes, DataError> {
    let (mean, variance, zeros) = moments(x, transform, rows, |_, v| v)?;
    let clip: Vec<f32> = mean
        .iter()
        .zip(&variance)
        .map(|(m, v)| (m + clip_sd * v.sqrt()).min(LARGEST) as f32)
        .collect();
    let above = vec![Cell::new(false); x.n_vars()];
    let highest = Cell::new(0.0f32);
    let (mean, held, _) = moments(x, transform, rows, |g, v| {
        if v > LARGEST as f32 {
            above[g].set(true);
        }
        highest.set(highest.get().max(v));
        quantise(v.min(clip[g])).to_f32()
    })?;
    let usable = |g: usize| held[g] > 0.0 && ((1.0 / held[g].sqrt()) as f32).is_finite();
    let mut counts = named.counts;
    let (mut index, mut silent) = (Vec::new(), Vec::new());
    for g in (0..x.n_vars()).filter(|g| named.allowed[*g]) {
        if named.included[g] && !usable(g) {
            silent.push(g as u32);
        } else if !named.included[g] && rows.len() - zeros[g] < filter.min_cells {
            counts.min_cells += 1;
        } else if usable(g) {
            index.push(g as u32);
        } else {
            counts.constant += 1;
        }
    }
    let varying = index.len();
    if varying > most(filter) {
        // not by variance alone: of a class of few cells the markers have little
        let mut sums = Sums::new(x.n_vars(), transform, highest.get());
        x.visit(rows, transform, &mut |_, genes, values| {
            for (&g, &v) in genes.iter().zip(values) {
                sums.add(g as usize, v.into());
            }
        })?;
        sums.most_variable_first(rows.len(), &mut index);
        index.sort_by_key(|&g| !named.included[g as usize]);
        index.truncate(most(filter));
        index.sort_unstable();
    }
    counts.max_genes_considered = varying - index.len();
    counts.considered = index.len();
    let must = |i: &u32| named.included[index[*i as usize] as usize];
    let include: Vec<u32> = (0..index.len() as u32).filter(must).collect();
    counts.include_genes = include.len();
    let pick = |f: &dyn Fn(usize) -> f32| index.iter().map(|g| f(*g as usize)).collect();
    let stats = GeneStats {
        mean: pick(&|g| mean[g] as f32),
        inv_sd: pick(&|g| (1.0 / held[g].sqrt()) as f32),
        clip: pick(&|g| clip[g]),
    };
    let capped = (0..x.n_vars()).filter(|&g| named.allowed[g] && above[g].get());
    let capped = capped.count();
    Ok(Genes {
        index,
        stats,
        counts,
        include,
        silent,
        detected: zeros.iter().filter(|z| **z < rows.len()).count(),
        capped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::cells::TaskKind;

    /// A label with so many cells of each class, every other one of which is not among the training cells.
    fn label(cells: &[u32]) -> Task {
        let classes = (0..cells.len()).map(|c| c.to_string()).collect();
        let codes = (0u32..)
            .zip(cells)
            .flat_map(|(c, &n)| [c, 0].repeat(n as usize));
        Task {
            name: "label".into(),
            kind: TaskKind::Classification { classes },
            targets: Targets::Classes(codes.collect()),
        }
    }

    fn reach_of(cells: &[u32]) -> f64 {
        let task = label(cells);
        let train: Vec<u32> = (0..cells.iter().sum()).map(|i| 2 * i).collect();
        reach(&[task], &train, cells.len())
    }

    #[test]
    fn the_rarest_class_says_where_values_are_clipped() {
        assert_eq!(reach_of(&[50, 50]), 8.0);
        assert_eq!(reach_of(&[396, 4]), 10.0);
        assert_eq!(
            reach_of(&[396, 4, 0]),
            10.0,
            "a class without training cells"
        );
        assert_eq!(reach_of(&[397, 1, 2]), 8.0, "too few to say anything");
        assert_eq!(reach_of(&[100_000, 3]), 64.0);
        let mut both = label(&[396, 4]);
        let Targets::Classes(codes) = &mut both.targets else {
            panic!("classes")
        };
        // of the cells of the first class only 60 are labelled
        (60..396).for_each(|i| codes[2 * i] = MISSING);
        let train: Vec<u32> = (0..400).map(|i| 2 * i).collect();
        assert_eq!(reach(std::slice::from_ref(&both), &train, 4), 8.0);
        let two = [both, label(&[396, 4])];
        assert_eq!(reach(&two, &train, 4), 10.0);
        assert_eq!(reach(&two, &train, 3), 8.0, "no genes to spare");
        assert_eq!(reach(&[], &train, 4), 8.0);
    }
}
