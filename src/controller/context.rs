//! What all passes share.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    core::DeserializeGuard,
    runtime::{
        events::{Recorder, Reporter},
        reflector::Store,
    },
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{claims::Claims, memory::Memories, secrets::Secrets};
use crate::{
    api::OxenModel,
    config::Config,
    leader::Authority,
    metrics::Metrics,
    oxen::{self, Hub},
    serve::Readiness,
    stop::Stop,
};

/// An object, or why it can't be decoded: one that can't must not stop the others.
pub(super) type Guarded = DeserializeGuard<OxenModel>;

/// What all passes share.
pub struct Context {
    /// The settings.
    pub config: Config,
    /// The Kubernetes API.
    pub client: Client,
    /// The hub.
    pub hub: Hub,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether the watches are up.
    pub readiness: Arc<Readiness>,
    /// Whether this process may work.
    pub authority: Authority,
    /// Whether to stop.
    pub stop: Stop,
    /// Bounds the requests to the Kubernetes API. Passes are not bounded, or those that wait for
    /// one key's turn would keep the others' objects waiting.
    asking: Semaphore,
    epoch: OnceLock<i64>,
    pub(super) memories: Memories,
    pub(super) claims: Claims,
    pub(super) recorder: Recorder,
}

/// One watch of objects with what belongs to it: all namespaces, or one.
pub(super) struct Scope {
    pub(super) context: Arc<Context>,
    pub(super) objects: Store<Guarded>,
    pub(super) secrets: Secrets,
}

/// A failed request to the Kubernetes API. The hub's faults are data and never come here.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{what} failed")]
    Kube {
        what: &'static str,
        #[source]
        source: Box<kube::Error>,
    },
    #[error("{what} got no answer in time")]
    Timeout { what: &'static str },
    #[error("the operator stops, or there is a reason to start over")]
    Outdated,
    #[error("the status can't be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// The code that the API server refused the request with.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Error::Kube { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Error::Timeout { .. } | Error::Outdated | Error::Json(_) => None,
        }
    }
}

impl Context {
    /// What passes share, from its parts.
    #[must_use]
    pub fn new(
        config: Config,
        client: Client,
        hub: oxen::Client,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
        authority: Authority,
        stop: Stop,
    ) -> Self {
        let reporter = Reporter {
            controller: "oxen-operator".into(),
            instance: std::env::var("POD_NAME").ok(),
        };
        let claims = Claims::new(config.rules.operation_patience);
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            hub: Hub::new(hub, config.pace.clone()),
            asking: Semaphore::new(config.concurrency.into()),
            epoch: OnceLock::new(),
            config,
            client,
            metrics,
            readiness,
            authority,
            stop,
            memories: Memories::default(),
            claims,
        }
    }

    /// This process's term: one more than the Lease's changes of hands, and than any term that a
    /// stored operation names. Only for when everything has been listed.
    pub(super) fn epoch(&self) -> i64 {
        *self.epoch.get_or_init(|| {
            let transitions = self.authority.transitions();
            self.claims.latest_epoch().max(transitions) + 1
        })
    }

    pub(super) fn objects(&self, namespace: &str) -> Api<OxenModel> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(super) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Room for a request to the Kubernetes API.
    pub(super) async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed, which is the only error that there is.
        self.asking.acquire().await.ok()
    }

    /// A request to the Kubernetes API, with a time-out and without retries.
    pub(super) async fn ask<T>(
        &self,
        what: &'static str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        let _slot = self.slot().await;
        match timeout(self.config.kube_timeout, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(Error::Kube {
                what,
                source: Box::new(source),
            }),
            Err(_) => Err(Error::Timeout { what }),
        }
    }
}
