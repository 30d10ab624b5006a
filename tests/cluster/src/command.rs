//! kubectl and helm, as a person would use them.

use crate::{Cluster, Error, Result};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// More than any command takes that comes to an end by itself.
const LIMIT: Duration = Duration::from_secs(120);

/// What a command said, and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for an error's text.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Output {
    /// An error if the command failed.
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
    /// Runs kubectl as the administrator. That it fails is no error here: see [`Output::ok`].
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        run(self.kubectl_command(), arguments, "").await
    }

    /// The same, with this text on standard input, for `-f -`.
    pub async fn kubectl_stdin(&self, arguments: &[&str], input: &str) -> Result<Output> {
        run(self.kubectl_command(), arguments, input).await
    }

    /// Runs helm as the administrator. That it fails is no error here: see [`Output::ok`].
    pub async fn helm(&self, arguments: &[&str]) -> Result<Output> {
        run(self.helm_command()?, arguments, "").await
    }

    /// kubectl, for a command whose end is not to be waited for, or with an environment of its own.
    pub fn kubectl_command(&self) -> Command {
        self.command(&self.tools.kubectl)
    }

    /// The same for helm.
    pub fn helm_command(&self) -> Result<Command> {
        Ok(self.command(&self.tools.helm()?))
    }

    /// Nothing is read from the person's home or written to it. kubectl keeps what it knows of a server by its
    /// port: what another cluster had there would be taken for ours.
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
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A command that doesn't read its input is no fault: its exit status says how it went.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let both = async { tokio::join!(feed, child.wait_with_output()).1 };
    let output = tokio::time::timeout(LIMIT, both).await;
    let output = output.map_err(|_| Error::CommandTimeout(line.clone(), LIMIT.as_secs()))?;
    let output = output.map_err(Error::io(format!("{line} could not be waited for")))?;
    Ok(Output {
        command: line,
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
