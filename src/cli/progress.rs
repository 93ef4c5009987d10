//! What a person sees while a run goes on, all of it on stderr.
use crate::train::settings::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Seconds between two plain lines.
const EVERY: Duration = Duration::from_secs(2);

/// A bar on a terminal, plain lines elsewhere, nothing when quiet.
pub struct Reporter {
    quiet: bool,
    bar: Option<ProgressBar>,
    last: Option<Instant>,
    /// What [`Self::note`] said.
    noted: RefCell<HashSet<String>>,
}

impl Reporter {
    /// A new reporter.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::no_length();
            // the template is a constant; a fault in it would leave the default style
            if let Ok(style) =
                ProgressStyle::with_template("{bar:24} epoch {pos}/{len}  {msg}  {eta} left")
            {
                bar.set_style(style);
            }
            bar
        });
        Self {
            quiet,
            bar,
            last: None,
            noted: RefCell::default(),
        }
    }

    /// One line for the user; nobody has to be listening.
    pub fn say(&self, line: &str) {
        let write = || {
            let _ = writeln!(std::io::stderr(), "{line}");
        };
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// What the user should know of the data, once: each step of reading hands on what those before it found.
    pub fn note(&self, text: &str) {
        if self.noted.borrow_mut().insert(text.into()) {
            let kind = if text.starts_with("warning: ") {
                ""
            } else {
                "note: "
            };
            self.say(&format!("{kind}{text}"));
        }
    }

    /// An epoch ended.
    pub fn epoch(&mut self, p: Progress) {
        let score = p
            .epoch
            .validation_score
            .map_or(String::new(), |s| format!("  validation {s:.3}"));
        let message = format!(
            "{}  loss {:.4}{score}  {:.0} cells/s",
            p.epoch.phase, p.epoch.train_loss, p.cells_per_second
        );
        if let Some(bar) = &self.bar {
            bar.set_length(p.epochs);
            if self.last.replace(Instant::now()).is_none() {
                // a resumed run begins further on: the time left is judged from here
                bar.set_position(p.epoch.epoch - 1);
                bar.reset_eta();
            }
            bar.set_position(p.epoch.epoch);
            bar.set_message(message);
        } else if p.epoch.epoch == p.epochs || self.last.is_none_or(|t| t.elapsed() >= EVERY) {
            self.last = Some(Instant::now());
            self.say(&format!("epoch {}/{}  {message}", p.epoch.epoch, p.epochs));
        }
    }

    /// The run is over.
    pub fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
