//! Finds genes of a file by what people call them.
use super::gene_ids::{GeneIds, stable_id};
use crate::error::DataError;
use std::collections::HashMap;

/// The genes of a file: by their names in `var`, else by their symbols, else by their Ensembl ids without versions.
#[derive(Debug)]
pub struct Lookup<'a> {
    names: &'a [String],
    by_name: HashMap<&'a str, Vec<u32>>,
    by_symbol: HashMap<&'a str, Vec<u32>>,
    by_id: HashMap<&'a str, Vec<u32>>,
}

impl<'a> Lookup<'a> {
    /// Of the genes with these names in `var`, in the order of `ids`.
    #[must_use]
    pub fn new(names: &'a [String], ids: &'a GeneIds) -> Self {
        let genes = || (0u32..).zip(names);
        let symbol = |(g, _): (u32, _)| Some((g, ids.symbol(g)?));
        let id = |(g, _): (u32, _)| Some((g, stable_id(ids.ensembl(g)?)?));
        Self {
            names,
            by_name: places(genes().map(|(g, name)| (g, name.as_str()))),
            by_symbol: places(genes().filter_map(symbol)),
            by_id: places(genes().filter_map(id)),
        }
    }

    /// Indices of the genes that are called so, ascending: one, several that share a symbol or an id, or none.
    #[must_use]
    pub fn all(&self, called: &str) -> &[u32] {
        let by_id = || self.by_id.get(stable_id(called)?);
        let found = (self.by_name.get(called)).or_else(|| self.by_symbol.get(called));
        found.or_else(by_id).map_or(&[], Vec::as_slice)
    }

    /// Index of the gene that is called so in `place` (a flag or a file).
    ///
    /// # Errors
    /// Several genes that share the symbol or the id.
    pub fn one(&self, called: &str, place: &str) -> Result<Option<u32>, DataError> {
        match self.all(called) {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            several => {
                let named = several.iter().map(|&g| self.names[g as usize].as_str());
                let (n, named) = (several.len(), named.collect::<Vec<_>>().join(", "));
                Err(DataError::new(
                    format!("{called:?} ({place}) may be {n} genes: {named}"),
                    "name the one that is meant as it stands in var",
                ))
            }
        }
    }

    /// A hint with the names and symbols most like `called`.
    #[must_use]
    pub fn hint(&self, called: &str) -> String {
        let lower = called.to_lowercase();
        let all = self.by_name.keys().chain(self.by_symbol.keys());
        let mut near: Vec<(f64, &str)> = all
            .map(|&v| (strsim::jaro_winkler(&lower, &v.to_lowercase()), v))
            .filter(|(score, _)| *score > 0.8)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        near.dedup();
        if near.is_empty() {
            let some: Vec<String> = (self.names.iter().take(3))
                .map(|v| format!("{v:?}"))
                .collect();
            return format!(
                "names are compared as they stand in var, for instance {}",
                some.join(", ")
            );
        }
        let near: Vec<String> = near.iter().take(3).map(|(_, v)| format!("{v:?}")).collect();
        format!("did you mean {}?", near.join(" or "))
    }
}

/// Indices by text, empty texts left out.
fn places<'a>(texts: impl Iterator<Item = (u32, &'a str)>) -> HashMap<&'a str, Vec<u32>> {
    let mut places: HashMap<&str, Vec<u32>> = HashMap::new();
    for (gene, text) in texts.filter(|(_, text)| !text.is_empty()) {
        places.entry(text).or_default().push(gene);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<const N: usize>(all: [&str; N]) -> Vec<String> {
        all.map(str::to_owned).to_vec()
    }

    #[test]
    fn a_name_goes_before_a_symbol_and_a_symbol_before_an_id() {
        let names = texts(["ENSG00000000001.5", "ENSG00000000002.1", "INS", "x"]);
        let symbols = [Some("INS"), Some("GCG"), None, Some("GCG")];
        let ids = GeneIds::of_symbols(&symbols).with_ids(&texts([
            "ENSG00000000001.5",
            "ENSG00000000002.1",
            "",
            "",
        ]));
        let called = Lookup::new(&names, &ids);
        assert_eq!(called.all("INS"), [2]);
        assert_eq!(called.all("GCG"), [1, 3]);
        assert_eq!(called.all("ENSG00000000002.1"), [1]);
        assert_eq!(called.all("ENSG00000000002"), [1]);
        assert_eq!(called.all("ENSG00000000002.9"), [1]);
        for none in ["ENSG00000000003", "ins", ""] {
            assert_eq!(called.all(none), [0; 0], "{none}");
        }
        assert_eq!(called.one("INS", "here").map_err(|e| e.what), Ok(Some(2)));
        assert_eq!(called.one("SST", "here").map_err(|e| e.what), Ok(None));
        let error = called.one("GCG", "here").expect_err("two genes").what;
        assert!(
            error.contains("\"GCG\" (here) may be 2 genes: ENSG00000000002.1, x"),
            "{error}"
        );
        assert_eq!(called.hint("GCGG"), "did you mean \"GCG\"?");
        assert!(called.hint("?").starts_with("names are compared"));
    }
}
