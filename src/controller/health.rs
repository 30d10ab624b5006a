//! The health of the watches: whether the API server answers them, for the metrics and `/readyz`.

use std::{sync::Arc, time::Duration};

use http::{Request, StatusCode};
use jiff::Timestamp;
use kube::{
    Client,
    client::Body,
    runtime::watcher::{self, Error::*},
};
use tower::service_fn;

use crate::{
    metrics::Metrics,
    readiness::{Readiness, WatchHealth, Watched},
};

/// The places that the health of every watch is reported to, and the client of all watches.
#[derive(Clone)]
pub(super) struct Monitor {
    pub(super) client: Client,
    pub(super) metrics: Arc<Metrics>,
    pub(super) readiness: Arc<Readiness>,
    /// How long requests fail before the watch counts as failing.
    pub(super) patience: Duration,
}

/// The health of one watch. All clones share it.
#[derive(Clone)]
pub(super) struct Health {
    monitor: Monitor,
    watched: Watched,
    reported: Arc<WatchHealth>,
}

impl Monitor {
    /// Adds a watch to the metrics and to `/readyz`.
    pub(super) fn add(&self, watched: Watched) -> Health {
        let namespace = watched.namespace.as_deref().unwrap_or_default();
        self.metrics.watch_added(watched.resource, namespace);
        let reported = self.readiness.add_watch(watched.clone(), self.patience);
        Health {
            monitor: self.clone(),
            watched,
            reported: Arc::new(reported),
        }
    }
}

impl Health {
    /// A client for this watch only, which notes each answer. kube's watcher reports neither the
    /// answer to a watch request nor an empty list.
    pub(super) fn client(&self) -> Client {
        let (client, health) = (self.monitor.client.clone(), self.clone());
        let namespace = client.default_namespace().to_owned();
        let send = move |request: Request<Body>| {
            let (client, health) = (client.clone(), health.clone());
            async move {
                let response = client.send(request).await?;
                if response.status().is_success() {
                    health.answered();
                }
                Ok::<_, kube::Error>(response)
            }
        };
        Client::new(service_fn(send), namespace)
    }

    fn answered(&self) {
        let oldest = self.reported.answered(Timestamp::now().as_second());
        let namespace = self.watched.namespace.as_deref().unwrap_or_default();
        let metrics = &self.monitor.metrics;
        metrics.watch_answered(self.watched.resource, namespace, oldest);
    }

    /// Notes that a list or watch request failed.
    pub(super) fn failed(&self, problem: &watcher::Error) {
        self.reported.failed(words(problem));
    }

    /// Notes that the first list has ended.
    pub(super) fn listed(&self) {
        self.reported.listed();
    }

    /// Notes that the operator continues without the first list.
    pub(super) fn left_out(&self) {
        self.reported.left_out();
    }
}

/// The answer to a request, in short. The API server's own words are only in the log, because
/// anybody can read `/readyz`.
pub(super) fn words(problem: &watcher::Error) -> String {
    let code = match problem {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) => status.code,
        WatchError(status) => status.code,
        InitialListFailed(kube::Error::SerdeError(_)) | NoResourceVersion => {
            return "the answer can't be read".into();
        }
        InitialListFailed(_) | WatchStartFailed(_) | WatchFailed(_) => return "no answer".into(),
    };
    match StatusCode::from_u16(code) {
        Ok(code) => code.to_string(),
        Err(_) => format!("status code {code}"),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_problem_has_no_words_of_the_api_server() {
        let status = Status::failure("User \"x\" cannot list resource", "Forbidden").with_code(403);
        let api = || kube::Error::Api(Box::new(status.clone()));
        for problem in [
            InitialListFailed(api()),
            WatchStartFailed(api()),
            WatchError(Box::new(status.clone())),
        ] {
            assert_eq!(words(&problem), "403 Forbidden");
        }
        let broken = serde_json::from_str::<u8>("x").unwrap_err();
        let broken = InitialListFailed(kube::Error::SerdeError(broken));
        assert_eq!(words(&broken), "the answer can't be read");
        let silent = kube::Error::Service("no route".into());
        assert_eq!(words(&WatchStartFailed(silent)), "no answer");
    }
}
