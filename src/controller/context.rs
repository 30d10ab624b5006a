//! What all reconciles share.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    runtime::{
        events::{Recorder, Reporter},
        reflector::Store,
    },
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    error::{Guarded, ReconcileError, Request},
    index::Index,
    memory::Memories,
    secrets::Secrets,
};
use crate::{
    api::OxenModel,
    config::Config,
    hub::{Client as HubClient, LimitedClient},
    leader::Authority,
    metrics::Metrics,
    readiness::Readiness,
};

/// The largest number of requests to the Kubernetes API in flight.
const KUBE_PERMITS: usize = 16;

/// What all reconciles share.
pub struct Context {
    /// The settings.
    pub config: Config,
    /// The client of the Kubernetes API.
    pub client: Client,
    /// The client of the hub.
    pub hub: LimitedClient,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Whether the watches have listed their objects.
    pub readiness: Arc<Readiness>,
    /// Whether this process may work.
    pub authority: Authority,
    /// Cancelled when the operator shuts down.
    pub shutdown: CancellationToken,
    /// Bounds the requests to the Kubernetes API. Reconciles are not bounded: those that wait for a
    /// permit of one key would delay the objects of others.
    kube_permits: Semaphore,
    epoch: OnceLock<i64>,
    pub(super) memories: Memories,
    pub(super) index: Index,
    pub(super) recorder: Recorder,
}

/// One watch of objects, over one namespace or all, and what its reconciles need.
pub(super) struct Scope {
    pub(super) context: Arc<Context>,
    pub(super) objects: Store<Guarded>,
    pub(super) secrets: Secrets,
}

impl Context {
    /// Makes the context from its parts.
    #[must_use]
    pub fn new(
        config: Config,
        client: Client,
        hub: HubClient,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
        authority: Authority,
        shutdown: CancellationToken,
    ) -> Self {
        let reporter = Reporter {
            controller: "oxen-operator".into(),
            instance: std::env::var("POD_NAME").ok(),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            hub: LimitedClient::new(hub, config.rate_limits.clone()),
            kube_permits: Semaphore::new(KUBE_PERMITS),
            epoch: OnceLock::new(),
            index: Index::new(config.rules.operation_patience),
            config,
            client,
            metrics,
            readiness,
            authority,
            shutdown,
            memories: Memories::default(),
        }
    }

    /// This process's term. It exceeds the Lease's transitions and the term of every stored
    /// operation. All objects must have been listed before.
    pub(super) fn epoch(&self) -> i64 {
        *self.epoch.get_or_init(|| {
            let transitions = self.authority.transitions();
            self.index.latest_epoch().max(transitions) + 1
        })
    }

    pub(super) fn objects(&self, namespace: &str) -> Api<OxenModel> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(super) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Waits for a permit for a request to the Kubernetes API.
    pub(super) async fn kube_permit(&self) -> Option<SemaphorePermit<'_>> {
        // `acquire` fails only if the semaphore is closed, and it never is.
        self.kube_permits.acquire().await.ok()
    }

    /// Sends a request to the Kubernetes API, with a timeout and without retries.
    pub(super) async fn send<T>(
        &self,
        request: Request,
        response: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ReconcileError> {
        let _permit = self.kube_permit().await;
        match timeout(self.config.kube_timeout, response).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(ReconcileError::Kube {
                request,
                source: Box::new(source),
            }),
            Err(_) => Err(ReconcileError::Timeout { request }),
        }
    }
}
