//! The operator's process, which is stopped when the demo ends.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::Result;

/// The flags of the demo's operator.
const FLAGS: [&str; 7] = [
    // There is no other replica, and a new leader would wait before its first call.
    "--leader-elect=false",
    // A fixed port could be in use.
    "--listen=127.0.0.1:0",
    "--log-format=text",
    "--budgets",
    // People watch the demo, so the operator polls and retries more often than usual.
    "--sync-interval=5s",
    "--unmanaged-interval=5s",
    "--time-scale=20",
];

/// Environment variables that would change the operator's connections. The demo removes them, and
/// all variables that start with `OXEN_`.
const REMOVED_VARIABLES: [&str; 7] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "KUBECONFIG",
];

/// The time limit of a start. It is generous because the machine may be busy.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The time limit of a stop. It is longer than the time after which `supervise.sh` sends SIGKILL.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A running operator. Dropping it sends SIGTERM, as a kubelet does, and waits until it has exited.
pub(crate) struct Operator {
    supervisor: Child,
    log: PathBuf,
    /// The base URL of the probes and metrics.
    pub(crate) url: String,
}

impl Operator {
    pub(crate) async fn start(
        program: &Path,
        kubeconfig: &Path,
        hub: &str,
        log: PathBuf,
    ) -> Result<Self> {
        let mut operator = Self {
            supervisor: spawn(program, kubeconfig, hub, &log)?,
            log,
            url: String::new(),
        };
        let url = timeout(START_TIMEOUT, operator.wait_for_url()).await;
        operator.url = url.map_err(|_| {
            let seconds = START_TIMEOUT.as_secs();
            format!("the operator's log has no address after {seconds} s")
        })??;
        Ok(operator)
    }

    /// Returns the exit status if the operator has exited.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.supervisor.try_wait().ok().flatten()
    }

    /// Returns the number of lines of the log that contain all of these words.
    pub(crate) fn count_logged(&self, words: &[&str]) -> usize {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines = text.lines();
        let found = lines.filter(|line| words.iter().all(|word| line.contains(word)));
        found.count()
    }

    /// Returns the last lines of the log.
    pub(crate) fn log_tail(&self, lines: usize) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    async fn wait_for_url(&mut self) -> Result<String> {
        loop {
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(address) = listen_address(&text) {
                return Ok(format!("http://{address}"));
            }
            if let Some(status) = self.exited() {
                return Err(format!("the operator exited ({status}): {}", text.trim_end()).into());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let deadline = Instant::now() + STOP_TIMEOUT;
        while matches!(self.supervisor.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn spawn(program: &Path, kubeconfig: &Path, hub: &str, log: &Path) -> Result<Child> {
    if !program.is_file() {
        return Err(format!(
            "the program {} doesn't exist: run `make demo`, which builds it",
            program.display()
        )
        .into());
    }
    let out = File::create(log)?;
    let err = out.try_clone()?;
    let mut command = Command::new("sh");
    command
        .args(["-c", include_str!("supervise.sh"), "supervise"])
        .arg(program.canonicalize()?)
        .arg("run")
        .args(FLAGS);
    let is_removed = |name: &OsStr| {
        REMOVED_VARIABLES.iter().any(|removed| name == *removed)
            || name.to_string_lossy().starts_with("OXEN_")
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_removed(name)) {
        command.env_remove(name);
    }
    command
        .env("KUBECONFIG", kubeconfig)
        .env("OXEN_BASE_URL", hub)
        .env("RUST_LOG", "info")
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(out)
        .stderr(err)
        // In a process group of its own, the script doesn't get the terminal's Ctrl-C, and can
        // still stop the operator when the demo has ended.
        .process_group(0);
    Ok(command.spawn()?)
}

/// Returns the address in the log, if its line is complete. The line ends with
/// `listen=127.0.0.1:1234 observe_only=false`.
fn listen_address(log: &str) -> Option<&str> {
    let (_, rest) = log.split_once("listen=")?;
    let (address, _) = rest.split_once(char::is_whitespace)?;
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_read_only_from_a_complete_line() {
        assert_eq!(
            listen_address("INFO x: starts hub=http://h/ listen=127.0.0.1:12"),
            None
        );
        assert_eq!(
            listen_address("INFO x: starts listen=127.0.0.1:1234 observe_only=false\n"),
            Some("127.0.0.1:1234")
        );
    }
}
