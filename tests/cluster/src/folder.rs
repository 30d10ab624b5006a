//! A temporary folder that can't outlive us.

use crate::process::ended_within;
use crate::{Error, Result};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A temporary folder. It is removed soon after the last process in it is gone, and that is soon after us.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    janitor: Child,
}

impl Folder {
    /// Makes a new, empty one.
    pub(crate) fn new() -> Result<Self> {
        let mut janitor = Command::new("sh")
            .args(["-c", include_str!("janitor.sh"), "janitor"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Out of the terminal's group: Ctrl-C is for us, and the janitor must see us end first.
            .process_group(0)
            .spawn()
            .map_err(Error::io("sh could not be started"))?;
        let mut line = String::new();
        if let Some(stdout) = janitor.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(Error::io("no temporary folder could be made"))?;
        }
        let folder = Self {
            path: PathBuf::from(line.trim_end_matches('\n')),
            janitor,
        };
        fs::metadata(&folder.path).map_err(Error::io("no temporary folder could be made"))?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file in the folder, and says its path.
    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.join(name);
        fs::write(&path, contents).map_err(Error::io(format!(
            "{} could not be written",
            path.display()
        )))?;
        Ok(path)
    }
}

impl Drop for Folder {
    /// Waits, so that after a drop nothing is left.
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        ended_within(&mut self.janitor, Duration::from_secs(20));
    }
}
