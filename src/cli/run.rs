//! `yoto-gpu train`: the stages in order, and one sentence with a hint where one fails.
use super::cross::cross_validate;
use super::progress::Reporter;
use super::train::{TrainArgs, TrainConfig};
use crate::data::cells::TrainingData;
use crate::data::components::Components;
use crate::data::split::{SplitSettings, split};
use crate::data::{demo, folds, h5ad, prepare};
use crate::error::{DataError, DeviceError, OutputError, TrainError};
use crate::gpu::{Pick, pick};
use crate::ops::Ops;
use crate::report::batches::BatchScores;
use crate::report::files::{CHECKPOINT, Claim, LOADINGS, RunDir, write_results};
use crate::report::predict::{predict, scores};
use crate::report::repeats::Repeats;
use crate::report::summary::Summary;
use crate::report::{explain, hierarchy};
use crate::train;
use crate::train::settings::Fit;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Why a run ended badly, for the user.
#[derive(Debug)]
pub struct Failure {
    /// What was found, and where.
    pub what: String,
    /// What to do.
    pub hint: String,
}

macro_rules! failure_from {
    ($($error:ty),+) => {$(
        impl From<$error> for Failure {
            fn from(e: $error) -> Self {
                Self { what: e.to_string(), hint: e.hint().to_string() }
            }
        }
    )+};
}
failure_from!(DataError, DeviceError, OutputError, TrainError);

/// What a run that did not fail came to.
#[derive(Debug)]
pub struct Outcome {
    /// For stdout.
    pub text: String,
    /// Whether Ctrl-C ended it early.
    pub stopped: bool,
}

/// `config.json`.
#[derive(serde::Serialize)]
struct Config<'a> {
    version: &'static str,
    settings: &'a TrainConfig,
}

/// Most words of a page: 128 MiB, the default limit of a storage binding.
const PAGE_WORDS: usize = 1 << 25;

/// Runs `train`. `given`: names of the settings that stand on the command line.
///
/// # Errors
/// Whatever a stage finds, as a sentence and a hint.
pub fn run(mut args: TrainArgs, given: &[String]) -> Result<Outcome, Failure> {
    let begin = Instant::now();
    if args.resume {
        args.config = resumed(&args, given)?;
    }
    let mut reporter = Reporter::new(args.quiet);
    set_threads(args.threads)?;
    let claim = match (args.force, args.resume) {
        (_, true) => Claim::Resume,
        (true, _) => Claim::Force,
        _ => Claim::New,
    };
    let device = pick(&args.config.device)?;
    let dir = RunDir::claim(&args.out, claim)?;
    let config = plain(&Config {
        version: env!("CARGO_PKG_VERSION"),
        settings: &args.config,
    });
    let outcome = match device {
        Pick::Gpu(mut gpu) => with_device(&mut *gpu, &args, &dir, &config, &mut reporter, begin),
        Pick::Cpu { note } => {
            if let Some(note) = note {
                reporter.say(&format!("note: {note}"));
            }
            let mut cpu = crate::cpu::Cpu::<f32>::default();
            // inside the pool: work that comes from outside would be queued on the heap, step by step
            rayon::scope(|_| with_device(&mut cpu, &args, &dir, &config, &mut reporter, begin))
        }
    };
    if outcome.is_err() {
        dir.abandon();
    }
    outcome
}

/// Sets how many threads the CPU path has, where that is asked for.
pub(super) fn set_threads(threads: Option<u64>) -> Result<(), Failure> {
    if let Some(n) = threads {
        let threads = usize::try_from(n).unwrap_or(usize::MAX);
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .map_err(|e| Failure {
                what: format!("--threads {n}: {e}"),
                hint: "ask for as many as the machine has cores".into(),
            })?;
    }
    Ok(())
}

fn with_device<O: Ops>(
    ops: &mut O,
    args: &TrainArgs,
    dir: &RunDir,
    config: &Value,
    reporter: &mut Reporter,
    begin: Instant,
) -> Result<Outcome, Failure> {
    let c = &args.config;
    let columns = c.columns();
    let dataset = match &c.data {
        Some(path) => h5ad::read(path, &columns)?,
        None => demo::dataset(&columns)?,
    };
    dataset
        .notices
        .iter()
        .for_each(|n| reporter.say(&format!("note: {n}")));
    let prepared = prepare::prepare(dataset, &c.label, &c.regress, c.input)?;
    prepared
        .notices
        .iter()
        .for_each(|n| reporter.say(&format!("note: {n}")));
    let path = prepared.path.clone();
    let split_settings = SplitSettings {
        seed: c.seed,
        test_fraction: c.test_fraction,
        validation_fraction: c.validation_fraction,
        group_by: c.group_by.clone(),
        stratify: c.stratify,
        split_by: c.split_by.clone(),
        batch: c.batch.clone(),
        unlabelled: c.reconstruct.is_some(),
        page_words: ops.max_elements().min(PAGE_WORDS),
        max_genes: c
            .max_genes
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
    };
    let folds = match &c.cross_validate {
        Some(column) => folds::leave_one_out(&prepared, column, &split_settings)?,
        None => Vec::new(),
    };
    let kept = (!folds.is_empty()).then(|| prepared.clone());
    let (mut data, sealed, summary) = split(prepared, &split_settings)?;
    summary
        .notices
        .iter()
        .for_each(|n| reporter.say(&format!("note: {n}")));
    let components = with_components(&mut data, c.reconstruct, c.seed)?;
    let settings = c.settings();
    train::check(&data, &settings)?;
    reporter.say(&format!(
        "{path}: {} cells x {} genes, {} considered; training on {}",
        summary.n_obs,
        summary.n_vars,
        data.gene_names.len(),
        ops.info().name
    ));
    let stop = stop_on_signal();
    let checkpoint = dir.join(CHECKPOINT);
    // nothing of an earlier run is touched before the first epoch is done
    let mut begun = args.resume.then_some(Ok(()));
    let fitted = train::fit_all(
        ops,
        &data,
        &settings,
        usize::try_from(c.repeats).unwrap_or(usize::MAX),
        Some(&checkpoint),
        args.resume,
        &stop,
        &mut |p| {
            if begun.get_or_insert_with(|| dir.begin(config)).is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            reporter.epoch(p);
        },
    );
    reporter.done();
    let mut fits: Vec<Fit> = fitted?;
    let (best, repeats) = Repeats::new(&fits, c.seed);
    let fitted = fits.swap_remove(best);
    match begun {
        Some(result) => result?,
        None => {
            dir.forget_checkpoint();
            dir.begin(config)?;
        }
    }
    let separation = explain::separation(&fitted.model, &data);
    let links = hierarchy::links(&data);
    let data_names = std::mem::take(&mut data.gene_names);
    drop(data);
    let mut test = sealed.open();
    if let Some(components) = &components {
        components.add_to_test(&mut test);
    }
    let predicted = predict(&fitted.model, &test.x);
    let scored = scores(&fitted.model, &test, &predicted);
    let out = args.out.display().to_string();
    let mut summary = Summary::new(
        &fitted,
        ops.info(),
        &path,
        &summary,
        &scored,
        explain::explain(&fitted.model, separation, &test),
        c.seed,
        repeats,
        &out,
    );
    summary.batches = BatchScores::new(&fitted.model, &test, &predicted);
    summary.hierarchy = hierarchy::consistency(&links, &predicted);
    write_results(dir, &fitted, &test, &predicted, &summary, config)?;
    if let Some(components) = &components {
        dir.write(LOADINGS, &components.csv(&data_names))?;
    }
    if let (Some(prepared), Some(column), false) = (kept, &c.cross_validate, fitted.stopped) {
        summary.cross_validation = Some(cross_validate(
            ops,
            &prepared,
            &folds,
            column,
            &split_settings,
            &settings,
            c.reconstruct,
            &stop,
            reporter,
        )?);
        write_results(dir, &fitted, &test, &predicted, &summary, config)?;
    }
    if fitted.stopped {
        let then = if checkpoint.is_file() {
            "; --resume goes on from the last checkpoint"
        } else {
            ""
        };
        reporter.say(&format!(
            "stopped: the results are those of the best model so far{then}"
        ));
    } else {
        dir.forget_checkpoint();
    }
    reporter.say(&format!("done in {:.1} s", begin.elapsed().as_secs_f64()));
    let text = if args.json {
        serde_json::to_string(&summary).unwrap_or_default() + "\n"
    } else {
        summary.table()
    };
    Ok(Outcome {
        text,
        stopped: stop.load(Ordering::Relaxed),
    })
}

/// Adds the components of the training cells to the tasks, where a reconstruction is asked for.
pub(super) fn with_components(
    data: &mut TrainingData,
    n: Option<usize>,
    seed: u64,
) -> Result<Option<Components>, DataError> {
    let Some(n) = n else {
        return Ok(None);
    };
    let components = Components::new(data, n, seed)?;
    data.tasks.extend(components.tasks(data));
    Ok(Some(components))
}

/// The settings of the run in --out; what stands on the command line must agree with them.
fn resumed(args: &TrainArgs, given: &[String]) -> Result<TrainConfig, Failure> {
    let path = args.out.join("config.json");
    let broken = |what: String| Failure {
        what,
        hint: "start anew without --resume".into(),
    };
    let bytes = std::fs::read(&path)
        .map_err(|e| broken(format!("{} cannot be read: {e}", path.display())))?;
    let saved: Value =
        serde_json::from_slice(&bytes).map_err(|e| broken(format!("{}: {e}", path.display())))?;
    let config: TrainConfig = serde_json::from_value(saved["settings"].clone())
        .map_err(|e| broken(format!("{}: {e}", path.display())))?;
    let (old, new) = (plain(&config), plain(&args.config));
    for name in given {
        let name = name.strip_prefix("no_").unwrap_or(name);
        if let (Some(a), Some(b)) = (old.get(name), new.get(name))
            && a != b
        {
            let flag = name.replace('_', "-");
            return Err(broken(format!(
                "--{flag} was {a} in the run to resume ({}), and is {b} now",
                show(&path)
            )));
        }
    }
    Ok(config)
}

/// As JSON, through text, so that an f32 keeps its short decimals.
fn plain(value: &impl serde::Serialize) -> Value {
    let text = serde_json::to_string(value).ok();
    text.and_then(|t| serde_json::from_str(&t).ok())
        .unwrap_or(Value::Null)
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

/// A flag that the first Ctrl-C (or TERM) sets; the second one ends the program.
fn stop_on_signal() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // where no handler can be set, Ctrl-C ends the program and the checkpoint stays
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    stop
}
