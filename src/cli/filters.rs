//! Flags that leave cells, genes or classes out.
use crate::data::filter::{self, GeneFilter};
use crate::data::rare::RareClasses;
use crate::error::DataError;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Flags of the filters; `config.json` and the model keep them, files of names as the names.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Leave out cells that detect fewer than N genes
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub min_genes: usize,
    /// Leave out genes that fewer than N training cells detect
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub min_cells: usize,
    /// Consider only the N most variable genes of the training cells, as scanpy's highly_variable_genes [default: all]
    #[arg(long, value_name = "N")]
    pub max_genes_considered: Option<usize>,
    /// Genes that are never chosen: names with commas between, files of names, or the words mito,
    /// ribo, hemoglobin and spike-ins (by symbols, in var where names are Ensembl ids)
    #[arg(long, value_name = "GENES", value_delimiter = ',')]
    pub exclude_genes: Vec<String>,
    /// Genes that are in every panel: names with commas between, or files of names. Names here and in other lists
    /// and tables are those in var, else symbols, else Ensembl ids
    #[arg(long, value_name = "GENES", value_delimiter = ',')]
    pub include_genes: Vec<String>,
    /// File of the only genes that may be chosen: a name a line, or a table with a column `gene`
    #[arg(long, value_name = "FILE", num_args = 1)]
    pub candidates: Vec<String>,
    /// What becomes of classes with too few cells for every part of the split
    #[arg(long, value_enum, default_value = "keep")]
    pub rare_classes: RareClasses,
}

impl FilterArgs {
    /// Puts the names in place of the files that were named.
    ///
    /// # Errors
    /// A file that cannot be read or holds no name.
    pub fn read_lists(&mut self) -> Result<(), DataError> {
        for list in [&mut self.exclude_genes, &mut self.include_genes] {
            let mut names = Vec::new();
            for item in list.drain(..) {
                if Path::new(&item).is_file() {
                    names.extend(filter::names_in(Path::new(&item))?);
                } else {
                    names.push(item);
                }
            }
            *list = names;
        }
        let mut names = Vec::new();
        for file in self.candidates.drain(..) {
            names.extend(filter::names_in(Path::new(&file))?);
        }
        self.candidates = names;
        Ok(())
    }

    /// What the split needs of them.
    #[must_use]
    pub fn genes(&self) -> GeneFilter {
        GeneFilter {
            min_cells: self.min_cells,
            max_considered: self.max_genes_considered,
            exclude: self.exclude_genes.clone(),
            include: self.include_genes.clone(),
            candidates: self.candidates.clone(),
        }
    }
}

impl ValueEnum for RareClasses {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Drop, Self::Merge, Self::Keep]
    }
    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Drop => PossibleValue::new("drop").help("Their cells lose the label"),
            Self::Merge => PossibleValue::new("merge").help("They become one class, `other`"),
            Self::Keep => PossibleValue::new("keep").help("They stay, and are named"),
        })
    }
}
