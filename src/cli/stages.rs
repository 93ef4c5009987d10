//! The stages that every subcommand that trains goes through: device, data and split, results.
use super::network::NetworkArgs;
use super::progress::Reporter;
use super::run::{Failure, Outcome};
use super::source::SourceArgs;
use crate::data::budget::{self, Bytes};
use crate::data::cells::{SealedTest, TrainingData};
use crate::data::components::{Components, with_components};
use crate::data::dataset::Csr;
use crate::data::filter::Filters;
use crate::data::folds::{self, Fold};
use crate::data::gene_ids::GeneIds;
use crate::data::matrix::Matrix;
use crate::data::packed::MAX_PAGE_WORDS;
use crate::data::prepare::Prepared;
use crate::data::profile::Profile;
use crate::data::split::{SplitSettings, SplitSummary, split};
use crate::data::store::Room;
use crate::data::{self, demo, prepare};
use crate::error::DataError;
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
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
                reporter.say(
                    "note: YOTO_MATRIX is set, but the adapter has no cooperative matrices of 16 x 16 f16 \
                     in subgroups of 32, or they fail the self-test; dense layers stay in f32",
                );
            }
            work.run(&mut *gpu, reporter)
        }
        Pick::Cpu { note } => {
            if let Some(note) = note {
                reporter.say(&format!("note: {note}"));
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

/// Data that can be trained on, and what was set apart of it.
pub(super) struct Ready {
    /// Path as the user wrote it, or `demo`.
    pub path: String,
    /// All genes of the file.
    pub var_names: Vec<String>,
    pub gene_ids: GeneIds,
    pub data: TrainingData,
    pub sealed: SealedTest,
    pub summary: SplitSummary,
    pub components: Option<Components>,
    /// What `--cross-validate` needs.
    pub folds: Option<Folds>,
    /// The limit of memory, where cells stream from the disk.
    streamed: Option<Bytes>,
}

/// The data of a cross-validation, and its folds.
pub(super) struct Folds {
    pub column: String,
    pub prepared: Prepared,
    pub folds: Vec<Fold>,
    pub split: SplitSettings,
}

/// Reads, prepares and splits the data for panels of up to `k` genes. `out`: where cells go that do not fit into memory.
pub(super) fn ready<O: Ops>(
    ops: &O,
    source: &SourceArgs,
    network: &NetworkArgs,
    k: usize,
    out: &Path,
    reporter: &Reporter,
) -> Result<Ready, Failure> {
    let c = source;
    let columns = c.columns();
    let free = || crate::bench::host::free_memory().map(|free| Bytes(free / 5 * 4));
    let limit = network.memory.or_else(free);
    let (dataset, x) = match &c.data {
        Some(path) => data::open_rows(path, &c.reading.options(columns), &|n_obs, n_vars, nnz| {
            room(limit, out, (n_obs, n_vars, nnz))
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
    let tell = |notices: &[String]| {
        let notes = notices.iter().map(|n| format!("note: {n}"));
        notes.for_each(|n| reporter.say(&n));
    };
    tell(&dataset.notices);
    let prepared = prepare::prepare_matrix(dataset, x, &c.label, &c.regress, c.input)?;
    tell(&prepared.notices);
    let path = prepared.path.clone();
    let (var_names, gene_ids) = (prepared.var_names.clone(), prepared.gene_ids.clone());
    let split_settings = SplitSettings {
        seed: network.seed,
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
        spare_outputs: network.recipe.spare_outputs(k),
        windows,
    };
    let folds = match &c.cross_validate {
        Some(column) => Some(Folds {
            column: column.clone(),
            folds: folds::leave_one_out(&prepared, column, &split_settings)?,
            prepared: prepared.clone(),
            split: split_settings.clone(),
        }),
        None => None,
    };
    let (mut data, sealed, summary) = split(prepared, &split_settings)?;
    tell(&summary.notices);
    let components = with_components(&mut data, c.reconstruct, network.seed)?;
    if let Some(stream) = &data.stream {
        reporter.say(&format!(
            "note: the cells stream from {}, in windows of up to {} steps; statistics are of {} of {} \
             training cells and {} of {} validation cells",
            out.display(),
            stream.window_steps(usize::try_from(network.batch_size).unwrap_or(usize::MAX)),
            data.n_train,
            summary.train,
            data.n_validation,
            summary.validation,
        ));
    }
    Ok(Ready {
        path,
        var_names,
        gene_ids,
        data,
        sealed,
        summary,
        components,
        folds,
        streamed: limit.filter(|_| on_disk),
    })
}

impl Ready {
    /// Says what is trained on, and where.
    pub(super) fn announce(&self, device: &DeviceInfo, reporter: &Reporter) {
        reporter.say(&format!(
            "{}: {} cells x {} genes, {} considered; training on {}",
            self.path,
            self.summary.n_obs,
            self.summary.n_vars,
            self.data.gene_names.len(),
            device.name
        ));
    }

    /// The settings, and what the filters made of them, for `config.json` and the model.
    pub(super) fn config(&self, settings: &impl serde::Serialize) -> Value {
        let mut config = plain(&Config {
            version: env!("CARGO_PKG_VERSION"),
            settings: plain(settings),
            filters: &self.summary.filters,
        });
        if let Some(limit) = self.streamed {
            // the windows follow from it, so that a run can be resumed whatever is free then
            config["settings"]["memory"] = limit.0.into();
        }
        config
    }
}

/// `config.json`.
#[derive(serde::Serialize)]
struct Config<'a> {
    version: &'static str,
    settings: Value,
    filters: &'a Filters,
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
    let profiles = Profile::all(&data);
    let order = |run: &Trained, fit: &Fit| {
        let how = HowOrdered {
            ids: &gene_ids,
            rules: run.rules,
            limits: run.limits,
        };
        Order::new(fit, &data, &profiles, &how)
    };
    let orders = trained
        .iter()
        .flat_map(|t| t.fits.iter().map(move |f| (t, f)));
    let orders: Vec<Order> = orders.map(|(t, f)| order(t, f)).collect();
    drop(profiles);
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

/// Where the values of X go under a limit of memory.
fn room(
    limit: Option<Bytes>,
    out: &Path,
    (n_obs, n_vars, nnz): (usize, usize, usize),
) -> Result<Room, DataError> {
    match limit {
        Some(limit) if budget::in_memory(n_obs, n_vars, nnz) > limit.0 => {
            let windows = budget::windows(limit, n_obs, n_vars).map_err(|least| {
                DataError::new(
                    format!("{limit} of memory are too little for {n_obs} cells x {n_vars} genes"),
                    format!("give at least {least} (--memory)"),
                )
            })?;
            Ok(Room::File {
                dir: out.into(),
                // no window is there yet
                turning: 2 * windows.window,
            })
        }
        _ => Ok(Room::Memory),
    }
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

/// A flag that the first Ctrl-C (or TERM) sets; the second one ends the program.
pub(super) fn stop_on_signal() -> Arc<AtomicBool> {
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

/// The command line as it was given, for a POSIX shell.
pub(super) fn command() -> String {
    let args = std::env::args_os().skip(1);
    let args = args.map(|a| quoted(&a.to_string_lossy()));
    let all: Vec<String> = std::iter::once("yoto-gpu".into()).chain(args).collect();
    all.join(" ")
}
