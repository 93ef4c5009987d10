//! Splits prepared cells into what training reads and the sealed test cells.
use super::assign::{self, Assignment};
use super::batch;
use super::cells::{Batches, SealedTest, Task, TestCells, TrainingData};
use super::dataset::{Column, Csr};
use super::filter::{self, Filters, GeneFilter, left_out};
use super::matrix::Matrix;
use super::packed::{MAX_GENES, Packed};
use super::prepare::Prepared;
use super::profile::{Profile, linear};
use super::rare::{self, RareClasses};
use super::scale::scale;
use super::stats;
use super::stream::{Stream, Windows};
use crate::error::DataError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// Fewest genes that a cell detects.
    pub min_genes: usize,
    /// What becomes of classes with too few cells for every part.
    pub rare_classes: RareClasses,
    /// Which genes may be considered.
    pub genes: GeneFilter,
    /// Classes and numbers that a panel has genes to spare for: where there are no more, values are clipped where the
    /// markers of the rarest class are, else at 8 sd.
    pub spare_outputs: usize,
    /// How much of cells that are in a temporary file is in memory at once.
    pub windows: Option<Windows>,
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
            min_genes: 0,
            rare_classes: RareClasses::Keep,
            genes: GeneFilter::default(),
            spare_outputs: 0,
            windows: None,
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
    /// What was left out.
    pub filters: Filters,
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
        gene_ids,
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
    let mut filters = Filters::default();
    let detected = |i: u32| x.row_len(i as usize);
    let Assignment {
        train,
        validation,
        test,
    } = assigned(
        x.n_obs(),
        &detected,
        &mut tasks,
        &columns,
        settings,
        &mut filters,
        &mut notices,
    )
    .map_err(in_file)?;
    scale(&mut tasks, &train, &mut notices).map_err(in_file)?;
    let named =
        filter::by_name(&settings.genes, &var_names, &gene_ids, &mut notices).map_err(in_file)?;
    let reach = stats::reach(&tasks, &train, settings.spare_outputs);
    let genes =
        stats::genes(&x, transform, &train, &settings.genes, &named, reach).map_err(in_file)?;
    filters.genes = genes.counts;
    if let Some(gene) = genes.silent.first() {
        return Err(in_file(DataError::new(
            format!(
                "the gene {:?} of --include-genes has the same value in all training cells",
                var_names[*gene as usize]
            ),
            "leave it out of --include-genes",
        )));
    }
    if genes.capped > 0 {
        notices.push(format!(
            "{} genes reach values above 65,504, which count as 65,504; X hardly holds log values (--input)",
            genes.capped
        ));
    }
    if genes.index.is_empty() {
        return Err(in_file(DataError::new(
            match named.allowed.iter().filter(|a| **a).count() {
                n if n == x.n_vars() && settings.genes.min_cells == 0 => {
                    "no gene varies over the training cells".to_owned()
                }
                n => format!(
                    "no gene is left: {n} of {} pass --candidates and --exclude-genes, of them {} fail --min-cells and {} do not vary over the training cells",
                    x.n_vars(),
                    genes.counts.min_cells,
                    genes.counts.constant
                ),
            },
            "check the filters of genes, and that adata.X holds the expression values",
        )));
    }
    if genes.counts.max_genes_considered > 0 {
        notices.push(format!(
            "{} of {} varying genes are considered: those that vary most on the training cells for their mean{}",
            genes.index.len(),
            genes.index.len() + genes.counts.max_genes_considered,
            if genes.index.len() == MAX_GENES { " (the most there can be)" } else { "" }
        ));
    }
    notices.extend(left_out(&genes.counts));
    if validation.is_empty() {
        notices.push(
            "there are no validation cells: the last epoch is taken, and probabilities are not calibrated".into(),
        );
    }
    let mut column_of = vec![u32::MAX; x.n_vars()];
    for (gene, var) in genes.index.iter().enumerate() {
        column_of[*var as usize] = gene as u32;
    }
    let clip = &genes.stats.clip;
    let summary_rows = [train.as_slice(), &validation].concat();
    let plan = match (&*x, settings.windows) {
        (Matrix::Store(store), Some(w)) if store.on_disk() => Some(w.plan(
            store.nnz() / store.n_obs(),
            clip.len(),
            (&train, &validation),
            settings.seed,
        )),
        _ => None,
    };
    let (core_train, core_validation) = match &plan {
        Some(plan) => (&plan.train, &plan.validation),
        None => (&train, &validation),
    };
    let rows = [core_train.as_slice(), core_validation].concat();
    let mut cells = Packed::empty(clip.len());
    x.visit(&rows, transform, &mut |_, genes, values| {
        cells.push(genes, values, &column_of, settings.page_words, |g, v| {
            v.min(clip[g])
        });
    })?;
    let of = |rows: &[u32]| -> Vec<Task> { tasks.iter().map(|t| t.subset(rows)).collect() };
    let (n_train, n_genes) = (train.len(), genes.index.len());
    let profiles = Profile::measure(&of(&train), n_train, n_genes, |add| {
        x.visit(&train, transform, &mut |cell, genes, values| {
            let all = genes.iter().zip(values).zip(linear(transform, values));
            for ((&g, &v), linear) in all {
                let gene = column_of[g as usize];
                if gene != u32::MAX {
                    add(cell, gene as usize, v, linear);
                }
            }
        })
    })?;
    let names = |rows: &[u32]| -> Vec<String> {
        rows.iter()
            .map(|r| obs_names[*r as usize].clone())
            .collect()
    };
    let batches = match &settings.batch {
        Some(name) => Some(batch::batches(&columns, name, &rows, &mut notices).map_err(in_file)?),
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
        n_obs: x.n_obs(),
        n_vars: x.n_vars(),
        nnz: x.nnz(),
        train: train.len(),
        validation: validation.len(),
        test: test.len(),
        filters,
        training_names: names(&summary_rows),
        training_rows: summary_rows,
        test_rows: test.clone(),
        notices,
    };
    let (test_x, rest) = match &plan {
        None => (x.take(&test, transform, None)?, None),
        Some(_) => {
            let rest = Some((Arc::clone(&x), test.clone(), transform));
            (Csr::zeros(test.len(), x.n_vars()), rest)
        }
    };
    let test_cells = TestCells {
        x: test_x,
        obs_names: names(&test),
        tasks: of(&test),
        squares: Vec::new(),
        batches: batches_of(&test),
    };
    let sealed = SealedTest::new(test_cells, rest);
    let data = TrainingData {
        cells,
        n_train: core_train.len(),
        n_validation: core_validation.len(),
        stream: plan.as_ref().map(|plan| {
            Stream::new(
                (Arc::clone(&x), transform),
                (train.clone(), of(&train)),
                (column_of.clone(), clip.clone()),
                settings.page_words,
                settings.seed,
                plan.window_cells,
            )
        }),
        gene_ids: gene_ids.of(&genes.index),
        gene_names: genes
            .index
            .iter()
            .map(|g| var_names[*g as usize].clone())
            .collect(),
        gene_index: genes.index,
        stats: genes.stats,
        profiles: Arc::new(profiles),
        include: genes.include,
        detected_genes: genes.detected,
        transform,
        tasks: of(&rows),
        batches: batches_of(&rows),
    };
    Ok((data, sealed, summary))
}

/// Leaves out cells and classes as the settings say, and assigns the rest to the sides; `detected`
/// gives the genes that a cell detects.
fn assigned(
    n_obs: usize,
    detected: &dyn Fn(u32) -> usize,
    tasks: &mut [Task],
    columns: &BTreeMap<String, Column>,
    settings: &SplitSettings,
    filters: &mut Filters,
    notices: &mut Vec<String>,
) -> Result<Assignment, DataError> {
    let counts = &mut filters.cells;
    let mut cells: Vec<u32> = (0..n_obs as u32).collect();
    cells.retain(|&i| detected(i) >= settings.min_genes);
    counts.min_genes = n_obs - cells.len();
    if counts.min_genes > 0 {
        notices.push(format!(
            "{} of {n_obs} cells detect fewer than {} genes (--min-genes) and are left out",
            counts.min_genes, settings.min_genes
        ));
    }
    let before = cells.len();
    let labelled = |tasks: &[Task], i: u32| {
        settings.unlabelled || tasks.iter().any(|t| t.targets.has(i as usize))
    };
    cells.retain(|&i| labelled(tasks, i));
    counts.no_label = before - cells.len();
    if counts.no_label > 0 {
        notices.push(format!(
            "{} of {n_obs} cells have no label for any task and are left out",
            counts.no_label
        ));
    }
    let (needed, groups) = assign::parts(columns, settings)?;
    filters.rare_classes = rare::handle(
        tasks,
        &assign::may_train(&cells, columns, settings)?,
        needed,
        groups.as_deref(),
        settings.rare_classes,
        notices,
    )?;
    let before = cells.len();
    cells.retain(|&i| labelled(tasks, i));
    counts.rare_classes = before - cells.len();
    let before = cells.len();
    let sides = assign::assign(cells, tasks, columns, settings, notices)?;
    counts.no_part = before - sides.len();
    Ok(sides)
}
