//! What can go wrong with a cluster.

use std::io;
use std::path::PathBuf;

/// What can go wrong with a cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program of the control plane is not where it should be.
    #[error("{name} is not in {}: {fix}", folder.display())]
    ToolMissing {
        /// The program's name.
        name: &'static str,
        /// Where it was looked for.
        folder: PathBuf,
        /// What to do about it.
        fix: &'static str,
    },
    /// Neither `XDG_CACHE_HOME` nor `HOME` says where the tools' folder is.
    #[error("the tools' folder is unknown: set HOME, XDG_CACHE_HOME or KUBEBUILDER_ASSETS")]
    NoCacheFolder,
    /// A file or a process of the cluster.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The pair of keys for service accounts.
    #[error("the service accounts' key could not be made")]
    Key(#[from] rcgen::Error),
    /// A program of the control plane ended, or was not ready in time.
    #[error("{name} {how}; the end of its log:\n{log}")]
    NotReady {
        /// The program's name.
        name: String,
        /// It ended, or it took too long.
        how: String,
        /// The last lines that it wrote.
        log: String,
    },
    /// No port of 127.0.0.1 could be had.
    #[error("no free port was found on 127.0.0.1")]
    NoPort,
    /// The API server was stopped, and what was asked for needs it.
    #[error("the API server is stopped")]
    Stopped,
    /// A user that the builder was not told about.
    #[error("the cluster has no user {0}: add it with Builder::user")]
    UnknownUser(String),
    /// The cluster's own kubeconfig was not understood.
    #[error("the cluster's kubeconfig was not understood")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// A client could not be made.
    #[error("no client could be made for the cluster")]
    Client(#[from] kube::Error),
    /// A command was still running when its time was up.
    #[error("{0} did not end within {1} s")]
    CommandTimeout(String, u64),
    /// A command that had to succeed did not.
    #[error("{command} failed: {stderr}")]
    Command {
        /// The command line.
        command: String,
        /// What it said.
        stderr: String,
    },
    /// A line of the API server's request log.
    #[error("a line of the API server's request log was not understood")]
    RequestLog(#[from] serde_json::Error),
}

/// The result of what is done with a cluster.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// For `map_err`: says what was tried, which an `io::Error` alone never does.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
