//! The operator's process, which can't outlive us.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::Result;

/// A free port, and a pace at which a person can watch: the shipped operator looks less often.
const FLAGS: [&str; 11] = [
    "--leader-elect=false",
    "--listen=127.0.0.1:0",
    "--log-format=text",
    "--sync-interval=5s",
    "--transition-first=500ms",
    "--transition-last=1s",
    "--backoff-first=500ms",
    "--backoff-last=5s",
    "--refused-probe=5s",
    "--payment-probe=5s",
    "--drain=3s",
];

/// The settings of the person's own shell, which are not the demo's.
const NOT_OURS: [&str; 7] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "KUBECONFIG",
];

/// More than a start takes on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(30);

/// More than `supervise.sh` gives the operator to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// The running operator. Dropping it stops it as a cluster would, and waits for its end.
pub(crate) struct Operator {
    supervisor: Child,
    log: PathBuf,
    /// Where probes and metrics are served.
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
        let url = timeout(START_LIMIT, operator.says_where()).await;
        operator.url = url.map_err(|_| "the operator didn't say where it listens")??;
        Ok(operator)
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.supervisor.try_wait().ok().flatten()
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self, lines: usize) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    async fn says_where(&mut self) -> Result<String> {
        loop {
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(address) = listens_at(&text) {
                return Ok(format!("http://{address}"));
            }
            if let Some(status) = self.ended() {
                return Err(format!("the operator ended ({status}): {}", text.trim_end()).into());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let deadline = Instant::now() + END_LIMIT;
        while matches!(self.supervisor.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn spawn(program: &Path, kubeconfig: &Path, hub: &str, log: &Path) -> Result<Child> {
    if !program.is_file() {
        return Err(format!(
            "there is no program {}; run `make demo`, which builds it",
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
    let is_setting = |name: &OsStr| {
        NOT_OURS.iter().any(|not| name == *not) || name.to_string_lossy().starts_with("OXEN_")
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    command
        .env("KUBECONFIG", kubeconfig)
        .env("OXEN_BASE_URL", hub)
        // The only one, so that it need not make sure that there is no other before its first call.
        .env("OXEN_LEADER_ELECT", "false")
        .env("RUST_LOG", "info")
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(out)
        .stderr(err)
        // Out of the terminal's group: Ctrl-C is for us, and the supervisor must see us end first.
        .process_group(0);
    Ok(command.spawn()?)
}

/// The address in the log's first line, which ends with `listen=127.0.0.1:1234 observe_only=false`.
fn listens_at(log: &str) -> Option<&str> {
    let (_, after) = log.split_once("listen=")?;
    let (address, _) = after.split_once(char::is_whitespace)?;
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_taken_only_when_its_line_is_whole() {
        assert_eq!(
            listens_at("INFO x: starts hub=http://h/ listen=127.0.0.1:12"),
            None
        );
        assert_eq!(
            listens_at("INFO x: starts listen=127.0.0.1:1234 observe_only=false\n"),
            Some("127.0.0.1:1234")
        );
    }
}
