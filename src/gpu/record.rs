//! Recording: pipelines, bind groups, one compute pass for many launches, submission.
use super::pipelines::Built;
use super::{Gpu, capture::Event, profile::Profile};
use crate::error::DeviceError;
use crate::kernels::{self, registry::Entry};
use crate::ops::{FBuf, Result, UBuf};
use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};
use wgpu::BindGroupEntry;

/// Submissions that may wait on the device; more would only hold memory.
const IN_FLIGHT: usize = 3;
/// Launches of the first submissions, before it is known how long they take.
const FIRST_PER_SUBMIT: usize = 64;

/// Launches of the next submissions where one of `now` took `took`: drivers reset a device whose
/// submission lasts seconds, and short ones cost the host time.
fn paced(now: usize, took: Duration) -> usize {
    match took.as_millis() {
        0..25 => now * 2,
        25..100 => now,
        _ => (now / 2).max(8),
    }
}

/// Storage buffers of the widest entry.
const WIDEST: usize = kernels::registry::MAX_STORAGE_BUFFERS as usize;
/// Distance of the parameters of two launches in the uniform buffer.
const STRIDE: usize = 256;

/// A range of a buffer, of floats or integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Range {
    pub(super) id: u32,
    pub(super) offset: usize,
    pub(super) len: usize,
}

impl From<FBuf> for Range {
    fn from(b: FBuf) -> Self {
        let FBuf { id, offset, len } = b;
        Self { id, offset, len }
    }
}

impl From<UBuf> for Range {
    fn from(b: UBuf) -> Self {
        let UBuf { id, offset, len } = b;
        Self { id, offset, len }
    }
}

pub(super) type Name = (&'static str, &'static str);

/// What was recorded and what recording needs.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) built: HashMap<Name, Built>,
    groups: HashMap<(Name, [Range; WIDEST]), wgpu::BindGroup>,
    uniforms: wgpu::Buffer,
    params: Vec<u8>,
    // before the encoder, so that it is dropped first
    pass: Option<wgpu::ComputePass<'static>>,
    encoder: Option<wgpu::CommandEncoder>,
    pub(super) per_submit: usize,
    most_per_submit: usize,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
    /// When the last submission that was waited for ended.
    last_done: Option<Instant>,
    pub(super) profile: Option<Box<Profile>>,
    pub(super) dispatches: u64,
    pub(super) bind_groups_made: u64,
    pub(super) bytes_bound: u64,
    pub(super) submissions: u64,
}

impl Recording {
    pub(super) fn new(device: &wgpu::Device, per_submit: u32) -> Self {
        let uniforms = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("parameters"),
            size: u64::from(per_submit) * STRIDE as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Self {
            built: HashMap::new(),
            groups: HashMap::new(),
            uniforms,
            params: Vec::with_capacity(per_submit as usize * STRIDE),
            pass: None,
            encoder: None,
            per_submit: FIRST_PER_SUBMIT.min(per_submit as usize),
            most_per_submit: per_submit as usize,
            in_flight: VecDeque::new(),
            last_done: None,
            profile: None,
            dispatches: 0,
            bind_groups_made: 0,
            bytes_bound: 0,
            submissions: 0,
        }
    }

    /// Drops the bind groups that hold a buffer.
    pub(super) fn forget(&mut self, id: u32) {
        self.groups.retain(|((stem, name), ranges), _| {
            let kernel = kernels::ALL.iter().find(|k| k.stem == *stem);
            let entry = kernel.and_then(|k| k.entries.iter().find(|e| e.name == *name));
            let bound = entry.map_or(WIDEST, |e| e.bindings.len());
            ranges[..bound].iter().all(|r| r.id != id)
        });
    }
}

/// Bytes that the uniform of `size` bytes binds: some backends count whole rows of 16.
pub(super) fn uniform_bytes(size: usize) -> Option<NonZeroU64> {
    NonZeroU64::new(size.next_multiple_of(16) as u64)
}

impl Gpu {
    /// Records a launch; failures are remembered. Nothing is launched on an empty grid.
    pub(super) fn launch<P: bytemuck::Pod>(
        &mut self,
        entry: &'static Entry,
        params: &P,
        buffers: &[Range],
        grid: [u32; 3],
    ) {
        if grid.contains(&0) || self.check().is_err() {
            return;
        }
        self.note(|| Event::Launch {
            stem: entry.stem,
            entry: entry.name,
            params: bytemuck::pod_collect_to_vec(bytemuck::bytes_of(params)),
            grid,
            buffers: buffers.iter().map(|&b| b.into()).collect(),
        });
        if !self.is_at_work() {
            return;
        }
        if let Err(e) = self.try_launch(entry, bytemuck::bytes_of(params), buffers, grid) {
            let message = match e {
                DeviceError::Failed(message) => message,
                other => other.to_string(),
            };
            self.fail(format!("{}/{}: {message}", entry.stem, entry.name));
        }
    }

    fn try_launch(
        &mut self,
        entry: &'static Entry,
        params: &[u8],
        buffers: &[Range],
        grid: [u32; 3],
    ) -> Result<()> {
        let name = (entry.stem, entry.name);
        if buffers.len() != entry.bindings.len() {
            let message = format!(
                "{} buffers instead of {}",
                buffers.len(),
                entry.bindings.len()
            );
            return Err(DeviceError::Failed(message));
        }
        if !self.recording.built.contains_key(&name) {
            let built = self.make(&[entry], None)?;
            self.recording.built.extend(built);
        }
        let mut ranges = [Range::default(); WIDEST];
        ranges[..buffers.len()].copy_from_slice(buffers);
        let key = (name, ranges);
        if !self.recording.groups.contains_key(&key) {
            let group = self.bind(entry, params.len(), buffers)?;
            self.recording.groups.insert(key, group);
            self.recording.bind_groups_made += 1;
        }
        let profile = self.recording.profile.as_ref();
        let full = profile.is_some_and(|p| p.is_full());
        if full || self.recording.params.len() >= self.recording.per_submit * STRIDE {
            self.submit_recorded()?;
        }
        let r = &mut self.recording;
        if r.pass.is_none() {
            let new = || self.device.create_command_encoder(&Default::default());
            let mut encoder = r.encoder.take().unwrap_or_else(new);
            let timestamp_writes = r.profile.as_mut().and_then(|p| p.writes(name));
            let pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes,
            });
            r.pass = Some(pass.forget_lifetime());
            r.encoder = Some(encoder);
        }
        let (Some(pass), Some(built), Some(group)) =
            (&mut r.pass, r.built.get(&name), r.groups.get(&key))
        else {
            return Err(DeviceError::Failed("nothing to record into".into()));
        };
        let offset = r.params.len();
        r.params.extend_from_slice(params);
        r.params.resize(offset + STRIDE, 0);
        pass.set_pipeline(&built.pipeline);
        pass.set_bind_group(0, group, &[offset as u32]);
        for _ in 0..r.profile.as_ref().map_or(1, |p| p.repeats) {
            pass.dispatch_workgroups(grid[0], grid[1], grid[2]);
        }
        r.dispatches += 1;
        r.bytes_bound += buffers.iter().map(|b| b.len as u64 * 4).sum::<u64>();
        if r.profile.is_some() {
            r.pass = None;
        }
        Ok(())
    }

    fn bind(&self, entry: &Entry, params: usize, buffers: &[Range]) -> Result<wgpu::BindGroup> {
        let built = self.recording.built.get(&(entry.stem, entry.name));
        let built = built.ok_or_else(|| DeviceError::Failed("not built".into()))?;
        let mut entries = vec![BindGroupEntry {
            binding: 0,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &self.recording.uniforms,
                offset: 0,
                size: uniform_bytes(params),
            }),
        }];
        for (binding, range) in entry.bindings.iter().zip(buffers) {
            entries.push(BindGroupEntry {
                binding: binding.index,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: self.buffer(range.id)?,
                    offset: (range.offset * 4) as u64,
                    // an empty range binds one word that no kernel reads
                    size: NonZeroU64::new(range.len.max(1) as u64 * 4),
                }),
            });
        }
        Ok(self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(entry.name),
            layout: &built.layout,
            entries: &entries,
        }))
    }

    /// Hands what was recorded to the device.
    pub(super) fn submit_recorded(&mut self) -> Result<()> {
        let r = &mut self.recording;
        r.pass = None;
        if let Some(mut encoder) = r.encoder.take() {
            if let Some(profile) = &r.profile {
                profile.resolve(&mut encoder);
            }
            self.queue.write_buffer(&r.uniforms, 0, &r.params);
            r.params.clear();
            r.submissions += 1;
            let begin = Instant::now();
            let index = self.queue.submit([encoder.finish()]);
            if self.recording.profile.is_some() {
                self.collect_profile(begin)?;
            }
            self.await_room(index)?;
        }
        self.check()
    }

    /// Notes a submission and waits until few enough are in flight.
    pub(super) fn await_room(&mut self, index: wgpu::SubmissionIndex) -> Result<()> {
        self.recording.in_flight.push_back(index);
        if self.recording.in_flight.len() > IN_FLIGHT {
            let oldest = self.recording.in_flight.pop_front();
            self.poll(oldest)?;
            let (now, r) = (Instant::now(), &mut self.recording);
            if let Some(last) = r.last_done.replace(now) {
                r.per_submit = paced(r.per_submit, now - last).min(r.most_per_submit);
            }
        }
        Ok(())
    }

    pub(super) fn poll(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let wait = wgpu::PollType::Wait {
            submission_index,
            timeout: None,
        };
        match self.device.poll(wait) {
            Ok(_) => self.check(),
            Err(e) => {
                self.fail(e.to_string());
                self.check()
            }
        }
    }

    /// Runs what was recorded and waits for all of it.
    pub(super) fn wait(&mut self) -> Result<()> {
        self.submit_recorded()?;
        self.recording.in_flight.clear();
        // after a pause the next one would seem to have taken as long
        self.recording.last_done = None;
        self.poll(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submissions_grow_and_shrink_with_their_time() {
        assert_eq!(paced(64, Duration::from_millis(3)), 128);
        assert_eq!(paced(64, Duration::from_millis(60)), 64);
        assert_eq!(paced(64, Duration::from_millis(300)), 32);
        assert_eq!(paced(9, Duration::from_secs(9)), 8);
    }
}
