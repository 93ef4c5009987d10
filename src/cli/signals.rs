//! Ctrl-C (and TERM) while a run is in progress.
use crate::report::files::RunDir;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What a signal does: it ends the program until there is something to keep, then it stops training.
#[derive(Debug)]
pub(super) struct Signals {
    stop: Arc<AtomicBool>,
    trains: Arc<AtomicBool>,
    dir: Arc<OnceLock<RunDir>>,
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
                if let Some(dir) = dir.get() {
                    dir.abandon();
                }
                std::process::exit(130);
            }
        });
        signals
    }

    /// Tells of the directory that was made for the run.
    pub(super) fn made(&self, dir: &RunDir) {
        // there is one in a program
        let _ = self.dir.set(dir.clone());
    }

    /// A flag that from here on the first signal sets; the second one ends the program.
    pub(super) fn training(&self) -> Arc<AtomicBool> {
        self.trains.store(true, Ordering::Relaxed);
        Arc::clone(&self.stop)
    }
}
