//! A temporary folder that is removed when this process ends.

use crate::process::wait_for_exit;
use crate::{Error, Result};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A temporary folder. `cleanup.sh` removes it when this value is dropped or this process ends, and
/// no process runs in the folder any more.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    cleanup: Child,
}

impl Folder {
    /// Creates an empty folder.
    pub(crate) fn new() -> Result<Self> {
        let mut cleanup = Command::new("sh")
            .args(["-c", include_str!("cleanup.sh"), "cleanup"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // In a process group of its own, the script doesn't get the terminal's Ctrl-C, and can
            // still clean up when this process has ended.
            .process_group(0)
            .spawn()
            .map_err(Error::io("sh could not be started"))?;
        let mut line = String::new();
        if let Some(stdout) = cleanup.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(Error::io("a temporary folder could not be created"))?;
        }
        let folder = Self {
            path: PathBuf::from(line.trim_end_matches('\n')),
            cleanup,
        };
        fs::metadata(&folder.path).map_err(Error::io("a temporary folder could not be created"))?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file in the folder, and returns its path.
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
    /// Waits until the folder is removed.
    fn drop(&mut self) {
        drop(self.cleanup.stdin.take());
        wait_for_exit(&mut self.cleanup, Duration::from_secs(20));
    }
}
