//! `yoto-gpu bench`: one device after another, each checked, then timed, then its ceilings.
use super::agree::{self, State};
use super::listing::cpu_report;
use super::schema::{
    Ceilings, Check, DeviceResult, KIND, Program, Report, SCHEMA_VERSION, Setup, StepResult,
};
use super::simulate::{CLASSES, Size, simulate};
use super::steps::{Run, Samples, Work, results, total_us};
use super::target::Target as Measured;
use super::watch::Watched;
use super::{ceilings, cpu_ceilings, host};
use crate::check::table::Target;
use crate::cpu::Cpu;
use crate::data::packed::MAX_PAGE_WORDS;
use crate::error::{DeviceError, TrainError};
use crate::gpu::{Candidate, all_candidates, candidate};
use crate::train::steps::Phase;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, TrainError>;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// As `--device` has it.
    pub device: String,
    /// Every device instead, the CPU path included.
    pub all_devices: bool,
    /// Data, batch and network.
    pub size: Size,
    /// Simulated cells; `None` takes [`Size::default_cells`].
    pub cells: Option<usize>,
    /// Seed of all that is random.
    pub seed: u64,
    /// Samples of each kernel.
    pub repeats: u32,
    /// Networks in one set of dispatches; `None` takes 1, and at the small size on a real GPU measures
    /// the throughput of 8 and 32 too.
    pub models: Option<usize>,
    /// When the program began.
    pub begin: Instant,
}

/// Networks whose throughput is measured beside that of one.
const MORE_MODELS: [usize; 2] = [8, 32];
/// Dispatches of a sample on a real GPU, so that its clock is fine enough.
const DISPATCHES: u32 = 4;

/// A device to be measured.
enum Device {
    Gpu(Box<Candidate>),
    Cpu,
}

/// Measures; `say` is told what is going on.
///
/// # Errors
/// No such device, no memory, a device that fails; with `all_devices` only where no device is left.
pub fn run(plan: &Plan, say: &mut (dyn FnMut(&str) + Send)) -> Result<Report> {
    let date = host::now();
    let devices: Vec<Device> = if plan.all_devices {
        let gpus = all_candidates().into_iter().map(Box::new).map(Device::Gpu);
        gpus.chain([Device::Cpu]).collect()
    } else {
        vec![match candidate(&plan.device)? {
            Ok(gpu) => Device::Gpu(Box::new(gpu)),
            Err(note) => {
                note.iter().for_each(|n| say(&format!("note: {n}")));
                Device::Cpu
            }
        }]
    };
    let simulating = Instant::now();
    let cells = plan
        .cells
        .unwrap_or(plan.size.default_cells())
        .max(plan.size.batch);
    say(&format!("simulating {cells} cells"));
    // pages that every device can bind
    let most = devices.iter().map(|device| match device {
        Device::Gpu(gpu) => gpu.max_elements(),
        Device::Cpu => usize::MAX,
    });
    let page_words = most.min().unwrap_or(usize::MAX).min(MAX_PAGE_WORDS);
    let data = simulate(&plan.size, cells, plan.seed, page_words)?;
    let nonzeros: usize = data.cells.pages.iter().map(|p| p.entries.len()).sum();
    let work = Work {
        data: &data,
        size: plan.size,
        repeats: plan.repeats,
        nonzeros: nonzeros as f64 / cells as f64,
    };
    host::forget_peak_memory();
    let mut begin = plan.begin + simulating.elapsed();
    let (mut results, mut failure) = (Vec::new(), None);
    for device in &devices {
        match measure(device, plan, &work, begin, say) {
            Ok(result) => results.push(result),
            Err(e) if plan.all_devices => {
                let name = match device {
                    Device::Gpu(gpu) => gpu.report.info.name.clone(),
                    Device::Cpu => "CPU".into(),
                };
                say(&format!("note: {name} is left out: {e}"));
                failure = Some(e);
            }
            Err(e) => return Err(e),
        }
        begin = Instant::now();
    }
    if let (true, Some(e)) = (results.is_empty(), failure) {
        return Err(e);
    }
    let s = plan.size;
    Ok(Report {
        kind: KIND.into(),
        schema_version: SCHEMA_VERSION,
        date,
        program: program(),
        host: host::host(),
        setup: Setup {
            size: s.name.into(),
            genes: s.genes as u64,
            nonzeros: s.nonzeros as u64,
            mean_nonzeros: work.nonzeros,
            batch: s.batch as u64,
            hidden: s.hidden as u64,
            k: s.k as u64,
            cells: cells as u64,
            classes: CLASSES as u64,
            seed: plan.seed,
            repeats: plan.repeats.into(),
        },
        devices: results,
    })
}

/// This program.
fn program() -> Program {
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    Program {
        version: env!("CARGO_PKG_VERSION").into(),
        commit: env!("YOTO_GPU_BUILD_COMMIT").into(),
        build: build.into(),
        wgpu: env!("YOTO_GPU_BUILD_WGPU").into(),
    }
}

fn measure(
    device: &Device,
    plan: &Plan,
    work: &Work<'_>,
    begin: Instant,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<DeviceResult> {
    let before = host::conditions();
    let mut stages = match device {
        Device::Gpu(gpu) => {
            let many = if gpu.is_software() { 1 } else { DISPATCHES };
            let more = plan.models.is_none() && plan.size == Size::SMALL && !gpu.is_software();
            let open = || gpu.open();
            let target = Target::Adapter((**gpu).clone());
            stages(&open, target, plan, work, (many, more), begin, say)?
        }
        Device::Cpu => {
            let open = || Ok(Cpu::<f32>::default());
            // inside the pool, as the program trains
            rayon::scope(|_| stages(&open, Target::Cpu, plan, work, (1, false), begin, say))?
        }
    };
    let peak_memory_bytes = host::peak_memory();
    say("measuring the ceilings");
    let ceilings: Ceilings = match device {
        Device::Gpu(gpu) => ceilings::measure(gpu)?,
        Device::Cpu => cpu_ceilings::measure((plan.repeats as usize).clamp(3, 15)),
    };
    let mut kernels = Vec::new();
    for samples in stages.kernels.drain(..) {
        kernels.extend(results(samples, &ceilings));
    }
    Ok(DeviceResult {
        device: match device {
            Device::Gpu(gpu) => gpu.report.clone(),
            Device::Cpu => cpu_report(),
        },
        before,
        after: host::conditions(),
        ceilings,
        check: stages.check,
        kernels,
        steps: stages.steps,
        first_step_s: Some(stages.first_step.as_secs_f64()),
        peak_memory_bytes,
        notes: stages.notes,
    })
}

/// What the stages of one device give.
struct Stages {
    check: Check,
    kernels: Vec<Vec<Samples>>,
    steps: Vec<StepResult>,
    first_step: Duration,
    notes: Vec<String>,
}

/// Check, kernels and whole steps; each phase and number of networks on a device of its own, so that
/// memory is that phase's alone.
fn stages<D: Measured>(
    open: &dyn Fn() -> std::result::Result<D, DeviceError>,
    target: Target,
    plan: &Plan,
    work: &Work<'_>,
    (dispatches, more): (u32, bool),
    begin: Instant,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Stages> {
    let (size, models) = (plan.size, plan.models.unwrap_or(1));
    let settings = |phase: Phase| phase.settings(size.k, size.hidden, size.batch, plan.seed);
    let watched = || Ok::<_, TrainError>(Watched::new(open()?, work.nonzeros, work.data.n_train));
    let (mut pairs, mut first_step) = (Vec::new(), None);
    for phase in [Phase::Select, Phase::Panel] {
        let (mut ops, settings) = (watched()?, settings(phase));
        let mut run = Run::begin(&mut ops, &settings, work, phase, models)?;
        first_step.get_or_insert_with(|| begin.elapsed());
        if let Phase::Select = phase {
            say("checking the results against the CPU twins");
        }
        let got = run.state()?;
        drop(ops);
        let want = State::of_twins(work.data, &size, phase, plan.seed, models)?;
        pairs.push((phase, got, want));
    }
    let mut stages = Stages {
        check: agree::compare(&pairs, agree::known_cases(target)),
        kernels: Vec::new(),
        steps: Vec::new(),
        first_step: first_step.unwrap_or_default(),
        notes: Vec::new(),
    };
    drop(pairs);
    // the twins held more than training does
    host::forget_peak_memory();
    if !stages.check.agrees {
        let note =
            "results are wrong: what is wrong was not timed, nor were whole steps".to_owned();
        say(&format!("note: {note}"));
        stages.notes.push(note);
    }
    for phase in [Phase::Select, Phase::Panel] {
        say(&format!("timing the {} step", phase.name()));
        let (mut ops, settings) = (watched()?, settings(phase));
        let mut run = Run::begin(&mut ops, &settings, work, phase, models)?;
        let mut whole = run.whole()?;
        let mut kernels = run.kernels(dispatches)?;
        if !stages.check.agrees {
            kernels.retain(|k| agree::is_right(&stages.check.kernels, k.variant()));
            stages.kernels.push(kernels);
            continue;
        }
        let busy = total_us(&mut kernels) * whole.steps_per_s / 1e6;
        whole.idle_share = whole.host_us.map(|_| (1.0 - busy).clamp(0.0, 1.0));
        stages.steps.push(whole);
        stages.kernels.push(kernels);
    }
    let more = more && stages.check.agrees;
    for models in MORE_MODELS.into_iter().filter(|_| more) {
        for phase in [Phase::Select, Phase::Panel] {
            say(&format!(
                "timing the {} step of {models} models",
                phase.name()
            ));
            let (mut ops, settings) = (watched()?, settings(phase));
            let row = Run::begin(&mut ops, &settings, work, phase, models)
                .and_then(|mut run| run.whole());
            match row {
                Ok(row) => stages.steps.push(row),
                Err(TrainError::Device(e @ DeviceError::OutOfMemory { .. })) => {
                    stages.notes.push(format!("{models} models: {e}"));
                }
                Err(e) => return Err(e),
            }
        }
    }
    Ok(stages)
}
