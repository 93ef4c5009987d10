//! Buffers: allocation, upload, download, release.
use super::{Gpu, capture::Event, record::Range};
use crate::error::DeviceError;
use crate::ops::{ALIGN, Result};
use wgpu::{BufferDescriptor, BufferUsages, ErrorFilter};

/// Bytes of one piece of an upload, so that staging memory stays small beside the data.
const UPLOAD_PIECE: usize = 32 << 20;

/// A buffer on the device.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) buffer: wgpu::Buffer,
    bytes: u64,
}

impl Gpu {
    /// Runs `make`, which allocates `bytes` for `what`; says so where memory runs out.
    fn guarded<R>(&self, what: &str, bytes: u64, make: impl FnOnce() -> R) -> Result<R> {
        let scope = self.device.push_error_scope(ErrorFilter::OutOfMemory);
        let made = make();
        match pollster::block_on(scope.pop()) {
            None => Ok(made),
            Some(_) => Err(self.out_of_memory(what, bytes)),
        }
    }

    fn out_of_memory(&self, what: &str, bytes: u64) -> DeviceError {
        DeviceError::OutOfMemory {
            what: what.into(),
            bytes,
            total: self.held,
        }
    }

    /// A new buffer of `len` words, zero; its id.
    pub(super) fn allocate(&mut self, name: &'static str, len: usize) -> Result<u32> {
        self.check()?;
        let bytes = (len.max(1).next_multiple_of(ALIGN) * 4) as u64;
        if len > self.max_elements {
            return Err(self.out_of_memory(name, bytes));
        }
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let buffer = self.guarded(name, bytes, || {
            self.device.create_buffer(&BufferDescriptor {
                label: Some(name),
                size: bytes,
                usage,
                mapped_at_creation: false,
            })
        })?;
        self.check()?;
        self.held += bytes;
        let id = self.allocations.len() as u32;
        self.allocations.push(Some(Allocation { buffer, bytes }));
        let words = bytes as usize / 4;
        self.note(|| Event::Alloc { id, words });
        Ok(id)
    }

    pub(super) fn buffer(&self, id: u32) -> Result<&wgpu::Buffer> {
        match self.allocations.get(id as usize) {
            Some(Some(a)) => Ok(&a.buffer),
            _ => Err(DeviceError::Failed(format!("buffer {id} was released"))),
        }
    }

    /// Frees a buffer; what was recorded with it keeps it until the device is done.
    pub(super) fn release(&mut self, id: u32) {
        if let Some(slot) = self.allocations.get_mut(id as usize)
            && let Some(a) = slot.take()
        {
            self.held -= a.bytes;
            self.recording.forget(id);
        }
    }

    /// Overwrites the first words of a range, after all that was recorded before.
    pub(super) fn write(&mut self, to: Range, data: &[u8]) -> Result<()> {
        self.submit_recorded()?;
        if data.len() > to.len * 4 {
            let message = format!("a write of {} bytes to {} words", data.len(), to.len);
            return Err(DeviceError::Failed(message));
        }
        self.note(|| Event::Write {
            to: to.into(),
            data: bytemuck::pod_collect_to_vec(data),
        });
        for (i, piece) in data.chunks(UPLOAD_PIECE).enumerate() {
            let at = (to.offset * 4 + i * UPLOAD_PIECE) as u64;
            let buffer = self.buffer(to.id)?;
            self.guarded("an upload", piece.len() as u64, || {
                self.queue.write_buffer(buffer, at, piece);
            })?;
            if data.len() > UPLOAD_PIECE {
                let index = self.queue.submit([]);
                self.await_room(index)?;
            }
        }
        self.check()
    }

    /// Runs what was recorded, waits, and reads a range.
    pub(super) fn read<T: bytemuck::Pod>(&mut self, from: Range) -> Result<Vec<T>> {
        let Range { id, offset, len } = from;
        if len == 0 {
            self.wait()?;
            return Ok(Vec::new());
        }
        if !self.is_at_work() {
            let answer = self.answer(from);
            let answer = answer.ok_or_else(|| DeviceError::Failed("no answer to a read".into()))?;
            return Ok(bytemuck::pod_collect_to_vec(&answer));
        }
        self.submit_recorded()?;
        let bytes = (len * 4) as u64;
        let buffer = self.buffer(id)?;
        let staging = self.guarded("a download", bytes, || {
            self.device.create_buffer(&BufferDescriptor {
                label: Some("download"),
                size: bytes,
                usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, (offset * 4) as u64, &staging, 0, bytes);
        self.queue.submit([encoder.finish()]);
        let (send, receive) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // the receiver is gone only where the wait failed and the error is reported there
            let _ = send.send(result);
        });
        self.wait()?;
        match receive.try_recv() {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(DeviceError::Failed(e.to_string())),
            Err(_) => return Err(DeviceError::Failed("a download did not end".into())),
        }
        let view = staging
            .get_mapped_range(..)
            .map_err(|e| DeviceError::Failed(e.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }
}
