//! `yoto-gpu export`: the panel of a run in a form that other programs take.
use super::place::Place;
use super::run::{Failure, Outcome};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Flags of `export`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  yoto-gpu export run                                     a gene name a line
  yoto-gpu export run --format fasta-ids --out ids.txt    Ensembl ids, for the sequences of the genes
  yoto-gpu export run --size 16 --format spapros          of a run with several sizes")]
pub struct ExportArgs {
    /// Directory of a run, or a panel.csv
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// What is written
    #[arg(long, value_enum, default_value = "txt")]
    pub format: Format,
    /// File to write; - for stdout
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub out: PathBuf,
    /// The panel of so many genes, where the run has several sizes
    #[arg(long, value_name = "K")]
    pub size: Option<usize>,
    /// Replace FILE where it is there already
    #[arg(long)]
    pub force: bool,
}

/// Forms of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Names.
    Txt,
    /// Names and ids.
    Csv,
    /// Ids.
    FastaIds,
    /// For spapros.
    Spapros,
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Txt, Self::Csv, Self::FastaIds, Self::Spapros]
    }
    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Txt => PossibleValue::new("txt").help("A gene name a line, by rank"),
            Self::Csv => PossibleValue::new("csv").help("The columns gene and ensembl_id"),
            Self::FastaIds => PossibleValue::new("fasta-ids")
                .help("An Ensembl id a line (the name where it is not known), for a tool that fetches sequences"),
            Self::Spapros => PossibleValue::new("spapros").help(
                "The columns index and selection (True), as spapros' evaluation pipeline reads probe sets; with \
                 several sizes a column each",
            ),
        })
    }
}

/// A gene of a panel.csv.
struct Gene {
    name: String,
    ensembl: String,
}

/// Runs `export`.
///
/// # Errors
/// A directory without a panel, a size that the run has not, a file that cannot be written.
pub fn run(args: &ExportArgs) -> Result<Outcome, Failure> {
    let file = panel_file(&args.run, args.size)?;
    let genes = read(&file)?;
    let place = Place::claim(&args.out, args.force)?;
    let lines = |of: &dyn Fn(&Gene) -> String| genes.iter().map(|g| of(g) + "\n").collect();
    let text: String = match args.format {
        Format::Txt => lines(&|g| g.name.clone()),
        Format::Csv => table(&genes).map_err(|e| unwritten(&e))?,
        Format::FastaIds => {
            let unknown = genes.iter().filter(|g| g.ensembl.is_empty()).count();
            if unknown > 0 {
                // whoever closed stderr does not want to know
                let _ = writeln!(
                    std::io::stderr(),
                    "note: {unknown} of {} genes have no Ensembl id in the run: their names stand for them",
                    genes.len()
                );
            }
            lines(&|g| match g.ensembl.as_str() {
                "" => g.name.clone(),
                id => id.to_owned(),
            })
        }
        Format::Spapros => spapros(args, &genes)?,
    };
    Ok(Outcome {
        text: place.deliver(text)?,
        stopped: false,
    })
}

fn unwritten(e: &csv::Error) -> Failure {
    Failure {
        what: format!("the panel could not be put into words: {e}"),
        hint: "report this as a bug".into(),
    }
}

fn table(genes: &[Gene]) -> csv::Result<String> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["gene", "ensembl_id"])?;
    for g in genes {
        out.write_record([&g.name, &g.ensembl])?;
    }
    let bytes = out
        .into_inner()
        .map_err(|e| csv::Error::from(e.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `index,selection`, or a column a size, all booleans as pandas reads them.
fn spapros(args: &ExportArgs, genes: &[Gene]) -> Result<String, Failure> {
    let mut sets: Vec<(String, Vec<String>)> = Vec::new();
    let mut order: Vec<String> = genes.iter().map(|g| g.name.clone()).collect();
    let sizes = if args.size.is_none() {
        sizes(&args.run)
    } else {
        Vec::new()
    };
    for k in sizes {
        let own: Vec<String> = read(&args.run.join(format!("k{k}/panel.csv")))?
            .into_iter()
            .map(|g| g.name)
            .collect();
        let new: Vec<String> = own.iter().filter(|g| !order.contains(g)).cloned().collect();
        order.extend(new);
        sets.push((format!("k{k}"), own));
    }
    if sets.is_empty() {
        sets.push(("selection".into(), order.clone()));
    }
    let write = || -> csv::Result<String> {
        let mut out = csv::Writer::from_writer(Vec::new());
        let names = sets.iter().map(|s| s.0.as_str());
        out.write_record(std::iter::once("index").chain(names))?;
        for gene in &order {
            let of = |set: &(String, Vec<String>)| {
                if set.1.contains(gene) {
                    "True"
                } else {
                    "False"
                }
            };
            let row = std::iter::once(gene.as_str()).chain(sets.iter().map(of));
            out.write_record(row)?;
        }
        let bytes = out
            .into_inner()
            .map_err(|e| csv::Error::from(e.into_error()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    write().map_err(|e| unwritten(&e))
}

/// Sizes that a run has directories of, ascending.
fn sizes(run: &Path) -> Vec<usize> {
    let size = |entry: std::fs::DirEntry| -> Option<usize> {
        let name = entry.file_name();
        let k = name.to_str()?.strip_prefix('k')?.parse().ok()?;
        entry.path().join("panel.csv").is_file().then_some(k)
    };
    let entries = std::fs::read_dir(run).into_iter().flatten().flatten();
    let mut sizes: Vec<usize> = entries.filter_map(size).collect();
    sizes.sort_unstable();
    sizes
}

/// The panel.csv that is meant.
fn panel_file(run: &Path, size: Option<usize>) -> Result<PathBuf, Failure> {
    let shown = run.display();
    let (file, folder) = if run.is_dir() {
        (run.join("panel.csv"), true)
    } else {
        (run.to_path_buf(), false)
    };
    if !file.is_file() {
        return Err(Failure {
            what: match folder {
                true => format!("{shown} holds no panel.csv"),
                false => format!("there is no {shown}"),
            },
            hint: "name the directory of a run (--out of train or evaluate-panel) that is done"
                .into(),
        });
    }
    let Some(k) = size else {
        return Ok(file);
    };
    let own = run.join(format!("k{k}/panel.csv"));
    if folder && own.is_file() {
        return Ok(own);
    }
    let main = read(&file)?.len();
    if main == k {
        return Ok(file);
    }
    let mut there = if folder { sizes(run) } else { Vec::new() };
    if !there.contains(&main) {
        there.push(main);
    }
    there.sort_unstable();
    let mut hint = "--size takes one of:".to_owned();
    for k in there {
        // writing to a string does not fail
        let _ = write!(hint, " {k}");
    }
    Err(Failure {
        what: format!("{shown} has no panel of {k} genes"),
        hint,
    })
}

fn read(path: &Path) -> Result<Vec<Gene>, Failure> {
    let shown = path.display();
    let broken = |what: String| Failure {
        what,
        hint: "name a run, or a panel.csv as train writes it".into(),
    };
    let mut csv = csv::Reader::from_path(path).map_err(|e| broken(format!("{shown}: {e}")))?;
    let header = csv.headers().map_err(|e| broken(format!("{shown}: {e}")))?;
    let column = |name: &str| header.iter().position(|h| h == name);
    let (gene, id) = (column("gene"), column("ensembl_id"));
    let Some(gene) = gene else {
        return Err(broken(format!("{shown} has no column \"gene\"")));
    };
    let mut genes = Vec::new();
    for row in csv.records() {
        let row = row.map_err(|e| broken(format!("{shown}: {e}")))?;
        let field =
            |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or_default().to_owned();
        genes.push(Gene {
            name: field(Some(gene)),
            ensembl: field(id),
        });
    }
    if genes.is_empty() {
        return Err(broken(format!("{shown} holds no gene")));
    }
    Ok(genes)
}
