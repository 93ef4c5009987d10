//! Ctrl-C (and TERM) while a run is in progress.
use crate::error::OutputError;
use crate::report::files::{Claim, RunDir};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a signal does: it ends the program until there is something to keep, then it stops training.
#[derive(Debug)]
pub(super) struct Signals {
    stop: Arc<AtomicBool>,
    trains: Arc<AtomicBool>,
    dir: Arc<Mutex<Option<RunDir>>>,
}

impl Signals {
    /// Takes the signals over. Where that cannot be, they end the program and a checkpoint stays.
    pub(super) fn catch() -> Self {
        let new = || Arc::new(AtomicBool::new(false));
        let signals = Self {
            stop: new(),
            trains: new(),
            dir: Arc::default(),
        };
        let (stop, trains) = (Arc::clone(&signals.stop), Arc::clone(&signals.trains));
        let dir = Arc::clone(&signals.dir);
        let _ = ctrlc::set_handler(move || {
            if stop.swap(true, Ordering::Relaxed) || !trains.load(Ordering::Relaxed) {
                // a directory that nothing was written to is no result
                if let Some(dir) = &*dir.lock().unwrap_or_else(PoisonError::into_inner) {
                    dir.abandon();
                }
                std::process::exit(130);
            }
        });
        signals
    }

    /// Claims the directory of the run, which a signal removes again where nothing is in it.
    ///
    /// # Errors
    /// As [`RunDir::claim`].
    pub(super) fn claim(&self, out: &Path, claim: Claim) -> Result<RunDir, OutputError> {
        // a signal waits: one that came between making the directory and knowing of it would leave it
        let mut known = self.dir.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = RunDir::claim(out, claim)?;
        Ok(known.insert(dir).clone())
    }

    /// A flag that from here on the first signal sets; the second one ends the program.
    pub(super) fn training(&self) -> Arc<AtomicBool> {
        self.trains.store(true, Ordering::Relaxed);
        Arc::clone(&self.stop)
    }
}
