//! The errors of a cluster.

use std::io;
use std::path::PathBuf;

/// An error of a cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program of the control plane isn't in its folder.
    #[error("{name} is not in {}: {fix}", folder.display())]
    ToolMissing {
        /// The program's name.
        name: &'static str,
        /// The folder that was searched.
        folder: PathBuf,
        /// What the user should do.
        fix: &'static str,
    },
    /// The tools' folder is unknown, because neither `XDG_CACHE_HOME` nor `HOME` is set.
    #[error("the tools' folder is unknown: set HOME, XDG_CACHE_HOME or KUBEBUILDER_ASSETS")]
    NoCacheFolder,
    /// A file or a process of the cluster could not be used.
    #[error("{what}")]
    Io {
        /// The operation that failed.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// The key pair for service accounts could not be generated.
    #[error("the service accounts' key could not be generated")]
    Key(#[from] rcgen::Error),
    /// A program of the control plane exited, or was not ready in time.
    #[error("{name} {how}; the end of its log:\n{log}")]
    NotReady {
        /// The program's name.
        name: String,
        /// The problem: the program exited, or it took too long.
        how: String,
        /// The end of the program's log.
        log: String,
    },
    /// No free port was found on 127.0.0.1.
    #[error("no free port was found on 127.0.0.1")]
    NoPort,
    /// The API server is stopped, and the operation needs it.
    #[error("the API server is stopped")]
    Stopped,
    /// The builder didn't add this user.
    #[error("the cluster has no user {0}: add it with Builder::user")]
    UnknownUser(String),
    /// The cluster's own kubeconfig is invalid.
    #[error("the cluster's kubeconfig is invalid")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// A client could not be created, or its request failed.
    #[error("a Kubernetes client of the cluster failed")]
    Client(#[from] kube::Error),
    /// A command was still running at its time limit.
    #[error("{0} did not finish within {1} s")]
    CommandTimeout(String, u64),
    /// A command that had to succeed failed.
    #[error("{command} failed: {stderr}")]
    Command {
        /// The command line.
        command: String,
        /// The text that the command wrote to standard error.
        stderr: String,
    },
    /// A line of the API server's request log is invalid.
    #[error("a line of the API server's request log is invalid")]
    RequestLog(#[from] serde_json::Error),
}

/// The result of an operation on a cluster.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Returns a function for `map_err` that adds the failed operation, which an `io::Error` lacks.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
