//! The stages that every subcommand that trains goes through, but for its data: device and results.
use super::progress::Reporter;
use super::ready::Ready;
use super::run::{Failure, Outcome};
use crate::data::budget::Bytes;
use crate::gpu::{Pick, matrix_is_wanted};
use crate::markup::quoted;
use crate::ops::{DeviceInfo, Ops};
use crate::report::batches::BatchScores;
use crate::report::cross::CrossValidation;
use crate::report::files::{LOADINGS, Panel, RunDir, write_results};
use crate::report::gene_flags::Limits;
use crate::report::order::{Order, Ordering as HowOrdered};
use crate::report::repeats::Repeats;
use crate::report::summary::Summary;
use crate::report::{explain, hierarchy};
use crate::train::rules::Rules;
use crate::train::settings::Fit;
use serde_json::Value;
use std::time::Instant;

/// What is done on a device, of whatever kind it is.
pub(super) trait Work: Send {
    fn run<O: Ops>(self, ops: &mut O, reporter: &mut Reporter) -> Result<Outcome, Failure>;
}

/// Does the work on the device that was picked.
pub(super) fn on_device(
    device: Pick,
    reporter: &mut Reporter,
    work: impl Work,
) -> Result<Outcome, Failure> {
    match device {
        Pick::Gpu(mut gpu) => {
            if matrix_is_wanted() && !gpu.uses_matrices() {
                reporter.note(
                    "YOTO_MATRIX is set, but the adapter has no cooperative matrices of 16 x 16 f16 \
                     in subgroups of 32, or they fail the self-test; dense layers stay in f32",
                );
            }
            work.run(&mut *gpu, reporter)
        }
        Pick::Cpu { note } => {
            if let Some(note) = note {
                reporter.note(&note);
            }
            let mut cpu = crate::cpu::Cpu::<f32>::default();
            // inside the pool: work that comes from outside would be queued on the heap, step by step
            rayon::scope(|_| work.run(&mut cpu, reporter))
        }
    }
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

/// Networks that are trained, and where their results go.
pub(super) struct Trained<'a> {
    pub dir: &'a RunDir,
    /// As the user wrote the directory.
    pub out: String,
    /// A network a size.
    pub fits: &'a [Fit],
    /// The one whose results are those of the run.
    pub main: usize,
    pub repeats: Option<Repeats>,
    /// What the panels keep to.
    pub rules: &'a Rules,
    /// Bounds of the flags.
    pub limits: Limits,
    pub config: &'a Value,
}

/// Opens the test cells and writes all results, a directory each; `cross` gives the cross-validation
/// of each afterwards, if there is one.
pub(super) fn results(
    ready: Ready,
    device: &DeviceInfo,
    seed: u64,
    trained: &[Trained],
    mut cross: impl FnMut(usize) -> Result<Option<CrossValidation>, Failure>,
) -> Result<Vec<Summary>, Failure> {
    let Ready {
        path,
        mut data,
        sealed,
        summary: split,
        components,
        gene_ids,
        ..
    } = ready;
    let fits = || trained.iter().flat_map(|t| t.fits);
    let separations = fits().map(|f| explain::separation(&f.model, &data));
    let separations: Vec<_> = separations.collect();
    let order = |run: &Trained, fit: &Fit| {
        let how = HowOrdered {
            ids: &gene_ids,
            rules: run.rules,
            limits: run.limits,
        };
        Order::new(fit, &data, &how)
    };
    let orders = trained
        .iter()
        .flat_map(|t| t.fits.iter().map(move |f| (t, f)));
    let orders: Vec<Order> = orders.map(|(t, f)| order(t, f)).collect();
    let links = hierarchy::links(&data);
    let data_names = std::mem::take(&mut data.gene_names);
    drop(data);
    let genes = fits().flat_map(|f| f.model.genes.iter().map(|g| g.index));
    let mut genes: Vec<u32> = genes.collect();
    genes.sort_unstable();
    genes.dedup();
    let mut test = sealed.open(Some(&genes))?;
    if let Some(components) = &components {
        components.add_to_test(&mut test);
    }
    let mut measured = separations.into_iter().zip(orders);
    let mut summaries = Vec::with_capacity(trained.len());
    for (i, run) in trained.iter().enumerate() {
        let panels = run.fits.iter().zip(measured.by_ref());
        let panels = panels.map(|(f, (s, o))| Panel::new(f, s, &test).with_order(o));
        let panels: Vec<Panel> = panels.collect();
        let main = run.main;
        let mut summary = Summary::new(
            &panels,
            main,
            device.clone(),
            &path,
            &split,
            seed,
            run.repeats.clone(),
            &run.out,
        );
        let (fitted, predicted) = (panels[main].fit, &panels[main].predicted);
        summary.batches = BatchScores::new(&fitted.model, &test, predicted);
        summary.hierarchy = hierarchy::consistency(&links, predicted);
        write_results(run.dir, &panels, main, &test, &summary, run.config)?;
        if let Some(components) = &components {
            run.dir.write(LOADINGS, &components.csv(&data_names))?;
        }
        if let Some(figures) = cross(i)? {
            summary.cross_validation = Some(figures);
            write_results(run.dir, &panels, main, &test, &summary, run.config)?;
        }
        summaries.push(summary);
    }
    Ok(summaries)
}

/// Says how long a run took, and how much memory.
pub(super) fn done(begin: Instant, memory: Option<Bytes>, reporter: &Reporter) {
    let peak =
        crate::bench::host::peak_memory().map(|peak| format!(", peak memory {}", Bytes(peak)));
    let of = memory.map(|limit| format!(" of {limit}"));
    reporter.say(&format!(
        "done in {:.1} s{}{}",
        begin.elapsed().as_secs_f64(),
        peak.unwrap_or_default(),
        of.unwrap_or_default()
    ));
}

/// A result as `--json` prints it.
pub(super) fn json(result: &impl serde::Serialize) -> String {
    serde_json::to_string(result).unwrap_or_default() + "\n"
}

/// As JSON, through text, so that an f32 keeps its short decimals.
pub(super) fn plain(value: &impl serde::Serialize) -> Value {
    let text = serde_json::to_string(value).ok();
    text.and_then(|t| serde_json::from_str(&t).ok())
        .unwrap_or(Value::Null)
}

/// Whether training was stopped before its first step: what such networks say is not worth an earlier run's results.
pub(super) fn untrained(fits: &[Fit]) -> bool {
    fits.iter().all(|fit| fit.stopped && fit.steps == 0)
}

/// The outcome of a run of which nothing is kept.
pub(super) fn nothing(dir: &RunDir, reporter: &mut Reporter) -> Outcome {
    dir.abandon();
    reporter.say("stopped before the first step: nothing was written");
    Outcome {
        text: String::new(),
        stopped: true,
    }
}

/// The command line as it was given, for a POSIX shell.
pub(super) fn command() -> String {
    let args = std::env::args_os().skip(1);
    let args = args.map(|a| quoted(&a.to_string_lossy()));
    let all: Vec<String> = std::iter::once("yoto-gpu".into()).chain(args).collect();
    all.join(" ")
}
