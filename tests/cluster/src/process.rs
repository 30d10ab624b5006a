//! A child process that is killed when this process ends.

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

/// The number of bytes at the end of a log that an error shows.
const TAIL: usize = 4096;

/// A program that runs in the cluster's folder. It is killed when this value is dropped or this
/// process ends for any reason.
#[derive(Debug)]
pub struct Process {
    name: String,
    supervisor: Child,
    pid_file: PathBuf,
    log: PathBuf,
}

impl Process {
    /// Starts a program with the folder as its working directory. Its output is appended to the
    /// file `NAME.log` there.
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
        // The pid file is created before the start because cleanup.sh waits until the folder has no
        // pid files.
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
            // In a process group of its own, the script doesn't get the terminal's Ctrl-C, and can
            // still kill the program when this process has ended.
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

    /// Returns the exit status if the process has exited.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.supervisor.try_wait().ok().flatten()
    }

    /// Sends a signal to the program.
    ///
    /// # Errors
    ///
    /// Returns an error if the program has exited.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let sent = match self.pid() {
            Some(pid) => kill_process(pid, signal).map_err(std::io::Error::from),
            None => Err(std::io::ErrorKind::NotFound.into()),
        };
        sent.map_err(Error::io(format!("{} could not be signalled", self.name)))
    }

    /// Suspends the program, and waits until the kernel shows it as stopped.
    pub(crate) fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.is_paused() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn is_paused(&self) -> bool {
        // In /proc/PID/stat, the state letter follows the program's name in parentheses.
        let stat = |pid: Pid| fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        let stat = self
            .pid()
            .and_then(|pid| stat(pid).ok())
            .unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, state)| state.starts_with('T'))
    }

    /// Returns the process id of the program, and not of its supervisor.
    pub fn pid(&self) -> Option<Pid> {
        Pid::from_raw(
            fs::read_to_string(&self.pid_file)
                .ok()?
                .trim()
                .parse()
                .ok()?,
        )
    }

    /// Returns an error about this program, with the end of its log.
    pub(crate) fn not_ready(&self, problem: impl Into<String>) -> Error {
        Error::NotReady {
            name: self.name.clone(),
            how: problem.into(),
            log: self.log_tail(),
        }
    }

    pub(crate) fn log_tail(&self) -> String {
        tail(&self.log)
    }

    /// Returns the program's whole output.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        wait_for_exit(&mut self.supervisor, Duration::from_secs(10));
    }
}

/// Returns the end of a log.
pub(crate) fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(TAIL)..]).into_owned()
}

/// Waits for a child process, which would remain as a zombie otherwise. The function blocks because
/// `drop` can't be async; the wait takes milliseconds.
pub(crate) fn wait_for_exit(child: &mut Child, timeout: Duration) {
    let deadline = Instant::now() + timeout;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(2));
    }
}
