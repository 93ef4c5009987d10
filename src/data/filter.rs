//! Which genes may be considered: lists of names, patterns, and how many cells detect them.
use super::gene_ids::GeneIds;
use super::lookup::Lookup;
use super::packed::MAX_GENES;
use super::rare::RareClass;
use crate::error::DataError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Which genes may be considered, as the user says it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GeneFilter {
    /// Fewest training cells that detect a gene.
    pub min_cells: usize,
    /// Consider at most this many genes, those that vary most on the training cells for their mean (normalised dispersion).
    pub max_considered: Option<usize>,
    /// Names, or a word of [`PATTERNS`], of genes that are not considered.
    pub exclude: Vec<String>,
    /// Names of genes that must be in every panel.
    pub include: Vec<String>,
    /// Names of the only genes that are considered (and those of `include`); none: all.
    pub candidates: Vec<String>,
}

/// How many genes each filter left out; a gene counts at the first of them that it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GeneCounts {
    /// Not among `--candidates`.
    pub candidates: usize,
    /// Named by `--exclude-genes`.
    pub exclude_genes: usize,
    /// Detected in fewer than `--min-cells` training cells.
    pub min_cells: usize,
    /// The same value in all training cells.
    pub constant: usize,
    /// Not among the `--max-genes-considered` most variable ones.
    pub max_genes_considered: usize,
    /// Left: what the panel is chosen from.
    pub considered: usize,
    /// Of these, in every panel by `--include-genes`.
    pub include_genes: usize,
}

/// How many cells each filter left out; a cell counts at the first of them that it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CellCounts {
    /// Detects fewer genes than `--min-genes`.
    pub min_genes: usize,
    /// Has no label for any task.
    pub no_label: usize,
    /// Lost its last label because its class was too small (`--rare-classes drop`).
    pub rare_classes: usize,
    /// Has no group (`--group-by`) or no part (`--split-by`).
    pub no_part: usize,
}

/// Everything that was left out of the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Filters {
    /// Cells.
    pub cells: CellCounts,
    /// Genes.
    pub genes: GeneCounts,
    /// Classes too small for the split.
    pub rare_classes: Vec<RareClass>,
}

/// Words that name many genes, by their symbols.
pub const PATTERNS: [&str; 4] = ["mito", "ribo", "hemoglobin", "spike-ins"];

/// Whether a gene symbol (human or mouse) fits a word of [`PATTERNS`].
///
/// `mito`: genes of the mitochondrial genome, `MT-`. `ribo`: proteins of the cytosolic ribosome, `RPS`
/// and `RPL`, but not the kinases `RPS6K*` nor `RPS19BP1`. `hemoglobin`: the chains, `HBA1`, `HBB`,
/// `Hbb-bs`, but not `HBEGF` or `HBS1L`. `spike-ins`: RNA that was added to the sample, `ERCC-00002` (also `ERCC_00002`,
/// `ERCC00002`) and `SIRV101`, but not the repair genes `ERCC1` to `ERCC8`.
#[must_use]
pub fn fits(pattern: &str, symbol: &str) -> bool {
    let s = symbol.to_ascii_uppercase();
    match pattern {
        "mito" => s.starts_with("MT-"),
        "ribo" => {
            (s.starts_with("RPS") || s.starts_with("RPL"))
                && !s.starts_with("RPS6K")
                && !s.starts_with("RPS19BP")
        }
        "hemoglobin" => s.strip_prefix("HB").is_some_and(|rest| {
            let mut letters = rest.chars();
            let chain = letters.next().is_some_and(|c| "ABDEGMQYZ".contains(c));
            let next = letters.next();
            chain && next.is_none_or(|c| c == '-' || c.is_ascii_digit())
        }),
        "spike-ins" => {
            let ercc = s.strip_prefix("ERCC").map(|rest| (rest, 5));
            ercc.or(s.strip_prefix("SIRV").map(|rest| (rest, 1)))
                .is_some_and(|(rest, least)| {
                    let number = rest.trim_start_matches(['-', '_', '.']);
                    number.len() >= least && number.bytes().all(|b| b.is_ascii_digit())
                })
        }
        _ => false,
    }
}

/// The gene names in a file: one a line, or the column `gene` of a CSV or TSV that has one (such as the
/// panel.csv of a run), else the first column. Empty lines and those that begin with `#` are skipped.
///
/// # Errors
/// A file that cannot be read, is not UTF-8 or holds no name.
pub fn names_in(path: &Path) -> Result<Vec<String>, DataError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| {
        DataError::new(
            format!("{shown}: cannot be read: {e}"),
            "give a text file with a gene name a line",
        )
    })?;
    let separator = if text.contains('\t') { '\t' } else { ',' };
    let field = |line: &str, at: usize| -> Option<String> {
        let name = line.split(separator).nth(at)?.trim().trim_matches('"');
        (!name.is_empty()).then(|| name.to_owned())
    };
    let mut lines = text
        .trim_start_matches('\u{feff}')
        .lines()
        .filter(|l| !l.trim().is_empty() && !l.starts_with('#'))
        .peekable();
    let header = |line: &&str| {
        let mut names = line.split(separator);
        names.position(|n| n.trim().trim_matches('"').eq_ignore_ascii_case("gene"))
    };
    let at = lines.peek().and_then(header);
    let names: Vec<String> = lines
        .skip(usize::from(at.is_some()))
        .filter_map(|line| field(line, at.unwrap_or(0)))
        .collect();
    if names.is_empty() {
        return Err(DataError::new(
            format!("{shown}: holds no gene name"),
            "give a text file with a gene name a line",
        ));
    }
    Ok(names)
}

/// What the names of a [`GeneFilter`] say of each gene of a file.
#[derive(Debug)]
pub(super) struct Named {
    /// May be considered as far as names go.
    pub(super) allowed: Vec<bool>,
    /// Must be in the panel.
    pub(super) included: Vec<bool>,
    /// What was left out by `candidates` and by `exclude`.
    pub(super) counts: GeneCounts,
}

/// Holds the lists of names against the genes of a file.
///
/// # Errors
/// A name of `include` that no gene has, or several share, a list of which no name is known, a gene both included and
/// excluded.
pub(super) fn by_name(
    filter: &GeneFilter,
    var_names: &[String],
    ids: &GeneIds,
    notices: &mut Vec<String>,
) -> Result<Named, DataError> {
    let fits = |word: &str, g: usize| fits(word, ids.symbol_or(g as u32, &var_names[g]));
    let of = Lookup::new(var_names, ids);
    let mut counts = GeneCounts::default();
    let mut included = vec![false; var_names.len()];
    for name in &filter.include {
        let gene = of.one(name, "--include-genes")?.ok_or_else(|| {
            DataError::new(
                format!("there is no gene {name:?} (--include-genes)"),
                of.hint(name),
            )
        })?;
        included[gene as usize] = true;
    }
    let mut allowed = vec![filter.candidates.is_empty(); var_names.len()];
    find(&filter.candidates, "--candidates", &of, notices)?
        .into_iter()
        .for_each(|g| allowed[g] = true);
    for (gene, allowed) in allowed.iter_mut().enumerate() {
        *allowed |= included[gene];
        counts.candidates += usize::from(!*allowed);
    }
    let (words, names): (Vec<&String>, Vec<&String>) = filter
        .exclude
        .iter()
        .partition(|item| PATTERNS.contains(&item.as_str()));
    let names: Vec<String> = names.into_iter().cloned().collect();
    let mut excluded = find(&names, "--exclude-genes", &of, notices)?;
    let calls = |name: &str, gene: u32| of.all(name).contains(&gene);
    if let Some(&gene) = excluded.iter().find(|g| included[**g]) {
        let called = |names: &[String]| {
            let own = names.iter().find(|name| calls(name, gene as u32));
            own.map_or_else(|| var_names[gene].clone(), Clone::clone)
        };
        let (included, excluded) = (called(&filter.include), called(&names));
        let what = if included == excluded {
            format!("the gene {included:?} is in --include-genes and in --exclude-genes")
        } else {
            format!(
                "{included:?} (--include-genes) and {excluded:?} (--exclude-genes) are one gene"
            )
        };
        return Err(DataError::new(what, "name it in one of them"));
    }
    for word in words {
        let fit: Vec<usize> = (0..var_names.len())
            .filter(|&g| fits(word, g) && !included[g])
            .collect();
        if fit.is_empty() {
            notices.push(format!(
                "no gene name fits {word:?} (--exclude-genes), which looks for symbols such as {}",
                match word.as_str() {
                    "mito" => "MT-ND1 or mt-Nd1",
                    "ribo" => "RPS3 or Rpl10",
                    "spike-ins" => "ERCC-00002 or SIRV101",
                    _ => "HBB or Hba-a1",
                }
            ));
        }
        excluded.extend(fit);
    }
    for gene in excluded {
        counts.exclude_genes += usize::from(allowed[gene]);
        allowed[gene] = false;
    }
    let added = |g: &usize| allowed[*g] && !included[*g] && fits("spike-ins", *g);
    let added: Vec<usize> = (0..var_names.len()).filter(added).collect();
    if let Some(&first) = added.first() {
        notices.push(format!(
            "{} genes are spike-ins, which no sample of cells has (first: {:?}), and may be chosen; --exclude-genes \
             spike-ins leaves them out",
            added.len(),
            var_names[first]
        ));
    }
    Ok(Named {
        allowed,
        included,
        counts,
    })
}

/// Genes of a list; names that no gene has are told of, and refused where that is all of them.
fn find(
    names: &[String],
    flag: &str,
    of: &Lookup,
    notices: &mut Vec<String>,
) -> Result<Vec<usize>, DataError> {
    let genes = |name: &String| of.all(name).iter().map(|&g| g as usize);
    let found: Vec<usize> = names.iter().flat_map(genes).collect();
    let unknown = || names.iter().filter(|n| of.all(n).is_empty());
    match unknown().next() {
        Some(first) if found.is_empty() => Err(DataError::new(
            format!(
                "no gene has any of the {} names of {flag} (first: {first:?})",
                names.len()
            ),
            of.hint(first),
        )),
        Some(first) => {
            notices.push(format!(
                "{} of the {} names of {flag} are no genes of the file (first: {first:?})",
                unknown().count(),
                names.len()
            ));
            Ok(found)
        }
        None => Ok(found),
    }
}

/// What the filters of genes left out, where they left out any.
pub(super) fn left_out(counts: &GeneCounts) -> Option<String> {
    let parts = [
        (counts.candidates, "are not among --candidates"),
        (counts.exclude_genes, "are excluded (--exclude-genes)"),
        (
            counts.min_cells,
            "are in too few training cells (--min-cells)",
        ),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, why)| format!("{n} {why}"))
        .collect();
    (!said.is_empty()).then(|| format!("genes left out: {}", said.join(", ")))
}

/// Most genes that are considered.
pub(super) fn most(filter: &GeneFilter) -> usize {
    filter.max_considered.unwrap_or(MAX_GENES).min(MAX_GENES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_by_symbols_where_names_are_ids() {
        let names = [
            "ENSG00000198888",
            "ENSG00000149273",
            "ENSG00000254647",
            "ERCC-00074",
        ];
        let names = names.map(str::to_owned);
        let symbols = [Some("MT-ND1"), Some("RPS3"), Some("INS"), None];
        let filter = GeneFilter {
            exclude: ["mito", "ribo", "spike-ins"].map(str::to_owned).to_vec(),
            ..GeneFilter::default()
        };
        let allowed = |ids: &GeneIds| {
            let mut notices = Vec::new();
            let named = by_name(&filter, &names, ids, &mut notices).expect("filters");
            (named.allowed, notices.len())
        };
        let found = allowed(&GeneIds::of_symbols(&symbols));
        assert_eq!(found, (vec![false, false, true, false], 0));
        // without symbols two words fit nothing, which is said
        assert_eq!(
            allowed(&GeneIds::default()),
            (vec![true, true, true, false], 2)
        );
    }

    #[test]
    fn lists_may_name_genes_by_symbols() {
        let names = ["ENSG00000198888", "ENSG00000149273", "ENSG00000254647"].map(str::to_owned);
        let symbols = [Some("MT-ND1"), Some("RPS3"), Some("INS")];
        let filter = GeneFilter {
            include: vec!["INS".to_owned()],
            exclude: vec!["RPS3".to_owned()],
            candidates: ["MT-ND1", "RPS3", "GCG"].map(str::to_owned).to_vec(),
            ..GeneFilter::default()
        };
        let mut notices = Vec::new();
        let ids = GeneIds::of_symbols(&symbols);
        let named = by_name(&filter, &names, &ids, &mut notices).expect("filters");
        assert_eq!(named.allowed, [true, false, true]);
        assert_eq!(named.included, [false, false, true]);
        assert!(
            notices[0].starts_with("1 of the 3 names of --candidates"),
            "{notices:?}"
        );
        let none = by_name(&filter, &names, &GeneIds::default(), &mut notices);
        assert!(none.expect_err("no such names").what.contains("\"INS\""));
    }

    #[test]
    fn a_gene_both_included_and_excluded_is_named_as_it_was_given() {
        let names = ["ENSG00000198888", "ENSG00000254647"].map(str::to_owned);
        let ids = GeneIds::of_symbols(&[Some("MT-ND1"), Some("INS")]);
        let said = |include: &str, exclude: &str| {
            let filter = GeneFilter {
                include: vec!["MT-ND1".to_owned(), include.to_owned()],
                exclude: vec![exclude.to_owned()],
                ..GeneFilter::default()
            };
            by_name(&filter, &names, &ids, &mut Vec::new()).map_err(|e| e.what)
        };
        assert_eq!(
            said("INS", "INS").expect_err("one gene"),
            "the gene \"INS\" is in --include-genes and in --exclude-genes"
        );
        assert_eq!(
            said("ENSG00000254647", "INS").expect_err("one gene"),
            "\"ENSG00000254647\" (--include-genes) and \"INS\" (--exclude-genes) are one gene"
        );
        // a word that fits an included gene leaves it in
        assert!(said("INS", "mito").is_ok());
    }
}
