//! Times of single launches, for `bench`: while a profile is on, each launch is a pass of its own
//! between two timestamps, or, where the device has none, a submission of its own on the host's
//! clock. Off, it costs one comparison a launch.
use super::Gpu;
use crate::error::DeviceError;
use crate::ops::Result;
use std::sync::mpsc;
use std::time::Instant;
use wgpu::BufferUsages;

/// Timestamps that a query set may hold (a limit of WebGPU).
const MOST_QUERIES: usize = 4096;

/// Time of one launch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LaunchTime {
    /// File and entry point.
    pub name: (&'static str, &'static str),
    /// Nanoseconds a dispatch.
    pub ns: f64,
}

/// What is kept while a profile is on.
#[derive(Debug)]
pub(super) struct Profile {
    /// Dispatches of each launch.
    pub(super) repeats: u32,
    queries: Option<Queries>,
    /// Launches since the last submission.
    waiting: Vec<(&'static str, &'static str)>,
    done: Vec<LaunchTime>,
}

#[derive(Debug)]
struct Queries {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    read: wgpu::Buffer,
    most: usize,
    /// Nanoseconds a tick.
    period: f64,
}

impl Profile {
    /// Whether nothing more may be recorded before a submission.
    pub(super) fn is_full(&self) -> bool {
        let most = self.queries.as_ref().map_or(1, |q| q.most);
        self.waiting.len() >= most
    }
    /// Notes a launch; the timestamps of its pass.
    pub(super) fn writes(
        &mut self,
        name: (&'static str, &'static str),
    ) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let at = 2 * self.waiting.len() as u32;
        self.waiting.push(name);
        self.queries
            .as_ref()
            .map(|q| wgpu::ComputePassTimestampWrites {
                query_set: &q.set,
                beginning_of_pass_write_index: Some(at),
                end_of_pass_write_index: Some(at + 1),
            })
    }
    /// Records the way of the timestamps to the host, after the last pass of a submission.
    pub(super) fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        let n = 2 * self.waiting.len();
        if let Some(q) = self.queries.as_ref().filter(|_| n > 0) {
            encoder.resolve_query_set(&q.set, 0..n as u32, &q.resolved, 0);
            encoder.copy_buffer_to_buffer(&q.resolved, 0, &q.read, 0, 8 * n as u64);
        }
    }
}

impl Gpu {
    /// Whether launches can be timed by the device's own clock.
    #[must_use]
    pub fn has_timestamps(&self) -> bool {
        self.device
            .features()
            .contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// Times every launch from here on, each `repeats` times over. An operation that adds to its
    /// output (an update) is then done `repeats` times.
    ///
    /// # Errors
    /// What was recorded before fails.
    pub fn start_profile(&mut self, repeats: u32) -> Result<()> {
        self.wait()?;
        let plain = |size: usize, usage| {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("timestamps"),
                size: size as u64,
                usage,
                mapped_at_creation: false,
            })
        };
        let queries = self.has_timestamps().then(|| Queries {
            set: self.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: MOST_QUERIES as u32,
            }),
            resolved: plain(
                8 * MOST_QUERIES,
                BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
            ),
            read: plain(
                8 * MOST_QUERIES,
                BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            ),
            most: MOST_QUERIES / 2,
            period: f64::from(self.queue.get_timestamp_period()),
        });
        self.recording.profile = Some(Box::new(Profile {
            repeats: repeats.max(1),
            queries,
            waiting: Vec::new(),
            done: Vec::new(),
        }));
        self.check()
    }

    /// Ends the profile; the launches in order.
    ///
    /// # Errors
    /// What was recorded fails.
    pub fn end_profile(&mut self) -> Result<Vec<LaunchTime>> {
        self.wait()?;
        let profile = self.recording.profile.take();
        Ok(profile.map(|p| p.done).unwrap_or_default())
    }

    /// After a submission that began at `begin`: waits for it and notes its times.
    pub(super) fn collect_profile(&mut self, begin: Instant) -> Result<()> {
        let Some(mut profile) = self.recording.profile.take() else {
            return Ok(());
        };
        let outcome = self.times(&mut profile, begin);
        self.recording.profile = Some(profile);
        outcome
    }

    fn times(&mut self, profile: &mut Profile, begin: Instant) -> Result<()> {
        let names = std::mem::take(&mut profile.waiting);
        let each = f64::from(profile.repeats);
        if names.is_empty() {
            return Ok(());
        }
        let Some(q) = &profile.queries else {
            self.poll(None)?;
            let ns = begin.elapsed().as_nanos() as f64 / each / names.len() as f64;
            let done = names.iter().map(|&name| LaunchTime { name, ns });
            profile.done.extend(done);
            return Ok(());
        };
        let (send, receive) = mpsc::channel();
        let bytes = 16 * names.len() as u64;
        q.read
            .map_async(wgpu::MapMode::Read, ..bytes, move |result| {
                // the receiver is gone only where the wait failed and the error is reported there
                let _ = send.send(result);
            });
        self.poll(None)?;
        match receive.try_recv() {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(DeviceError::Failed(e.to_string())),
            Err(_) => return Err(DeviceError::Failed("a download did not end".into())),
        }
        let view = q.read.get_mapped_range(..bytes);
        let view = view.map_err(|e| DeviceError::Failed(e.to_string()))?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        q.read.unmap();
        for (name, t) in names.into_iter().zip(ticks.chunks_exact(2)) {
            let ns = t[1].saturating_sub(t[0]) as f64 * q.period / each;
            profile.done.push(LaunchTime { name, ns });
        }
        Ok(())
    }
}
