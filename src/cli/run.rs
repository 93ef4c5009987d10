//! `yoto-gpu train`: the stages in order, and one sentence with a hint where one fails.
use super::cross::cross_validate;
use super::place::is_stdout;
use super::progress::Reporter;
use super::ready::ready;
use super::signals::Signals;
use super::stages::{self, Trained, Work, on_device, plain};
use super::train::{TrainArgs, TrainConfig};
use crate::data::cells::TrainingData;
use crate::error::{DataError, DeviceError, ModelError, OutputError, TrainError};
use crate::gpu::pick;
use crate::ops::Ops;
use crate::report::files::{CHECKPOINT, Claim, RunDir};
use crate::report::repeats::Repeats;
use crate::report::summary::Summary;
use crate::train;
use crate::train::contest::contested;
use crate::train::settings::{Fit, Settings};
use serde_json::Value;
use std::sync::atomic::Ordering;
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

/// Runs `train`. `given`: names of the settings that stand on the command line.
///
/// # Errors
/// Whatever a stage finds, as a sentence and a hint.
pub fn run(mut args: TrainArgs, given: &[String], signals: &Signals) -> Result<Outcome, Failure> {
    let begin = Instant::now();
    args.config.source.filters.read_lists()?;
    if args.resume && is_stdout(&args.output.out) {
        return Err(Failure {
            what: "--resume with --out -, which keeps nothing".into(),
            hint: "name the directory of the run to go on with".into(),
        });
    }
    if args.resume {
        args.config = resumed(&args, given)?;
    }
    let mut reporter = Reporter::new(args.output.quiet);
    stages::set_threads(args.output.threads)?;
    let claim = match (args.output.force, args.resume) {
        (_, true) => Claim::Resume,
        (true, _) => Claim::Force,
        _ => Claim::New,
    };
    let device = pick(&args.config.network.device)?;
    args.output.with_directory("panel.csv", |out| {
        let dir = RunDir::claim(out, claim)?.repeated_by(stages::command(), claim);
        let work = Train {
            args: &args,
            dir: &dir,
            signals,
            begin,
        };
        let outcome = on_device(device, &mut reporter, work);
        if outcome.is_err() {
            dir.abandon();
        }
        outcome
    })
}

struct Train<'a> {
    args: &'a TrainArgs,
    dir: &'a RunDir,
    signals: &'a Signals,
    begin: Instant,
}

impl Work for Train<'_> {
    fn run<O: Ops>(self, ops: &mut O, reporter: &mut Reporter) -> Result<Outcome, Failure> {
        let Self {
            args,
            dir,
            signals,
            begin,
        } = self;
        let (c, output) = (&args.config, &args.output);
        let k = c.genes.sizes()[0];
        let mut ready = ready(ops, &c.source, &c.network, k, dir.path(), reporter)?;
        let config = &ready.config(c);
        let (settings, notice) = settings(c, &ready.data, None)?;
        ready.announce(&ops.info(), reporter);
        notice.iter().for_each(|n| reporter.note(n));
        let stop = signals.training();
        if !args.resume && contested(&settings, &ready.data) {
            reporter.say(
                "few training cells: two ways to the panel are compared first, on folds of them",
            );
        }
        let checkpoint = dir.join(CHECKPOINT);
        // nothing of an earlier run is touched before the first epoch is done
        let mut begun = args.resume.then_some(Ok(()));
        let fitted = train::panels::fit_panels(
            ops,
            &ready.data,
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
        if stages::untrained(fits) {
            return Ok(stages::nothing(dir, reporter));
        }
        let main = if c.genes.auto() {
            smallest(fits, c.tolerance)
        } else {
            0
        };
        let agreement = trained.agreements.get(main);
        let repeats = agreement.map(|a| Repeats::new(a, &ready.data, c.network.seed));
        match begun {
            Some(result) => result?,
            None => {
                dir.forget_checkpoint();
                dir.begin(config)?;
            }
        }
        let stopped = fits.iter().any(|f| f.stopped);
        let size = fits[main].model.genes.len();
        let folds = ready.folds.take().filter(|_| !stopped);
        let run = Trained {
            dir,
            out: output.out.display().to_string(),
            fits,
            main,
            repeats,
            rules: &settings.rules,
            limits: c.flags.limits(c.rules.max_mean, ready.data.transform),
            config,
        };
        let device = ops.info();
        let summaries = stages::results(ready, &device, c.network.seed, &[run], |_| {
            let Some(folds) = &folds else {
                return Ok(None);
            };
            let settings = |data: &TrainingData| Ok(self::settings(c, data, Some(size))?.0);
            let reconstruct = c.source.reconstruct;
            cross_validate(ops, folds, &settings, reconstruct, &stop, reporter).map(Some)
        })?;
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
        stages::done(begin, c.network.memory, reporter);
        let text = |s: &Summary| {
            if output.json {
                stages::json(s)
            } else {
                s.table()
            }
        };
        Ok(Outcome {
            text: summaries.iter().map(text).collect(),
            stopped: stop.load(Ordering::Relaxed),
        })
    }
}

/// The settings of a run on this data: sizes that its genes allow, rules over its genes. `chosen`: the size that `auto`
/// has come to, if it has. With them, what the user should know of the sizes.
fn settings(
    c: &TrainConfig,
    data: &TrainingData,
    chosen: Option<usize>,
) -> Result<(Settings, Option<String>), DataError> {
    let mut settings = c.settings();
    if let (true, Some(k)) = (c.genes.auto(), chosen) {
        (settings.genes, settings.nested) = (k, Vec::new());
    } else if c.genes.auto() {
        let sizes = c.genes.sizes().iter().copied();
        let n = data.gene_names.len();
        let mut sizes: Vec<usize> = sizes.filter(|&k| k <= n).collect();
        if n < c.genes.sizes()[0] && sizes.first() != Some(&n) {
            sizes.insert(0, n);
        }
        settings.genes = sizes.remove(0);
        settings.nested = sizes;
        if data.n_validation == 0 {
            return Err(DataError::new(
                "--genes auto has no validation cells to choose by",
                "raise --validation-fraction, or say how many genes",
            ));
        }
    }
    train::check(data, &settings)?;
    let rules = c.rules.rules(data)?;
    let notice = train::lab::apply(&mut settings, data, rules, c.genes.auto())?;
    Ok((settings, notice))
}

/// The smallest panel whose validation score is within `tolerance` of the best one's.
fn smallest(fits: &[Fit], tolerance: f64) -> usize {
    let score = |f: &Fit| f.best_score.unwrap_or(f64::NEG_INFINITY);
    let best = fits.iter().map(score).fold(f64::NEG_INFINITY, f64::max);
    let good = (0..fits.len()).filter(|&i| score(&fits[i]) >= best - tolerance);
    good.min_by_key(|&i| fits[i].model.genes.len()).unwrap_or(0)
}

/// The settings of the run in --out; what stands on the command line must agree with them.
fn resumed(args: &TrainArgs, given: &[String]) -> Result<TrainConfig, Failure> {
    let path = args.output.out.join("config.json");
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
    // some flags stand together in an object of their own
    fn setting<'a>(all: &'a Value, name: &str) -> Option<&'a Value> {
        let within = || all.as_object()?.values().find_map(|v| v.get(name));
        all.get(name).or_else(within)
    }
    for name in given {
        let name = name.strip_prefix("no_").unwrap_or(name);
        if let (Some(a), Some(b)) = (setting(&old, name), setting(&new, name))
            && a != b
        {
            let flag = name.replace('_', "-");
            return Err(broken(format!(
                "--{flag} was {a} in the run to resume ({}), and is {b} now",
                path.display()
            )));
        }
    }
    Ok(config)
}
