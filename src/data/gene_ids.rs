//! Ensembl ids and symbols of the genes of a file, as far as it has them.
use super::input::{Axis, Input, Which};
use std::collections::HashMap;

/// Columns of `var` where Ensembl ids are kept, as scanpy, CELLxGENE, Seurat's converters and loom name
/// them; letter case aside.
const ID_COLUMNS: [&str; 9] = [
    "gene_ids",
    "gene_id",
    "ensembl_id",
    "ensembl_gene_id",
    "ensembl_ids",
    "ensembl",
    "feature_id",
    "ensemblid",
    "accession",
];
/// Columns of `var` where symbols are kept, where the index has the ids.
const SYMBOL_COLUMNS: [&str; 9] = [
    "feature_name",
    "gene_symbols",
    "gene_symbol",
    "gene_name",
    "gene_names",
    "symbol",
    "gene",
    "hgnc_symbol",
    "gene_short_name",
];

/// Ids and symbols of genes, each in the order of `var`; empty where the file has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GeneIds {
    ensembl: Vec<Option<String>>,
    symbols: Vec<Option<String>>,
}

/// Whether a text is the stable id of a gene, such as ENSG00000254647, ENSMUSG00000000215.8 or
/// FBgn0000008 (the ids of other species' own databases that Ensembl takes over).
#[must_use]
pub fn is_ensembl(text: &str) -> bool {
    let stable = text.split_once('.').map_or(text, |(id, _)| id);
    let digits =
        |rest: &str, least: usize| rest.len() >= least && rest.bytes().all(|b| b.is_ascii_digit());
    if let Some(rest) = stable.strip_prefix("ENS") {
        let letters = rest.trim_end_matches(|c: char| c.is_ascii_digit());
        let species = letters.bytes().all(|b| b.is_ascii_uppercase());
        return species && letters.ends_with('G') && digits(&rest[letters.len()..], 11);
    }
    match stable {
        id if id.starts_with("FBgn") => digits(&id[4..], 7),
        id if id.starts_with("WBGene") => digits(&id[6..], 8),
        _ => false,
    }
}

/// An Ensembl id without its version; `None` of other texts.
pub(super) fn stable_id(text: &str) -> Option<&str> {
    is_ensembl(text).then(|| text.split_once('.').map_or(text, |(id, _)| id))
}

/// Whether most of the texts that are there are ids.
fn mostly_ids<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> bool {
    let (mut ids, mut all) = (0usize, 0usize);
    for text in texts.flatten() {
        all += 1;
        ids += usize::from(is_ensembl(text));
    }
    2 * ids > all
}

impl GeneIds {
    /// Looks for the ids of the genes of a matrix: the names themselves, or a column of `var`. A column
    /// that cannot be read is as one that is not there.
    pub(super) fn find(input: &dyn Input, which: &Which, names: &[String]) -> Self {
        let there = input.columns(Axis::Var);
        let texts = |wanted: &str| {
            let name = there.iter().find(|c| c.eq_ignore_ascii_case(wanted))?;
            Some(input.column(Axis::Var, name).ok()?.texts())
        };
        // the genes of raw may be others than those that the columns are of
        let of_names = |column: Vec<Option<String>>| -> Option<Vec<Option<String>>> {
            if *which != Which::Raw {
                return (column.len() == names.len()).then_some(column);
            }
            let own = input.var_names(&Which::X).ok()?;
            let by_name: HashMap<String, Option<String>> = own.into_iter().zip(column).collect();
            let of = |name: &String| by_name.get(name).cloned().flatten();
            Some(names.iter().map(of).collect())
        };
        if mostly_ids(names.iter().map(|n| Some(n.as_str()))) {
            let id = |name: &String| is_ensembl(name).then(|| name.clone());
            let symbols = SYMBOL_COLUMNS.iter().find_map(|c| of_names(texts(c)?));
            return Self {
                ensembl: names.iter().map(id).collect(),
                symbols: symbols.unwrap_or_default(),
            };
        }
        let ids = |column: &&str| {
            let column = of_names(texts(column)?)?;
            let all = column.iter().map(Option::as_deref);
            mostly_ids(all.clone()).then(|| {
                all.map(|id| id.filter(|id| is_ensembl(id)).map(str::to_owned))
                    .collect()
            })
        };
        Self {
            ensembl: ID_COLUMNS.iter().find_map(ids).unwrap_or_default(),
            symbols: Vec::new(),
        }
    }

    /// Those of some genes (indices in `var`), in their order.
    #[must_use]
    pub fn of(&self, genes: &[u32]) -> Self {
        let some = |all: &[Option<String>]| -> Vec<Option<String>> {
            let one = |&g: &u32| all.get(g as usize).cloned().flatten();
            match all {
                [] => Vec::new(),
                _ => genes.iter().map(one).collect(),
            }
        };
        Self {
            ensembl: some(&self.ensembl),
            symbols: some(&self.symbols),
        }
    }

    /// Ensembl id of a gene (index in `var`).
    #[must_use]
    pub fn ensembl(&self, index: u32) -> Option<&str> {
        self.ensembl.get(index as usize)?.as_deref()
    }

    /// Symbol of a gene, where its name is none.
    #[must_use]
    pub fn symbol(&self, index: u32) -> Option<&str> {
        self.symbols.get(index as usize)?.as_deref()
    }

    /// Symbol of a gene, or its name.
    #[must_use]
    pub fn symbol_or<'a>(&'a self, index: u32, name: &'a str) -> &'a str {
        self.symbol(index).unwrap_or(name)
    }
}

#[cfg(test)]
impl GeneIds {
    /// Symbols of genes that have other names.
    pub(crate) fn of_symbols(symbols: &[Option<&str>]) -> Self {
        Self {
            ensembl: Vec::new(),
            symbols: symbols.iter().map(|s| s.map(str::to_owned)).collect(),
        }
    }

    /// With ids.
    pub(crate) fn with_ids(self, ids: &[String]) -> Self {
        Self {
            ensembl: ids.iter().map(|id| Some(id.clone())).collect(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_ensembl;

    #[test]
    fn ids_are_told_from_symbols() {
        for id in [
            "ENSG00000254647",
            "ENSMUSG00000000215.8",
            "ENSDARG00000035350",
            "FBgn0000008",
            "WBGene00000001",
        ] {
            assert!(is_ensembl(id), "{id}");
        }
        for other in [
            "INS",
            "ENSA",
            "ENST00000381330",
            "ENSP00000370731",
            "ENSG",
            "ENSG0001",
            "ensg00000254647",
            "",
            "FBgn",
        ] {
            assert!(!is_ensembl(other), "{other}");
        }
    }
}
