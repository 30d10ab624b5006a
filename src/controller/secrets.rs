//! The Secrets that are watched: one watch per name, with `metadata.name` as field selector, so
//! that RBAC can allow just these names. Any other Secret is read when it is needed.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    runtime::{
        PredicateConfig, WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};

use super::streams::{once_stored, watch_config, watching};

/// The watched Secrets of one scope, by name.
pub(super) struct Secrets(HashMap<String, Store<Secret>>);

/// The changes of watched Secrets, deletions included.
pub(super) type Changes = Pin<Box<dyn Stream<Item = Result<Secret, watcher::Error>> + Send>>;

/// A Secret as the watches have it.
pub(super) enum Lookup {
    /// The Secret exists.
    Found(Arc<Secret>),
    /// The Secret is watched and does not exist.
    Missing,
    /// The Secret has to be read: it isn't watched, or its watch has not listed yet.
    Unwatched,
}

impl Secrets {
    /// Starts a watch for each name, which is started again after `timeout`. The watches advance
    /// while the stream is polled.
    pub(super) fn watch(
        client: &Client,
        namespace: Option<&str>,
        names: &[String],
        timeout: Duration,
    ) -> (Self, Changes) {
        let mut stores = HashMap::new();
        let mut changes: Vec<Changes> = Vec::new();
        for name in names {
            let api: Api<Secret> = match namespace {
                Some(namespace) => Api::namespaced(client.clone(), namespace),
                None => Api::all(client.clone()),
            };
            let config = watch_config(timeout).fields(&format!("metadata.name={name}"));
            let (store, writer) = reflector::store();
            let events = watching(api, config)
                .modify(|secret| {
                    secret.metadata.managed_fields = None;
                    secret.metadata.annotations = None;
                })
                .reflect(writer);
            let watch = once_stored(events)
                .touched_objects()
                // A new list with the same versions changes nothing.
                .predicate_filter(version, PredicateConfig::default());
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
        match store.wait_until_ready().now_or_never() {
            Some(Ok(())) => store
                .get(&ObjectRef::new(name).within(namespace))
                .map_or(Lookup::Missing, Lookup::Found),
            Some(Err(_)) | None => Lookup::Unwatched,
        }
    }
}

/// A Secret that was deleted and created again is another version.
fn version(secret: &Secret) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    (&secret.metadata.uid, &secret.metadata.resource_version).hash(&mut hasher);
    Some(hasher.finish())
}
