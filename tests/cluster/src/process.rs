//! A child process that can't outlive us.

use crate::folder::Folder;
use crate::{Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How much of a log an error shows.
const TAIL: usize = 4096;

/// A program that runs in the folder until it is dropped, or until this process is gone, however it ends.
#[derive(Debug)]
pub struct Process {
    name: String,
    supervisor: Child,
    pid_file: PathBuf,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with the folder as its working directory; what it writes is appended to `NAME.log` there.
    pub(crate) fn start(
        folder: &Folder,
        name: &str,
        program: &Path,
        arguments: &[OsString],
        environment: &[(OsString, OsString)],
    ) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let out = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(Error::io("a log could not be opened"))?;
        let err = out
            .try_clone()
            .map_err(Error::io("a log could not be opened"))?;
        // Here before the start, so that the janitor never takes a folder for empty in which something starts.
        let pid_file = folder.write(&format!("{name}.pid"), "")?;
        let supervisor = Command::new("sh")
            .args(["-c", include_str!("supervise.sh"), "supervise"])
            .arg(&pid_file)
            .arg(program)
            .args(arguments)
            .envs(environment.iter().cloned())
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            // Out of the terminal's group: Ctrl-C is for us, and the supervisor must see us end first.
            .process_group(0)
            .spawn();
        let supervisor = supervisor.map_err(|source| {
            let _ = fs::remove_file(&pid_file);
            Error::Io {
                what: format!("{name} could not be started"),
                source,
            }
        })?;
        Ok(Self {
            name: name.to_owned(),
            supervisor,
            pid_file,
            log,
        })
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.supervisor.try_wait().ok().flatten()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let sent = match self.pid() {
            Some(pid) => kill_process(pid, signal).map_err(std::io::Error::from),
            None => Err(std::io::ErrorKind::NotFound.into()),
        };
        sent.map_err(Error::io(format!("{} could not be signalled", self.name)))
    }

    /// Stops it in mid-air. The signal is sent at once and takes a moment to work, which is waited for.
    pub(crate) fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.is_paused() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// As the kernel says of it: the letter behind the program's name in brackets.
    fn is_paused(&self) -> bool {
        let stat = |pid: Pid| fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        let stat = self
            .pid()
            .and_then(|pid| stat(pid).ok())
            .unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// The program's, not the supervisor's.
    pub fn pid(&self) -> Option<Pid> {
        Pid::from_raw(
            fs::read_to_string(&self.pid_file)
                .ok()?
                .trim()
                .parse()
                .ok()?,
        )
    }

    /// An error about this program, with the end of its log.
    pub(crate) fn not_ready(&self, how: impl Into<String>) -> Error {
        Error::NotReady {
            name: self.name.clone(),
            how: how.into(),
            log: self.log_tail(),
        }
    }

    pub(crate) fn log_tail(&self) -> String {
        tail(&self.log)
    }

    /// All that it has written so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        ended_within(&mut self.supervisor, Duration::from_secs(10));
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(TAIL)..]).into_owned()
}

/// Waits for a child, for it would stay as a zombie. Blocking, as a drop has no runtime; it takes milliseconds.
pub(crate) fn ended_within(child: &mut Child, limit: Duration) {
    let deadline = Instant::now() + limit;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(2));
    }
}
