//! The laboratory's rules as flags.
use super::values::{not_negative, single_not_negative};
use crate::data::cells::TrainingData;
use crate::error::DataError;
use crate::train::lab::{Lab, rules};
use crate::train::rules::Rules;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Flags of what a panel must keep to, beside --include-genes and --exclude-genes. Expression is in
/// counts per 10,000 where X was counts (in the units of X otherwise), mean over the training cells of a
/// class.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Rules of the laboratory")]
#[serde(default)]
pub struct RuleArgs {
    /// Most genes of one family: of --families, else the letters before the first digit or dash (HLA, RPL,
    /// KRT)
    #[arg(long, value_name = "N")]
    pub max_per_family: Option<usize>,
    /// Table of genes and their families, two columns (.csv or .tsv) [default: by name]
    #[arg(long, value_name = "FILE", requires = "max_per_family")]
    pub families: Option<PathBuf>,
    /// A gene's highest mean expression in a class is at least this
    #[arg(long, value_name = "X", value_parser = single_not_negative)]
    pub min_mean: Option<f32>,
    /// A gene's highest mean expression in a class is at most this
    #[arg(long, value_name = "X", value_parser = single_not_negative)]
    pub max_mean: Option<f32>,
    /// In every class the mean expression of all genes of the panel adds up to at most this (optical
    /// crowding)
    #[arg(long, value_name = "X", value_parser = not_negative)]
    pub max_crowding: Option<f64>,
    /// Table of genes and what a probe of each costs, two columns; other genes cost 1
    #[arg(long, value_name = "FILE", requires = "budget")]
    pub costs: Option<PathBuf>,
    /// What all probes may cost; --genes is then the most genes
    #[arg(long, value_name = "COST", requires = "costs", value_parser = not_negative)]
    pub budget: Option<f64>,
    /// Genes that mark each class of the first label better than any other class (AUROC of 0.7 or more against the rest)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub min_markers_per_class: usize,
}

impl RuleArgs {
    /// The rules over the considered genes of `data`.
    ///
    /// # Errors
    /// A table that cannot be read; numbers that make no sense.
    pub fn rules(&self, data: &TrainingData) -> Result<Rules, DataError> {
        let mut families = BTreeMap::new();
        if let Some(path) = &self.families {
            for (gene, family) in table(path, "family")? {
                let of: &mut Vec<String> = families.entry(gene).or_default();
                // an empty cell is no family
                if !family.is_empty() && !of.contains(&family) {
                    of.push(family);
                }
            }
        }
        let mut costs: BTreeMap<String, f64> = BTreeMap::new();
        if let Some(path) = &self.costs {
            for (gene, cost) in table(path, "cost")? {
                let number = cost.parse::<f64>().ok();
                let Some(cost) = number.filter(|c| *c > 0.0 && c.is_finite()) else {
                    let what = format!("{}: {gene} costs {cost:?}", path.display());
                    return Err(DataError::new(what, "give every cost as a number above 0"));
                };
                if let Some(other) = costs.insert(gene.clone(), cost)
                    && other != cost
                {
                    let what = format!("{}: {gene} costs {other} and {cost}", path.display());
                    return Err(DataError::new(what, "give every gene one cost"));
                }
            }
        }
        let lab = Lab {
            max_per_family: self.max_per_family,
            families,
            min_mean: self.min_mean,
            max_mean: self.max_mean,
            max_crowding: self.max_crowding,
            costs,
            budget: self.budget,
            min_markers_per_class: self.min_markers_per_class,
        };
        rules(data, &lab)
    }
}

/// Gene and value of the rows of a table of two columns, its header left out where it names one of them. A header may
/// name the columns in any order, among others.
fn table(path: &std::path::Path, second: &str) -> Result<Vec<(String, String)>, DataError> {
    let shown = path.display();
    let bad = |what: String| {
        let hint = format!("give a table of two columns, gene and {second}, as .csv or .tsv");
        DataError::new(what, hint)
    };
    let text = std::fs::read_to_string(path).map_err(|e| bad(format!("{shown}: {e}")))?;
    let tabs = text.lines().next().is_some_and(|l| l.contains('\t'));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(if tabs { b'\t' } else { b',' })
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let (mut rows, mut columns) = (Vec::new(), [0, 1]);
    for (i, record) in reader.records().enumerate() {
        let record = record.map_err(|e| bad(format!("{shown}: {e}")))?;
        let named = |name: &str| record.iter().position(|c| c.eq_ignore_ascii_case(name));
        if let (0, header @ ([Some(_), _] | [_, Some(_)])) = (i, [named("gene"), named(second)]) {
            columns = match header {
                [Some(gene), Some(value)] => [gene, value],
                // one name is enough where there are two columns
                [Some(gene), None] => [gene, usize::from(gene == 0)],
                [None, value] => [usize::from(value == Some(0)), value.unwrap_or(1)],
            };
            continue;
        }
        let [Some(gene), Some(value)] = columns.map(|c| record.get(c)) else {
            let what = format!("{shown}: row {} has {} columns", i + 1, record.len());
            return Err(bad(what));
        };
        rows.push((gene.to_string(), value.to_string()));
    }
    Ok(rows)
}
