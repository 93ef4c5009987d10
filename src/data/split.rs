//! Splits prepared cells into what training reads and the sealed test cells.
use super::assign::{self, Assignment};
use super::cells::{Batches, SealedTest, Targets, Task, TaskKind, TestCells, TrainingData};
use super::dataset::{Column, Csr};
use super::packed::{MAX_GENES, Packed};
use super::prepare::Prepared;
use super::stats;
use crate::error::DataError;
use crate::ops::MISSING;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How cells are split and which genes are considered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitSettings {
    /// Seed of the split.
    pub seed: u64,
    /// Share of all cells that is tested on; 0 tests on none.
    pub test_fraction: f64,
    /// Share of all cells that validates; 0 leaves none.
    pub validation_fraction: f64,
    /// Column whose groups (donors) stay on one side.
    pub group_by: Option<String>,
    /// Keep the shares of the classes of the first classification alike on all sides.
    pub stratify: bool,
    /// Column that says `train`, `validation` or `test` of every cell; overrides the rest.
    pub split_by: Option<String>,
    /// Column whose batches the panel is to hold across.
    pub batch: Option<String>,
    /// Keep cells without any label: what is predicted needs none.
    pub unlabelled: bool,
    /// Words that a page of [`Packed`] may hold.
    pub page_words: usize,
    /// Consider at most this many genes, those of the largest variance on the training cells.
    pub max_genes: Option<usize>,
}

impl Default for SplitSettings {
    fn default() -> Self {
        Self {
            seed: 0,
            test_fraction: 0.2,
            validation_fraction: 0.1,
            group_by: None,
            stratify: true,
            split_by: None,
            batch: None,
            unlabelled: false,
            page_words: 1 << 24,
            max_genes: None,
        }
    }
}

/// What became of the cells.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitSummary {
    /// Cells of the file.
    pub n_obs: usize,
    /// Genes of the file.
    pub n_vars: usize,
    /// Nonzeros of the file.
    pub nnz: usize,
    /// Training cells.
    pub train: usize,
    /// Validation cells.
    pub validation: usize,
    /// Test cells.
    pub test: usize,
    /// Which row of the file each cell of [`TrainingData::cells`] is: training, then validation.
    pub training_rows: Vec<u32>,
    /// Which row of the file each test cell is.
    pub test_rows: Vec<u32>,
    /// Names of the cells of [`TrainingData::cells`].
    pub training_names: Vec<String>,
    /// Notices for the user: those of [`Prepared`], then those of the split.
    pub notices: Vec<String>,
}

/// Splits the cells; statistics and the choice of genes come from training cells alone.
///
/// # Errors
/// A [`DataError`]: fractions that leave no training cell, too few groups, a column that is not
/// a split, no gene that varies, a regression target without spread, no labelled training cell.
pub fn split(
    prepared: Prepared,
    settings: &SplitSettings,
) -> Result<(TrainingData, SealedTest, SplitSummary), DataError> {
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
    let in_file = |e: DataError| DataError::new(format!("{path}: {}", e.what), e.hint);
    if tasks.is_empty() && !settings.unlabelled {
        return Err(in_file(DataError::new(
            "nothing to predict was named",
            "name an obs column with --label (classes) or --regress (numbers), or use --reconstruct",
        )));
    }
    let labelled: Vec<bool> = (0..x.n_obs)
        .map(|i| settings.unlabelled || tasks.iter().any(|t| has_label(t, i)))
        .collect();
    let Assignment {
        train,
        validation,
        test,
    } = assign::assign(&labelled, &tasks, &columns, settings, &mut notices).map_err(in_file)?;
    scale(&mut tasks, &train, &mut notices).map_err(in_file)?;
    let genes = stats::genes(&x, &train, settings.max_genes);
    if genes.capped > 0 {
        notices.push(format!(
            "{} genes reach values above 65,504, which count as 65,504; X hardly holds log values (--input)",
            genes.capped
        ));
    }
    if genes.index.is_empty() {
        return Err(in_file(DataError::new(
            "no gene varies over the training cells",
            "check that adata.X holds the expression values",
        )));
    }
    if genes.index.len() < genes.varying {
        notices.push(format!(
            "{} of {} varying genes are considered: those of the largest variance on the training cells{}",
            genes.index.len(),
            genes.varying,
            if genes.index.len() == MAX_GENES { " (the most there can be)" } else { "" }
        ));
    }
    let mut column_of = vec![u32::MAX; x.n_vars];
    for (gene, var) in genes.index.iter().enumerate() {
        column_of[*var as usize] = gene as u32;
    }
    let rows: Vec<u32> = train.iter().chain(&validation).copied().collect();
    let clip = &genes.stats.clip;
    let cells = Packed::new(
        &x,
        &rows,
        &column_of,
        genes.index.len(),
        settings.page_words,
        |gene, v| v.min(clip[gene]),
    );
    let names = |rows: &[u32]| -> Vec<String> {
        rows.iter()
            .map(|r| obs_names[*r as usize].clone())
            .collect()
    };
    let of = |rows: &[u32]| -> Vec<Task> { tasks.iter().map(|t| subset(t, rows)).collect() };
    let batches = match &settings.batch {
        Some(name) => Some(batches(&columns, name, &rows, &mut notices).map_err(in_file)?),
        None => None,
    };
    let batches_of = |rows: &[u32]| -> Option<Batches> {
        let batches = batches.as_ref()?;
        Some(Batches {
            of: rows.iter().map(|r| batches.of[*r as usize]).collect(),
            ..batches.clone()
        })
    };
    let summary = SplitSummary {
        n_obs: x.n_obs,
        n_vars: x.n_vars,
        nnz: x.nnz(),
        train: train.len(),
        validation: validation.len(),
        test: test.len(),
        training_names: names(&rows),
        training_rows: rows.clone(),
        test_rows: test.clone(),
        notices,
    };
    let sealed = SealedTest::new(TestCells {
        x: take(&x, &test),
        obs_names: names(&test),
        tasks: of(&test),
        squares: Vec::new(),
        batches: batches_of(&test),
    });
    let data = TrainingData {
        cells,
        n_train: train.len(),
        n_validation: validation.len(),
        gene_names: genes
            .index
            .iter()
            .map(|g| var_names[*g as usize].clone())
            .collect(),
        gene_index: genes.index,
        stats: genes.stats,
        transform,
        tasks: of(&rows),
        batches: batches_of(&rows),
    };
    Ok((data, sealed, summary))
}

/// The batch of every cell of the file; cells without one are a batch of their own.
fn batches(
    columns: &BTreeMap<String, Column>,
    name: &str,
    training: &[u32],
    notices: &mut Vec<String>,
) -> Result<Batches, DataError> {
    let (mut names, mut of, _) = assign::column(columns, name, "--batch")?;
    let without = of.iter().filter(|b| **b == MISSING).count();
    if without > 0 {
        let own = names.len() as u32;
        names.push("(none)".into());
        of.iter_mut()
            .filter(|b| **b == MISSING)
            .for_each(|b| *b = own);
        notices.push(format!(
            "{without} cells have no value of {name:?} (--batch) and count as a batch of their own"
        ));
    }
    let mut seen = vec![false; names.len()];
    training
        .iter()
        .for_each(|r| seen[of[*r as usize] as usize] = true);
    if seen.iter().filter(|s| **s).count() < 2 {
        return Err(DataError::new(
            format!("the training cells have one value of {name:?} (--batch)"),
            "name a column with two batches or more, or leave --batch out",
        ));
    }
    Ok(Batches {
        column: name.into(),
        names,
        of,
    })
}

fn has_label(task: &Task, cell: usize) -> bool {
    match &task.targets {
        Targets::Classes(codes) => codes[cell] != MISSING,
        Targets::Values(values) => !values[cell].is_nan(),
    }
}

fn subset(task: &Task, rows: &[u32]) -> Task {
    let rows = rows.iter().map(|r| *r as usize);
    Task {
        name: task.name.clone(),
        kind: task.kind.clone(),
        targets: match &task.targets {
            Targets::Classes(codes) => Targets::Classes(rows.map(|r| codes[r]).collect()),
            Targets::Values(values) => Targets::Values(rows.map(|r| values[r]).collect()),
        },
    }
}

/// Rows of a matrix, in the order given.
fn take(x: &Csr, rows: &[u32]) -> Csr {
    let nnz = rows.iter().map(|r| x.row(*r as usize).0.len()).sum();
    let mut out = Csr {
        n_obs: rows.len(),
        n_vars: x.n_vars,
        indptr: vec![0],
        indices: Vec::with_capacity(nnz),
        values: Vec::with_capacity(nnz),
    };
    for row in rows {
        let (genes, values) = x.row(*row as usize);
        out.indices.extend_from_slice(genes);
        out.values.extend_from_slice(values);
        out.indptr.push(out.values.len());
    }
    out
}

/// Sets mean and sd of the regressions from the training cells; tells of absent classes.
fn scale(tasks: &mut [Task], train: &[u32], notices: &mut Vec<String>) -> Result<(), DataError> {
    for task in tasks {
        let name = &task.name;
        let nothing = || {
            DataError::new(
                format!("no training cell has a value of {name:?}"),
                "lower --test-fraction and --validation-fraction, or label more cells",
            )
        };
        match (&mut task.kind, &task.targets) {
            (TaskKind::Classification { classes }, Targets::Classes(codes)) => {
                let mut count = vec![0usize; classes.len()];
                for code in train.iter().map(|r| codes[*r as usize]) {
                    if code != MISSING {
                        count[code as usize] += 1;
                    }
                }
                let absent: Vec<String> = (0..classes.len())
                    .filter(|c| count[*c] == 0)
                    .map(|c| format!("{:?}", classes[c]))
                    .collect();
                if absent.len() == classes.len() {
                    return Err(nothing());
                }
                if !absent.is_empty() {
                    notices.push(format!(
                        "label {name:?}: no training cell is {}; it cannot be learned",
                        absent.join(" or ")
                    ));
                }
            }
            (TaskKind::Regression { mean, sd }, Targets::Values(values)) => {
                let known: Vec<f64> = train
                    .iter()
                    .map(|r| f64::from(values[*r as usize]))
                    .filter(|v| !v.is_nan())
                    .collect();
                if known.is_empty() {
                    return Err(nothing());
                }
                let n = known.len() as f64;
                *mean = known.iter().sum::<f64>() / n;
                *sd = (known.iter().map(|v| (v - *mean).powi(2)).sum::<f64>() / n).sqrt();
                if *sd <= 0.0 {
                    return Err(DataError::new(
                        format!("all training cells have the same value of {name:?}, {mean}"),
                        "name a column with --regress that varies",
                    ));
                }
            }
            _ => {
                return Err(DataError::new(
                    format!("task {name:?} has targets of another kind"),
                    "this is a fault of yoto-gpu: please report it",
                ));
            }
        }
    }
    Ok(())
}
