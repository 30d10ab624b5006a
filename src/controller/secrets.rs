//! The Secrets that are watched: one watch a name, with `metadata.name` as field selector, so
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

use super::watch::{once_stored, watch_config, watching};

/// The watched Secrets of one scope, by name.
pub(super) struct Secrets(HashMap<String, Store<Secret>>);

/// Every change of a watched Secret, its deletion included.
pub(super) type Changes = Pin<Box<dyn Stream<Item = Result<Secret, watcher::Error>> + Send>>;

impl Secrets {
    /// Starts a watch for each name, each taken up anew after `lasts`. The watches move as long as the stream is polled.
    pub(super) fn watch(
        client: &Client,
        namespace: Option<&str>,
        names: &[String],
        lasts: Duration,
    ) -> (Self, Changes) {
        let mut stores = HashMap::new();
        let mut changes: Vec<Changes> = Vec::new();
        for name in names {
            let api: Api<Secret> = match namespace {
                Some(namespace) => Api::namespaced(client.clone(), namespace),
                None => Api::all(client.clone()),
            };
            let config = watch_config(lasts).fields(&format!("metadata.name={name}"));
            let (store, writer) = reflector::store();
            let events = watching(api, config)
                .modify(|secret| {
                    secret.metadata.managed_fields = None;
                    secret.metadata.annotations = None;
                })
                .reflect(writer);
            let watch = once_stored(events)
                .touched_objects()
                // A new list is no news.
                .predicate_filter(version, PredicateConfig::default());
            stores.insert(name.clone(), store);
            changes.push(watch.boxed());
        }
        (Self(stores), stream::select_all(changes).boxed())
    }

    /// The Secret as the watch has it: `None` where it isn't watched or the watch isn't up, and
    /// it has to be read; `Some(None)` where there is none.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Option<Arc<Secret>>> {
        let store = self.0.get(name)?;
        store.wait_until_ready().now_or_never()?.ok()?;
        Some(store.get(&ObjectRef::new(name).within(namespace)))
    }
}

/// A Secret that goes and comes back is another one.
fn version(secret: &Secret) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    (&secret.metadata.uid, &secret.metadata.resource_version).hash(&mut hasher);
    Some(hasher.finish())
}
