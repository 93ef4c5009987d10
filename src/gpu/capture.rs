//! Capture of what a device is told to do, so that another implementation can do it instead
//! ([`crate::check::browser`]). Off unless asked for; it is there for tests.
//!
//! All data are words of 32 bits, whatever they mean.
use super::{Gpu, record::Range};
use serde::Serialize;
use std::collections::VecDeque;

/// A range of a captured buffer, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Which buffer.
    pub id: u32,
    /// First word.
    pub offset: usize,
    /// Words; a launch binds at least one.
    pub len: usize,
}

impl From<Range> for Span {
    fn from(r: Range) -> Self {
        let Range { id, offset, len } = r;
        Self { id, offset, len }
    }
}

/// Something that a device was told to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Event {
    /// Make a buffer of zeros.
    Alloc {
        /// Its id.
        id: u32,
        /// Its length.
        words: usize,
    },
    /// Overwrite the first words of a range.
    Write {
        /// Where.
        to: Span,
        /// What.
        data: Vec<u32>,
    },
    /// Run a kernel.
    Launch {
        /// Stem of its file.
        stem: &'static str,
        /// Name of its entry point.
        entry: &'static str,
        /// Its parameters.
        params: Vec<u32>,
        /// Workgroups along x, y, z.
        grid: [u32; 3],
        /// Its buffers, in the order of the entry's bindings.
        buffers: Vec<Span>,
    },
    /// Read a range.
    Read {
        /// Which.
        from: Span,
    },
}

/// What a device does besides its work.
#[derive(Debug, Default)]
pub(super) enum Capture {
    #[default]
    Off,
    Recording(Vec<Event>),
    Answering(VecDeque<Vec<u32>>),
}

impl Gpu {
    /// Writes down what the device is told to do from now on. Launches are not done and reads give
    /// zeros, until [`Gpu::take_capture`]. Buffers must be made after this call to be known to
    /// whoever replays it.
    pub fn start_capture(&mut self) {
        self.capture = Capture::Recording(Vec::new());
    }

    /// Ends the capture and hands out what was written down.
    pub fn take_capture(&mut self) -> Vec<Event> {
        match std::mem::take(&mut self.capture) {
            Capture::Recording(events) => events,
            _ => Vec::new(),
        }
    }

    /// From now on launches do nothing and reads give these words, in turn, until
    /// [`Gpu::take_capture`]: what another implementation read when it replayed a capture.
    pub fn answer_reads(&mut self, answers: Vec<Vec<u32>>) {
        self.capture = Capture::Answering(answers.into());
    }

    pub(super) fn note(&mut self, event: impl FnOnce() -> Event) {
        if let Capture::Recording(events) = &mut self.capture {
            events.push(event());
        }
    }

    /// Whether launches are to be done.
    pub(super) fn is_at_work(&self) -> bool {
        matches!(self.capture, Capture::Off)
    }

    /// The words of a read that is not to be done; none where answers ran out or have another
    /// length.
    pub(super) fn answer(&mut self, from: Range) -> Option<Vec<u32>> {
        match &mut self.capture {
            Capture::Off => None,
            Capture::Recording(events) => {
                events.push(Event::Read { from: from.into() });
                Some(vec![0; from.len])
            }
            Capture::Answering(answers) => answers.pop_front().filter(|a| a.len() == from.len),
        }
    }
}
