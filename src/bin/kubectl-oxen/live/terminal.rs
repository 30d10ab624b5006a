//! The alternate screen of a terminal.

use super::frame::Known;
use crate::{console::Console, outcome::Failure, when::Now};

/// Shows the alternate screen, hides the cursor and ends the wrapping of lines.
const OPEN: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";

/// Sets back what [`OPEN`] changes.
const CLOSE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// A terminal that shows the alternate screen, until it is dropped.
pub struct Terminal<'a> {
    console: &'a Console,
    /// The size of the window for which a frame was drawn.
    size: (usize, usize),
    /// The lines that are on the screen.
    shown: Vec<String>,
}

impl<'a> Terminal<'a> {
    /// Shows the alternate screen.
    ///
    /// # Errors
    ///
    /// The terminal has gone.
    pub fn open(console: &'a Console) -> Result<Self, Failure> {
        console.draw(OPEN)?;
        Ok(Self {
            console,
            size: (0, 0),
            shown: Vec::new(),
        })
    }

    /// Gives the terminal back, stops this process as Ctrl-Z does, and takes the terminal again
    /// once the process goes on.
    ///
    /// # Errors
    ///
    /// The terminal has gone.
    pub fn stop(&mut self) -> Result<(), Failure> {
        self.console.draw(CLOSE)?;
        // The handler of SIGTSTP has taken the place of what that signal does by itself.
        let stopped =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
        self.console.draw(OPEN)?;
        // The shell has written to the terminal meanwhile, and the window can have another size.
        self.size = (0, 0);
        stopped.map_err(|error| format!("the process can't be stopped: {error}").into())
    }

    /// Has the next frame drawn as a whole, since what a person types is on the screen, too.
    pub fn forget(&mut self) {
        self.shown.clear();
    }

    /// The frame for the window as it is now.
    pub fn frame(&self, known: &Known<'_>, now: &Now) -> Vec<String> {
        let size = self.console.window().unwrap_or(self.size);
        self.frame_of(known, now, size)
    }

    fn frame_of(&self, known: &Known<'_>, now: &Now, size: (usize, usize)) -> Vec<String> {
        let lines = known.frame(now, size);
        if self.console.takes_color() {
            return lines;
        }
        let plain = |line: &String| anstream::adapter::strip_str(line).to_string();
        lines.iter().map(plain).collect()
    }

    /// Draws a frame: the lines that differ from what is on the screen.
    ///
    /// # Errors
    ///
    /// The terminal has gone.
    pub fn draw(&mut self, known: &Known<'_>, now: &Now) -> Result<(), Failure> {
        let size = self.console.window().unwrap_or(self.size);
        let lines = self.frame_of(known, now, size);
        let resized = size != self.size;
        let before: &[String] = if resized { &[] } else { &self.shown };
        let text = difference(before, &lines, resized);
        self.size = size;
        self.shown = lines;
        if text.is_empty() {
            return Ok(());
        }
        self.console.draw(&text)
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        // Nobody is left to tell where the terminal has gone.
        let _ = self.console.draw(CLOSE);
    }
}

/// What turns the lines on the screen into other ones. A line is cleared before it is written,
/// since the cursor stays in the last column after a line as wide as the window.
pub(super) fn difference(before: &[String], after: &[String], clear: bool) -> String {
    let mut text = String::new();
    if clear {
        text.push_str("\x1b[2J");
    }
    for at in 0..before.len().max(after.len()) {
        let (old, new) = (before.get(at), after.get(at));
        if old != new {
            let line = new.map(String::as_str).unwrap_or_default();
            text.push_str(&format!("\x1b[{};1H\x1b[K{line}", at + 1));
        }
    }
    text
}
