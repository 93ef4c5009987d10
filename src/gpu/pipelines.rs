//! Pipelines: compiled in parallel, and kept in a file between runs where the backend allows.
use super::record::{Name, uniform_bytes};
use super::{Form, Gpu, tune};
use crate::error::DeviceError;
use crate::kernels::linear::{FORWARD, GRAD_INPUT, UPDATE};
use crate::kernels::registry::Entry;
use crate::kernels::{
    self, first, heads, noise, panel, scores, softmask, sparse, tiled_forward, tiled_update, topk,
};
use crate::ops::Result;
use rayon::prelude::*;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use wgpu::{BindGroupLayoutEntry, BindingType, BufferBindingType};

/// A pipeline and the layout of its bind groups.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) layout: wgpu::BindGroupLayout,
    pub(super) pipeline: wgpu::ComputePipeline,
}

impl Gpu {
    /// Compiles what the steps of training launch, all at once, with the pipelines that `folder`
    /// keeps from an earlier run of the same adapter, driver and program; then keeps them there. A folder
    /// that cannot be read or written is no failure.
    ///
    /// # Errors
    /// A shader that the driver refuses, a device that fails.
    pub fn compile(&mut self, folder: Option<&Path>) -> Result<()> {
        let (t, tiled) = (self.tile, self.form == Form::Tiled);
        let forward = if tiled {
            &tiled_forward::FORWARD
        } else {
            &sparse::FORWARD
        };
        let update = if tiled {
            &tiled_update::UPDATE
        } else {
            &first::UPDATE
        };
        let linear = [&FORWARD[t], &GRAD_INPUT[t], &UPDATE[t]];
        let mut entries: Vec<&'static Entry> = vec![
            &noise::PERTURB,
            &softmask::FORWARD,
            &topk::SELECT_K,
            &first::CENTRE,
            forward,
            update,
            &heads::HEADS,
            &scores::UPDATE,
            &panel::GATHER,
        ];
        entries.extend(linear);
        entries.retain(|e| !self.recording.built.contains_key(&(e.stem, e.name)));
        let file = folder.and_then(|f| self.cache_file(f));
        let kept = file.as_deref().and_then(|f| std::fs::read(f).ok());
        let cache = file.as_ref().map(|_| self.open_cache(kept.as_deref()));
        let built = self.make(&entries, cache.as_ref())?;
        self.recording.built.extend(built);
        if let (Some(file), Some(cache)) = (file, cache)
            && let Some(data) = cache.get_data()
            && kept.as_deref() != Some(&data)
        {
            // the next run compiles again where it cannot be kept
            let beside = file.with_extension(format!("{}.tmp", std::process::id()));
            let _ = std::fs::create_dir_all(file.parent().unwrap_or(&file))
                .and_then(|()| std::fs::write(&beside, data))
                .and_then(|()| std::fs::rename(&beside, &file));
        }
        self.check()
    }

    /// Where the pipelines of this adapter are kept, where its backend can keep any.
    fn cache_file(&self, folder: &Path) -> Option<PathBuf> {
        if !self
            .device
            .features()
            .contains(wgpu::Features::PIPELINE_CACHE)
        {
            return None;
        }
        let key = wgpu::util::pipeline_cache_key(&self.adapter)?;
        Some(folder.join(format!("pipelines {key} {}.bin", env!("CARGO_PKG_VERSION"))))
    }

    #[expect(unsafe_code, reason = "wgpu marks the reading of a cache as unsafe")]
    fn open_cache(&self, data: Option<&[u8]>) -> wgpu::PipelineCache {
        let descriptor = wgpu::PipelineCacheDescriptor {
            label: Some("pipelines"),
            data,
            fallback: true,
        };
        // SAFETY: the data was written by `PipelineCache::get_data` to a file of the user's own cache,
        // named after adapter and driver; wgpu checks its header and takes an empty cache otherwise.
        unsafe { self.device.create_pipeline_cache(&descriptor) }
    }

    /// Compiles entries in parallel; those of one file share its module.
    pub(super) fn make(
        &self,
        entries: &[&'static Entry],
        cache: Option<&wgpu::PipelineCache>,
    ) -> Result<Vec<(Name, Built)>> {
        let all = kernels::ALL.par_iter().chain(kernels::OPTIONAL);
        let kernels = all.map(|kernel| {
            let own: Vec<_> = entries.iter().filter(|e| e.stem == kernel.stem).collect();
            if own.is_empty() {
                return Ok(Vec::new());
            }
            let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
            let module = self
                .device
                .create_shader_module(wgpu::ShaderModuleDescriptor {
                    label: Some(kernel.source.path),
                    source: wgpu::ShaderSource::Wgsl(kernel.wgsl().into()),
                });
            let built = own.into_iter().map(|entry| {
                let built = self.build(entry, kernel.params_size, &module, cache);
                ((entry.stem, entry.name), built)
            });
            let built: Vec<(Name, Built)> = built.collect();
            match pollster::block_on(scope.pop()) {
                None => Ok(built),
                Some(e) => Err(DeviceError::Failed(e.to_string())),
            }
        });
        let built: Vec<(Name, Built)> = kernels
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect();
        if built.len() < entries.len() {
            return Err(DeviceError::Failed("an entry is not registered".into()));
        }
        Ok(built)
    }

    fn build(
        &self,
        entry: &Entry,
        params_size: usize,
        module: &wgpu::ShaderModule,
        cache: Option<&wgpu::PipelineCache>,
    ) -> Built {
        let buffer = |binding: u32, ty, dynamic, size| BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: BindingType::Buffer {
                ty,
                has_dynamic_offset: dynamic,
                min_binding_size: size,
            },
            count: None,
        };
        let uniform = BufferBindingType::Uniform;
        let mut entries = vec![buffer(0, uniform, true, uniform_bytes(params_size))];
        entries.extend(entry.bindings.iter().map(|b| {
            let read_only = !b.writes;
            let ty = BufferBindingType::Storage { read_only };
            buffer(b.index, ty, false, NonZeroU64::new(4))
        }));
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(entry.name),
                entries: &entries,
            });
        let pipeline_layout = self
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(entry.name),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
        let pipeline = self
            .device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(entry.name),
                layout: Some(&pipeline_layout),
                module,
                entry_point: Some(entry.name),
                // no kernel reads workgroup memory before it wrote it (tests/tint.rs), and zeros take
                // Mesa's GLSL compiler minutes
                compilation_options: wgpu::PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache,
            });
        Built { layout, pipeline }
    }

    /// Compiles with what the user's cache keeps.
    pub(super) fn compile_with_cache(&mut self) -> Result<()> {
        self.compile(tune::cache_folder().as_deref())
    }
}
