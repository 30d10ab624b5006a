//! The Secrets that are watched: one watch per name, with `metadata.name` as field selector, so
//! that RBAC can allow just these names. Any other Secret is read when it is needed.

use std::{
    collections::HashMap,
    future,
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt, stream};
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Resource,
    core::DeserializeGuard,
    runtime::{
        PredicateConfig, WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher::{self, Event},
    },
};
use tracing::warn;

use super::{
    error::watch_without_body,
    health::Monitor,
    memory::SecretVersion,
    streams::{once_stored, watch_config, watching},
};
use crate::readiness::Watched;

/// A Secret, or why it can't be decoded. A Secret that can't be decoded must not stop the watch of
/// the others.
pub(super) type GuardedSecret = DeserializeGuard<Secret>;

/// The watched Secrets of one scope, by name.
pub(super) struct Secrets(HashMap<String, Store<GuardedSecret>>);

/// The changes of watched Secrets, deletions included.
pub(super) type Changes = Pin<Box<dyn Stream<Item = Result<GuardedSecret, watcher::Error>> + Send>>;

/// A Secret as the watches have it.
pub(super) enum Lookup {
    /// The Secret exists.
    Found(Box<Secret>),
    /// The Secret is watched and does not exist.
    Missing,
    /// The Secret has to be read: it isn't watched, its watch has not listed yet, or it could not
    /// be decoded.
    Unwatched,
}

impl Secrets {
    /// Starts a watch for each name, in one namespace or in all, which is started again after
    /// `timeout`. The watches advance while the stream is polled. Their errors are logged and not
    /// returned, because a Secret that can't be watched must not delay the objects.
    pub(super) fn watch(
        monitor: &Monitor,
        namespace: Option<&str>,
        names: &[String],
        timeout: Duration,
    ) -> (Self, Changes) {
        let mut stores = HashMap::new();
        let mut changes: Vec<Changes> = Vec::new();
        for name in names {
            let watched = Watched {
                resource: "secrets",
                namespace: namespace.map(Into::into),
                name: Some(name.clone()),
                required: false,
            };
            let health = monitor.add(watched);
            let api: Api<GuardedSecret> = match namespace {
                Some(namespace) => Api::namespaced(health.client(), namespace),
                None => Api::all(health.client()),
            };
            let config = watch_config(timeout).fields(&format!("metadata.name={name}"));
            let (store, writer) = reflector::store();
            let secret = name.clone();
            let events = watching(api, config)
                .inspect(move |event| match event {
                    Ok(Event::InitDone) => health.listed(),
                    Ok(Event::Init | Event::InitApply(_) | Event::Apply(_) | Event::Delete(_)) => {}
                    Err(problem) => {
                        health.failed(problem);
                        let problem = watch_without_body(problem);
                        warn!(secret, problem, "the watch of a Secret failed; retrying");
                    }
                })
                .modify(|secret| {
                    secret.meta_mut().managed_fields = None;
                    secret.meta_mut().annotations = None;
                })
                .reflect(writer);
            let watch = once_stored(events)
                .touched_objects()
                // A new list with the same versions changes nothing.
                .predicate_filter(
                    |secret: &GuardedSecret| version(secret.meta()),
                    PredicateConfig::default(),
                )
                .filter(|change| future::ready(change.is_ok()));
            stores.insert(name.clone(), store);
            changes.push(watch.boxed());
        }
        (Self(stores), stream::select_all(changes).boxed())
    }

    /// Looks a Secret up in the watches.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Lookup {
        let Some(store) = self.0.get(name) else {
            return Lookup::Unwatched;
        };
        if !matches!(store.wait_until_ready().now_or_never(), Some(Ok(()))) {
            return Lookup::Unwatched;
        }
        let found = store.get(&ObjectRef::new(name).within(namespace));
        match found.as_deref() {
            None => Lookup::Missing,
            Some(DeserializeGuard(Ok(secret))) => Lookup::Found(Box::new(secret.clone())),
            Some(DeserializeGuard(Err(_))) => Lookup::Unwatched,
        }
    }
}

/// A Secret that was deleted and created again is another version.
pub(super) fn version(secret: &ObjectMeta) -> SecretVersion {
    let mut hasher = DefaultHasher::new();
    (&secret.uid, &secret.resource_version).hash(&mut hasher);
    Some(hasher.finish())
}
