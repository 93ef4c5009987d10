//! `yoto-gpu evaluate-panel`: networks on panels that are given, under the split and with the report of
//! `train`.
use super::cross::cross_validate;
use super::flags::FlagArgs;
use super::network::NetworkArgs;
use super::output::OutputArgs;
use super::panel_choice::{GivenPanel, PanelChoice};
use super::progress::Reporter;
use super::ready::ready;
use super::run::{Failure, Outcome};
use super::source::SourceArgs;
use super::stages::{self, Trained, Work, on_device, stop_on_signal};
use crate::data::cells::TrainingData;
use crate::error::DataError;
use crate::gpu::pick;
use crate::ops::Ops;
use crate::report::comparison;
use crate::report::files::{COMPARISON, Claim, RunDir};
use crate::train::{self, settings::Settings};
use clap::Args;
use serde::Serialize;
use std::sync::atomic::Ordering;
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
pub fn run(mut args: EvaluatePanelArgs) -> Result<Outcome, Failure> {
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
    begin: Instant,
}

impl Work for EvaluatePanel<'_> {
    fn run<O: Ops>(self, ops: &mut O, reporter: &mut Reporter) -> Result<Outcome, Failure> {
        let Self {
            args,
            panels,
            dir,
            begin,
        } = self;
        let (c, output) = (&args.config, &args.output);
        let k = panels.iter().map(GivenPanel::size).max().unwrap_or(0);
        let mut ready = ready(ops, &c.source, &c.network, k, dir.path(), reporter)?;
        let var_names = ready.var_names.clone();
        // all panels are looked up before the first is trained
        let mut all = Vec::with_capacity(panels.len());
        for panel in panels {
            let (settings, notices) = settings(c, panel, &ready.data, &var_names)?;
            let notices = panel.notices.iter().chain(&notices);
            notices.for_each(|n| reporter.say(&format!("note: {n}")));
            all.push(settings);
        }
        ready.announce(&ops.info(), reporter);
        let stop = stop_on_signal();
        let mut fits = Vec::with_capacity(all.len());
        for (panel, settings) in panels.iter().zip(&all) {
            reporter.say(&format!("{}: {} genes", panel.choice, settings.genes));
            let fit = train::fit(ops, &ready.data, settings, None, false, &stop, &mut |p| {
                reporter.epoch(p);
            });
            reporter.done();
            fits.push([fit?]);
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        let labels = labels(panels);
        let configs = panels.iter().map(|p| {
            ready.config(&EvaluatePanelConfig {
                panel: vec![p.choice.clone()],
                ..c.clone()
            })
        });
        let configs: Vec<_> = configs.collect();
        let several = panels.len() > 1;
        dir.begin(&ready.config(c))?;
        let mut dirs = Vec::new();
        for (label, config) in labels.iter().zip(&configs).take(fits.len()) {
            let own = if several {
                dir.within(label)?
            } else {
                dir.clone()
            };
            own.begin(config)?;
            dirs.push(own);
        }
        let stopped = fits.iter().any(|f| f[0].stopped);
        let folds = ready.folds.take().filter(|_| !stopped);
        let device = ops.info();
        let limits = c.flags.limits(c.max_mean, ready.data.transform);
        let runs = fits.iter().zip(&dirs).zip(&configs).enumerate();
        let runs: Vec<Trained> = runs
            .map(|(i, ((fits, dir), config))| Trained {
                dir,
                out: match several {
                    true => output.out.join(&labels[i]).display().to_string(),
                    false => output.out.display().to_string(),
                },
                fits,
                main: 0,
                repeats: None,
                rules: &all[i].rules,
                limits,
                config,
            })
            .collect();
        let summaries = stages::results(ready, &device, c.network.seed, &runs, |i| {
            let Some(folds) = &folds else {
                return Ok(None);
            };
            let settings = |data: &TrainingData| {
                self::settings(c, &panels[i], data, &var_names).map(|(settings, _)| settings)
            };
            let reconstruct = c.source.reconstruct;
            cross_validate(ops, folds, &settings, reconstruct, &stop, reporter).map(Some)
        })?;
        let names = panels.iter().map(|p| p.choice.to_string());
        let rows: Vec<_> = names.zip(summaries).collect();
        if several {
            dir.write(COMPARISON, &comparison::csv(&rows)?)?;
        }
        if stopped {
            reporter.say("stopped: the results are those of the best models so far");
        }
        stages::done(begin, c.network.memory, reporter);
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

/// The settings of a network on a panel, and what the user should know of the panel.
fn settings(
    c: &EvaluatePanelConfig,
    panel: &GivenPanel,
    data: &TrainingData,
    var_names: &[String],
) -> Result<(Settings, Vec<String>), DataError> {
    let (genes, notices) = panel.genes(data, var_names, c.network.seed)?;
    let settings = Settings {
        genes: genes.len(),
        panel: Some(genes),
        ..c.network.settings(&c.source.task_weight)
    };
    train::check(data, &settings)?;
    Ok((settings, notices))
}

/// Names of the directories of panels, all different.
fn labels(panels: &[GivenPanel]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::with_capacity(panels.len());
    for panel in panels {
        let own = panel.label();
        let numbered = (2..).map(|n| format!("{own}-{n}"));
        let free = std::iter::once(own.clone()).chain(numbered);
        labels.extend(free.into_iter().find(|l| !labels.contains(l)));
    }
    labels
}
