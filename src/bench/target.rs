//! What the measurement of steps asks of a device beside its operations.
use crate::cpu::Cpu;
use crate::gpu::{Gpu, LaunchTime};
use crate::ops::{Ops, Result};

/// What was counted on a device so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    /// Submissions.
    pub(super) submissions: u64,
    /// Bind groups made.
    pub(super) bind_groups: u64,
}

/// A device that can be measured.
pub(super) trait Target: Ops {
    /// Counts so far; a processor's stay 0.
    fn counters(&self) -> Counters;
    /// Bytes of its buffers.
    fn bytes(&self) -> u64;
    /// Launches of one submission at most; `None` where launches do not run apart from the host.
    fn per_submit(&self) -> Option<usize>;
    /// Whether times are the device's own.
    fn has_timestamps(&self) -> bool;
    /// Times every launch from here on, `repeats` times over.
    fn start_profile(&mut self, repeats: u32) -> Result<()>;
    /// The times of all launches, or `None` where the call itself is the time.
    fn end_profile(&mut self) -> Result<Option<Vec<LaunchTime>>>;
}

impl Target for Gpu {
    fn counters(&self) -> Counters {
        Counters {
            submissions: self.submissions(),
            bind_groups: self.bind_groups_made(),
        }
    }
    fn bytes(&self) -> u64 {
        self.bytes_held()
    }
    fn per_submit(&self) -> Option<usize> {
        Some(Gpu::per_submit(self))
    }
    fn has_timestamps(&self) -> bool {
        Gpu::has_timestamps(self)
    }
    fn start_profile(&mut self, repeats: u32) -> Result<()> {
        Gpu::start_profile(self, repeats)
    }
    fn end_profile(&mut self) -> Result<Option<Vec<LaunchTime>>> {
        Gpu::end_profile(self).map(Some)
    }
}

impl Target for Cpu<f32> {
    fn counters(&self) -> Counters {
        Counters::default()
    }
    fn bytes(&self) -> u64 {
        self.bytes_held()
    }
    fn per_submit(&self) -> Option<usize> {
        None
    }
    fn has_timestamps(&self) -> bool {
        false
    }
    fn start_profile(&mut self, _repeats: u32) -> Result<()> {
        Ok(())
    }
    fn end_profile(&mut self) -> Result<Option<Vec<LaunchTime>>> {
        Ok(None)
    }
}
