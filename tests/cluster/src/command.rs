//! kubectl and helm.

use crate::{Cluster, Error, Result};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// The time limit of a command. It only has to stop commands that hang.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How often [`Cluster::kubectl_replace`] starts over. Each time, another client wrote in between.
const CONFLICTS: usize = 20;

/// The output and the exit status of a command.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for error messages.
    pub command: String,
    /// The exit status.
    pub status: ExitStatus,
    /// The text that the command wrote to standard output.
    pub stdout: String,
    /// The text that the command wrote to standard error.
    pub stderr: String,
}

impl Output {
    /// Returns an error if the command failed.
    pub fn ok(self) -> Result<Self> {
        if self.status.success() {
            return Ok(self);
        }
        Err(Error::Command {
            command: self.command,
            stderr: self.stderr,
        })
    }
}

impl Cluster {
    /// Runs kubectl as the administrator. Returns an error only if kubectl can't be run or doesn't
    /// finish; [`Output::ok`] checks its exit status.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        run(self.kubectl_command(), arguments, "").await
    }

    /// Runs kubectl as [`Cluster::kubectl`] does, with this text as standard input for `-f -`.
    pub async fn kubectl_stdin(&self, arguments: &[&str], input: &str) -> Result<Output> {
        run(self.kubectl_command(), arguments, input).await
    }

    /// Runs `kubectl replace`, and starts over with a new manifest where another client wrote the
    /// object between kubectl's read and its write, which kubectl doesn't retry.
    pub async fn kubectl_replace(&self, manifest: impl AsyncFn() -> String) -> Result<Output> {
        let mut output = self.replace_once(&manifest).await?;
        for _ in 1..CONFLICTS {
            if !output.stderr.contains("(Conflict)") {
                break;
            }
            output = self.replace_once(&manifest).await?;
        }
        Ok(output)
    }

    async fn replace_once(&self, manifest: &impl AsyncFn() -> String) -> Result<Output> {
        let manifest = manifest().await;
        self.kubectl_stdin(&["replace", "-f", "-"], &manifest).await
    }

    /// Runs a bash script that calls kubectl as the administrator. Returns an error only if bash
    /// can't be run or doesn't finish.
    pub async fn bash(&self, script: &str) -> Result<Output> {
        let mut command = self.command(Path::new("bash"));
        let kubectl = self.tools.kubectl.parent().map(Path::to_owned);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = kubectl.into_iter().chain(std::env::split_paths(&path));
        command.env(
            "PATH",
            std::env::join_paths(folders).unwrap_or(path.clone()),
        );
        run(command, &["-c", script], "").await
    }

    /// Runs helm as the administrator. Returns an error only if helm can't be run or doesn't
    /// finish; [`Output::ok`] checks its exit status.
    pub async fn helm(&self, arguments: &[&str]) -> Result<Output> {
        run(self.helm_command()?, arguments, "").await
    }

    /// Returns a kubectl command that the caller runs, for example in the background or with
    /// further environment variables.
    pub fn kubectl_command(&self) -> Command {
        self.command(&self.tools.kubectl)
    }

    /// Returns a helm command that the caller runs, as [`Cluster::kubectl_command`] does for
    /// kubectl.
    pub fn helm_command(&self) -> Result<Command> {
        Ok(self.command(&self.tools.helm()?))
    }

    /// Returns a command that neither reads nor writes files in the home directory. kubectl's cache
    /// there is keyed by host and port, so an earlier cluster's entries would be used for this one.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("KUBECONFIG", self.kubeconfig())
            .env("KUBECACHEDIR", self.folder().join("kubectl"))
            .env("KUBERC", "off")
            .env("HELM_CACHE_HOME", self.folder().join("helm/cache"))
            .env("HELM_CONFIG_HOME", self.folder().join("helm/config"))
            .env("HELM_DATA_HOME", self.folder().join("helm/data"));
        command
    }
}

async fn run(mut command: Command, arguments: &[&str], input: &str) -> Result<Output> {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let line = format!("{program} {}", arguments.join(" "));
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .map_err(Error::io(format!("{program} could not be started")))?;
    let stdin = child.stdin.take();
    let write_input = async move {
        if let Some(mut stdin) = stdin {
            // The write fails if the command exits before it has read its input. The exit status
            // shows whether that is an error.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let both = async { tokio::join!(write_input, child.wait_with_output()).1 };
    let output = tokio::time::timeout(TIMEOUT, both).await;
    let output = output.map_err(|_| Error::CommandTimeout(line.clone(), TIMEOUT.as_secs()))?;
    let output = output.map_err(Error::io(format!("{line} could not be waited for")))?;
    Ok(Output {
        command: line,
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
