//! `--panel`: genes that a file names, or one of the usual ways to choose them.
use crate::data::cells::TrainingData;
use crate::data::filter::names_in;
use crate::data::lookup::Lookup;
use crate::error::DataError;
use crate::train::baselines;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Names that an error lists.
const LISTED: usize = 10;

/// A way to choose genes without training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// The most variable ones.
    Variable,
    /// The best markers of each class in turn.
    Markers,
    /// At random.
    Random,
}

/// A panel that is given, as text: `hvg:32`, `markers:32`, `random:32` or the path of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PanelChoice {
    /// So many genes, chosen so.
    Baseline(Baseline, usize),
    /// Those that the file names.
    File(PathBuf),
}

impl Baseline {
    const ALL: [(&'static str, Self); 3] = [
        ("hvg", Self::Variable),
        ("markers", Self::Markers),
        ("random", Self::Random),
    ];

    fn name(self) -> &'static str {
        let own = Self::ALL.iter().find(|(_, b)| *b == self);
        own.map_or("", |(name, _)| name)
    }
}

impl FromStr for PanelChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, k) = text.split_once(':').unwrap_or((text, ""));
        let known = Baseline::ALL.iter().find(|(known, _)| *known == name);
        match known {
            Some((_, baseline)) if text.contains(':') || !Path::new(text).exists() => {
                match k.parse() {
                    Ok(k) if k > 0 => Ok(Self::Baseline(*baseline, k)),
                    _ => Err(format!("say how many genes: {name}:32")),
                }
            }
            _ if text.is_empty() => {
                Err("name a file, or say hvg:32, markers:32 or random:32".into())
            }
            _ => Ok(Self::File(text.into())),
        }
    }
}

impl TryFrom<String> for PanelChoice {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PanelChoice> for String {
    fn from(choice: PanelChoice) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for PanelChoice {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Baseline(baseline, k) => write!(f, "{}:{k}", baseline.name()),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A panel to be looked up in data: the choice with the names of its file.
#[derive(Clone, Debug)]
pub(super) struct GivenPanel {
    pub choice: PanelChoice,
    /// Names that the file holds, each once.
    names: Vec<String>,
    /// Whether the run goes on without genes that are missing.
    skip_missing: bool,
    /// What was noticed on reading.
    pub notices: Vec<String>,
}

impl GivenPanel {
    /// How many genes it asks for.
    pub(super) fn size(&self) -> usize {
        match self.choice {
            PanelChoice::File(_) => self.names.len(),
            PanelChoice::Baseline(_, k) => k,
        }
    }

    /// Reads the file, where there is one.
    pub(super) fn read(choice: &PanelChoice, skip_missing: bool) -> Result<Self, DataError> {
        let mut names = match choice {
            PanelChoice::File(path) => names_in(path)?,
            PanelChoice::Baseline(..) => Vec::new(),
        };
        let mut seen = HashSet::new();
        let mut twice: Vec<String> = Vec::new();
        names.retain(|name| {
            let new = seen.insert(name.clone());
            if !new && !twice.contains(name) {
                twice.push(name.clone());
            }
            new
        });
        let (verb, counts) = match twice.len() {
            1 => ("gene is", "counts"),
            _ => ("genes are", "count"),
        };
        let notice = format!(
            "{choice}: {} {verb} named more than once and {counts} once: {}",
            twice.len(),
            list(&twice)
        );
        Ok(Self {
            choice: choice.clone(),
            names,
            skip_missing,
            notices: (!twice.is_empty()).then_some(notice).into_iter().collect(),
        })
    }

    /// A name for a directory.
    pub(super) fn label(&self) -> String {
        match &self.choice {
            PanelChoice::Baseline(baseline, k) => format!("{}{k}", baseline.name()),
            PanelChoice::File(path) => {
                let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
                let stem = stem.filter(|s| !s.trim_start_matches('.').is_empty());
                stem.unwrap_or_else(|| "panel".into())
            }
        }
    }

    /// The panel as considered genes of `data`, ascending, and what the user should know of it.
    /// `called`: all genes of the file.
    pub(super) fn genes(
        &self,
        data: &TrainingData,
        called: &Lookup,
        seed: u64,
    ) -> Result<(Vec<u32>, Vec<String>), DataError> {
        let mut notices = Vec::new();
        let mut genes = match self.choice {
            PanelChoice::Baseline(baseline, k) => {
                let n = data.cells.n_genes;
                if k > n {
                    let what = format!("--panel {}: {n} genes are considered", self.choice);
                    return Err(DataError::new(what, format!("ask for 1 to {n} genes")));
                }
                match baseline {
                    Baseline::Variable => baselines::variable(data, k),
                    Baseline::Markers => baselines::markers(data, k),
                    Baseline::Random => baselines::random(data, k, seed),
                }
            }
            PanelChoice::File(_) => self.find(data, called, &mut notices)?,
        };
        genes.sort_unstable();
        Ok((genes, notices))
    }

    fn find(
        &self,
        data: &TrainingData,
        called: &Lookup,
        notices: &mut Vec<String>,
    ) -> Result<Vec<u32>, DataError> {
        let place = format!("--panel {}", self.choice);
        let (mut genes, mut absent, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        let mut again: Vec<String> = Vec::new();
        for name in &self.names {
            let Some(gene) = called.one(name, &place)? else {
                absent.push(name.clone());
                continue;
            };
            match data.gene_index.binary_search(&gene) {
                Ok(at) if genes.contains(&(at as u32)) => again.push(name.clone()),
                Ok(at) => genes.push(at as u32),
                Err(_) => silent.push(name.clone()),
            }
        }
        if !again.is_empty() {
            let (n, all) = (again.len(), list(&again));
            notices.push(format!(
                "{}: {n} names are of genes that it has by another name, and count once: {all}",
                self.choice
            ));
        }
        let total = self.names.len();
        let problems = [
            (&absent, "no genes of the data"),
            (
                &silent,
                "not considered: they have one value in all training cells, or a filter leaves them out",
            ),
        ];
        for (names, why) in problems.iter().filter(|(names, _)| !names.is_empty()) {
            let what = format!(
                "{}: {} of the {total} genes are {why}: {}",
                self.choice,
                names.len(),
                list(names)
            );
            if !self.skip_missing || genes.is_empty() {
                let mut hint = match absent.first() {
                    Some(first) => called.hint(first),
                    None => "take them out of the panel, or relax the filters".into(),
                };
                if !genes.is_empty() {
                    hint += "; --skip-missing goes on without them";
                }
                return Err(DataError::new(what, hint));
            }
            notices.push(what + "; the panel is without them (--skip-missing)");
        }
        Ok(genes)
    }
}

fn list(names: &[String]) -> String {
    let mut text = names[..names.len().min(LISTED)].join(", ");
    if names.len() > LISTED {
        text += &format!(" and {} more", names.len() - LISTED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_and_refused() {
        let choice = |text: &str| text.parse::<PanelChoice>();
        assert_eq!(
            choice("hvg:32"),
            Ok(PanelChoice::Baseline(Baseline::Variable, 32))
        );
        assert_eq!(
            choice("random:1"),
            Ok(PanelChoice::Baseline(Baseline::Random, 1))
        );
        assert_eq!(
            choice("dir/genes.txt"),
            Ok(PanelChoice::File("dir/genes.txt".into()))
        );
        for text in ["hvg:32", "markers:8", "genes.csv"] {
            assert_eq!(choice(text).map(|c| c.to_string()), Ok(text.to_owned()));
        }
        for wrong in [
            "hvg",
            "hvg:",
            "hvg:0",
            "hvg:x",
            "markers:-1",
            "random:1.5",
            "",
        ] {
            assert!(choice(wrong).is_err(), "{wrong}");
        }
    }
}
