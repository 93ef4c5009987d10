//! A device of its own for the ceilings: pipelines of `shaders/bench/`, timed.
use crate::error::DeviceError;
use crate::gpu::agreement;
use crate::kernels::ceiling::{Ceiling, Probe};
use crate::ops::Result;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use wgpu::{BindingType, BufferBindingType, BufferUsages, Features};

struct Timer {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    read: wgpu::Buffer,
    /// Nanoseconds a tick.
    period: f64,
}

/// An open device with two buffers and a uniform.
pub(super) struct Bench {
    device: wgpu::Device,
    queue: wgpu::Queue,
    timer: Option<Timer>,
    layout: wgpu::BindGroupLayout,
    group: wgpu::BindGroup,
    params: wgpu::Buffer,
    input: wgpu::Buffer,
    output: wgpu::Buffer,
    fault: Arc<Mutex<Option<String>>>,
    /// Bytes of each of the two buffers.
    pub(super) bytes: u64,
}

fn failed(e: impl ToString) -> DeviceError {
    DeviceError::Failed(e.to_string())
}

impl Bench {
    /// Opens the adapter with these features and two buffers of at most `bytes`, fewer where memory
    /// or a limit does not allow more.
    pub(super) fn open(adapter: &wgpu::Adapter, features: Features, bytes: u64) -> Result<Self> {
        let mut limits = wgpu::Limits::downlevel_defaults().or_worse_values_from(&adapter.limits());
        let has = adapter.limits();
        limits.max_storage_buffer_binding_size = has.max_storage_buffer_binding_size;
        limits.max_buffer_size = has.max_buffer_size;
        let asked = wgpu::DeviceDescriptor {
            label: Some("yoto-gpu bench"),
            required_features: features | (adapter.features() & Features::TIMESTAMP_QUERY),
            required_limits: limits.clone(),
            experimental_features: agreement(features),
            ..Default::default()
        };
        let opened = pollster::block_on(adapter.request_device(&asked));
        let (device, queue) = opened.map_err(failed)?;
        let fault: Arc<Mutex<Option<String>>> = Arc::default();
        let remember = Arc::clone(&fault);
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            let mut fault = remember.lock().unwrap_or_else(PoisonError::into_inner);
            fault.get_or_insert(e.to_string());
        }));
        let most = limits
            .max_storage_buffer_binding_size
            .min(limits.max_buffer_size)
            / 65_536
            * 65_536;
        let (input, output, bytes) = buffers(&device, bytes.min(most))?;
        let plain = |size, usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let params = plain(
            size_of::<Ceiling>() as u64,
            BufferUsages::UNIFORM | BufferUsages::COPY_DST,
        );
        let timer = device.features().contains(Features::TIMESTAMP_QUERY);
        let timer = timer.then(|| Timer {
            set: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: plain(256, BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC),
            read: plain(256, BufferUsages::MAP_READ | BufferUsages::COPY_DST),
            period: f64::from(queue.get_timestamp_period()),
        });
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: BindingType::Buffer {
                ty,
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let storage = |read_only| BufferBindingType::Storage { read_only };
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: None,
            entries: &[
                entry(0, BufferBindingType::Uniform),
                entry(1, storage(true)),
                entry(2, storage(false)),
            ],
        });
        let bound = [&params, &input, &output];
        let entries: Vec<_> = (0u32..)
            .zip(bound)
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &layout,
            entries: &entries,
        });
        Ok(Self {
            device,
            queue,
            timer,
            layout,
            group,
            params,
            input,
            output,
            fault,
            bytes,
        })
    }

    /// Whether times are the device's own.
    pub(super) fn has_timer(&self) -> bool {
        self.timer.is_some()
    }

    /// Compiles an entry of a probe.
    pub(super) fn pipeline(&self, probe: &Probe, entry: &str) -> Result<wgpu::ComputePipeline> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let source = wgpu::ShaderSource::Wgsl(probe.source.text.into());
        let module = self
            .device
            .create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(probe.source.path),
                source,
            });
        let layout = self
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(&self.layout)],
                immediate_size: 0,
            });
        let pipeline = self
            .device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(entry),
                layout: Some(&layout),
                module: &module,
                entry_point: Some(entry),
                compilation_options: Default::default(),
                cache: None,
            });
        match pollster::block_on(scope.pop()) {
            Some(e) => Err(failed(e)),
            None => Ok(pipeline),
        }
    }

    /// Sets the uniform of all later dispatches.
    pub(super) fn set(&self, params: Ceiling) {
        self.queue
            .write_buffer(&self.params, 0, bytemuck::bytes_of(&params));
    }
    /// Writes into the input.
    pub(super) fn write(&self, at: u64, bytes: &[u8]) {
        self.queue.write_buffer(&self.input, at, bytes);
    }

    /// Nanoseconds of `n` dispatches in one pass: the device's, or those of submit and wait.
    pub(super) fn time(
        &self,
        pipeline: &wgpu::ComputePipeline,
        groups: u32,
        n: u32,
    ) -> Result<f64> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let writes = self
            .timer
            .as_ref()
            .map(|t| wgpu::ComputePassTimestampWrites {
                query_set: &t.set,
                beginning_of_pass_write_index: Some(0),
                end_of_pass_write_index: Some(1),
            });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: None,
            timestamp_writes: writes,
        });
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        for _ in 0..n {
            pass.dispatch_workgroups(groups, 1, 1);
        }
        drop(pass);
        if let Some(t) = &self.timer {
            encoder.resolve_query_set(&t.set, 0..2, &t.resolved, 0);
            encoder.copy_buffer_to_buffer(&t.resolved, 0, &t.read, 0, 16);
        }
        let begin = Instant::now();
        self.queue.submit([encoder.finish()]);
        self.wait()?;
        let host = begin.elapsed().as_nanos() as f64;
        let Some(t) = &self.timer else {
            return Ok(host);
        };
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&self.map(&t.read, 16)?);
        Ok(ticks[1].saturating_sub(ticks[0]) as f64 * t.period)
    }

    /// Nanoseconds of handing over an empty command buffer and waiting for it.
    pub(super) fn empty_submit(&self) -> Result<f64> {
        let encoder = self.device.create_command_encoder(&Default::default());
        let begin = Instant::now();
        self.queue.submit([encoder.finish()]);
        self.wait()?;
        Ok(begin.elapsed().as_nanos() as f64)
    }

    /// Reads from the output.
    pub(super) fn read(&self, at: u64, len: u64) -> Result<Vec<u8>> {
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: len,
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&self.output, at, &staging, 0, len);
        self.queue.submit([encoder.finish()]);
        self.map(&staging, len)
    }

    fn map(&self, buffer: &wgpu::Buffer, len: u64) -> Result<Vec<u8>> {
        let mapped: Arc<Mutex<Option<std::result::Result<(), wgpu::BufferAsyncError>>>> =
            Arc::default();
        let told = Arc::clone(&mapped);
        buffer.map_async(wgpu::MapMode::Read, ..len, move |result| {
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        });
        self.wait()?;
        match mapped.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(Ok(())) => {}
            Some(Err(e)) => return Err(failed(e)),
            None => return Err(failed("a download did not end")),
        }
        let bytes = buffer.get_mapped_range(..len).map_err(failed)?.to_vec();
        buffer.unmap();
        Ok(bytes)
    }

    fn wait(&self) -> Result<()> {
        self.device
            .poll(wgpu::PollType::Wait {
                submission_index: None,
                timeout: None,
            })
            .map_err(failed)?;
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.as_ref().map_or(Ok(()), |f| Err(failed(f)))
    }
}

/// Input and output of `bytes` each, or of a half, a quarter, ... where memory is short.
fn buffers(device: &wgpu::Device, mut bytes: u64) -> Result<(wgpu::Buffer, wgpu::Buffer, u64)> {
    loop {
        let scope = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let make = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: bytes,
                usage: BufferUsages::STORAGE | usage,
                mapped_at_creation: false,
            })
        };
        let (input, output) = (make(BufferUsages::COPY_DST), make(BufferUsages::COPY_SRC));
        match pollster::block_on(scope.pop()) {
            None => return Ok((input, output, bytes)),
            Some(_) if bytes > 1 << 24 => bytes /= 2,
            Some(_) => {
                return Err(DeviceError::OutOfMemory {
                    what: "the copy that measures bandwidth".into(),
                    bytes,
                    total: 0,
                });
            }
        }
    }
}
