//! `yoto-gpu train`: the stages in order, and one sentence with a hint where one fails.
use super::cross::cross_validate;
use super::progress::Reporter;
use super::train::{TrainArgs, TrainConfig};
use crate::data::budget::{self, Bytes};
use crate::data::components::with_components;
use crate::data::dataset::Csr;
use crate::data::filter::Filters;
use crate::data::matrix::Matrix;
use crate::data::packed::MAX_PAGE_WORDS;
use crate::data::split::{SplitSettings, split};
use crate::data::store::Room;
use crate::data::{self, demo, folds, prepare};
use crate::error::{DataError, DeviceError, ModelError, OutputError, TrainError};
use crate::gpu::{Pick, matrix_is_wanted, pick};
use crate::ops::Ops;
use crate::report::batches::BatchScores;
use crate::report::files::{CHECKPOINT, Claim, LOADINGS, Panel, RunDir, write_results};
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
failure_from!(DataError, DeviceError, ModelError, OutputError, TrainError);

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

/// Runs `train`. `given`: names of the settings that stand on the command line.
///
/// # Errors
/// Whatever a stage finds, as a sentence and a hint.
pub fn run(mut args: TrainArgs, given: &[String]) -> Result<Outcome, Failure> {
    let begin = Instant::now();
    args.config.filters.read_lists()?;
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
        Pick::Gpu(mut gpu) => {
            if matrix_is_wanted() && !gpu.uses_matrices() {
                reporter.say(
                    "note: YOTO_MATRIX is set, but the adapter has no cooperative matrices of 16 x 16 f16 \
                     in subgroups of 32, or they fail the self-test; dense layers stay in f32",
                );
            }
            with_device(&mut *gpu, &args, &dir, &config, &mut reporter, begin)
        }
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
    let free = || crate::bench::host::free_memory().map(|free| Bytes(free / 5 * 4));
    let limit = c.memory.or_else(free);
    let (dataset, x) = match &c.data {
        Some(path) => data::open_rows(path, &c.reading.options(columns), &|n_obs, n_vars, nnz| {
            room(limit, args, (n_obs, n_vars, nnz))
        })?,
        None => {
            let mut dataset = demo::dataset(&columns)?;
            let x = std::mem::replace(&mut dataset.x, Csr::zeros(0, 0));
            (dataset, Matrix::Csr(x))
        }
    };
    let on_disk = matches!(&x, Matrix::Store(store) if store.on_disk());
    let windows = limit
        .filter(|_| on_disk)
        .and_then(|limit| budget::windows(limit, x.n_obs(), x.n_vars()).ok());
    dataset
        .notices
        .iter()
        .for_each(|n| reporter.say(&format!("note: {n}")));
    let prepared = prepare::prepare_matrix(dataset, x, &c.label, &c.regress, c.input)?;
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
        page_words: ops.max_elements().min(MAX_PAGE_WORDS),
        min_genes: c.filters.min_genes,
        rare_classes: c.filters.rare_classes,
        genes: c.filters.genes(),
        windows,
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
    if let Some(stream) = &data.stream {
        reporter.say(&format!(
            "note: the cells stream from {}, in windows of up to {} steps; statistics are of {} of {} \
             training cells and {} of {} validation cells",
            args.out.display(),
            stream.window_steps(usize::try_from(c.batch_size).unwrap_or(usize::MAX)),
            data.n_train,
            summary.train,
            data.n_validation,
            summary.validation,
        ));
    }
    let streamed = limit.filter(|_| on_disk);
    let config = &with_filters(config, &summary.filters, streamed);
    let mut settings = c.settings();
    if c.genes.auto() {
        let sizes = c.genes.sizes().iter().copied();
        let mut sizes = sizes.filter(|&k| k <= data.gene_names.len());
        settings.genes = sizes.next().unwrap_or(1);
        settings.nested = sizes.collect();
        if data.n_validation == 0 {
            return Err(DataError::new(
                "--genes auto has no validation cells to choose by",
                "raise --validation-fraction, or say how many genes",
            )
            .into());
        }
    }
    train::check(&data, &settings)?;
    train::lab::apply(&mut settings, &data, c.rules.rules(&data)?)?;
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
    let fitted = train::panels::fit_panels(
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
    let trained = fitted?;
    let fits = &trained.fits;
    let main = if c.genes.auto() {
        smallest(fits, c.tolerance)
    } else {
        0
    };
    let agreement = trained.agreements.get(main);
    let repeats = agreement.map(|a| Repeats::new(a, &data, c.seed));
    match begun {
        Some(result) => result?,
        None => {
            dir.forget_checkpoint();
            dir.begin(config)?;
        }
    }
    let separations = fits.iter().map(|f| explain::separation(&f.model, &data));
    let separations: Vec<_> = separations.collect();
    let links = hierarchy::links(&data);
    let data_names = std::mem::take(&mut data.gene_names);
    drop(data);
    let mut panel: Vec<u32> = fits
        .iter()
        .flat_map(|f| f.model.genes.iter().map(|g| g.index))
        .collect();
    panel.sort_unstable();
    panel.dedup();
    let mut test = sealed.open(Some(&panel))?;
    if let Some(components) = &components {
        components.add_to_test(&mut test);
    }
    let panels = fits.iter().zip(separations);
    let panels: Vec<Panel> = panels.map(|(f, s)| Panel::new(f, s, &test)).collect();
    let out = args.out.display().to_string();
    let device = ops.info();
    let mut summary = Summary::new(
        &panels, main, device, &path, &summary, c.seed, repeats, &out,
    );
    let (fitted, predicted) = (panels[main].fit, &panels[main].predicted);
    summary.batches = BatchScores::new(&fitted.model, &test, predicted);
    summary.hierarchy = hierarchy::consistency(&links, predicted);
    write_results(dir, &panels, main, &test, &summary, config)?;
    if let Some(components) = &components {
        dir.write(LOADINGS, &components.csv(&data_names))?;
    }
    let stopped = fits.iter().any(|f| f.stopped);
    if let (Some(prepared), Some(column), false) = (kept, &c.cross_validate, stopped) {
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
        write_results(dir, &panels, main, &test, &summary, config)?;
    }
    if stopped {
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
    let peak =
        crate::bench::host::peak_memory().map(|peak| format!(", peak memory {}", Bytes(peak)));
    let of = c.memory.map(|limit| format!(" of {limit}"));
    reporter.say(&format!(
        "done in {:.1} s{}{}",
        begin.elapsed().as_secs_f64(),
        peak.unwrap_or_default(),
        of.unwrap_or_default()
    ));
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

/// The smallest panel whose validation score is within `tolerance` of the best one's.
fn smallest(fits: &[Fit], tolerance: f64) -> usize {
    let score = |f: &Fit| f.best_score.unwrap_or(f64::NEG_INFINITY);
    let best = fits.iter().map(score).fold(f64::NEG_INFINITY, f64::max);
    let good = (0..fits.len()).filter(|&i| score(&fits[i]) >= best - tolerance);
    good.min_by_key(|&i| fits[i].model.genes.len()).unwrap_or(0)
}

/// Where the values of X go under a limit of memory.
fn room(
    limit: Option<Bytes>,
    args: &TrainArgs,
    (n_obs, n_vars, nnz): (usize, usize, usize),
) -> Result<Room, DataError> {
    match limit {
        Some(limit) if budget::in_memory(n_obs, n_vars, nnz) > limit.0 => {
            budget::windows(limit, n_obs, n_vars).map_err(|least| {
                DataError::new(
                    format!("{limit} of memory are too little for {n_obs} cells x {n_vars} genes"),
                    format!("give at least {least} (--memory)"),
                )
            })?;
            Ok(Room::File(args.out.clone()))
        }
        _ => Ok(Room::Memory),
    }
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

/// The settings, and what the filters made of them, for `config.json` and the model.
fn with_filters(config: &Value, filters: &Filters, streamed: Option<Bytes>) -> Value {
    let mut config = config.clone();
    if let Some(limit) = streamed {
        // the windows follow from it, so that a run can be resumed whatever is free then
        config["settings"]["memory"] = limit.0.into();
    }
    if let Value::Object(fields) = &mut config {
        fields.insert("filters".into(), plain(filters));
    }
    config
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
