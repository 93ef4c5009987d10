//! Which gene of a file each gene of a panel is.
use super::input::Result;
use crate::error::DataError;
use std::collections::HashMap;

/// Names listed in an error or a notice.
const MOST_LISTED: usize = 10;

/// The genes of a panel in a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Matched {
    /// Column of each gene of the panel; `None` where the file lacks it.
    pub(super) columns: Vec<Option<u32>>,
    /// What was not matched by the exact name, for the user.
    pub(super) notices: Vec<String>,
}

/// Without the version of an Ensembl id: `ENSG00000141510.17` is `ENSG00000141510`.
fn unversioned(name: &str) -> &str {
    let Some((id, version)) = name.rsplit_once('.') else {
        return name;
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let letters = id.trim_end_matches(|c: char| c.is_ascii_digit());
    let ensembl = letters.len() >= 4
        && letters.len() < id.len()
        && letters[..3].eq_ignore_ascii_case("ENS")
        && letters.bytes().all(|b| b.is_ascii_alphabetic());
    if ensembl && digits(version) { id } else { name }
}

type Key = fn(&str) -> String;

/// The ways to compare two names, the strictest first, and what they let pass.
const WAYS: [(Key, &str); 3] = [
    (|n| n.to_owned(), ""),
    (|n| n.to_lowercase(), "letters of another case"),
    (
        |n| unversioned(n).to_lowercase(),
        "another version of the Ensembl id",
    ),
];

/// Finds each gene of a panel among the names of a file: by the exact name, else regardless of case,
/// else without the version of an Ensembl id.
///
/// # Errors
/// A gene that is several genes of the file, or two that are one.
pub(super) fn matched(panel: &[&str], names: &[String]) -> Result<Matched> {
    let mut out = Matched {
        columns: vec![None; panel.len()],
        notices: Vec::new(),
    };
    for (key, other) in WAYS {
        if out.columns.iter().all(Option::is_some) {
            break;
        }
        let mut places: HashMap<String, Vec<u32>> = HashMap::new();
        for (at, name) in (0u32..).zip(names).filter(|(_, n)| !n.is_empty()) {
            places.entry(key(name)).or_default().push(at);
        }
        let mut loose = Vec::new();
        for (gene, column) in panel.iter().zip(&mut out.columns) {
            if column.is_some() {
                continue;
            }
            match places.get(&key(gene)).map_or(&[][..], Vec::as_slice) {
                [] => {}
                [one] => {
                    *column = Some(*one);
                    if !other.is_empty() {
                        loose.push(format!("{gene:?} is {:?}", names[*one as usize]));
                    }
                }
                several => {
                    let named: Vec<String> = several
                        .iter()
                        .take(MOST_LISTED)
                        .map(|c| format!("{:?} (column {c})", names[*c as usize]))
                        .collect();
                    return Err(DataError::new(
                        format!(
                            "the gene {gene:?} of the model may be {} genes of the file: {}",
                            several.len(),
                            named.join(", ")
                        ),
                        "leave one of them in the file, or name a column of var with unique ids (--gene-column)",
                    ));
                }
            }
        }
        if !loose.is_empty() {
            out.notices.push(format!(
                "{} genes of the model were matched by {other}: {}",
                loose.len(),
                listed(&loose)
            ));
        }
    }
    let mut taken: HashMap<u32, &str> = HashMap::new();
    for (gene, column) in panel.iter().zip(&out.columns) {
        if let Some(first) = column.and_then(|c| taken.insert(c, gene).map(|first| (first, c))) {
            return Err(DataError::new(
                format!(
                    "the genes {:?} and {gene:?} of the model are both {:?} in the file",
                    first.0, names[first.1 as usize]
                ),
                "name a column of var with the ids that the model was trained with (--gene-column)",
            ));
        }
    }
    Ok(out)
}

/// Names with commas, and how many more there are.
pub(super) fn listed(names: &[impl AsRef<str>]) -> String {
    let shown: Vec<&str> = names.iter().take(MOST_LISTED).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(MOST_LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(panel: &[&str], names: &[&str]) -> std::result::Result<Vec<Option<u32>>, String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        match matched(panel, &names) {
            Ok(m) => Ok(m.columns),
            Err(e) => Err(e.what),
        }
    }

    #[test]
    fn names_match_exactly_then_by_case_then_without_version() {
        let all = ["ins", "INS", "gcg", "ENSG00000141510.17", "X.1", ""];
        assert_eq!(columns(&["INS", "ins"], &all), Ok(vec![Some(1), Some(0)]));
        assert_eq!(columns(&["Gcg"], &all), Ok(vec![Some(2)]));
        assert_eq!(columns(&["ensg00000141510.3"], &all), Ok(vec![Some(3)]));
        assert_eq!(columns(&["ENSG00000141510"], &all), Ok(vec![Some(3)]));
        // a dot in another name is part of it
        assert_eq!(columns(&["X", "X.2", "", "Y"], &all), Ok(vec![None; 4]));
        assert_eq!(columns(&["RP11-34.5"], &["RP11-34.6"]), Ok(vec![None]));
    }

    #[test]
    fn what_may_be_several_is_refused() {
        let both = columns(&["Ins"], &["ins", "INS"]).unwrap_err();
        assert!(
            both.contains("\"ins\" (column 0), \"INS\" (column 1)"),
            "{both}"
        );
        let versions = columns(
            &["ENSG00000000003"],
            &["ENSG00000000003.1", "ENSG00000000003.2"],
        );
        assert!(versions.is_err());
        assert!(
            columns(&["A", "a"], &["a"])
                .unwrap_err()
                .contains("are both \"a\"")
        );
        assert!(columns(&["A"], &["A", "A"]).is_err());
        // an exact name is no doubt, whatever else there is
        assert_eq!(columns(&["ins"], &["INS", "ins", "Ins"]), Ok(vec![Some(1)]));
    }
}
