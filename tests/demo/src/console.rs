//! The output of the demo.

use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Prints lines to standard output, and measures the time since the start of the demo.
#[derive(Clone, Copy)]
pub(crate) struct Console {
    started: Instant,
}

impl Console {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.started.elapsed()
    }

    /// Prints a line with the time since the start.
    pub(crate) fn print_timed(self, text: &str) {
        self.print(&format!("[{:5.1} s] {text}", self.elapsed().as_secs_f64()));
    }

    /// Prints a line. Errors are ignored, because the demo goes on if nothing reads its output.
    pub(crate) fn print(self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}
