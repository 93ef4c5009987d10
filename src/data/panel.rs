//! The values of a panel's genes in new cells: of each cell k values stay in memory, whatever the file.
use super::cells::Transform;
use super::dataset::Column;
use super::genes::{self, listed};
use super::input::{Input, Piece, Result};
use super::open::{Extent, Options, all, make_unique};
use super::prepare::{HIGHEST_LOG, check_values, transformed};
use super::store::{Seen, look};
use super::totals;
use crate::error::DataError;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A gene that a model reads.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Name.
    pub name: &'a str,
    /// Mean of the transformed values over the training cells, which stands in where it is missing.
    pub mean: f32,
}

/// What is read for a model.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Genes of the panel.
    pub genes: Vec<Wanted<'a>>,
    /// How values are made.
    pub transform: Transform,
    /// Genes with a count in training, where that is known.
    pub detected_genes: Option<usize>,
    /// Columns of `obs`, matrix and labels.
    pub options: Options,
    /// Column of `var` with the names of the genes; `None`: the names of `var` themselves.
    pub gene_column: Option<String>,
    /// Column of `obs` with the totals over all genes.
    pub totals: Option<String>,
    /// Take totals over the genes of the file however few they are.
    pub partial_totals: bool,
    /// Most genes of the panel that may be missing.
    pub max_missing: usize,
}

/// New cells as a model reads them.
#[derive(Clone, Debug)]
pub struct PanelCells {
    /// Path as the user wrote it.
    pub path: String,
    /// Names of the cells.
    pub obs_names: Vec<String>,
    /// Transformed values (not clipped) of the panel's genes, n_obs x k; missing genes at their means.
    pub values: Vec<f32>,
    /// Genes of the file.
    pub n_vars: usize,
    /// Name in the file's `var` of each gene of the panel; `None` where it is missing.
    pub found: Vec<Option<String>>,
    /// The columns of `obs` that were asked for.
    pub columns: BTreeMap<String, Column>,
    /// Notices for the user.
    pub notices: Vec<String>,
}

impl PanelCells {
    /// Cells.
    #[must_use]
    pub fn n_obs(&self) -> usize {
        self.obs_names.len()
    }
}

/// Reads the values of a panel's genes; of the rest of the matrix only the sums over the genes of a cell,
/// and these only where the transform asks for them.
///
/// # Errors
/// As [`super::open()`]; genes that are missing or ambiguous; values that cannot be; totals that the file
/// cannot give.
pub fn read(path: &Path, request: &Request) -> Result<PanelCells> {
    let shown = path.display().to_string();
    let named = |e: DataError| DataError::new(format!("{shown}: {}", e.what), e.hint);
    let mut options = request.options.clone();
    let more = request
        .totals
        .iter()
        .filter(|t| !options.columns.contains(*t));
    let more: Vec<String> = more.cloned().collect();
    options.columns.extend(more);
    let load = |input: &dyn Input, notices: &mut Vec<String>| gather(input, request, notices);
    let (dataset, gathered) = all(path, &options, load)?;
    let mut notices = dataset.notices;
    check_values(
        &gathered.seen,
        &dataset.obs_names,
        &dataset.var_names,
        dataset.has_raw,
    )
    .map_err(named)?;
    notices.extend(doubt(request.transform, &gathered.seen));
    let k = request.genes.len();
    let sums = match &request.totals {
        Some(name) if request.transform == Transform::Log => {
            let column = &dataset.columns[name];
            let panel: Vec<f64> = gathered
                .counts
                .par_chunks(k)
                .map(|cell| cell.iter().map(|v| f64::from(*v)).sum())
                .collect();
            totals::given(name, column, &panel, &dataset.obs_names).map_err(named)?
        }
        Some(_) => {
            notices.push("the model needs no totals: --totals changes nothing".into());
            gathered.sums
        }
        None => gathered.sums,
    };
    let mut values = gathered.counts;
    let missing: Vec<usize> = (0..k).filter(|&g| gathered.found[g].is_none()).collect();
    values
        .par_chunks_mut(k)
        .zip(&sums)
        .for_each(|(cell, total)| {
            for v in cell.iter_mut().filter(|v| **v != 0.0) {
                *v = transformed(request.transform, *v, *total);
            }
            for &g in &missing {
                cell[g] = request.genes[g].mean;
            }
        });
    Ok(PanelCells {
        path: shown,
        obs_names: dataset.obs_names,
        values,
        n_vars: dataset.var_names.len(),
        found: gathered.found,
        columns: dataset.columns,
        notices,
    })
}

/// Raw values of the panel's genes and what is known of the rest.
struct Gathered {
    extent: (usize, usize),
    /// n_obs x k.
    counts: Vec<f32>,
    /// Sums over all genes, a cell each, in the order of the genes.
    sums: Vec<f64>,
    seen: Seen,
    found: Vec<Option<String>>,
}

impl Extent for Gathered {
    fn extent(&self) -> (usize, usize) {
        self.extent
    }
}

fn gather(input: &dyn Input, request: &Request, notices: &mut Vec<String>) -> Result<Gathered> {
    let which = &request.options.which;
    let described = input.describe(which)?;
    let (places, found) = places(input, request, notices)?;
    let k = request.genes.len();
    if request.transform == Transform::Log && request.totals.is_none() && !request.partial_totals {
        let there = found.iter().flatten().count();
        let columns = input.columns(super::input::Axis::Obs);
        let doubt = totals::enough(places.len(), request.detected_genes, there, &columns)?;
        notices.extend(doubt);
    }
    let n_obs = described.n_obs;
    let mut g = Gathered {
        extent: (n_obs, places.len()),
        counts: vec![0.0; n_obs * k],
        sums: vec![0.0; n_obs],
        seen: Seen::default(),
        found,
    };
    let all_matter = request.transform == Transform::Log;
    input.pieces(which, notices, &mut |piece: Piece| {
        g.add(&piece, &places, k, all_matter);
        Ok(())
    })?;
    Ok(g)
}

impl Gathered {
    /// Adds some rows; `places`: slot in the panel of each gene, [`NONE`] of the others.
    fn add(&mut self, piece: &Piece, places: &[u32], k: usize, all_matter: bool) {
        let mut seen = look(&piece.rows, piece.first);
        if !piece.by_cells {
            seen.bad = seen
                .bad
                .map(|(gene, cell, v)| (cell as usize, gene as u32, v));
        }
        self.seen.integers &= seen.integers;
        self.seen.max = self.seen.max.max(seen.max);
        if all_matter {
            self.seen.bad = self.seen.bad.or(seen.bad);
        }
        for row in 0..piece.rows.n_obs {
            let (columns, values) = piece.rows.row(row);
            let row = piece.first + row;
            for (&column, &v) in columns.iter().zip(values) {
                let (cell, gene) = if piece.by_cells {
                    (row, column as usize)
                } else {
                    (column as usize, row)
                };
                self.sums[cell] += f64::from(v);
                let slot = places[gene];
                if slot != NONE {
                    self.counts[cell * k + slot as usize] = v;
                    if (v < 0.0 || !v.is_finite()) && self.seen.bad.is_none() {
                        self.seen.bad = Some((cell, gene as u32, v));
                    }
                }
            }
        }
    }
}

/// A gene that is not in the panel.
const NONE: u32 = u32::MAX;

/// Slot in the panel of each gene of the file, and the file's name of each gene of the panel.
type Places = (Vec<u32>, Vec<Option<String>>);

fn places(input: &dyn Input, request: &Request, notices: &mut Vec<String>) -> Result<Places> {
    let which = &request.options.which;
    let mut var_names = input.var_names(which)?;
    let own_names = var_names.clone();
    make_unique(&mut var_names);
    let ids = match &request.gene_column {
        Some(name) => Some(ids(input, request, name)?),
        None => None,
    };
    let panel: Vec<&str> = request.genes.iter().map(|g| g.name).collect();
    let matched = genes::matched(&panel, ids.as_ref().unwrap_or(&var_names))?;
    let missing: Vec<&str> = (panel.iter().zip(&matched.columns))
        .filter(|(_, c)| c.is_none())
        .map(|(name, _)| *name)
        .collect();
    if missing.len() > request.max_missing || missing.len() == panel.len() {
        return Err(absent(input, request, &panel, &missing, &var_names));
    }
    notices.extend(matched.notices);
    let mut times: HashMap<&str, usize> = HashMap::new();
    own_names
        .iter()
        .for_each(|n| *times.entry(n).or_default() += 1);
    let several = |c: &&u32| ids.is_none() && times[own_names[**c as usize].as_str()] > 1;
    let several: Vec<&str> = (matched.columns.iter().flatten().filter(several))
        .map(|&c| own_names[c as usize].as_str())
        .collect();
    if !several.is_empty() {
        notices.push(format!(
            "warning: genes of the model that the file has several times, of which the one that the model names is read \
             (PPY is the first, PPY-1 the next): {}",
            genes::listed(&several)
        ));
    }
    if !missing.is_empty() {
        notices.push(format!(
            "warning: {} of the model's {} genes are not in the file and stand at their training means: {}",
            missing.len(),
            panel.len(),
            missing.join(", ")
        ));
    }
    let mut places = vec![NONE; var_names.len()];
    for (slot, column) in (0u32..).zip(&matched.columns) {
        if let Some(column) = column {
            places[*column as usize] = slot;
        }
    }
    let name = |c: &Option<u32>| c.map(|c| var_names[c as usize].clone());
    Ok((places, matched.columns.iter().map(name).collect()))
}

/// The names of the genes in a column of `var`.
fn ids(input: &dyn Input, request: &Request, name: &str) -> Result<Vec<String>> {
    let which = &request.options.which;
    let there = input.gene_columns(which);
    if !there.iter().any(|c| c == name) {
        return Err(DataError::new(
            format!("--gene-column: there is no var column {name:?}"),
            if there.is_empty() {
                "var has no columns: leave --gene-column out".to_owned()
            } else {
                format!("var has: {}", listed(&there))
            },
        ));
    }
    let texts = input.gene_column(which, name)?.texts();
    Ok(texts.into_iter().map(Option::unwrap_or_default).collect())
}

/// The error of genes that are not there, with the column of `var` that has them where there is one.
fn absent(
    input: &dyn Input,
    request: &Request,
    panel: &[&str],
    missing: &[&str],
    var_names: &[String],
) -> DataError {
    let which = &request.options.which;
    let here = panel.len() - missing.len();
    let count = |name: &String| {
        let ids = ids(input, request, name).ok()?;
        let found = genes::matched(panel, &ids).ok()?;
        let n = found.columns.iter().flatten().count();
        (n > here).then_some((n, name.clone()))
    };
    let there = input.gene_columns(which);
    let better = there.iter().filter_map(count).max();
    let example = var_names.first().map_or("", String::as_str);
    let hint = match (better, &request.gene_column) {
        (Some((n, column)), _) => {
            format!("the var column {column:?} has {n} of them: --gene-column {column:?}")
        }
        (None, _) if here == 0 => format!(
            "the file names its genes as {example:?}, the model as {:?}: name a column of var with such ids (--gene-column)",
            panel.first().copied().unwrap_or_default()
        ),
        (None, _) => format!(
            "add them to the file (0 where they were measured and not found), or let them stand at their training means with --max-missing {}",
            missing.len()
        ),
    };
    let what = if here == 0 {
        format!("none of the model's {} genes is in the file", panel.len())
    } else {
        let n = missing.len();
        format!(
            "{n} of the model's {} genes are not in the file",
            panel.len()
        )
    };
    DataError::new(format!("{what}: {}", listed(missing)), hint)
}

/// What is strange about these values for the model.
fn doubt(transform: Transform, seen: &Seen) -> Option<String> {
    match transform {
        Transform::Log | Transform::LogCounts if !seen.integers && seen.max <= HIGHEST_LOG => {
            Some(format!(
                "warning: the model reads counts, but X holds values that are not integers, up to {}: if they are \
                 logarithms, give the counts (--layer or --raw)",
                seen.max
            ))
        }
        Transform::AsIs if seen.integers && seen.max > HIGHEST_LOG => Some(format!(
            "warning: the model reads values as they were in training, but X holds whole numbers up to {}: if they are \
             counts, give the values that the model was trained on (--layer)",
            seen.max
        )),
        _ => None,
    }
}
