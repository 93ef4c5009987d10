//! `yoto-gpu evaluate`: a trained model on new cells with labels.
use super::apply::ApplyArgs;
use super::progress::Reporter;
use super::run::{Failure, Outcome};
use super::stages::set_threads;
use crate::data::new_labels::new_labels;
use crate::data::panel::PanelCells;
use crate::error::DataError;
use crate::model::panel_model::PanelModel;
use crate::report::evaluation::{Asked, Data, Evaluation, evaluate};
use crate::report::target::Target;
use crate::train::calibrate::outputs;
use clap::Args;
use std::path::{Path, PathBuf};

/// Flags of `evaluate`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  yoto-gpu evaluate run new.h5ad --label cell_type
  yoto-gpu evaluate run new.h5ad --label cell_type=annotation --regress age --json")]
pub struct EvaluateArgs {
    /// The model and the cells.
    #[command(flatten)]
    pub apply: ApplyArgs,
    /// Column of obs with the true classes of the task of that name, or TASK=COLUMN; repeat for several
    /// [default: every task whose name is a column of obs]
    #[arg(long, value_name = "COLUMN", help_heading = "Tasks and data")]
    pub label: Vec<String>,
    /// Column of obs with the true numbers of the task of that name, or TASK=COLUMN
    #[arg(long, value_name = "COLUMN", help_heading = "Tasks and data")]
    pub regress: Vec<String>,
    /// Seed of the resamples that the 95 % intervals are taken over
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        help_heading = "Tasks and data"
    )]
    pub seed: u64,
    /// Write the whole result as JSON to FILE; - prints it, as --json does
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Print one JSON object on stdout instead of tables
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Replace --out where it is there already
    #[arg(long, requires = "out", help_heading = "Output")]
    pub force: bool,
}

impl EvaluateArgs {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn resolve(&self) -> Result<(), String> {
        let all: Vec<&String> = self.label.iter().chain(&self.regress).collect();
        match (0..all.len()).find(|&i| all[..i].contains(&all[i])) {
            Some(i) => Err(format!("{:?} is named twice", all[i])),
            None => Ok(()),
        }
    }

    /// Tasks of the model and the columns with their truth.
    fn asked(&self, model: &PanelModel) -> Result<Vec<(usize, String)>, DataError> {
        let mut out: Vec<(usize, String)> = Vec::new();
        let flags = self.label.iter().map(|l| (l, true));
        for (text, is_label) in flags.chain(self.regress.iter().map(|r| (r, false))) {
            let find = |name: &str| model.tasks.iter().position(|t| t.name == name);
            let parted = text.split_once('=').and_then(|(t, c)| Some((find(t)?, c)));
            let found = find(text).map(|t| (t, text.as_str())).or(parted);
            let Some((t, column)) = found else {
                return Err(DataError::new(
                    format!("the model has no task {text:?}"),
                    format!(
                        "its tasks are {}; TASK=COLUMN takes a task's truth from another column",
                        names(model)
                    ),
                ));
            };
            let task = &model.tasks[t];
            let is_class = matches!(
                task.kind,
                crate::data::cells::TaskKind::Classification { .. }
            );
            if task.kind.is_component() || is_class != is_label {
                return Err(DataError::new(
                    format!(
                        "the task {:?} of the model predicts {}",
                        task.name,
                        if is_class { "classes" } else { "numbers" }
                    ),
                    if is_class {
                        "name it with --label"
                    } else {
                        "name it with --regress"
                    },
                ));
            }
            if out.iter().any(|o| o.0 == t) {
                return Err(DataError::new(
                    format!("the task {:?} is asked for twice", task.name),
                    "name one column for it",
                ));
            }
            out.push((t, column.to_owned()));
        }
        Ok(out)
    }
}

fn names(model: &PanelModel) -> String {
    let all = model.tasks.iter().filter(|t| !t.kind.is_component());
    all.map(|t| t.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Runs `evaluate`.
///
/// # Errors
/// Of the model, the data or the output, as a sentence and a hint.
pub fn run(args: &EvaluateArgs) -> Result<Outcome, Failure> {
    set_threads(args.apply.threads)?;
    let reporter = Reporter::new(args.apply.quiet);
    let loaded = args.apply.load()?;
    let model = &loaded.model;
    let file = args.out.as_deref().filter(|p| *p != Path::new("-"));
    let read = [Some(&args.apply.data), args.apply.reading.labels.as_ref()];
    let mut read: Vec<&Path> = read.into_iter().flatten().map(PathBuf::as_path).collect();
    read.push(&loaded.path);
    let target = file
        .map(|path| Target::apart_from(path, args.force, &read))
        .transpose()?;
    let mut asked = args.asked(model)?;
    if asked.is_empty() {
        let there =
            crate::data::columns_of(&args.apply.data, args.apply.reading.labels.as_deref())?;
        let tasks = model.tasks.iter().enumerate();
        let own = tasks.filter(|(_, t)| !t.kind.is_component() && there.contains(&t.name));
        asked = own.map(|(t, task)| (t, task.name.clone())).collect();
        if asked.is_empty() {
            return Err(DataError::new(
                format!(
                    "{}: no task of the model is a column of obs{}",
                    args.apply.data.display(),
                    if model.tasks.iter().any(|t| t.kind.is_component()) {
                        ", and a reconstruction is measured in training alone"
                    } else {
                        ""
                    }
                ),
                format!("name the columns with the truth: --label TASK=COLUMN or --regress TASK=COLUMN; the tasks are {}", names(model)),
            )
            .into());
        }
    }
    let columns = asked.iter().map(|a| a.1.clone()).collect();
    let cells = args.apply.read(model, columns, &reporter)?;
    let outputs = outputs(model, &cells.values);
    let asked = labels(model, &cells, asked)?;
    for (t, _, labels) in &asked {
        for (label, of) in &labels.unseen {
            reporter.note(&format!(
                "{} cells have the label {label:?} of {}, which training never saw: they are in no figure",
                of.len(),
                model.tasks[*t].name
            ));
        }
    }
    let missing = cells.found.iter().zip(&model.genes);
    let evaluation = Evaluation {
        version: env!("CARGO_PKG_VERSION"),
        model: loaded.path.display().to_string(),
        data: Data {
            path: cells.path.clone(),
            n_obs: cells.n_obs(),
            n_vars: cells.n_vars,
            missing_genes: missing
                .filter(|(f, _)| f.is_none())
                .map(|(_, g)| g.name.clone())
                .collect(),
        },
        seed: args.seed,
        tasks: evaluate(model, &outputs, asked, args.seed),
    };
    if let Some(target) = target {
        let json = serde_json::to_string_pretty(&evaluation).unwrap_or_default();
        target.write(&(json + "\n"))?;
    }
    let on_stdout = args.json || (args.out.is_some() && file.is_none());
    Ok(Outcome {
        text: if on_stdout {
            serde_json::to_string(&evaluation).unwrap_or_default() + "\n"
        } else {
            evaluation.table()
        },
        stopped: false,
    })
}

/// The labels of the columns, as classes of the model.
fn labels(
    model: &PanelModel,
    cells: &PanelCells,
    asked: Vec<(usize, String)>,
) -> Result<Vec<Asked>, DataError> {
    let named = |e: DataError| DataError::new(format!("{}: {}", cells.path, e.what), e.hint);
    asked
        .into_iter()
        .map(|(t, column)| {
            let kind = &model.tasks[t].kind;
            let labels = new_labels(&column, &cells.columns[&column], kind).map_err(named)?;
            Ok((t, column, labels))
        })
        .collect()
}
