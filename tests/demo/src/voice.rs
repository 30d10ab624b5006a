//! What a person reads while it runs.

use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Speaks to standard output, and knows how long it has been going.
#[derive(Clone, Copy)]
pub(crate) struct Voice {
    started: Instant,
}

impl Voice {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.started.elapsed()
    }

    /// A line with the time since the start.
    pub(crate) fn say(self, words: &str) {
        self.line(&format!("[{:5.1} s] {words}", self.elapsed().as_secs_f64()));
    }

    /// A line as it is. A reader who has gone away is no reason to fail.
    pub(crate) fn line(self, words: &str) {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{words}").and_then(|()| out.flush());
    }
}
