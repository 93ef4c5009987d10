//! Training, validation and test cells; statistics of the training cells.
use super::cells::{GeneStats, SealedTest, Targets, Task, TaskKind, TestCells, TrainingData};
use super::dataset::{Column, Csr};
use super::packed::{MAX_GENES, Packed, quantise};
use super::prepare::Prepared;
use crate::error::DataError;
use crate::ops::MISSING;
use crate::reference::noise::philox;
use std::collections::BTreeMap;

type Result<T> = std::result::Result<T, DataError>;

/// How cells are split.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitSettings {
    /// Seed of the split.
    pub seed: u64,
    /// Share of all cells that are test cells.
    pub test_fraction: f64,
    /// Share of all cells that are validation cells.
    pub validation_fraction: f64,
    /// Column whose groups stay on one side.
    pub group_by: Option<String>,
    /// Whether classes of the first label keep their shares.
    pub stratify: bool,
    /// Column with `train`, `validation` and `test`, instead of a random split.
    pub split_by: Option<String>,
    /// Most words of a page of the packed cells.
    pub page_words: usize,
    /// Most genes that are considered, by variance; `None` takes all that vary.
    pub max_genes: Option<usize>,
}

/// What the split did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitSummary {
    /// Cells of the file.
    pub n_obs: usize,
    /// Genes of the file.
    pub n_vars: usize,
    /// Stored values of the file.
    pub nnz: usize,
    /// Training cells.
    pub train: usize,
    /// Validation cells.
    pub validation: usize,
    /// Test cells.
    pub test: usize,
    /// Genes that vary over the training cells and are considered.
    pub considered: usize,
    /// Notices for the user.
    pub notices: Vec<String>,
}

/// Sides of a split.
const TRAIN: u8 = 0;
const VALIDATION: u8 = 1;
const TEST: u8 = 2;
const OUT: u8 = 3;

/// Standard deviations above the mean at which values are clipped.
const CLIP: f64 = 8.0;

/// Splits the cells, takes statistics on the training cells, packs what training may read and
/// seals the rest.
///
/// # Errors
/// Fractions that leave no training cell, a column that cannot split, no gene that varies.
pub fn split(
    prepared: Prepared,
    settings: &SplitSettings,
) -> Result<(TrainingData, SealedTest, SplitSummary)> {
    let Prepared {
        path,
        x,
        obs_names,
        var_names,
        transform,
        mut tasks,
        columns,
        mut notices,
    } = prepared;
    let sides = sides(&path, &x, &tasks, &columns, settings, &mut notices)?;
    let of = |side: u8| {
        (0..x.n_obs as u32)
            .filter(|&i| sides[i as usize] == side)
            .collect::<Vec<u32>>()
    };
    let (train, validation, test) = (of(TRAIN), of(VALIDATION), of(TEST));
    if train.len() < 2 {
        return Err(DataError::new(
            format!(
                "{path:?}: the split leaves {} training cells of {}",
                train.len(),
                x.n_obs
            ),
            "lower --test-fraction and --validation-fraction",
        ));
    }
    notices.extend(standardise(&path, &mut tasks, &train)?);
    let (genes, stats) = gene_stats(&path, &x, &train, settings.max_genes, &mut notices)?;
    let mut column_of = vec![u32::MAX; x.n_vars];
    genes
        .iter()
        .enumerate()
        .for_each(|(i, &g)| column_of[g as usize] = i as u32);
    let rows = [train.as_slice(), &validation].concat();
    let value = |g: usize, v: f32| v.min(stats.clip[g]);
    let cells = Packed::new(
        &x,
        &rows,
        &column_of,
        genes.len(),
        settings.page_words,
        value,
    );
    let summary = SplitSummary {
        n_obs: x.n_obs,
        n_vars: x.n_vars,
        nnz: x.nnz(),
        train: train.len(),
        validation: validation.len(),
        test: test.len(),
        considered: genes.len(),
        notices,
    };
    let sealed = SealedTest::new(TestCells {
        x: pick_rows(&x, &test),
        obs_names: test
            .iter()
            .map(|&i| obs_names[i as usize].clone())
            .collect(),
        tasks: tasks.iter().map(|t| pick_task(t, &test)).collect(),
    });
    let data = TrainingData {
        cells,
        n_train: train.len(),
        n_validation: validation.len(),
        gene_names: genes
            .iter()
            .map(|&g| var_names[g as usize].clone())
            .collect(),
        gene_index: genes,
        stats,
        transform,
        tasks: tasks.iter().map(|t| pick_task(t, &rows)).collect(),
    };
    Ok((data, sealed, summary))
}

fn pick_rows(x: &Csr, rows: &[u32]) -> Csr {
    let mut out = Csr {
        n_obs: rows.len(),
        n_vars: x.n_vars,
        indptr: vec![0],
        indices: Vec::new(),
        values: Vec::new(),
    };
    for &i in rows {
        let (genes, values) = x.row(i as usize);
        out.indices.extend_from_slice(genes);
        out.values.extend_from_slice(values);
        out.indptr.push(out.values.len());
    }
    out
}

fn pick_task(task: &Task, rows: &[u32]) -> Task {
    let targets = match &task.targets {
        Targets::Classes(y) => Targets::Classes(rows.iter().map(|&i| y[i as usize]).collect()),
        Targets::Values(v) => Targets::Values(rows.iter().map(|&i| v[i as usize]).collect()),
    };
    Task {
        targets,
        ..task.clone()
    }
}

/// Whether a cell has a label in any task.
fn labelled(tasks: &[Task], i: usize) -> bool {
    tasks.iter().any(|t| match &t.targets {
        Targets::Classes(y) => y[i] != MISSING,
        Targets::Values(v) => !v[i].is_nan(),
    })
}

/// A side for each cell.
fn sides(
    path: &str,
    x: &Csr,
    tasks: &[Task],
    columns: &BTreeMap<String, Column>,
    s: &SplitSettings,
    notices: &mut Vec<String>,
) -> Result<Vec<u8>> {
    let fractions = s.test_fraction + s.validation_fraction;
    let sane = (0.0..1.0).contains(&s.test_fraction)
        && (0.0..1.0).contains(&s.validation_fraction)
        && fractions < 1.0;
    if !sane {
        return Err(DataError::new(
            format!(
                "--test-fraction {} and --validation-fraction {} leave nothing to train on",
                s.test_fraction, s.validation_fraction
            ),
            "both are shares of all cells, from 0 to less than 1 together",
        ));
    }
    let categories = |name: &str| match columns.get(name) {
        Some(Column::Categorical { categories, codes }) => Ok((categories.clone(), codes.clone())),
        Some(Column::Numeric(v)) => {
            let text: Vec<String> = v
                .iter()
                .map(|v| {
                    if v.is_nan() {
                        String::new()
                    } else {
                        v.to_string()
                    }
                })
                .collect();
            match super::columns::from_strings(&text) {
                Column::Categorical { categories, codes } => Ok((categories, codes)),
                Column::Numeric(_) => Ok((Vec::new(), Vec::new())),
            }
        }
        None => Err(DataError::new(
            format!("{path:?}: column {name:?} was not read"),
            "name it when reading",
        )),
    };
    let mut sides = if let Some(name) = &s.split_by {
        given(path, name, &categories(name)?)?
    } else if let Some(name) = &s.group_by {
        by_group(path, name, &categories(name)?, s)?
    } else {
        let strata: Vec<u32> = match tasks.iter().find_map(|t| {
            if let Targets::Classes(y) = &t.targets {
                Some(y)
            } else {
                None
            }
        }) {
            Some(y) if s.stratify => y.clone(),
            _ => vec![0; x.n_obs],
        };
        by_stratum(&strata, s)
    };
    let out = (0..x.n_obs)
        .filter(|&i| !labelled(tasks, i))
        .inspect(|&i| sides[i] = OUT)
        .count();
    if out > 0 {
        notices.push(format!("{out} cells without any label are left out"));
    }
    let unsplit = sides.iter().filter(|&&side| side == OUT).count() - out;
    if unsplit > 0 {
        notices.push(format!(
            "{unsplit} cells without a side or group are left out"
        ));
    }
    Ok(sides)
}

/// Sides from a column's own words.
fn given(
    path: &str,
    name: &str,
    (categories, codes): &(Vec<String>, Vec<Option<u32>>),
) -> Result<Vec<u8>> {
    let side = |c: &String| match c.to_lowercase().as_str() {
        "train" | "training" => TRAIN,
        "validation" | "val" | "valid" => VALIDATION,
        "test" => TEST,
        _ => OUT,
    };
    let of: Vec<u8> = categories.iter().map(side).collect();
    if !of.contains(&TRAIN) {
        return Err(DataError::new(
            format!(
                "{path:?}: obs/{name} has no value \"train\"; it has {}",
                categories
                    .iter()
                    .take(10)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            "--split-by wants a column with train, validation (optional) and test",
        ));
    }
    Ok(codes
        .iter()
        .map(|c| c.map_or(OUT, |c| of[c as usize]))
        .collect())
}

/// A random permutation of `items` (Fisher and Yates, from counters of the seed).
fn shuffle<T>(items: &mut [T], seed: u64, stream: u32) {
    for i in (1..items.len()).rev() {
        let w = philox(
            [i as u32, stream, 0, 0],
            [(seed ^ (seed >> 32)) as u32, 0x5917],
        );
        let r = (u64::from(w[0]) << 32) | u64::from(w[1]);
        items.swap(i, ((u128::from(r) * (i as u128 + 1)) >> 64) as usize);
    }
}

/// Random sides within each stratum. Shares are exact over all strata: fractions carry over from
/// one stratum to the next; a stratum of one cell goes to training.
fn by_stratum(strata: &[u32], s: &SplitSettings) -> Vec<u8> {
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    strata
        .iter()
        .enumerate()
        .for_each(|(i, &c)| members.entry(c).or_default().push(i));
    let mut sides = vec![TRAIN; strata.len()];
    let (mut carry_test, mut carry_validation) = (0.5, 0.5);
    for (&c, cells) in &mut members {
        shuffle(cells, s.seed, c.wrapping_add(1));
        let n = cells.len();
        let take = |share: f64, carry: &mut f64, most: usize| {
            let exact = n as f64 * share + *carry;
            let whole = (exact.floor() as usize).min(most);
            *carry = (exact - whole as f64).min(1.0);
            whole
        };
        let test = take(s.test_fraction, &mut carry_test, n - 1);
        let validation = take(s.validation_fraction, &mut carry_validation, n - 1 - test);
        cells[..test].iter().for_each(|&i| sides[i] = TEST);
        cells[test..test + validation]
            .iter()
            .for_each(|&i| sides[i] = VALIDATION);
    }
    sides
}

/// Whole groups, in random order, to the side that is furthest below its share.
fn by_group(
    path: &str,
    name: &str,
    (categories, codes): &(Vec<String>, Vec<Option<u32>>),
    s: &SplitSettings,
) -> Result<Vec<u8>> {
    let mut sizes = vec![0.0; categories.len()];
    codes
        .iter()
        .flatten()
        .for_each(|&c| sizes[c as usize] += 1.0);
    let shares = [
        1.0 - s.test_fraction - s.validation_fraction,
        s.validation_fraction,
        s.test_fraction,
    ];
    let needed = shares.iter().filter(|&&f| f > 0.0).count();
    let mut groups: Vec<usize> = (0..sizes.len()).filter(|&g| sizes[g] > 0.0).collect();
    if groups.len() < needed {
        return Err(DataError::new(
            format!(
                "{path:?}: obs/{name} has {} groups for {needed} sides",
                groups.len()
            ),
            "set --validation-fraction 0 or --test-fraction 0, or group by another column",
        ));
    }
    shuffle(&mut groups, s.seed, 0);
    let total: f64 = sizes.iter().sum();
    let mut filled = [0.0f64; 3];
    let mut side_of = vec![OUT; sizes.len()];
    for (done, &g) in groups.iter().enumerate() {
        let left = groups.len() - done;
        let empty: Vec<usize> = (0..3)
            .filter(|&i| shares[i] > 0.0 && filled[i] == 0.0)
            .collect();
        let open: Vec<usize> = if empty.len() >= left {
            empty
        } else {
            (0..3).filter(|&i| shares[i] > 0.0).collect()
        };
        let lack = |i: &usize| shares[*i] * total - filled[*i];
        let best = open
            .iter()
            .copied()
            .max_by(|a, b| lack(a).total_cmp(&lack(b)).then(b.cmp(a)))
            .unwrap_or(0);
        filled[best] += sizes[g];
        side_of[g] = best as u8;
    }
    Ok(codes
        .iter()
        .map(|c| c.map_or(OUT, |c| side_of[c as usize]))
        .collect())
}

/// Sets the scale of regression tasks from the training cells; names classes without one.
fn standardise(path: &str, tasks: &mut [Task], train: &[u32]) -> Result<Vec<String>> {
    let mut notices = Vec::new();
    for task in tasks {
        match (&mut task.kind, &task.targets) {
            (TaskKind::Regression { mean, sd }, Targets::Values(v)) => {
                let known: Vec<f64> = train
                    .iter()
                    .map(|&i| f64::from(v[i as usize]))
                    .filter(|v| !v.is_nan())
                    .collect();
                let n = known.len() as f64;
                *mean = known.iter().sum::<f64>() / n;
                *sd = (known.iter().map(|v| (v - *mean).powi(2)).sum::<f64>() / n).sqrt();
                if !(*sd > 0.0) {
                    return Err(DataError::new(
                        format!(
                            "{path:?}: obs/{} does not vary over the training cells",
                            task.name
                        ),
                        "a --regress needs numbers that vary",
                    ));
                }
            }
            (TaskKind::Classification { classes }, Targets::Classes(y)) => {
                let mut seen = vec![false; classes.len()];
                train
                    .iter()
                    .map(|&i| y[i as usize])
                    .filter(|&c| c != MISSING)
                    .for_each(|c| seen[c as usize] = true);
                let unseen: Vec<&str> = classes
                    .iter()
                    .zip(&seen)
                    .filter(|(_, s)| !**s)
                    .map(|(c, _)| c.as_str())
                    .collect();
                if !unseen.is_empty() {
                    notices.push(format!(
                        "obs/{}: no training cell of {}",
                        task.name,
                        unseen.join(", ")
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(notices)
}

/// Sums and sums of squares of `value(gene, x)` over the rows.
fn moments(x: &Csr, rows: &[u32], value: impl Fn(usize, f32) -> f32) -> (Vec<f64>, Vec<f64>) {
    let (mut sum, mut square) = (vec![0.0f64; x.n_vars], vec![0.0f64; x.n_vars]);
    for &i in rows {
        let (genes, values) = x.row(i as usize);
        for (&g, &v) in genes.iter().zip(values) {
            let v = f64::from(value(g as usize, v));
            sum[g as usize] += v;
            square[g as usize] += v * v;
        }
    }
    (sum, square)
}

/// Considered genes and their statistics over the training cells.
fn gene_stats(
    path: &str,
    x: &Csr,
    train: &[u32],
    max_genes: Option<usize>,
    notices: &mut Vec<String>,
) -> Result<(Vec<u32>, GeneStats)> {
    let n = train.len() as f64;
    let spread = |s: f64, q: f64| (s / n, (q / n - (s / n).powi(2)).max(0.0).sqrt());
    let (sum, square) = moments(x, train, |_, v| quantise(v).to_f32());
    let clip: Vec<f32> = sum
        .iter()
        .zip(&square)
        .map(|(&s, &q)| spread(s, q))
        .map(|(m, sd)| (m + CLIP * sd) as f32)
        .collect();
    // again on what the device will see
    let (sum, square) = moments(x, train, |g, v| quantise(v.min(clip[g])).to_f32());
    let all: Vec<(f64, f64)> = sum
        .iter()
        .zip(&square)
        .map(|(&s, &q)| spread(s, q))
        .collect();
    let varies = |g: &u32| all[*g as usize].1 > 1e-6 * (1.0 + all[*g as usize].0);
    let mut genes: Vec<u32> = (0..x.n_vars as u32).filter(varies).collect();
    if genes.is_empty() {
        return Err(DataError::new(
            format!("{path:?}: no gene varies over the training cells"),
            "check X and the split",
        ));
    }
    let most = max_genes.unwrap_or(MAX_GENES).min(MAX_GENES);
    if genes.len() > most {
        notices.push(format!(
            "of {} genes that vary, the {most} most variable are considered",
            genes.len()
        ));
        genes.sort_by(|&a, &b| {
            all[b as usize]
                .1
                .total_cmp(&all[a as usize].1)
                .then(a.cmp(&b))
        });
        genes.truncate(most);
        genes.sort_unstable();
    }
    let stats = GeneStats {
        mean: genes.iter().map(|&g| all[g as usize].0 as f32).collect(),
        inv_sd: genes
            .iter()
            .map(|&g| (1.0 / all[g as usize].1) as f32)
            .collect(),
        clip: genes.iter().map(|&g| clip[g as usize]).collect(),
    };
    Ok((genes, stats))
}
