//! The watches, and what starts a reconcile: a new generation, a deletion, a change of the
//! finalizers or of one of the two annotations, a Secret, another object's ownership, or the
//! requeue time. The operator's own writes of an object start no reconcile of it, so they never
//! shorten the wait until the requeue time.

use std::{
    future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    runtime::{
        Config as ControllerConfig, Controller, WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher::{self, Event},
    },
};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{
    compact::Compact,
    context::{Context, Scope, Scopes, latest},
    dispatch::{error_policy, reconcile},
    health::{Health, Monitor},
    index::Index,
    listing::{Change, FirstList},
    memory::reason,
    secrets::{GuardedSecret, Secrets, watched_version},
    streams::{list_refused, once_stored, refused_with, scoped, watch_config, watching},
};
use crate::{metrics::ObjectMetrics, readiness::Watched};

/// The namespace in logs about a watch of all namespaces.
pub(super) const ALL_NAMESPACES: &str = "all namespaces";

/// One namespace, or all, with the state of its list.
#[derive(Clone)]
struct Listing {
    context: Arc<Context>,
    namespace: Option<String>,
    health: Health,
    first: Arc<Mutex<FirstList>>,
}

/// Watches one namespace, or all, until the shutdown, and then until the work in flight has ended.
pub(super) async fn run(context: Arc<Context>, namespace: Option<String>, scopes: &Scopes) {
    let config = &context.config;
    let monitor = context.monitor();
    let (secrets, changes) = Secrets::watch(
        &monitor,
        namespace.as_deref(),
        &config.secret_names,
        config.watch_timeout,
    );
    let (objects, writer) = reflector::store();
    let (wake, woken) = context.index.add_scope(namespace.clone());
    let (measured, index, lag) = (objects.clone(), context.index.clone(), config.usage_lag);
    let metrics = context.metrics.objects();
    metrics.add_source(move |now| object_metrics(&measured, &index, now - lag));
    let listing = Listing::new(&context, namespace, &monitor);
    let triggers = triggers(listing.clone(), objects.clone(), writer);
    let scope = Arc::new(Scope {
        context: context.clone(),
        objects: objects.clone(),
        secrets,
        wake,
    });
    scopes.add(scope.clone());
    let waking = context.clone();
    // The number of reconciles is bounded by `Admission`.
    let working = Controller::for_stream(triggers, objects.clone())
        .with_config(ControllerConfig::default().concurrency(0))
        .watches_stream(changes, move |secret| users(&waking, &secret))
        .reconcile_on(woken)
        .graceful_shutdown_on(context.shutdown.clone().cancelled_owned())
        .run(reconcile, error_policy, scope)
        .for_each(|_| future::ready(()));
    // kube's controller shuts down only after it has listed its objects. No work has begun before.
    let idle = async {
        context.shutdown.cancelled().await;
        if listing.first().is_listed() {
            future::pending().await
        }
    };
    tokio::select! {
        () = working => {}
        () = idle => {}
    }
}

/// The metrics of each object, with what its model has used by the time `at`. They include this
/// process's own writes before the watch shows them, so that a slow watch sets no counter back.
fn object_metrics(objects: &Store<Compact>, index: &Index, at: Timestamp) -> Vec<ObjectMetrics> {
    let all = objects.state();
    let metrics = all.iter().filter_map(|stored| {
        let guarded = stored.decode();
        let newest = index.newest(guarded.uid(), || latest(objects, &guarded))?;
        let metadata = &guarded.object.metadata;
        let deleting = metadata.deletion_timestamp.is_some();
        Some(match &guarded.unreadable {
            Some(unreadable) if !(deleting && unreadable.deletable) => {
                ObjectMetrics::undecodable(metadata)
            }
            // The deletion continues with what can be read.
            Some(_) | None => ObjectMetrics::of(&newest, at),
        })
    });
    metrics.collect()
}

impl Listing {
    fn new(context: &Arc<Context>, namespace: Option<String>, monitor: &Monitor) -> Self {
        let watched = Watched::objects(namespace.as_deref());
        Self {
            context: context.clone(),
            namespace,
            health: monitor.add(watched),
            first: Arc::new(Mutex::new(FirstList::new(monitor.patience))),
        }
    }

    // Every change under this lock is a single assignment, so a poisoned lock is usable.
    fn first(&self) -> MutexGuard<'_, FirstList> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an event of the watch, once the store has its objects. Returns the object if there is
    /// a reason to reconcile it.
    fn on_event(
        &self,
        event: watcher::Result<Event<Compact>>,
        objects: &Store<Compact>,
    ) -> Option<Compact> {
        let Context {
            index, memories, ..
        } = self.context.as_ref();
        match event {
            Ok(Event::Apply(compact) | Event::InitApply(compact)) => {
                let object = compact.decode();
                let shown = index.show(&object);
                (shown && memories.show(object.uid(), reason(&object.object))).then_some(compact)
            }
            Ok(Event::Delete(compact)) => {
                index.remove(&compact.decode());
                self.forget(compact.uid());
                None
            }
            Ok(Event::Init) => None,
            Ok(Event::InitDone) => {
                // A deletion between two watches has no event.
                let gone = index.remove_missing(self.namespace.as_deref(), objects);
                gone.iter().for_each(|uid| self.forget(uid));
                self.health.listed();
                let change = self.first().listed();
                change.into_iter().for_each(|change| self.change(change));
                None
            }
            Err(problem) => {
                log_error(&problem, self.namespace.as_deref());
                self.health.failed(&problem);
                let refused = list_refused(&problem);
                let change = refused.then(|| self.first().refused(Instant::now()));
                let change = change.flatten();
                change.into_iter().for_each(|change| self.change(change));
                None
            }
        }
    }

    /// Forgets an object that is gone.
    fn forget(&self, uid: &str) {
        self.context.memories.forget(uid);
        self.context.admission.forget(uid);
    }

    fn change(&self, change: Change) {
        let namespace = self.namespace.as_deref().unwrap_or(ALL_NAMESPACES);
        match change {
            Change::Listed => {}
            Change::LeftOut => {
                self.health.left_out();
                error!(
                    namespace,
                    "the API server keeps refusing to list the OxenModels, so they are left out until \
                     it lists them; grant the operator the right to list and watch them, or change \
                     --namespaces"
                );
            }
            Change::ListedLate => info!(
                namespace,
                "the OxenModels have been listed and are served from now on"
            ),
        }
        let context = &self.context;
        context.index.first_list(change, &context.memories);
    }
}

/// The objects that have a reason to be reconciled.
fn triggers(
    listing: Listing,
    objects: Store<Compact>,
    writer: reflector::store::Writer<Compact>,
) -> impl Stream<Item = Result<Compact, watcher::Error>> + Send {
    let api: Api<Compact> = scoped(listing.health.client(), listing.namespace.as_deref());
    let stored = objects.clone();
    let config = watch_config(listing.context.config.watch_timeout);
    let events = watching(api, config)
        .modify(move |object| {
            object.watched();
            share(object, &stored);
        })
        .reflect(writer);
    once_stored(events).filter_map(move |event| {
        let object = listing.on_event(event, &objects);
        future::ready(object.map(Ok))
    })
}

/// Replaces an object by the store's own copy of the same version, so that a new list doesn't need
/// the memory twice.
fn share(object: &mut Compact, objects: &Store<Compact>) {
    let stored = objects.get(&ObjectRef::from_obj(object));
    if let Some(stored) = stored.filter(|stored| stored.is(object)) {
        *object = stored.as_ref().clone();
    }
}

/// The objects that have used another version of a Secret. A reconcile that waits with the old key
/// reads the Secret again.
fn users(context: &Context, secret: &GuardedSecret) -> Vec<ObjectRef<Compact>> {
    let namespace = secret.namespace().unwrap_or_default();
    let version = watched_version(secret);
    let mut users = context.index.users(&namespace, &secret.name_any());
    users.retain(|(uid, _)| context.memories.secret_changed(uid, version));
    users.into_iter().map(|(_, object)| object).collect()
}

pub(super) fn log_error(problem: &watcher::Error, namespace: Option<&str>) {
    let namespace = namespace.unwrap_or(ALL_NAMESPACES);
    if refused_with(problem, 404) {
        error!(
            namespace,
            "the CustomResourceDefinition oxenmodels.oxen.ai is not installed, and the operator waits for \
             it; install it with `oxen-operator crd | kubectl apply -f -`"
        );
    } else {
        warn!(namespace, %problem, "the watch of OxenModels failed; retrying");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{api::OxenModel, decide::Rules};

    fn version(version: &str, active_seconds: i64) -> serde_json::Value {
        json!({
            "apiVersion": "oxen.ai/v1alpha1",
            "kind": "OxenModel",
            "metadata": {
                "name": "bot", "namespace": "team", "uid": "uid-1", "resourceVersion": version,
            },
            "spec": {"model": "bot", "state": "active"},
            "status": {
                "observedGeneration": 1,
                "live": "active",
                "usage": {"activeSeconds": active_seconds},
            },
        })
    }

    #[test]
    fn an_own_write_counts_before_the_watch_shows_it() {
        let (objects, mut writer) = reflector::store();
        let index = Index::new(Rules::default());
        let compact: Compact = serde_json::from_value(version("1", 100)).unwrap();
        writer.apply_watcher_event(&Event::Apply(compact.clone()));
        let shown = compact.decode();
        assert!(index.show(&shown));
        let now = Timestamp::now();
        let metrics = || object_metrics(&objects, &index, now);
        assert_eq!(metrics(), [ObjectMetrics::of(&shown.object, now)]);

        let written: OxenModel = serde_json::from_value(version("2", 700)).unwrap();
        index.answered(&shown.object, &Arc::new(written.clone()));
        assert_eq!(metrics(), [ObjectMetrics::of(&written, now)]);

        let later: Compact = serde_json::from_value(version("3", 800)).unwrap();
        writer.apply_watcher_event(&Event::Apply(later.clone()));
        assert_eq!(metrics(), [ObjectMetrics::of(&later.decode().object, now)]);
    }
}
