//! Which adapters there are, and which one a choice takes.
use super::Gpu;
use super::limits::{self, FeatureUse, LimitNeed};
use crate::error::DeviceError;
use crate::ops::{DeviceInfo, Result};
use serde::{Deserialize, Serialize};
use wgpu::{Backends, DeviceType};

/// An adapter, for `yoto-gpu devices` and for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterDescription {
    /// Name, backend and type.
    pub info: DeviceInfo,
    /// Driver and its version, as far as the driver tells them.
    pub driver: String,
}

/// All that `yoto-gpu devices` and `bench` tell of an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterReport {
    /// Name, backend and type.
    #[serde(flatten)]
    pub info: DeviceInfo,
    /// PCI vendor, 0 where the backend does not tell.
    pub vendor_id: u32,
    /// PCI device, 0 where the backend does not tell.
    pub device_id: u32,
    /// Driver and its version, as far as the driver tells them.
    pub driver: String,
    /// Least and most invocations of a subgroup; 0 where unknown.
    pub subgroup_sizes: [u32; 2],
    /// Limits that the kernels depend on.
    pub limits: Vec<LimitNeed>,
    /// Features and their use.
    pub features: Vec<FeatureUse>,
    /// Why the kernels cannot run on it; `None` where they can.
    pub problem: Option<String>,
}

/// An adapter that is not open yet.
#[derive(Clone, Debug)]
pub struct Candidate {
    adapter: wgpu::Adapter,
    /// What is known of it.
    pub report: AdapterReport,
}

impl Candidate {
    fn new(adapter: &wgpu::Adapter) -> Self {
        let AdapterDescription { info, driver } = description(adapter);
        let told = adapter.get_info();
        let limits = limits::rows(adapter);
        let problem = limits::missing(&limits, &info.name).map(|e| e.to_string());
        Self {
            report: AdapterReport {
                info,
                vendor_id: told.vendor,
                device_id: told.device,
                driver,
                subgroup_sizes: [told.subgroup_min_size, told.subgroup_max_size],
                limits,
                features: limits::features(adapter),
                problem,
            },
            adapter: adapter.clone(),
        }
    }
    /// What it says of itself.
    #[must_use]
    pub fn description(&self) -> AdapterDescription {
        description(&self.adapter)
    }
    /// Opens it, as often as it is wanted.
    ///
    /// # Errors
    /// [`DeviceError::Limit`] where it lacks a limit, [`DeviceError::Failed`] where it does not open.
    pub fn open(&self) -> Result<Gpu> {
        Gpu::open(&self.adapter)
    }
    /// The most elements that a buffer range on it may hold, as [`crate::ops::Ops::max_elements`].
    pub(crate) fn max_elements(&self) -> usize {
        limits::max_elements(&self.adapter.limits())
    }
    /// wgpu's handle.
    pub(crate) fn adapter(&self) -> &wgpu::Adapter {
        &self.adapter
    }
    /// Whether the processor plays the GPU.
    #[must_use]
    pub fn is_software(&self) -> bool {
        !is_real(&self.adapter)
    }
}

/// What a choice of device comes to.
#[derive(Debug)]
pub enum Pick {
    /// The CPU path; `note` is one line for the user where it was not asked for by name.
    Cpu {
        /// Why.
        note: Option<String>,
    },
    /// A GPU, open.
    Gpu(Box<Gpu>),
}

/// wgpu's description in this crate's words.
pub(super) fn describe(info: &wgpu::AdapterInfo) -> DeviceInfo {
    let kind = match info.device_type {
        DeviceType::DiscreteGpu => "discrete",
        DeviceType::IntegratedGpu => "integrated",
        DeviceType::VirtualGpu => "virtual",
        DeviceType::Cpu => "software",
        DeviceType::Other => "other",
    };
    DeviceInfo {
        name: info.name.clone(),
        backend: info.backend.to_str().into(),
        kind: kind.into(),
    }
}

/// Lower is better; OpenGL only where nothing else drives the same kind of adapter.
fn rank(info: &wgpu::AdapterInfo) -> (u32, bool) {
    let kind = match info.device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    };
    (kind, info.backend == wgpu::Backend::Gl)
}

fn is_real(adapter: &wgpu::Adapter) -> bool {
    adapter.get_info().device_type != DeviceType::Cpu
}

/// The adapters of some backends, best first. `WGPU_BACKEND` narrows them.
fn enumerate(backends: Backends) -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.flags = wgpu::InstanceFlags::empty();
    let backends = backends & Backends::from_env().unwrap_or(Backends::all());
    descriptor.backends = backends;
    let instance = wgpu::Instance::new(descriptor);
    let mut found = pollster::block_on(instance.enumerate_adapters(backends));
    found.sort_by_key(|a| rank(&a.get_info()));
    found
}

/// All adapters, best first.
#[must_use]
pub fn adapters() -> Vec<AdapterDescription> {
    let all = enumerate(Backends::all());
    all.iter().map(description).collect()
}

fn description(adapter: &wgpu::Adapter) -> AdapterDescription {
    let info = adapter.get_info();
    AdapterDescription {
        driver: format!("{} {}", info.driver, info.driver_info)
            .trim()
            .into(),
        info: describe(&info),
    }
}

/// Whether OpenGL could find more than software. On Linux without a GPU's device file it cannot,
/// and loading it makes libraries complain on stderr about a missing display.
fn has_gpu_node() -> bool {
    let exists = |path| std::path::Path::new(path).exists();
    let render = |e: std::fs::DirEntry| e.file_name().to_string_lossy().starts_with("renderD");
    !cfg!(target_os = "linux")
        || exists("/dev/nvidiactl")
        || exists("/dev/dxg")
        || std::fs::read_dir("/dev/dri").is_ok_and(|mut d| d.any(|e| e.is_ok_and(render)))
}

/// Names for a message, or `none`.
pub(super) fn names(adapters: &[AdapterDescription]) -> String {
    if adapters.is_empty() {
        return "none".into();
    }
    let names: Vec<String> = adapters
        .iter()
        .map(|a| format!("{} ({}, {})", a.info.name, a.info.backend, a.info.kind))
        .collect();
    names.join("; ")
}

/// Opens the device that `choice` stands for.
///
/// `cpu` takes the CPU path. `auto` takes the best real GPU that has the limits, else the CPU path
/// with a note. `gpu` takes the best adapter, a software one where there is no other. Anything else
/// is a part of an adapter's name, in any case.
///
/// # Errors
/// [`DeviceError::NoAdapter`] where no adapter fits `gpu` or the name, [`DeviceError::Limit`]
/// where the one that was asked for lacks a limit, [`DeviceError::Failed`] where it does not open.
pub fn pick(choice: &str) -> Result<Pick> {
    if choice == "cpu" {
        return Ok(Pick::Cpu { note: None });
    }
    if choice == "auto" {
        return Ok(auto().0);
    }
    Ok(Pick::Gpu(Box::new(Gpu::open(&named(choice)?)?)))
}

/// The adapter that `choice` stands for, as [`pick`] finds it; the note where it is the CPU path.
///
/// # Errors
/// As [`pick`].
pub fn candidate(choice: &str) -> Result<std::result::Result<Candidate, Option<String>>> {
    if choice == "cpu" {
        return Ok(Err(None));
    }
    if choice == "auto" {
        return Ok(match auto() {
            (Pick::Cpu { note }, _) => Err(note),
            (Pick::Gpu(_), Some(adapter)) => Ok(Candidate::new(&adapter)),
            (Pick::Gpu(_), None) => Err(None),
        });
    }
    Ok(Ok(Candidate::new(&named(choice)?)))
}

/// All adapters, best first, ready to be opened.
#[must_use]
pub fn all_candidates() -> Vec<Candidate> {
    enumerate(Backends::all())
        .iter()
        .map(Candidate::new)
        .collect()
}

/// The best adapter whose name has this part, or simply the best for `gpu`.
fn named(choice: &str) -> Result<wgpu::Adapter> {
    let mut found = enumerate(Backends::PRIMARY);
    let part = choice.to_lowercase();
    let fits =
        |a: &wgpu::Adapter| choice == "gpu" || a.get_info().name.to_lowercase().contains(&part);
    let looked = found.iter().any(|a| fits(a) && is_real(a));
    if !looked && (found.is_empty() || has_gpu_node()) {
        found.extend(enumerate(Backends::GL));
        found.sort_by_key(|a| rank(&a.get_info()));
    }
    match found.iter().find(|a| fits(a)) {
        Some(adapter) => Ok(adapter.clone()),
        None => Err(DeviceError::NoAdapter {
            wanted: choice.into(),
            found: names(&found.iter().map(description).collect::<Vec<_>>()),
        }),
    }
}

/// The best real GPU that opens, with its adapter, or the CPU path.
fn auto() -> (Pick, Option<wgpu::Adapter>) {
    let mut found = enumerate(Backends::PRIMARY);
    if !found.iter().any(is_real) && has_gpu_node() {
        found.extend(enumerate(Backends::GL));
    }
    let mut refusal = None;
    for adapter in found.iter().filter(|a| is_real(a)) {
        match Gpu::open(adapter) {
            Ok(gpu) => return (Pick::Gpu(Box::new(gpu)), Some(adapter.clone())),
            Err(e) => refusal = refusal.or(Some(e)),
        }
    }
    let why = match (refusal, found.first()) {
        (Some(e), _) => e.to_string(),
        (None, Some(a)) => format!("only a software adapter was found ({})", a.get_info().name),
        (None, None) => "no GPU was found".into(),
    };
    let note = Some(format!("{why}; using the CPU path"));
    (Pick::Cpu { note }, None)
}
