//! Standard output, which is data, and standard error, which is words.

use std::{
    io::{self, ErrorKind, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use anstream::{AutoStream, ColorChoice};

use crate::{clean, cli::Color, outcome::Failure};

/// Begins red text. [`Console::print()`] removes all colours where standard output takes none.
pub const RED: &str = "\x1b[31m";
/// Begins yellow text.
pub const YELLOW: &str = "\x1b[33m";
/// Begins dim text.
pub const DIM: &str = "\x1b[2m";
/// Ends a colour.
pub const RESET: &str = "\x1b[0m";

/// The width where the terminal doesn't tell its own.
pub const DEFAULT_WIDTH: usize = 80;

/// The height where the terminal doesn't tell its own.
const DEFAULT_HEIGHT: usize = 24;

/// Whether the last line of the terminal is one that the next line replaces.
static REPLACED: AtomicBool = AtomicBool::new(false);

/// Where a run writes.
pub struct Console {
    color: ColorChoice,
}

impl Console {
    /// A console with this choice of colour. `auto` follows the terminal, NO_COLOR and TERM.
    pub fn new(color: Color) -> Self {
        let color = match color {
            // In a CI job, anstream's own choice is colour, whatever TERM says.
            Color::Auto if std::env::var_os("TERM").is_some_and(|it| it == "dumb") => {
                ColorChoice::Never
            }
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::AlwaysAnsi,
            Color::Never => ColorChoice::Never,
        };
        Self { color }
    }

    /// The width of the terminal that shows standard output, or `None` if it isn't shown on one. On
    /// a pipe nothing is cut.
    pub fn width(&self) -> Option<usize> {
        let stdout = io::stdout();
        stdout.is_terminal().then(|| terminal_width(&stdout))
    }

    /// The columns and rows of the terminal that shows standard output, or `None` if it isn't shown
    /// on one, or on one that takes no escape sequences.
    pub fn window(&self) -> Option<(usize, usize)> {
        let stdout = io::stdout();
        if is_dumb() || !stdout.is_terminal() {
            return None;
        }
        let rows =
            rustix::termios::tcgetwinsize(&stdout).map_or(0, |size| usize::from(size.ws_row));
        let rows = if rows == 0 { DEFAULT_HEIGHT } else { rows };
        Some((terminal_width(&stdout), rows))
    }

    /// Whether standard output takes colour.
    pub fn takes_color(&self) -> bool {
        let choice = match self.color {
            ColorChoice::Auto => AutoStream::choice(&io::stdout()),
            other => other,
        };
        choice != ColorChoice::Never
    }

    /// Writes escape sequences and text to the terminal as they are.
    ///
    /// # Errors
    ///
    /// The terminal has gone.
    pub fn draw(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        written(
            stdout
                .write_all(text.as_bytes())
                .and_then(|()| stdout.flush()),
        )
    }

    /// Writes data to standard output.
    ///
    /// # Errors
    ///
    /// The reader has gone, or the data can't be written.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        remove_replaced();
        let mut stdout = AutoStream::new(io::stdout(), self.color).lock();
        written(
            stdout
                .write_all(text.as_bytes())
                .and_then(|()| stdout.flush()),
        )
    }

    /// Writes lines for people to standard error. They are wrapped at the width of the terminal,
    /// and have no control characters, whatever they quote.
    pub fn say(&self, text: &str) {
        say(text);
    }

    /// Returns true when standard error is a terminal on which a line can be replaced.
    pub fn can_replace(&self) -> bool {
        !is_dumb() && io::stderr().is_terminal()
    }

    /// Writes a line to the terminal that the next line of any kind replaces. It is cut at the
    /// width.
    pub fn replaceable(&self, text: &str) {
        let stderr = io::stderr();
        // The last column stays empty, so that no terminal begins another line.
        let width = terminal_width(&stderr).saturating_sub(1);
        let text = clean::cut(&clean::line(text), width);
        let _ = write!(stderr.lock(), "\r\x1b[K{text}");
        REPLACED.store(true, Ordering::Relaxed);
    }

    /// Writes an error: what is the case, and what to do.
    pub fn error(&self, sentence: &str) {
        self.say(&format!("error: {sentence}"));
    }

    /// Writes a warning.
    pub fn warn(&self, sentence: &str) {
        self.say(&format!("warning: {sentence}"));
    }
}

/// What became of a write to standard output.
fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Because(format!("standard output can't be written: {error}")),
    })
}

/// Writes lines as [`Console::say`] does.
pub fn say(text: &str) {
    remove_replaced();
    let stderr = io::stderr();
    let text = clean::lines(text);
    let text = if stderr.is_terminal() {
        clean::wrap(&text, terminal_width(&stderr)).join("\n")
    } else {
        text
    };
    // Nobody is left to tell where standard error fails.
    let _ = writeln!(stderr.lock(), "{text}");
}

/// Removes the line that the next one replaces, if there is one.
fn remove_replaced() {
    if REPLACED.swap(false, Ordering::Relaxed) {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

/// Returns true when the terminal takes no escape sequences.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|it| it.is_empty() || it == "dumb")
}

/// The width of the terminal, or 80 columns where it tells 0 or nothing.
fn terminal_width(stream: impl std::os::fd::AsFd) -> usize {
    let size = rustix::termios::tcgetwinsize(stream);
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { DEFAULT_WIDTH } else { columns }
}
