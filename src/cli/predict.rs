//! `yoto-gpu predict`: a trained model on new cells.
use super::apply::{ApplyArgs, Loaded};
use super::progress::Reporter;
use super::run::{Failure, Outcome};
use super::stages::set_threads;
use crate::data::Conversion;
use crate::data::annotate::{Annotations, Entry, annotate};
use crate::data::cells::TaskKind;
use crate::data::panel::PanelCells;
use crate::data::values::Values;
use crate::model::calibration::{FLAGS, Flag};
use crate::model::panel_model::{Outputs, PanelModel};
use crate::report::confidence::Flagged;
use crate::report::predict::{Predicted, decode};
use crate::report::table::{Csv, Parquet, Sink, all_flags, columns};
use crate::report::target::Target;
use crate::train::calibrate::outputs;
use clap::{Args, ValueEnum};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Cells that are predicted at once: a row group of a Parquet file.
const BLOCK: usize = 1 << 16;

/// Flags of `predict`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  yoto-gpu predict run new.h5ad --out labels.csv
  yoto-gpu predict run new.h5ad --out annotated.h5ad
  yoto-gpu predict run/model.safetensors panel_assay.csv --totals total_counts --out - | head")]
pub struct PredictArgs {
    /// The model and the cells.
    #[command(flatten)]
    pub apply: ApplyArgs,
    /// File for the predictions: .csv, .parquet or .h5ad (a copy of DATA with them); - prints CSV
    #[arg(
        long,
        value_name = "FILE",
        default_value = "-",
        help_heading = "Output"
    )]
    pub out: PathBuf,
    /// Format of --out [default: by its ending]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<Format>,
    /// Leave the probabilities of the other classes out of a table
    #[arg(long, help_heading = "Output")]
    pub no_probabilities: bool,
    /// Replace --out where it is there already
    #[arg(long, help_heading = "Output")]
    pub force: bool,
}

/// A format of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A row a cell
    Csv,
    /// The same columns, for data frames
    Parquet,
    /// A copy of DATA with the predictions in obs, obsm, var and uns
    H5ad,
}

impl PredictArgs {
    fn to_stdout(&self) -> bool {
        self.out == Path::new("-")
    }

    /// The format of --out.
    ///
    /// # Errors
    /// A sentence for the user where the file's ending does not say it, or stdout cannot take it.
    pub fn format(&self) -> Result<Format, String> {
        let ending = self
            .out
            .extension()
            .map(|e| e.to_string_lossy().to_lowercase());
        let format = match (self.format, ending.as_deref()) {
            (Some(format), _) => format,
            (None, _) if self.to_stdout() => Format::Csv,
            (None, Some("csv")) => Format::Csv,
            (None, Some("parquet" | "pq")) => Format::Parquet,
            (None, Some("h5ad")) => Format::H5ad,
            (None, _) => {
                return Err(format!(
                    "--out {} does not end in .csv, .parquet or .h5ad: name such a file, or say --format",
                    self.out.display()
                ));
            }
        };
        if self.to_stdout() && format != Format::Csv {
            return Err("--out - prints CSV: name a file for another format".into());
        }
        Ok(format)
    }
}

/// Runs `predict` in the format that [`PredictArgs::format`] gave.
///
/// # Errors
/// Of the model, the data or the output, as a sentence and a hint.
pub fn run(args: &PredictArgs, format: Format) -> Result<Outcome, Failure> {
    set_threads(args.apply.threads)?;
    let reporter = Reporter::new(args.apply.quiet);
    let loaded = args.apply.load()?;
    let read = [Some(&args.apply.data), args.apply.reading.labels.as_ref()];
    let mut read: Vec<&Path> = read.into_iter().flatten().map(PathBuf::as_path).collect();
    read.push(&loaded.path);
    let target = match args.to_stdout() {
        true => None,
        false => Some(Target::apart_from(&args.out, args.force, &read)?),
    };
    let cells = args.apply.read(&loaded.model, Vec::new(), &reporter)?;
    let model = &loaded.model;
    let mut flagged = vec![Flagged::default(); model.tasks.len()];
    match (format, target) {
        (Format::H5ad, Some(target)) => {
            let outputs = outputs(model, &cells.values);
            count(&mut flagged, model, &outputs);
            let annotations = annotations(&loaded, &cells, &outputs);
            let names: Vec<&String> = annotations.obs.iter().map(|c| &c.0).collect();
            if let Some(twice) = (1..names.len()).find(|&i| names[..i].contains(&names[i])) {
                return Err(Failure {
                    what: format!(
                        "two predictions of this model would be the column {:?} of obs",
                        names[twice]
                    ),
                    hint: "ask for a table (--format csv), or train with another name of the label"
                        .into(),
                });
            }
            let how = Conversion {
                which: args.apply.reading.which(),
                labels: args.apply.reading.labels.clone(),
                force: true,
            };
            let notices: Result<Vec<String>, Failure> = target.make_with(".h5ad", |path| {
                Ok(annotate(
                    &args.apply.data,
                    (path, &args.out),
                    &how,
                    &annotations,
                )?)
            });
            for notice in notices? {
                reporter.note(&notice);
            }
        }
        (format, Some(target)) => {
            let all = !args.no_probabilities;
            target.write_with(|file| {
                let file = std::io::BufWriter::new(file);
                let sink: Box<dyn Sink + '_> = if format == Format::Parquet {
                    Box::new(Parquet::new(file))
                } else {
                    Box::new(Csv::new(file))
                };
                table(model, &cells, all, sink, &mut flagged)
            })?;
        }
        (_, None) => {
            let sink = Box::new(Csv::new(std::io::stdout().lock()));
            match table(model, &cells, !args.no_probabilities, sink, &mut flagged) {
                // whoever reads no further has what they wanted
                Err(e) if e.kind() != ErrorKind::BrokenPipe => {
                    return Err(Failure {
                        what: format!("stdout cannot be written: {e}"),
                        hint: "name a file with --out".into(),
                    });
                }
                _ => {}
            }
        }
    }
    for (task, flagged) in model.tasks.iter().zip(&flagged) {
        if task.kind.is_component() || !model.calibration.is_known() {
            continue;
        }
        reporter.say(&format!(
            "{}: {} cells, {} uncertain, {} unlike the training cells",
            task.name,
            cells.n_obs(),
            flagged.uncertain,
            flagged.unlike
        ));
    }
    Ok(Outcome {
        text: String::new(),
        stopped: false,
    })
}

/// Writes the table block by block.
fn table(
    model: &PanelModel,
    cells: &PanelCells,
    all: bool,
    mut sink: Box<dyn Sink + '_>,
    flagged: &mut [Flagged],
) -> std::io::Result<()> {
    let blocks = cells.values.chunks(BLOCK * model.genes.len());
    for (values, names) in blocks.zip(cells.obs_names.chunks(BLOCK)) {
        let outputs = outputs(model, values);
        count(flagged, model, &outputs);
        sink.add(names, &columns(model, &outputs, all))?;
    }
    sink.finish()
}

fn count(flagged: &mut [Flagged], model: &PanelModel, outputs: &Outputs) {
    for (counts, flags) in flagged.iter_mut().zip(all_flags(model, outputs)) {
        flags.into_iter().for_each(|f| counts.add(f));
    }
}

/// What goes into a copy of an `.h5ad`.
fn annotations(loaded: &Loaded, cells: &PanelCells, outputs: &Outputs) -> Annotations {
    let model = &loaded.model;
    let mut obs = Vec::new();
    let mut components: Vec<Vec<f32>> = Vec::new();
    let all = decode(model, &outputs.logits).into_iter();
    for ((task, predicted), flags) in model.tasks.iter().zip(all).zip(all_flags(model, outputs)) {
        let name = format!("yoto_{}", task.name);
        match (&task.kind, predicted) {
            (TaskKind::Classification { classes }, Predicted::Classes(p)) => {
                let values = Values::Categorical {
                    categories: classes.clone(),
                    codes: p.iter().map(|p| Some(p.0)).collect(),
                    ordered: false,
                };
                obs.push((name.clone(), values));
                let shares = p.iter().map(|p| f64::from(p.1)).collect();
                obs.push((format!("{name}_probability"), Values::Real(shares)));
            }
            (TaskKind::Component { .. }, Predicted::Values(v)) => components.push(v),
            (_, Predicted::Values(v)) => {
                let values = v.into_iter().map(f64::from).collect();
                obs.push((name.clone(), Values::Real(values)));
            }
            // a task's predictions are of its kind
            (_, Predicted::Classes(_)) => {}
        }
        if !flags.is_empty() {
            let values = Values::Categorical {
                categories: FLAGS.map(String::from).into(),
                codes: flags.into_iter().map(|f: Flag| Some(f as u32)).collect(),
                ordered: false,
            };
            obs.push((format!("{name}_flag"), values));
        }
    }
    if !outputs.distance.is_empty() {
        let distance = outputs.distance.iter().map(|d| f64::from(*d)).collect();
        obs.push(("yoto_distance".into(), Values::Real(distance)));
    }
    let mut obsm = vec![(
        "X_yoto".to_owned(),
        model.latent_width(),
        outputs.latent.clone(),
    )];
    if !components.is_empty() {
        let n = cells.n_obs();
        let rows = (0..n).flat_map(|cell| components.iter().map(move |c| c[cell]));
        obsm.push((
            "X_yoto_reconstruction".into(),
            components.len(),
            rows.collect(),
        ));
    }
    let found = cells.found.iter().zip(&model.genes);
    let text = |s: &str| Entry::Text(s.to_owned());
    let names = |of: &dyn Fn(&Option<String>) -> bool| -> Vec<String> {
        let own = cells.found.iter().zip(&model.genes);
        own.filter(|(f, _)| of(f))
            .map(|(_, g)| g.name.clone())
            .collect()
    };
    let temperatures = (0..model.tasks.len()).map(|t| model.calibration.of(t).temperature);
    let transform = serde_json::to_value(model.transform).unwrap_or_default();
    Annotations {
        obs,
        genes: found
            .filter_map(|(f, g)| Some((f.clone()?, g.score)))
            .collect(),
        obsm,
        uns: (
            "yoto".into(),
            vec![
                ("version".into(), text(env!("CARGO_PKG_VERSION"))),
                ("model".into(), text(&loaded.path.display().to_string())),
                ("input".into(), text(transform.as_str().unwrap_or_default())),
                ("panel".into(), Entry::Texts(names(&|_| true))),
                ("missing".into(), Entry::Texts(names(&Option::is_none))),
                (
                    "tasks".into(),
                    Entry::Texts(model.tasks.iter().map(|t| t.name.clone()).collect()),
                ),
                (
                    "temperatures".into(),
                    Entry::Numbers(temperatures.collect()),
                ),
                ("settings".into(), text(&loaded.settings.to_string())),
            ],
        ),
    }
}
