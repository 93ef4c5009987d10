//! The table of worst errors: every kernel entry on every implementation.
use super::{Case, Device, Expected, browser, cases};
use crate::cpu::Cpu;
use crate::error::DeviceError;
use crate::gpu::{Candidate, all_candidates};
use crate::kernels;
use crate::ops::DeviceInfo;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Version of [`Table`] as JSON.
pub const SCHEMA_VERSION: u32 = 1;
/// Time that Chromium may take; it takes 8 s on two idle cores.
const BROWSER_LIMIT: Duration = Duration::from_secs(400);

/// Something that runs the kernels.
#[derive(Debug)]
pub enum Target {
    /// The CPU path in f32.
    Cpu,
    /// An adapter.
    Adapter(Candidate),
    /// Chromium's WebGPU; its work is captured from the first adapter there is.
    Browser(PathBuf),
}

/// The targets that a choice stands for: `None` all, the CPU path too; else `cpu`, `gpu` or `auto`
/// (the best adapter), or a part of adapters' names, in any case.
///
/// # Errors
/// [`DeviceError::NoAdapter`] where nothing fits.
pub fn targets(choice: Option<&str>) -> Result<Vec<Target>, DeviceError> {
    if choice == Some("cpu") {
        return Ok(vec![Target::Cpu]);
    }
    let all = all_candidates();
    let Some(choice) = choice else {
        let adapters = all.into_iter().map(Target::Adapter);
        return Ok(std::iter::once(Target::Cpu).chain(adapters).collect());
    };
    let name = |c: &Candidate| c.description().info.name;
    let names: Vec<String> = all.iter().map(name).collect();
    let best = choice == "gpu" || choice == "auto";
    let part = choice.to_lowercase();
    let fits = |c: &Candidate| best || name(c).to_lowercase().contains(&part);
    let found = all.into_iter().filter(fits).map(Target::Adapter);
    let found: Vec<_> = found.take(if best { 1 } else { usize::MAX }).collect();
    if found.is_empty() {
        return Err(DeviceError::NoAdapter {
            wanted: choice.into(),
            found: if names.is_empty() {
                "none".into()
            } else {
                names.join("; ")
            },
        });
    }
    Ok(found)
}

/// An implementation: a column of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Implementation {
    /// Name, backend and type.
    #[serde(flatten)]
    pub info: DeviceInfo,
    /// Driver and its version, as far as the driver tells them.
    pub driver: String,
}

/// A kernel entry: a row of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Stem of the kernel's file.
    pub kernel: String,
    /// Name of the entry point.
    pub entry: String,
    /// Cases that hold it.
    pub cases: usize,
    /// Worst error over its cases as a share of its bound, for each implementation; `None` (in JSON
    /// `null`) where it is not a number or the case did not end.
    pub shares: Vec<Option<f64>>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Number of the implementation, from 0.
    pub implementation: usize,
    /// Name of the case; empty where it is the implementation as a whole.
    pub case: String,
    /// In a few words.
    pub what: String,
}

/// Worst errors of all kernel entries on all implementations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Of this program.
    pub version: String,
    /// Columns.
    pub implementations: Vec<Implementation>,
    /// Rows, in the order of the registry.
    pub kernels: Vec<Row>,
    /// Shares above 1, runs that differ, devices that fail; empty where all is well.
    pub faults: Vec<Fault>,
}

/// Shares of the outputs of every case, `None` where it did not end, and what was wrong.
struct Column {
    implementation: Implementation,
    shares: Vec<Option<Vec<f64>>>,
    faults: Vec<(String, String)>,
}

impl Column {
    fn new(implementation: Implementation) -> Self {
        Self {
            implementation,
            shares: Vec::new(),
            faults: Vec::new(),
        }
    }
    fn add(&mut self, case: &Case<'_>, verdict: Result<super::Verdict, String>) {
        let fault = verdict
            .as_ref()
            .map_or_else(|e| Some(e.clone()), |v| v.fault());
        self.faults.extend(fault.map(|f| (case.name.clone(), f)));
        self.shares.push(verdict.ok().map(|v| v.shares));
    }
    /// Of a target that cannot run anything.
    fn refused(&mut self, n: usize, what: &DeviceError) {
        self.shares = vec![None; n];
        self.faults.push((String::new(), what.to_string()));
    }
}

/// Runs `cases` on the targets; `progress` gets each implementation as it begins.
pub fn run(targets: &[Target], cases: &[Case<'_>], mut progress: impl FnMut(&DeviceInfo)) -> Table {
    let expected: Vec<Expected> = cases.iter().map(Case::expected).collect();
    let columns: Vec<Column> = targets
        .iter()
        .map(|target| {
            let implementation = describe(target);
            progress(&implementation.info);
            column(target, implementation, cases, &expected)
        })
        .collect();
    let kernels = kernels::ALL.iter().flat_map(|k| k.entries);
    let rows = kernels.map(|entry| {
        let places: Vec<(usize, usize)> = places(cases, entry);
        let worst = |column: &Column| {
            let one = |&(case, output): &(usize, usize)| {
                let share = *column.shares.get(case)?.as_ref()?.get(output)?;
                share.is_finite().then_some(share)
            };
            let shares: Option<Vec<f64>> = places.iter().map(one).collect();
            shares.and_then(|s| s.into_iter().reduce(f64::max))
        };
        let mut held: Vec<usize> = places.iter().map(|p| p.0).collect();
        held.dedup();
        Row {
            kernel: entry.stem.into(),
            entry: entry.name.into(),
            cases: held.len(),
            shares: columns.iter().map(worst).collect(),
        }
    });
    let kernels = rows.collect();
    let mut faults = Vec::new();
    let mut implementations = Vec::new();
    for (implementation, column) in columns.into_iter().enumerate() {
        faults.extend(column.faults.into_iter().map(|(case, what)| Fault {
            implementation,
            case,
            what,
        }));
        implementations.push(column.implementation);
    }
    Table {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").into(),
        implementations,
        kernels,
        faults,
    }
}

/// Cases and outputs that an entry writes.
fn places(cases: &[Case<'_>], entry: &kernels::registry::Entry) -> Vec<(usize, usize)> {
    let of = |(i, case): (usize, &Case<'_>)| {
        let written = case.outputs.iter().enumerate();
        let written = written.filter(|(_, e)| **e == entry);
        written.map(|(o, _)| (i, o)).collect::<Vec<_>>()
    };
    cases.iter().enumerate().flat_map(of).collect()
}

fn describe(target: &Target) -> Implementation {
    match target {
        Target::Cpu => Implementation {
            info: DeviceInfo {
                name: "CPU".into(),
                backend: "native".into(),
                kind: "cpu".into(),
            },
            driver: "f32".into(),
        },
        Target::Adapter(candidate) => {
            let description = candidate.description();
            Implementation {
                info: description.info,
                driver: description.driver,
            }
        }
        Target::Browser(path) => Implementation {
            info: DeviceInfo {
                name: "Chromium".into(),
                backend: "webgpu".into(),
                kind: "software".into(),
            },
            driver: path.display().to_string(),
        },
    }
}

fn column(
    target: &Target,
    implementation: Implementation,
    cases: &[Case<'_>],
    expected: &[Expected],
) -> Column {
    let mut column = Column::new(implementation);
    let verdict = |device: &mut dyn Device, case: &Case<'_>, expected: &Expected| {
        let verdict = case.verdict(device, expected);
        verdict.map_err(|e| e.to_string())
    };
    match target {
        Target::Cpu => {
            for (case, expected) in cases.iter().zip(expected) {
                let verdict = verdict(&mut Cpu::<f32>::default(), case, expected);
                column.add(case, verdict);
            }
        }
        Target::Adapter(candidate) => {
            let mut open = None;
            for (case, expected) in cases.iter().zip(expected) {
                // a device that failed stays failed: the next case gets another
                let mut device = match open.take().map_or_else(|| candidate.open(), Ok) {
                    Ok(device) => device,
                    Err(e) => {
                        column.refused(cases.len(), &e);
                        break;
                    }
                };
                let verdict = verdict(&mut device, case, expected);
                open = verdict.is_ok().then_some(device);
                column.add(case, verdict);
            }
        }
        Target::Browser(path) => match in_browser(path, cases) {
            Ok((replayed, verdicts)) => {
                column.implementation.info.name = format!("Chromium ({})", replayed.adapter);
                for refusal in replayed.refused {
                    let what = format!("{} does not compile: {}", refusal.name, refusal.message);
                    column.faults.push((String::new(), what));
                }
                for (case, verdict) in cases.iter().zip(verdicts) {
                    column.add(case, verdict);
                }
            }
            Err(e) => column.refused(cases.len(), &e),
        },
    }
    column
}

type Judged = (browser::Replayed, Vec<Result<super::Verdict, String>>);

fn in_browser(path: &std::path::Path, cases: &[Case<'_>]) -> Result<Judged, DeviceError> {
    let mut refusal = DeviceError::NoAdapter {
        wanted: "gpu".into(),
        found: "none".into(),
    };
    for candidate in all_candidates() {
        match candidate.open() {
            Ok(mut gpu) => {
                let work = browser::Work::capture(&mut gpu, cases)?;
                let replayed = browser::replay(path, &work, BROWSER_LIMIT)?;
                let verdicts = browser::verdicts(&mut gpu, cases, &replayed);
                return Ok((replayed, verdicts));
            }
            Err(e) => refusal = e,
        }
    }
    Err(refusal)
}

/// All small cases on the targets.
pub fn run_all(targets: &[Target], progress: impl FnMut(&DeviceInfo)) -> Table {
    run(targets, &cases::all(), progress)
}

impl Table {
    /// Whether every entry is right on every implementation, and held by a case.
    #[must_use]
    pub fn passes(&self) -> bool {
        let right = |s: &Option<f64>| s.is_some_and(|s| s <= 1.0);
        self.faults.is_empty()
            && !self.implementations.is_empty()
            && self.kernels.iter().all(|k| k.shares.iter().all(right))
    }

    /// The table for a person: a line a kernel entry, a column an implementation.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let name = |row: &Row| format!("{}/{}", row.kernel, row.entry);
        let width = self.kernels.iter().map(|r| name(r).len()).max();
        let width = width.unwrap_or(0).max(12);
        // writing to a string does not fail
        for (i, Implementation { info, driver }) in self.implementations.iter().enumerate() {
            let DeviceInfo {
                name,
                backend,
                kind,
            } = info;
            let _ = writeln!(out, "[{}] {name}, {backend}, {kind}: {driver}", i + 1);
        }
        let _ = writeln!(
            out,
            "\nworst error as a share of its bound (1 is the most that may be)"
        );
        let _ = write!(out, "{:width$}  cases", "kernel entry");
        for i in 1..=self.implementations.len() {
            let _ = write!(out, " {:>8}", format!("[{i}]"));
        }
        out.push('\n');
        for row in &self.kernels {
            let _ = write!(out, "{:width$}  {:>5}", name(row), row.cases);
            for share in &row.shares {
                let share = match share {
                    _ if row.cases == 0 => "no case".into(),
                    Some(s) if *s < 100.0 => format!("{s:.4}"),
                    Some(s) => format!("{s:.1e}"),
                    None => "FAILED".into(),
                };
                let _ = write!(out, " {share:>8}");
            }
            out.push('\n');
        }
        for fault in &self.faults {
            let Fault {
                implementation,
                case,
                what,
            } = fault;
            let place = if case.is_empty() { "" } else { ": " };
            let _ = writeln!(
                out,
                "FAILED on [{}]: {case}{place}{what}",
                implementation + 1
            );
        }
        out
    }
}
