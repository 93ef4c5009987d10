//! Ops on wgpu: device and limits, buffers, pipelines, recording of many steps.
//!
//! Operations are recorded into one compute pass and handed to the device many at a time; their
//! parameters go to one uniform buffer that is bound at a dynamic offset, and bind groups are kept,
//! so that a training step creates nothing on the device. Errors of launches are remembered and
//! reported by the next call that can fail.
mod adapter;
pub mod capture;
mod launch;
mod limits;
mod matrix;
mod memory;
mod pipelines;
mod profile;
mod record;
pub mod tune;

pub use adapter::{
    AdapterDescription, AdapterReport, Candidate, Pick, adapters, all_candidates, candidate, pick,
};
pub(crate) use limits::has_matrix;
pub use limits::{FeatureUse, LimitNeed};
pub(crate) use matrix::{agreement, is_wanted as matrix_is_wanted};
pub use profile::LaunchTime;

use crate::error::DeviceError;
use crate::kernels::linear::{DEFAULT_TILE, TILES};
use crate::ops::{DeviceInfo, Result};
use memory::Allocation;
use record::Recording;
use std::sync::{Arc, Mutex, PoisonError};

/// The most launches of one submission; how many it has follows from the time that they take.
const PER_SUBMIT: u32 = 1024;

/// How the products of the first layer over all genes are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Entry by entry.
    #[default]
    Sparse,
    /// By dense tiles that the entries are laid out in.
    Tiled,
}

/// A device that wgpu drives.
#[derive(Debug)]
pub struct Gpu {
    device: wgpu::Device,
    adapter: wgpu::AdapterInfo,
    queue: wgpu::Queue,
    info: DeviceInfo,
    max_elements: usize,
    allocations: Vec<Option<Allocation>>,
    held: u64,
    recording: Recording,
    /// Adapter, driver and program, as `tune` tells them apart.
    key: String,
    /// Form of the first layer.
    form: Form,
    /// Tile shape of the dense layers, an index into `kernels::linear::TILES`.
    tile: usize,
    /// Whether dense layers go forward by cooperative matrices.
    matrix: bool,
    capture: capture::Capture,
    fault: Arc<Mutex<Option<String>>>,
}

impl Gpu {
    /// Opens the best adapter that `choice` names: `auto`, `gpu`, or a part of its name.
    ///
    /// # Errors
    /// [`DeviceError::NoAdapter`] where none fits (for `auto`: where there is no real GPU),
    /// [`DeviceError::Limit`] where it lacks a limit, [`DeviceError::Failed`] where it fails.
    pub fn new(choice: &str) -> Result<Self> {
        match pick(choice)? {
            Pick::Gpu(gpu) => Ok(*gpu),
            Pick::Cpu { .. } => Err(DeviceError::NoAdapter {
                wanted: choice.into(),
                found: adapter::names(&adapters()),
            }),
        }
    }

    fn open(adapter: &wgpu::Adapter) -> Result<Self> {
        let info = adapter.get_info();
        let limits = limits::needed(adapter, &info.name)?;
        let max_elements = limits::max_elements(&limits);
        let asked = matrix::asked(adapter);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("yoto-gpu"),
            required_limits: limits,
            required_features: limits::wanted(adapter) | asked,
            experimental_features: matrix::agreement(asked),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|e| DeviceError::Failed(format!("{}: {e}", info.name)))?;
        let fault = Arc::new(Mutex::new(None));
        let remember = |fault: &Arc<Mutex<Option<String>>>| {
            let fault = Arc::clone(fault);
            move |message: String| {
                fault
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(message);
            }
        };
        let (uncaptured, lost) = (remember(&fault), remember(&fault));
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| uncaptured(e.to_string())));
        device.set_device_lost_callback(move |reason, text| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                lost(format!("lost: {text}"));
            }
        });
        let recording = Recording::new(&device, PER_SUBMIT);
        let mut gpu = Self {
            device,
            adapter: info.clone(),
            queue,
            info: adapter::describe(&info),
            max_elements,
            allocations: Vec::new(),
            held: 0,
            recording,
            key: tune::key(&info),
            form: Form::Sparse,
            tile: DEFAULT_TILE,
            matrix: false,
            capture: capture::Capture::Off,
            fault,
        };
        // a software adapter is for correctness: it takes what was not measured
        if info.device_type != wgpu::DeviceType::Cpu {
            gpu.tune(tune::cache_folder().as_deref())?;
        }
        gpu.matrix = !asked.is_empty() && gpu.matrix_agrees()?;
        Ok(gpu)
    }

    /// Fails where the device failed, now or before.
    fn check(&self) -> Result<()> {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        match &*fault {
            Some(message) => Err(DeviceError::Failed(message.clone())),
            None => Ok(()),
        }
    }

    /// Remembers a failure for [`Gpu::check`].
    pub(crate) fn fail(&self, message: impl Into<String>) {
        self.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(message.into());
    }

    /// Form of the products of the first layer from now on.
    pub fn set_form(&mut self, form: Form) {
        self.form = form;
    }
    /// Shape of the tiles of the dense layers from now on, an index into
    /// [`TILES`].
    pub fn set_tile(&mut self, shape: usize) {
        self.tile = shape.min(TILES.len() - 1);
    }
    /// Bytes of all buffers.
    #[must_use]
    pub fn bytes_held(&self) -> u64 {
        self.held
    }
    /// Kernels launched so far.
    #[must_use]
    pub fn dispatches(&self) -> u64 {
        self.recording.dispatches
    }
    /// Bind groups made so far; it stands still once every step binds the same buffers.
    #[must_use]
    pub fn bind_groups_made(&self) -> u64 {
        self.recording.bind_groups_made
    }
    /// Bytes of all ranges that the launches so far bound, each counted at every launch.
    #[must_use]
    pub fn bytes_bound(&self) -> u64 {
        self.recording.bytes_bound
    }
    /// Launches of one submission at most.
    #[must_use]
    pub fn per_submit(&self) -> usize {
        self.recording.per_submit
    }
    /// Submissions so far.
    #[must_use]
    pub fn submissions(&self) -> u64 {
        self.recording.submissions
    }
}
