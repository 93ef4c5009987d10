//! The file of `yoto-gpu bench --json`, field by field.
//!
//! [`SCHEMA_VERSION`] goes up when a field changes its meaning, its unit or its name, or goes; a new
//! field alone does not raise it, and a reader passes over fields that it does not know. Times are in
//! the unit that the name ends with, rates in decimal giga (10^9) a second. A `null` was not measured
//! or is not told by the system; it is never a zero.
use crate::gpu::AdapterReport;
use serde::{Deserialize, Serialize};

/// Version of the schema.
pub const SCHEMA_VERSION: u32 = 1;
/// What `kind` says.
pub const KIND: &str = "yoto-gpu bench";

/// A whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Always [`KIND`].
    pub kind: String,
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// When the run began, UTC, RFC 3339.
    pub date: String,
    /// The program that measured.
    pub program: Program,
    /// The machine that it ran on.
    pub host: Host,
    /// What was measured.
    pub setup: Setup,
    /// One result a device.
    pub devices: Vec<DeviceResult>,
}

/// The program that measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// Its version.
    pub version: String,
    /// Commit it was built from, `-dirty` where files differed from it, `unknown` outside git.
    pub commit: String,
    /// `release` or `debug`; the figures of a debug build say nothing.
    pub build: String,
    /// Version of wgpu.
    pub wgpu: String,
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Processor, as the system names it; `unknown` where it does not.
    pub cpu: String,
    /// Logical processors that this program may use.
    pub logical_cpus: u64,
    /// Threads of the CPU path.
    pub threads: u64,
    /// Operating system, its release and the machine's architecture.
    pub os: String,
    /// Memory of the machine.
    pub memory_bytes: Option<u64>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// `small`, `reference`, `large` or `custom`.
    pub size: String,
    /// Genes, G.
    pub genes: u64,
    /// Nonzeros of a cell, as asked for.
    pub nonzeros: u64,
    /// Nonzeros of a cell of the simulated data, on average.
    pub mean_nonzeros: f64,
    /// Cells of a batch, B.
    pub batch: u64,
    /// Hidden units, H.
    pub hidden: u64,
    /// Genes of the panel, k.
    pub k: u64,
    /// Simulated cells.
    pub cells: u64,
    /// Their classes.
    pub classes: u64,
    /// Seed of data, weights and noise.
    pub seed: u64,
    /// Samples of each kernel, at least; timed steps of each phase.
    pub repeats: u64,
}

/// What one device did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceResult {
    /// Name, backend, type, vendor, driver, limits and features; the CPU path has neither limits nor
    /// features.
    pub device: AdapterReport,
    /// What the system told before the device was measured.
    pub before: Option<Conditions>,
    /// The same afterwards.
    pub after: Option<Conditions>,
    /// What the device can do at most.
    pub ceilings: Ceilings,
    /// How its results were compared with those of the CPU twins.
    pub check: Check,
    /// Each kernel of the training step.
    pub kernels: Vec<KernelResult>,
    /// Whole training steps, one row a phase and number of models.
    pub steps: Vec<StepResult>,
    /// From the start of the program (or, with several devices, of this device's turn) to the end of
    /// the first training step: data in memory, pipelines compiled. Without the simulation of the data
    /// and, with several devices, without anything that the device before it did.
    pub first_step_s: Option<f64>,
    /// Most memory that the process held while steps were timed, the simulated cells included; GPU
    /// memory is in `steps`.
    pub peak_memory_bytes: Option<u64>,
    /// What the reader should know.
    pub notes: Vec<String>,
}

/// Heat, clocks and power, as far as the system tells them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conditions {
    /// Clock of the fastest processor core.
    pub cpu_mhz: Option<f64>,
    /// Sensors of temperature in degrees Celsius.
    pub celsius: Vec<Reading>,
    /// Sensors of power in watts.
    pub watts: Vec<Reading>,
    /// Clocks of GPUs in MHz.
    pub gpu_mhz: Vec<Reading>,
}

/// One sensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Driver and label.
    pub sensor: String,
    /// What it reads.
    pub value: f64,
}

/// Whose clock a time is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// The device's timestamps.
    Device,
    /// The host's, around submitting and waiting (or, on the CPU path, around the call).
    Host,
}

impl Clock {
    /// The device's clock where it has one.
    pub(super) fn of(has_timestamps: bool) -> Self {
        if has_timestamps {
            Self::Device
        } else {
            Self::Host
        }
    }
}

/// What a device can do at most, by its own measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceilings {
    /// Copy from buffer to buffer: bytes read plus bytes written; 0 where it could not be measured.
    pub copy_gb_s: f64,
    /// Bytes of each of the two buffers.
    pub copy_bytes: u64,
    /// Multiply-adds in fp32, two operations each; 0 where they could not be measured.
    pub fp32_gflop_s: f64,
    /// The same in f16, where the adapter has it.
    pub f16_gflop_s: Option<f64>,
    /// Cooperative matrices, 16 x 16 x 16, f16 in and f32 out, where the adapter has them.
    pub matrix_gflop_s: Option<f64>,
    /// What one more dispatch that does nothing adds to a pass (the CPU path: what handing nothing to
    /// all threads costs).
    pub empty_dispatch_us: f64,
    /// Submitting an empty command buffer and waiting for it; 0 on the CPU path.
    pub empty_submit_us: f64,
    /// Whose clock the rates are of.
    pub clock: Clock,
    /// Why a figure is missing.
    pub notes: Vec<String>,
}

/// How results were compared with those of the CPU twins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What was compared.
    pub method: String,
    /// Whether all of it agreed; a kernel that does not is not timed.
    pub agrees: bool,
    /// Worst error of the steps as a share of its bound.
    pub worst_share: f64,
    /// Worst error of each kernel entry over its known cases (`bench --check`).
    pub kernels: Vec<KernelCheck>,
    /// What did not agree, one line each.
    pub failures: Vec<String>,
}

/// A kernel entry against its twin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelCheck {
    /// `file/entry`, with the shape of its tiles.
    pub name: String,
    /// Worst error as a share of its bound; `null` where it is no number or a case did not end.
    pub share: Option<f64>,
}

/// A kernel of the training step, timed inside real steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelResult {
    /// `file/entry` of the kernel, without the shape of its tiles (the CPU path: the operation).
    pub name: String,
    /// `file/entry` that ran, with the shape of its tiles.
    pub variant: String,
    /// `select` or `panel`.
    pub phase: String,
    /// Which launch of that kernel in a step, from 0: one kernel may run at several shapes.
    pub launch: u64,
    /// Samples.
    pub samples: u64,
    /// Dispatches of each sample.
    pub dispatches_a_sample: u64,
    /// Whose clock.
    pub clock: Clock,
    /// Median time of a dispatch.
    pub median_us: f64,
    /// A tenth of the samples took less.
    pub p10_us: f64,
    /// A tenth of the samples took more.
    pub p90_us: f64,
    /// Bytes that it must read and write, by formula.
    pub bytes: u64,
    /// Floating-point operations, by formula; a multiply-add is two.
    pub operations: u64,
    /// `bytes` over the median.
    pub gb_s: f64,
    /// `operations` over the median.
    pub gflop_s: f64,
    /// The shortest time that the ceilings allow, the longer of `bytes / copy_gb_s` and `operations /
    /// fp32_gflop_s`, over the median. Above 1 where data stay in a cache.
    pub roofline_share: f64,
    /// Its share of the sum of the medians of its phase.
    pub time_share: f64,
}

/// Whole training steps of a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// `select` or `panel`.
    pub phase: String,
    /// Models trained in one set of dispatches, R.
    pub models: u64,
    /// Timed steps.
    pub steps: u64,
    /// Steps a second; each trains all R models on a batch each.
    pub steps_per_s: f64,
    /// Cells a second: steps x batch x models.
    pub cells_per_s: f64,
    /// Steps a second x models.
    pub models_per_s: f64,
    /// Dispatches a step; on the CPU path, operations.
    pub dispatches: f64,
    /// Submissions a step.
    pub submissions: f64,
    /// Host time a step: recording it while the device is idle, the median of nine submissions' worth of
    /// steps. `null` on the CPU path, where the host is the device.
    pub host_us: Option<f64>,
    /// A step's share of handing those steps over.
    pub submit_us: Option<f64>,
    /// `host_us` a dispatch.
    pub host_us_per_dispatch: Option<f64>,
    /// 1 - (sum of the kernels' median times) / (wall time of a step), at least 0; for one model.
    pub idle_share: Option<f64>,
    /// Bind groups made during the timed steps.
    pub bind_groups_made: u64,
    /// Bytes of the device's buffers (the CPU path: of the vectors that stand for them).
    pub device_bytes: u64,
    /// Mean loss of the first timed step and of the last one: the steps are real.
    pub losses: [f64; 2],
}

impl KernelResult {
    /// Its name, with a number where a step launches it more than once.
    #[must_use]
    pub fn label(&self) -> String {
        match self.launch {
            0 => self.name.clone(),
            n => format!("{} ({})", self.name, n + 1),
        }
    }
}
