//! `yoto-gpu evaluate-panel`: networks on panels that are given, under the split and with the report of
//! `train`.
use super::cross::cross_validate;
use super::flags::FlagArgs;
use super::network::NetworkArgs;
use super::output::OutputArgs;
use super::panel_choice::{GivenPanel, PanelChoice};
use super::progress::Reporter;
use super::ready::{Ready, ready};
use super::run::{Failure, Outcome};
use super::signals::Signals;
use super::source::SourceArgs;
use super::stages::{self, Trained, Work, on_device};
use crate::data::cells::TrainingData;
use crate::data::lookup::Lookup;
use crate::error::{DataError, OutputError};
use crate::gpu::pick;
use crate::ops::Ops;
use crate::report::comparison;
use crate::report::files::{COMPARISON, Claim, FILES, RunDir};
use crate::report::summary::Summary;
use crate::train;
use crate::train::settings::{Fit, Settings};
use clap::Args;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Flags of `evaluate-panel`.
#[derive(Clone, Debug, Args)]
#[command(
    mut_arg("include_genes", |a| a.hide(true)),
    after_help = "Examples:
  yoto-gpu evaluate-panel pbmc.h5ad --label cell_type --panel published.txt --out published
  yoto-gpu evaluate-panel pbmc.h5ad --label cell_type --panel run/panel.csv --panel hvg:32 --panel markers:32 \\
    --panel random:32 --out compared"
)]
pub struct EvaluatePanelArgs {
    /// What decides the result.
    #[command(flatten)]
    pub config: EvaluatePanelConfig,
    /// Where the result goes; of several panels each in a directory of its own there.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What decides the result of `evaluate-panel`.
#[derive(Clone, Debug, PartialEq, Args, Serialize)]
pub struct EvaluatePanelConfig {
    /// Data, tasks and split.
    #[command(flatten)]
    #[serde(flatten)]
    pub source: SourceArgs,
    /// Genes: a file (a name a line, or a table with a column `gene`, such as a panel.csv), or K genes chosen
    /// on the training cells, the most variable ones (hvg:K, as scanpy's default flavour), markers of each
    /// class in turn (markers:K, Wilcoxon) or random ones (random:K); repeat to compare
    #[arg(
        long,
        value_name = "FILE|WAY:K",
        required = true,
        help_heading = "Panel and network"
    )]
    pub panel: Vec<PanelChoice>,
    /// Go on without genes of a file that the data has not, or that do not vary
    #[arg(long, help_heading = "Panel and network")]
    pub skip_missing: bool,
    /// Flag genes (`too high` in panel.csv) whose highest class mean is above; bars none [default: 100 where X
    /// holds counts, per 10,000]
    #[arg(long, value_name = "X", help_heading = "Output")]
    pub max_mean: Option<f32>,
    /// Bounds of flags.
    #[command(flatten)]
    pub flags: FlagArgs,
    /// Network, training and device.
    #[command(flatten)]
    #[serde(flatten)]
    pub network: NetworkArgs,
}

impl EvaluatePanelConfig {
    /// Fills in what follows from other flags.
    ///
    /// # Errors
    /// A combination that makes no sense, as a sentence for the user (wrong usage).
    pub fn resolve(&mut self) -> Result<(), String> {
        if !self.source.filters.include_genes.is_empty() {
            return Err(
                "--include-genes makes no sense here: the panel is given by --panel".into(),
            );
        }
        self.source.resolve(false)
    }
}

/// Runs `evaluate-panel`.
///
/// # Errors
/// Whatever a stage finds, as a sentence and a hint.
pub fn run(mut args: EvaluatePanelArgs, signals: &Signals) -> Result<Outcome, Failure> {
    let begin = Instant::now();
    let (c, output) = (&mut args.config, &args.output);
    c.source.filters.read_lists()?;
    let mut reporter = Reporter::new(output.quiet);
    stages::set_threads(output.threads)?;
    let panels = c.panel.iter().map(|p| GivenPanel::read(p, c.skip_missing));
    let panels = panels.collect::<Result<Vec<_>, _>>()?;
    let device = pick(&c.network.device)?;
    let claim = if output.force {
        Claim::Force
    } else {
        Claim::New
    };
    let table = if panels.len() > 1 {
        COMPARISON
    } else {
        "panel.csv"
    };
    args.output.with_directory(table, |out| {
        let dir = RunDir::claim(out, claim)?.repeated_by(stages::command(), claim);
        let work = EvaluatePanel {
            args: &args,
            panels: &panels,
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

struct EvaluatePanel<'a> {
    args: &'a EvaluatePanelArgs,
    panels: &'a [GivenPanel],
    dir: &'a RunDir,
    signals: &'a Signals,
    begin: Instant,
}

impl Work for EvaluatePanel<'_> {
    fn run<O: Ops>(self, ops: &mut O, reporter: &mut Reporter) -> Result<Outcome, Failure> {
        let (c, output, panels) = (&self.args.config, &self.args.output, self.panels);
        let place = self.dir.path();
        let k = panels.iter().map(GivenPanel::size).max().unwrap_or(0);
        let data = ready(ops, &c.source, &c.network, k, place, reporter)?;
        // all panels are looked up before the first is trained
        let called = Lookup::new(&data.var_names, &data.gene_ids);
        let mut sizes = Vec::with_capacity(panels.len());
        for panel in panels {
            let (settings, notices) = settings(c, panel, &data.data, &called)?;
            let notices = panel.notices.iter().chain(&notices);
            notices.for_each(|n| reporter.note(n));
            sizes.push(settings.genes);
        }
        data.announce(&ops.info(), reporter);
        // values are clipped by whether a panel has genes to spare: each as if it were the only one
        let n_out: usize = data.data.tasks.iter().map(|t| t.kind.width()).sum();
        let spares = |k: usize| n_out <= c.network.recipe.spare_outputs(k);
        let (like, others): (Vec<usize>, Vec<usize>) =
            (0..panels.len()).partition(|&i| spares(sizes[i]) == spares(k));
        let stop = self.signals.training();
        let config = data.config(c);
        let mut begun = false;
        let mut begin = || match std::mem::replace(&mut begun, true) {
            true => Ok(()),
            false => self.dir.begin(&config),
        };
        let mut done = self.train(ops, data, &like, &mut begin, &stop, reporter)?;
        if let (Some(&i), false) = (others.first(), stop.load(Ordering::Relaxed)) {
            let data = ready(ops, &c.source, &c.network, sizes[i], place, reporter)?;
            done.extend(self.train(ops, data, &others, &mut begin, &stop, reporter)?);
        }
        if done.is_empty() {
            return Ok(stages::nothing(self.dir, reporter));
        }
        done.sort_by_key(|d| d.panel);
        let stopped = done.len() < panels.len() || done.iter().any(|d| d.stopped);
        let name = |i: usize| panels[i].choice.to_string();
        let rows: Vec<_> = done
            .into_iter()
            .map(|d| (name(d.panel), d.summary))
            .collect();
        let several = panels.len() > 1;
        if several {
            self.dir.write(COMPARISON, &comparison::csv(&rows)?)?;
        }
        if stopped {
            reporter.say("stopped: the results are those of the best models so far");
        }
        stages::done(self.begin, c.network.memory, reporter);
        let text = match (several, output.json) {
            (false, false) => rows.iter().map(|(_, s)| s.table()).collect(),
            (false, true) => rows.iter().map(|(_, s)| stages::json(s)).collect(),
            (true, false) => comparison::text(&rows, &output.out),
            (true, true) => stages::json(&comparison::object(&rows)),
        };
        Ok(Outcome {
            text,
            stopped: stop.load(Ordering::Relaxed),
        })
    }
}

/// A panel that was evaluated.
struct Done {
    /// Which one.
    panel: usize,
    summary: Summary,
    /// Whether its training was stopped.
    stopped: bool,
}

impl EvaluatePanel<'_> {
    /// Trains and tests some of the panels on data that were prepared for them, until `stop` is set. `begin` is called
    /// before anything is written.
    fn train<O: Ops>(
        &self,
        ops: &mut O,
        mut ready: Ready,
        members: &[usize],
        begin: &mut dyn FnMut() -> Result<(), OutputError>,
        stop: &AtomicBool,
        reporter: &mut Reporter,
    ) -> Result<Vec<Done>, Failure> {
        let (c, panels, several) = (&self.args.config, self.panels, self.panels.len() > 1);
        let (var_names, gene_ids) = (ready.var_names.clone(), ready.gene_ids.clone());
        let called = Lookup::new(&var_names, &gene_ids);
        let (mut fits, mut all) = (Vec::new(), Vec::new());
        for &i in members {
            let (settings, _) = settings(c, &panels[i], &ready.data, &called)?;
            reporter.say(&format!("{}: {} genes", panels[i].choice, settings.genes));
            let fit = train::fit(ops, &ready.data, &settings, None, false, stop, &mut |p| {
                reporter.epoch(p);
            });
            reporter.done();
            fits.push([fit?]);
            all.push(settings);
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        // the last one, where it was stopped before its first step
        fits.retain(|fit| !stages::untrained(fit));
        if fits.is_empty() {
            return Ok(Vec::new());
        }
        begin()?;
        let labels = labels(panels);
        let (mut dirs, mut configs, mut outs) = (Vec::new(), Vec::new(), Vec::new());
        for &i in &members[..fits.len()] {
            let config = ready.config(&EvaluatePanelConfig {
                panel: vec![panels[i].choice.clone()],
                ..c.clone()
            });
            let (dir, out) = if several {
                (
                    self.dir.within(&labels[i])?,
                    self.args.output.out.join(&labels[i]),
                )
            } else {
                (self.dir.clone(), self.args.output.out.clone())
            };
            dir.begin(&config)?;
            dirs.push(dir);
            configs.push(config);
            outs.push(out.display().to_string());
        }
        let stopped = fits.iter().any(|f| f[0].stopped);
        let folds = ready.folds.take().filter(|_| !stopped);
        let device = ops.info();
        let limits = c.flags.limits(c.max_mean, ready.data.transform);
        let run = |n: usize| Trained {
            dir: &dirs[n],
            out: outs[n].clone(),
            fits: &fits[n],
            main: 0,
            repeats: None,
            rules: &all[n].rules,
            limits,
            config: &configs[n],
        };
        let runs: Vec<Trained> = (0..fits.len()).map(run).collect();
        let summaries = stages::results(ready, &device, c.network.seed, &runs, |n| {
            let Some(folds) = &folds else {
                return Ok(None);
            };
            let panel = &panels[members[n]];
            let settings = |data: &TrainingData| Ok(self::settings(c, panel, data, &called)?.0);
            let reconstruct = c.source.reconstruct;
            cross_validate(ops, folds, &settings, reconstruct, stop, reporter).map(Some)
        })?;
        let done = |((&panel, fit), summary): ((&usize, &[Fit; 1]), Summary)| Done {
            panel,
            summary,
            stopped: fit[0].stopped,
        };
        Ok(members.iter().zip(&fits).zip(summaries).map(done).collect())
    }
}

/// The settings of a network on a panel, and what the user should know of the panel.
fn settings(
    c: &EvaluatePanelConfig,
    panel: &GivenPanel,
    data: &TrainingData,
    called: &Lookup,
) -> Result<(Settings, Vec<String>), DataError> {
    let (genes, notices) = panel.genes(data, called, c.network.seed)?;
    let settings = Settings {
        genes: genes.len(),
        panel: Some(genes),
        ..c.network.settings(&c.source.task_weight)
    };
    train::check(data, &settings)?;
    Ok((settings, notices))
}

/// Names of the directories of panels: all different, also where capitals do not count, and no result file's.
fn labels(panels: &[GivenPanel]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::with_capacity(panels.len());
    for panel in panels {
        let own = panel.label();
        let numbered = (2..).map(|n| format!("{own}-{n}"));
        let free = std::iter::once(own.clone()).chain(numbered);
        let taken = |label: &String| {
            let same = |other: &str| other.eq_ignore_ascii_case(label);
            labels.iter().any(|l| same(l)) || FILES.iter().any(|f| same(f))
        };
        let label = free.into_iter().find(|l| !taken(l));
        labels.extend(label);
    }
    labels
}
