//! Ctrl-C (and TERM).
use crate::leftovers;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a signal does: it ends the program until there is something to keep, then it stops training.
#[derive(Debug)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    trains: Arc<AtomicBool>,
}

impl Signals {
    /// Takes the signals over. Where that cannot be, they end the program and a checkpoint stays.
    #[must_use]
    pub fn catch() -> Self {
        let new = || Arc::new(AtomicBool::new(false));
        let signals = Self {
            stop: new(),
            trains: new(),
        };
        let (stop, trains) = (Arc::clone(&signals.stop), Arc::clone(&signals.trains));
        let _ = ctrlc::set_handler(move || {
            if stop.swap(true, Ordering::Relaxed) || !trains.load(Ordering::Relaxed) {
                leftovers::end(130);
            }
        });
        signals
    }

    /// A flag that from here on the first signal sets; the second one ends the program.
    pub(super) fn training(&self) -> Arc<AtomicBool> {
        self.trains.store(true, Ordering::Relaxed);
        Arc::clone(&self.stop)
    }
}
