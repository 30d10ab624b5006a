//! An object that this version can't decode: it is told so in its own status, and nothing else
//! suffers. Its deletion reads what it needs leniently.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::error_boundary::InvalidObject,
    runtime::controller::Action as Next,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracing::warn;

use super::{
    context::{Context, Error, Scope},
    reconcile,
};
use crate::{
    api::{DeletionPolicy, OxenModel, OxenModelSpec, OxenModelStatus, State},
    decide::{HOW_TO_LET_GO, Stake, undecodable},
};

pub(super) async fn pass(scope: &Scope, invalid: &InvalidObject) -> Result<Next, Error> {
    let context = &scope.context;
    let namespace = invalid.metadata.namespace.clone().unwrap_or_default();
    let name = invalid.metadata.name.clone().unwrap_or_default();
    let api = raw_objects(context, &namespace);
    let raw = context.ask("reading the object", api.get(&name)).await?;
    let deleting = raw.metadata.deletion_timestamp.is_some();
    if deleting && let Some(object) = lenient(&raw) {
        // It has just been read, and a typed read would fail.
        context
            .memories
            .with(&object, |memory| memory.stale = false);
        return Box::pin(reconcile::pass(scope, &Arc::new(object))).await;
    }
    let mut problem = format!(
        "This version of the operator can't read the object: {}. Correct that field, or delete the object.",
        unreadable(&raw).unwrap_or_else(|| invalid.error.clone())
    );
    if deleting {
        problem = format!("{problem} {HOW_TO_LET_GO}");
    }
    let before: Vec<Condition> = raw
        .data
        .pointer("/status/conditions")
        .and_then(|conditions| serde_json::from_value(conditions.clone()).ok())
        .unwrap_or_default();
    let generation = raw.metadata.generation.unwrap_or_default();
    let after = undecodable(&before, &problem, generation, Timestamp::now());
    if after != before {
        warn!(namespace, name, reason = "InvalidSpec", "{problem}");
        let patch = json!({
            "metadata": {
                "uid": raw.metadata.uid,
                "resourceVersion": raw.metadata.resource_version,
            },
            "status": {"observedGeneration": generation, "conditions": after},
        });
        let params = PatchParams::default();
        let patch = Patch::Merge(&patch);
        let write = api.patch_status(&name, &params, &patch);
        context.ask("writing the status", write).await?;
        context.metrics.status_written();
    }
    Ok(Next::requeue(context.config.rules.sync_interval))
}

/// Reads the objects that can't be decoded and of which nobody knows yet which models they have. No claim can be judged
/// before.
pub(super) async fn learn(context: &Context) -> Result<(), Error> {
    if context.claims.unread().is_empty() {
        return Ok(());
    }
    // Those who wait for their turn find that it has been done.
    let _turn = context.claims.reading().await;
    for (namespace, name) in context.claims.unread() {
        let api = raw_objects(context, &namespace);
        match context.ask("reading the object", api.get(&name)).await {
            Ok(raw) => context.claims.learn(stake(&raw)),
            Err(error) if error.code() == Some(404) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn raw_objects(context: &Context, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<OxenModel>(&());
    Api::namespaced_with(context.client.clone(), namespace, &resource)
}

/// The field that can't be read, and why.
fn unreadable(raw: &DynamicObject) -> Option<String> {
    for (part, error) in [
        ("spec", decoded::<OxenModelSpec>(raw, "spec").err()),
        ("status", decoded::<OxenModelStatus>(raw, "status").err()),
    ] {
        if let Some(error) = error {
            return Some(match error.path().to_string().as_str() {
                "." => format!("{part}: {}", error.inner()),
                path => format!("{part}.{path}: {}", error.inner()),
            });
        }
    }
    None
}

fn decoded<T: DeserializeOwned>(
    raw: &DynamicObject,
    part: &str,
) -> Result<(), serde_path_to_error::Error<serde_json::Error>> {
    match raw.data.get(part) {
        Some(value) => serde_path_to_error::deserialize::<_, T>(value).map(drop),
        None => Ok(()),
    }
}

/// Its stake in a model, as far as that can be read.
fn stake(raw: &DynamicObject) -> Stake {
    let mut object = OxenModel::new(&raw.name_any(), bare(raw.data.pointer("/spec/model")));
    object.metadata = raw.metadata.clone();
    let status = raw.data.get("status").cloned();
    object.status = status.and_then(|status| serde_json::from_value(status).ok());
    Stake::of(&object)
}

/// A spec with nothing in it but the model.
fn bare(model: Option<&Value>) -> OxenModelSpec {
    OxenModelSpec {
        model: model.and_then(Value::as_str).unwrap_or_default().into(),
        state: State::Inactive,
        deletion_policy: None,
        suspend: None,
        api_key_secret_ref: None,
        sync_interval: None,
        progress_deadline: None,
    }
}

/// As much of the object as its deletion needs. Nothing where the policy is a word that this
/// version doesn't know: that would be a guess.
fn lenient(raw: &DynamicObject) -> Option<OxenModel> {
    let spec = raw.data.get("spec")?;
    let part = |name: &str| spec.get(name).filter(|value| !value.is_null());
    let deletion_policy = match part("deletionPolicy").map(Value::as_str) {
        None => None,
        Some(word) => Some(policy(word?)?),
    };
    let suspend = part("suspend").and_then(Value::as_bool);
    // A deletion that leaves the model alone needs neither name nor key nor status.
    let alone = deletion_policy == Some(DeletionPolicy::Retain) || suspend == Some(true);
    let spec = OxenModelSpec {
        deletion_policy,
        suspend,
        api_key_secret_ref: needed(part("apiKeySecretRef"), alone)?,
        ..bare(part("model"))
    };
    let mut object = OxenModel::new(&raw.name_any(), spec);
    object.metadata = raw.metadata.clone();
    object.status = needed(raw.data.get("status"), alone)?;
    Some(object)
}

/// The value where there is one; what can't be read is nothing, or the end of it.
fn needed<T: DeserializeOwned>(value: Option<&Value>, or_nothing: bool) -> Option<Option<T>> {
    let Some(value) = value else {
        return Some(None);
    };
    let read = serde_json::from_value(value.clone()).ok();
    (read.is_some() || or_nothing).then_some(read)
}

fn policy(word: &str) -> Option<DeletionPolicy> {
    [DeletionPolicy::Deactivate, DeletionPolicy::Retain]
        .into_iter()
        .find(|policy| policy.to_string().eq_ignore_ascii_case(word.trim()))
}
