//! An object that this version can't decode: its own status says so, and no other object is
//! affected. Its deletion reads what it needs leniently.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::error_boundary::InvalidObject,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracing::warn;

use super::{
    context::Context,
    error::{ReconcileError, Request},
};
use crate::{
    api::{DeletionPolicy, OxenModel, OxenModelSpec, OxenModelStatus, State},
    decide::{Claimant, blocked_message, undecodable},
};

/// An object that the watch could not decode, as it was just read from the API server.
pub(super) enum Read {
    /// The object is being deleted, and what its deletion needs can be read.
    Deletable(Box<OxenModel>),
    /// The object can't be decoded.
    Undecodable(Box<DynamicObject>),
}

/// Reads an object that the watch could not decode.
pub(super) async fn read(
    context: &Context,
    invalid: &InvalidObject,
) -> Result<Read, ReconcileError> {
    let namespace = invalid.metadata.namespace.as_deref().unwrap_or_default();
    let name = invalid.metadata.name.as_deref().unwrap_or_default();
    let raw = read_raw(context, namespace, name).await?;
    let deleting = raw.metadata.deletion_timestamp.is_some();
    Ok(match lenient(&raw).filter(|_| deleting) {
        Some(object) => Read::Deletable(Box::new(object)),
        None => Read::Undecodable(Box::new(raw)),
    })
}

/// Writes into the object's status that it can't be decoded, and why.
pub(super) async fn report(
    context: &Context,
    invalid: &InvalidObject,
    raw: &DynamicObject,
) -> Result<(), ReconcileError> {
    let namespace = raw.namespace().unwrap_or_default();
    let name = raw.name_any();
    let deleting = raw.metadata.deletion_timestamp.is_some();
    let mut problem = format!(
        "This version of the operator can't decode the object: {}. Correct that field, or delete \
         the object.",
        unreadable(raw).unwrap_or_else(|| invalid.error.clone())
    );
    if deleting {
        problem = blocked_message(&problem);
    }
    let before: Vec<Condition> = raw
        .data
        .pointer("/status/conditions")
        .and_then(|conditions| serde_json::from_value(conditions.clone()).ok())
        .unwrap_or_default();
    let generation = raw.metadata.generation.unwrap_or_default();
    let after = undecodable(&before, &problem, deleting, generation, Timestamp::now());
    if after == before {
        return Ok(());
    }
    warn!(namespace, name, reason = "InvalidSpec", "{problem}");
    let patch = json!({
        "metadata": {
            "uid": raw.metadata.uid,
            "resourceVersion": raw.metadata.resource_version,
        },
        "status": {"observedGeneration": generation, "conditions": after},
    });
    let api = raw_objects(context, &namespace);
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let write = api.patch_status(&name, &params, &patch);
    let request = Request::new("writing the status of the OxenModel", &namespace, &name);
    context.send(request, write).await?;
    context.metrics.status_written();
    Ok(())
}

/// Adds the objects that can't be decoded to the index, unless they are in it already. Ownership
/// can't be judged earlier.
pub(super) async fn learn(context: &Context) -> Result<(), ReconcileError> {
    if context.index.unread().is_empty() {
        return Ok(());
    }
    // The reconciles that wait for this lock find the work done.
    let _lock = context.index.lock_reading().await;
    for (namespace, name) in context.index.unread() {
        match read_raw(context, &namespace, &name).await {
            Ok(raw) => context.index.learn(claimant(&raw)),
            Err(error) if error.code() == Some(404) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn read_raw(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<DynamicObject, ReconcileError> {
    let api = raw_objects(context, namespace);
    let request = Request::new("reading the OxenModel", namespace, name);
    context.send(request, api.get(name)).await
}

fn raw_objects(context: &Context, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<OxenModel>(&());
    Api::namespaced_with(context.client.clone(), namespace, &resource)
}

/// The field that can't be decoded, and why.
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

/// The object as a claimant, as far as it can be read.
fn claimant(raw: &DynamicObject) -> Claimant {
    let mut object = OxenModel::new(&raw.name_any(), bare_spec(raw.data.pointer("/spec/model")));
    object.metadata = raw.metadata.clone();
    let status = raw.data.get("status").cloned();
    object.status = status.and_then(|status| serde_json::from_value(status).ok());
    Claimant::of(&object)
}

/// A spec with nothing but the model.
fn bare_spec(model: Option<&Value>) -> OxenModelSpec {
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

/// As much of the object as its deletion needs, or `None` if that can't be read. A deletion
/// policy that this version doesn't know is not guessed.
fn lenient(raw: &DynamicObject) -> Option<OxenModel> {
    let spec = raw.data.get("spec")?;
    let field = |name: &str| spec.get(name).filter(|value| !value.is_null());
    let deletion_policy = match field("deletionPolicy").map(Value::as_str) {
        None => None,
        Some(word) => Some(policy(word?)?),
    };
    let suspend = field("suspend").and_then(Value::as_bool);
    // A deletion that leaves the model as it is needs neither its name nor a key nor the status.
    let retains = deletion_policy == Some(DeletionPolicy::Retain) || suspend == Some(true);
    let spec = OxenModelSpec {
        deletion_policy,
        suspend,
        api_key_secret_ref: part(field("apiKeySecretRef"), !retains)?,
        ..bare_spec(field("model"))
    };
    let mut object = OxenModel::new(&raw.name_any(), spec);
    object.metadata = raw.metadata.clone();
    object.status = part(raw.data.get("status"), !retains)?;
    Some(object)
}

/// An optional part of an object that the deletion needs, or `None` if it can't be read. A part that
/// isn't required counts as absent if it can't be read.
fn part<T: DeserializeOwned>(value: Option<&Value>, required: bool) -> Option<Option<T>> {
    match value.cloned().map(serde_json::from_value).transpose() {
        Ok(part) => Some(part),
        Err(_) => (!required).then_some(None),
    }
}

fn policy(word: &str) -> Option<DeletionPolicy> {
    [DeletionPolicy::Deactivate, DeletionPolicy::Retain]
        .into_iter()
        .find(|policy| policy.to_string().eq_ignore_ascii_case(word.trim()))
}
