//! The folder of a demo in the background: its lock, its process id, and the files for its users.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use rustix::process::Pid;

use crate::Result;

/// The files that exist only while a demo runs.
const FILES: [&str; 4] = ["pid", "kubeconfig", "env", "ready"];

/// The folder of a demo in the background. The running demo holds the folder's lock, which the
/// kernel releases when the process ends.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let path = path.canonicalize()?;
        Ok(Self { path })
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Takes the lock, or returns `None` if another demo runs.
    pub(crate) fn lock(&self) -> Result<Option<File>> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(self.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Returns the process id of the running demo, if the demo has written it yet.
    pub(crate) fn pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.join("pid")).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    /// Writes a file atomically, so that no reader gets a part of it.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        let partial = self.join(&format!("{name}.partial"));
        fs::write(&partial, text)?;
        fs::rename(partial, self.join(name))?;
        Ok(())
    }

    /// Removes the files that exist only while a demo runs. The logs are kept.
    pub(crate) fn clear(&self) {
        for name in FILES {
            let _ = fs::remove_file(self.join(name));
        }
        let _ = fs::remove_dir_all(self.join("cache"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lock_is_exclusive_until_dropped() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path()).unwrap();
        let lock = folder.lock().unwrap();
        assert!(lock.is_some());
        assert!(folder.lock().unwrap().is_none());
        drop(lock);
        assert!(folder.lock().unwrap().is_some());
    }
}
