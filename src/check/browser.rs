//! The cases in Chromium's WebGPU: a second compiler and validator of WGSL (Tint) beside naga.
//!
//! [`Work::capture`] writes down what the cases tell an adapter to do ([`crate::gpu::capture`]).
//! [`replay`] has a page in a headless Chromium compile every kernel and do it, on SwiftShader.
//! [`verdicts`] runs the cases once more with what the page read in the place of the adapter's own
//! reads, and judges them by the same bounds.
use super::serve::serve;
use super::{Case, Mode, Verdict};
use crate::error::DeviceError;
use crate::gpu::{Gpu, capture::Event};
use crate::kernels;
use crate::kernels::registry::Kernel;
use crate::ops::Ops;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What the page is to do.
#[derive(Clone, Debug, Serialize)]
pub struct Work {
    /// Every kernel.
    pub kernels: Vec<Text>,
    /// What each case told the device.
    pub cases: Vec<Vec<Event>>,
}

/// A kernel as the page needs it.
#[derive(Clone, Debug, Serialize)]
pub struct Text {
    /// Stem of its file.
    pub stem: &'static str,
    /// Text of its module.
    pub wgsl: String,
    /// Bytes of its parameters.
    pub params_size: usize,
    /// Its entry points.
    pub entries: Vec<EntryText>,
}

/// An entry point as the page needs it.
#[derive(Clone, Debug, Serialize)]
pub struct EntryText {
    /// Name of the function.
    pub name: &'static str,
    /// Its storage buffers.
    pub bindings: Vec<BindingText>,
}

/// A storage buffer as the page needs it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BindingText {
    /// Number in group 0.
    pub index: u32,
    /// Whether the kernel writes it.
    pub writes: bool,
}

impl From<&Kernel> for Text {
    fn from(kernel: &Kernel) -> Self {
        let entries = kernel.entries.iter().map(|e| EntryText {
            name: e.name,
            bindings: e
                .bindings
                .iter()
                .map(|b| BindingText {
                    index: b.index,
                    writes: b.writes,
                })
                .collect(),
        });
        Self {
            stem: kernel.stem,
            wgsl: kernel.wgsl(),
            params_size: kernel.params_size,
            entries: entries.collect(),
        }
    }
}

impl Work {
    /// All kernels, and what the cases tell an adapter, which does nothing of it.
    ///
    /// # Errors
    /// Whatever the adapter failed with.
    pub fn capture(gpu: &mut Gpu, cases: &[Case<'_>]) -> Result<Self, DeviceError> {
        let one = |case: &Case<'_>| {
            gpu.start_capture();
            case.run(gpu, Mode::Plain);
            let events = gpu.take_capture();
            gpu.sync().map(|()| events)
        };
        Ok(Self {
            kernels: kernels::ALL.iter().map(Text::from).collect(),
            cases: cases.iter().map(one).collect::<Result<_, _>>()?,
        })
    }
}

/// What the page came to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replayed {
    /// Why nothing could be done at all.
    #[serde(default)]
    pub error: Option<String>,
    /// Chromium's adapter.
    #[serde(default)]
    pub adapter: String,
    /// Entries that did not compile, as `stem/name`, and why.
    #[serde(default)]
    pub refused: Vec<Refusal>,
    /// What each case read.
    #[serde(default)]
    pub cases: Vec<Reads>,
}

/// An entry that did not compile.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// `stem/name`.
    pub name: String,
    /// What the compiler says.
    pub message: String,
}

/// What a case read in two runs, a vector of words a read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reads {
    /// In the first run.
    #[serde(default)]
    pub first: Vec<Vec<u32>>,
    /// In the second.
    #[serde(default)]
    pub again: Vec<Vec<u32>>,
    /// Why it was not run to its end.
    #[serde(default)]
    pub error: Option<String>,
}

/// Chromium's place: the environment's `YOTO_CHROMIUM`, or where systems install it.
#[must_use]
pub fn find() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("YOTO_CHROMIUM") {
        return Some(path.into()).filter(|p: &PathBuf| p.exists());
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    std::env::split_paths(&folders)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file())
}

/// Flags of Chromium: WebGPU on its own SwiftShader without a window, and no network but ours.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A process that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has a headless Chromium do the work, within a limit of time.
///
/// # Errors
/// [`DeviceError::Failed`] where Chromium does not start, gives no result in time, or has no WebGPU.
pub fn replay(chromium: &Path, work: &Work, limit: Duration) -> Result<Replayed, DeviceError> {
    let failed = |what: &str, e: &dyn std::fmt::Display| {
        DeviceError::Failed(format!("{}: {what}: {e}", chromium.display()))
    };
    let folder = tempfile::tempdir().map_err(|e| failed("no folder for its profile", &e))?;
    let log = folder.path().join("stderr");
    let stderr = File::create(&log).map_err(|e| failed("no file for its messages", &e))?;
    let work = serde_json::to_vec(work).map_err(|e| failed("the work", &e))?;
    let page = include_str!("page.html").as_bytes().to_vec();
    let mut profile = std::ffi::OsString::from("--user-data-dir=");
    profile.push(folder.path().join("profile"));
    let text = serve(page, work, limit, |address| {
        let mut command = Command::new(chromium);
        command.args(FLAGS).arg(&profile);
        command.arg(format!("http://{address}/"));
        // its own Vulkan drivers, not those that this process was told to add
        command
            .env_remove("VK_ADD_DRIVER_FILES")
            .env_remove("VK_DRIVER_FILES");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(stderr).spawn().map(Running)
    });
    let text = text.map_err(|e| {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(5).collect();
        failed("no result", &format!("{e}; it said: {}", last.join(" | ")))
    })?;
    let replayed: Replayed = serde_json::from_slice(&text).map_err(|e| failed("its result", &e))?;
    match &replayed.error {
        Some(e) => Err(failed("WebGPU", e)),
        None => Ok(replayed),
    }
}

/// Judges what was read, case by case; a text where a case was not run to its end.
pub fn verdicts(
    gpu: &mut Gpu,
    cases: &[Case<'_>],
    replayed: &Replayed,
) -> Vec<Result<Verdict, String>> {
    let mut answered = |case: &Case<'_>, words: &[Vec<u32>]| {
        gpu.answer_reads(words.to_vec());
        let outputs = case.run(gpu, Mode::Plain);
        gpu.take_capture();
        outputs
    };
    let nothing = Reads {
        first: Vec::new(),
        again: Vec::new(),
        error: Some("not run".into()),
    };
    let all = replayed.cases.iter().chain(std::iter::repeat(&nothing));
    let mut one = |(case, reads): (&Case<'_>, &Reads)| {
        if let Some(e) = &reads.error {
            return Err(e.clone());
        }
        let got = answered(case, &reads.first);
        let again = answered(case, &reads.again);
        Ok(case.expected().judge(&got, &again))
    };
    cases.iter().zip(all).map(&mut one).collect()
}
