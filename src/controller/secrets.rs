//! The Secrets that are watched: one watch per name, with `metadata.name` as field selector, so
//! that RBAC can allow just these names. Any other Secret is read when it is needed.

use std::{
    collections::HashMap,
    future,
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
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
    streams::{once_stored, scoped, watch_config, watching},
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
            let api: Api<GuardedSecret> = scoped(health.client(), namespace);
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
                .map_ok(mark_deleted)
                .touched_objects()
                // A new list with the same versions changes nothing.
                .predicate_filter(watched_version, PredicateConfig::default())
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

/// Removes the UID of a Secret that was deleted. A delete event carries the last stored data, so
/// without this the deletion would have the same hash as the Secret before it.
fn mark_deleted(event: Event<GuardedSecret>) -> Event<GuardedSecret> {
    match event {
        Event::Delete(mut secret) => {
            secret.meta_mut().uid = None;
            Event::Delete(secret)
        }
        event @ (Event::Init | Event::InitApply(_) | Event::InitDone | Event::Apply(_)) => event,
    }
}

/// The version of a Secret: a hash of its UID and data, and of nothing else, because its users
/// don't depend on its labels. A Secret that was deleted and created again is another version.
pub(super) fn version(secret: &Secret) -> SecretVersion {
    let uid = secret.metadata.uid.as_ref()?;
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    for (key, value) in secret.data.iter().flatten() {
        (key, &value.0).hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// The version of a Secret from a watch, or `None` if the Secret was deleted. The data of a Secret
/// that can't be decoded is unknown, so each change of it is another version.
pub(super) fn watched_version(secret: &GuardedSecret) -> SecretVersion {
    match &secret.0 {
        Ok(secret) => version(secret),
        Err(invalid) => {
            let uid = invalid.metadata.uid.as_ref()?;
            let mut hasher = DefaultHasher::new();
            (uid, &invalid.metadata.resource_version).hash(&mut hasher);
            Some(hasher.finish())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn secret(uid: &str, change: Value) -> GuardedSecret {
        let mut secret = json!({
            "metadata": {"name": "key", "namespace": "team", "uid": uid, "resourceVersion": "1"},
            "data": {"api-key": "a2V5", "other": "eA=="},
        });
        let (whole, parts) = (secret.as_object_mut().unwrap(), change.as_object().unwrap());
        for (field, value) in parts {
            let part = whole.entry(field).or_insert(json!({})).as_object_mut();
            match (part, value) {
                (Some(part), Value::Object(value)) => part.extend(value.clone()),
                _ => _ = whole.insert(field.clone(), value.clone()),
            }
        }
        serde_json::from_value(secret).unwrap()
    }

    #[test]
    fn the_version_changes_with_the_uid_and_the_data_only() {
        let known = watched_version(&secret("a", json!({})));
        assert!(known.is_some());
        let same = json!({
            "metadata": {"labels": {"team": "models"}, "resourceVersion": "2"},
            "immutable": true,
        });
        assert_eq!(watched_version(&secret("a", same)), known);
        for (uid, change) in [
            ("b", json!({})),
            ("a", json!({"data": {"api-key": "a2V6"}})),
            ("a", json!({"data": {"third": ""}})),
            ("a", json!({"data": null})),
            // The bytes in order are the same.
            ("a", json!({"data": {"api-key": "a2V5eA==", "other": ""}})),
        ] {
            let changed = watched_version(&secret(uid, change.clone()));
            assert!(changed.is_some() && changed != known, "{uid} {change}");
        }
    }

    #[test]
    fn a_secret_that_cannot_be_decoded_changes_with_each_write() {
        let broken = |version: &str| {
            let metadata = json!({"resourceVersion": version});
            secret("a", json!({"metadata": metadata, "data": "none"}))
        };
        assert!(broken("1").0.is_err());
        let versions = ["1", "2"].map(|version| watched_version(&broken(version)));
        assert!(versions[0].is_some() && versions[0] != versions[1]);
        assert_eq!(watched_version(&broken("1")), versions[0]);
    }

    #[test]
    fn a_deleted_secret_has_no_version() {
        for change in [json!({}), json!({"data": "none"})] {
            let Event::Delete(gone) = mark_deleted(Event::Delete(secret("a", change))) else {
                panic!("it is another event");
            };
            assert_eq!(watched_version(&gone), None);
            assert_eq!(gone.meta().name.as_deref(), Some("key"));
        }
        let Event::Apply(kept) = mark_deleted(Event::Apply(secret("a", json!({})))) else {
            panic!("it is another event");
        };
        assert_eq!(
            watched_version(&kept),
            watched_version(&secret("a", json!({})))
        );
    }
}
