//! The folder of a demo that stays: who runs it, and how to reach it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use rustix::process::Pid;

use crate::Result;

/// What a running demo leaves for others, and takes away when it ends.
const FILES: [&str; 4] = ["pid", "kubeconfig", "env", "ready"];

/// The folder. Whoever holds its lock is the running demo, and the kernel lets the lock go with the process.
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

    /// The lock, or none where another demo runs.
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

    /// The process that holds the lock, once it has said so.
    pub(crate) fn pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.join("pid")).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    /// Written beside its place and renamed, so that nobody reads half of it.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        let partial = self.join(&format!("{name}.partial"));
        fs::write(&partial, text)?;
        fs::rename(partial, self.join(name))?;
        Ok(())
    }

    /// Takes away what only holds while a demo runs. The logs stay.
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
    fn only_one_holds_the_lock_and_it_goes_with_its_holder() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path()).unwrap();
        let held = folder.lock().unwrap();
        assert!(held.is_some());
        assert!(folder.lock().unwrap().is_none());
        drop(held);
        assert!(folder.lock().unwrap().is_some());
    }
}
