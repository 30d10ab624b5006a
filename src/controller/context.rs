//! What all reconciles share.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use tokio::{sync::mpsc::UnboundedSender, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    admission::Admission,
    clock::now,
    compact::Compact,
    error::{ReconcileError, Request},
    events::Events,
    guarded::Guarded,
    health::Monitor,
    index::Index,
    listing::PATIENCE,
    memory::Memories,
    permits::KubePermits,
    secrets::Secrets,
};
use crate::{
    api::OxenModel,
    config::Config,
    decide::Clock,
    hub::{Client as HubClient, LimitedClient},
    leader::Authority,
    metrics::Metrics,
    readiness::Readiness,
};

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
    /// The events that wait to be published.
    pub events: Events,
    /// Bounds the reconciles that send requests.
    pub(super) admission: Admission,
    /// Bounds the requests to the Kubernetes API.
    kube_permits: KubePermits,
    pub(super) memories: Memories,
    pub(super) index: Arc<Index>,
}

/// One watch of objects, over one namespace or all, and what its reconciles need.
pub(super) struct Scope {
    pub(super) context: Arc<Context>,
    pub(super) objects: Store<Compact>,
    pub(super) secrets: Secrets,
    /// Starts a reconcile of an object.
    pub(super) wake: UnboundedSender<ObjectRef<Compact>>,
}

/// The scopes of this process.
#[derive(Default)]
pub(super) struct Scopes(Mutex<Vec<Arc<Scope>>>);

impl Scopes {
    pub(super) fn add(&self, scope: Arc<Scope>) {
        self.lock().push(scope);
    }

    pub(super) fn all(&self) -> Vec<Arc<Scope>> {
        self.lock().clone()
    }

    // Every change under this lock is a single insertion, so a poisoned lock is usable.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Scope>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scope {
    /// The object with this name as the watch has it now, or `None` if there is none.
    pub(super) fn named(&self, object: &OxenModel) -> Option<Arc<Compact>> {
        named(&self.objects, object)
    }

    /// The object as the watch has it now, or `None` if it is gone or another one has its name.
    pub(super) fn latest(&self, known: &Guarded) -> Option<Guarded> {
        latest(&self.objects, known)
    }

    /// A function that starts a reconcile of an object.
    pub(super) fn waking(&self, object: Arc<Compact>) -> impl Fn() + Send + 'static {
        let wake = self.wake.clone();
        move || {
            // A scope that has ended needs no reconcile.
            let _ = wake.send(ObjectRef::from_obj(object.as_ref()));
        }
    }

    /// The object as this process last wrote it, or as the watch has it now if that is newer.
    /// Returns `None` if the object is gone.
    pub(super) fn newest(&self, known: &Guarded) -> Option<Arc<OxenModel>> {
        let index = &self.context.index;
        index.newest(known.uid(), || self.latest(known))
    }
}

fn named(objects: &Store<Compact>, object: &OxenModel) -> Option<Arc<Compact>> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let name = ObjectRef::new(&object.name_any());
    objects.get(&name.within(namespace))
}

/// The object as the store has it now, or `None` if it is gone or another one has its name.
pub(super) fn latest(objects: &Store<Compact>, known: &Guarded) -> Option<Guarded> {
    let latest = named(objects, &known.object)?;
    if latest.uid() != known.uid() {
        None
    } else if latest.version() == known.version() {
        Some(known.clone())
    } else {
        Some(latest.decode())
    }
}

impl Context {
    /// Makes the context from its parts, and starts the publisher of events.
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
        let mut index = Index::new(config.rules.clone());
        if config.budgets {
            let key = config.operator_key.as_ref();
            index = index.with_budgets(key.map(|key| key.namespaces.clone()).unwrap_or_default());
        }
        Self {
            events: Events::start(client.clone(), metrics.clone(), config.kube_timeout),
            hub: LimitedClient::new(hub, config.rate_limits.clone()),
            admission: Admission::default(),
            kube_permits: KubePermits::default(),
            index: Arc::new(index),
            config,
            client,
            metrics,
            readiness,
            authority,
            shutdown,
            memories: Memories::default(),
        }
    }

    /// The wall clock, and whether the hub's clock agrees with it.
    pub(super) fn clock(&self) -> Clock {
        let now = now();
        Clock {
            now,
            agreement: self.hub.agreement(now),
        }
    }

    /// Notes until when another process has observed the objects, if that is known.
    #[must_use]
    pub fn watched_until(self, then: Option<Timestamp>) -> Self {
        Self {
            memories: Memories::after(then),
            ..self
        }
    }

    /// What the health of every watch needs.
    pub(super) fn monitor(&self) -> Monitor {
        Monitor {
            client: self.client.clone(),
            metrics: self.metrics.clone(),
            readiness: self.readiness.clone(),
            patience: PATIENCE / self.config.time_scale,
        }
    }

    pub(super) fn objects(&self, namespace: &str) -> Api<Guarded> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(super) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Waits until the Kubernetes requests that are now queued for the total limit have their
    /// permits, so that a hub request goes out only when its record can follow soon. Requests that
    /// wait for the limit of their own namespace are not waited for.
    pub(super) async fn kube_ready(&self) {
        self.kube_permits.ready().await;
    }

    /// Sends a request to the Kubernetes API, with a timeout and without retries. A request whose
    /// permit comes too late is not sent.
    pub(super) async fn send<T>(
        &self,
        request: Request,
        response: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ReconcileError> {
        let permit = self.kube_permits.acquire(request.namespace()).await;
        if request.is_late() {
            return Err(ReconcileError::Late { request });
        }
        let response = timeout(self.config.kube_timeout, response);
        match permit.during(response).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(ReconcileError::Kube {
                request,
                source: Arc::new(source),
            }),
            Err(_) => Err(ReconcileError::Timeout { request }),
        }
    }
}
