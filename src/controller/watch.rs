//! The watches, and what starts a reconcile: a new generation, a deletion, finalizers, the
//! reconcile annotation, a Secret, another object's ownership, or the requeue time. The operator's
//! own status writes start no reconcile, so they never shorten the wait until the requeue time.

use std::{
    collections::hash_map::DefaultHasher,
    future,
    hash::{Hash, Hasher},
    sync::{Arc, Once},
    time::Duration,
};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Resource, ResourceExt,
    runtime::{
        Config as ControllerConfig, Controller, PredicateConfig, WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher::{self, Event},
    },
};
use tracing::{error, warn};

use super::{
    context::{Context, Scope},
    credentials::secret_of,
    error::Guarded,
    reconcile::{error_policy, reconcile},
    secrets::Secrets,
    streams::{once_stored, refused_with, watch_config, watching},
};
use crate::{api::RECONCILE_ANNOTATION, metrics::ObjectMetrics};

/// The annotation that `kubectl apply` sets. It is as large as the object itself.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// How long the filter remembers an object's last reason.
const FILTER_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Watches one namespace, or all, until the shutdown, and then until the work in flight has ended.
pub(super) async fn run(context: Arc<Context>, namespace: Option<String>) {
    let api: Api<Guarded> = match &namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    let (secrets, changes) = Secrets::watch(
        &context.client,
        namespace.as_deref(),
        &context.config.secret_names,
        context.config.watch_timeout,
    );
    let (objects, writer) = reflector::store();
    let woken = context.index.add_scope(objects.clone());
    let measured = objects.clone();
    context
        .metrics
        .objects()
        .add_source(move || object_metrics(&measured));
    let triggers = triggers(context.clone(), namespace, api, (objects.clone(), writer));
    let scope = Arc::new(Scope {
        context: context.clone(),
        objects: objects.clone(),
        secrets,
    });
    let waking = context.clone();
    let idle_context = context.clone();
    // The number of reconciles is not bounded, see `Context`.
    let working = Controller::for_stream(triggers, objects.clone())
        .with_config(ControllerConfig::default().concurrency(0))
        .watches_stream(log_errors(changes), move |secret| {
            users(&waking, &objects, &secret)
        })
        .reconcile_on(woken)
        .graceful_shutdown_on(context.shutdown.clone().cancelled_owned())
        .run(reconcile, error_policy, scope)
        .for_each(|_| future::ready(()));
    // kube's controller shuts down only after it has listed its objects. No work has begun before.
    let idle = async {
        idle_context.shutdown.cancelled().await;
        if idle_context.index.are_listed() {
            future::pending().await
        }
    };
    tokio::select! {
        () = working => {}
        () = idle => {}
    }
}

/// The metrics of each object.
fn object_metrics(objects: &Store<Guarded>) -> Vec<ObjectMetrics> {
    let all = objects.state();
    let metrics = all.iter().map(|object| match &object.0 {
        Ok(object) => ObjectMetrics::from(object),
        Err(invalid) => ObjectMetrics::undecodable(&invalid.metadata),
    });
    metrics.collect()
}

/// The objects that have a reason to be reconciled.
fn triggers(
    context: Arc<Context>,
    namespace: Option<String>,
    api: Api<Guarded>,
    (objects, writer): (Store<Guarded>, reflector::store::Writer<Guarded>),
) -> impl Stream<Item = Result<Guarded, watcher::Error>> + Send {
    let listed = context.readiness.expect();
    let (indexing, waking) = (context.clone(), context.clone());
    let first = Once::new();
    let events = watching(api, watch_config(context.config.watch_timeout))
        .inspect(move |event| match event {
            Ok(Event::InitDone) => listed.done(),
            Ok(Event::Delete(object)) => context.memories.forget(uid(object)),
            Ok(Event::Init | Event::InitApply(_) | Event::Apply(_)) => {}
            Err(problem) => log_error(problem),
        })
        .modify(prune)
        .reflect(writer);
    let events = once_stored(events)
        .inspect(move |event| match event {
            // A deletion between two watches has no event.
            Ok(Event::InitDone) => {
                let gone = indexing
                    .index
                    .remove_missing(namespace.as_deref(), &objects);
                gone.iter().for_each(|uid| indexing.memories.forget(uid));
                first.call_once(|| indexing.index.scope_listed());
            }
            Ok(event) => indexing.index.on_event(event),
            Err(_) => {}
        })
        .applied_objects()
        .predicate_filter(reason, PredicateConfig::default().ttl(FILTER_TTL));
    events
        .filter(|event| future::ready(event.is_ok()))
        .inspect(move |event| {
            if let Ok(object) = event {
                waking.memories.wake(uid(object));
            }
        })
}

fn uid(object: &Guarded) -> &str {
    object.meta().uid.as_deref().unwrap_or_default()
}

/// Removes what no decision needs.
fn prune(object: &mut Guarded) {
    object.managed_fields_mut().clear();
    object.annotations_mut().remove(LAST_APPLIED);
}

/// A hash of everything that is a reason to reconcile an object at once.
fn reason(object: &Guarded) -> Option<u64> {
    let meta = object.meta();
    let mut hasher = DefaultHasher::new();
    meta.generation.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    meta.finalizers.hash(&mut hasher);
    object
        .annotations()
        .get(RECONCILE_ANNOTATION)
        .hash(&mut hasher);
    Some(hasher.finish())
}

/// The changes of watched Secrets. The watches' errors are logged and left out, because a Secret
/// that can't be watched must not delay the objects.
fn log_errors(
    changes: impl Stream<Item = Result<Secret, watcher::Error>> + Send,
) -> impl Stream<Item = Result<Secret, watcher::Error>> + Send {
    changes.filter(|change| {
        if let Err(problem) = change {
            warn!(%problem, "a Secret can't be watched; retrying");
        }
        future::ready(change.is_ok())
    })
}

/// The objects that use a Secret. A reconcile that waits for a permit with the old key starts over.
fn users(context: &Context, objects: &Store<Guarded>, secret: &Secret) -> Vec<ObjectRef<Guarded>> {
    let uses = |object: &Guarded| {
        object.meta().namespace == secret.metadata.namespace
            && match &object.0 {
                Ok(object) => secret.metadata.name.as_deref() == Some(secret_of(object)),
                Err(_) => true,
            }
    };
    let all = objects.state_filter(|object| uses(object));
    all.iter()
        .inspect(|object| context.memories.wake(uid(object)))
        .map(|object| ObjectRef::from_obj(object.as_ref()))
        .collect()
}

fn log_error(problem: &watcher::Error) {
    if refused_with(problem, 404) {
        error!(
            "the CustomResourceDefinition oxenmodels.oxen.ai is not installed, and the operator waits for \
             it; install it with `oxen-operator crd | kubectl apply -f -`"
        );
    } else {
        warn!(%problem, "the watch of OxenModels failed; retrying");
    }
}
