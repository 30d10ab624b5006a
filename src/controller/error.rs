//! A failed request to the Kubernetes API.

use std::{fmt, sync::Arc};

use kube::runtime::watcher;
use tokio::time::Instant;

/// What ends a reconcile early. Faults of the hub are data, and never errors.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum ReconcileError {
    #[error("{request} failed")]
    Kube {
        request: Request,
        #[source]
        source: Arc<kube::Error>,
    },
    #[error("{request} timed out")]
    Timeout { request: Request },
    /// The request was not sent, because its permit came too late.
    #[error("{request} came too late")]
    Late { request: Request },
    #[error("the operator is shutting down, or the object has changed")]
    Outdated,
    /// The API server's answer to a write of the finalizers has other finalizers.
    #[error(
        "the API server did not store the finalizers of {object} as they were written; check the \
         mutating admission webhooks and policies for oxenmodels"
    )]
    FinalizersNotStored { object: String },
    #[error("the status of {object} can't be written as JSON")]
    Json {
        object: String,
        #[source]
        source: Arc<serde_json::Error>,
    },
}

/// A request to the Kubernetes API, as an error names it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    action: &'static str,
    namespace: String,
    name: String,
    expires: Option<Instant>,
}

impl Request {
    /// `action` is a verb with its object, such as `writing the status of`.
    pub(super) fn new(action: &'static str, namespace: &str, name: &str) -> Self {
        Self {
            action,
            namespace: namespace.into(),
            name: name.into(),
            expires: None,
        }
    }

    /// Makes a request that must not be sent after this time.
    pub(super) fn before(self, expires: Option<Instant>) -> Self {
        Self { expires, ..self }
    }

    /// Returns true when it is too late to send the request.
    pub(super) fn is_late(&self) -> bool {
        self.expires
            .is_some_and(|expires| Instant::now() >= expires)
    }

    /// The namespace of the request, which is empty for a resource without one.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            action,
            namespace,
            name,
            expires: _,
        } = self;
        if namespace.is_empty() {
            write!(f, "{action} {name}")
        } else {
            write!(f, "{action} {namespace}/{name}")
        }
    }
}

impl ReconcileError {
    /// Why the request failed, without any part of a response that can't be decoded.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Kube { source, .. } => without_body(source),
            Self::Json { source, .. } => source.to_string(),
            Self::Timeout { .. }
            | Self::Late { .. }
            | Self::FinalizersNotStored { .. }
            | Self::Outdated => String::new(),
        }
    }

    /// The status code with which the API server refused the request.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Self::Kube { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Self::Timeout { .. }
            | Self::Late { .. }
            | Self::FinalizersNotStored { .. }
            | Self::Outdated
            | Self::Json { .. } => None,
        }
    }
}

/// What went wrong with a request, without any part of a response that can't be decoded. Such a
/// response can be a Secret, and serde's errors quote it.
pub(super) fn without_body(error: &kube::Error) -> String {
    match error {
        kube::Error::SerdeError(error) => format!(
            "the response can't be decoded (line {}, column {})",
            error.line(),
            error.column()
        ),
        other => other.to_string(),
    }
}

/// What went wrong with a watch, without any part of a response that can't be decoded.
pub(super) fn watch_without_body(problem: &watcher::Error) -> String {
    match problem {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => without_body(error),
        watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => problem.to_string(),
    }
}
