//! Writes the status if it changed.

use std::sync::Arc;

use kube::{
    Api, ResourceExt,
    api::{ApiResource, NotUsed, Object, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::warn;

use super::{
    clock::now,
    context::Scope,
    error::{ReconcileError, Request},
    memory::Memory,
};
use crate::{
    api::{OxenModel, OxenModelStatus},
    decide::{Plan, Verdict, boundary_delay, override_events},
};

/// The response to a write of the status. Its spec isn't read, because this version may not be able
/// to decode it.
type Written = Object<NotUsed, OxenModelStatus>;

/// Writes the plan's status if it differs from the stored one, and publishes the event of a
/// transition. The next write of this reconcile is based on the returned object.
pub(super) async fn record(
    scope: &Scope,
    object: &Arc<OxenModel>,
    plan: &Plan,
) -> Result<Arc<OxenModel>, ReconcileError> {
    // A released object needs no status.
    if plan.verdict == Verdict::Released {
        return Ok(object.clone());
    }
    let memories = &scope.context.memories;
    memories.with(object, |memory| {
        memory.track(|tracked| tracked.before_write(&plan.status));
    });
    let after = write_if_changed(scope, object, plan, None).await?;
    memories.with(object, |memory| {
        memory.track(|tracked| tracked.stored(&plan.status));
    });
    publish(scope, &after, plan);
    Ok(after)
}

async fn write_if_changed(
    scope: &Scope,
    object: &Arc<OxenModel>,
    plan: &Plan,
    expires: Option<Instant>,
) -> Result<Arc<OxenModel>, ReconcileError> {
    let memories = &scope.context.memories;
    // A status that the API server does not store as it was sent is not sent again.
    let sent = memories.with(object, |memory| {
        let sent = memory.pruned.as_deref();
        sent.is_some_and(|sent| is_same(sent, &plan.status))
    });
    let after = if sent || object.status.as_ref() == Some(&plan.status) {
        object.clone()
    } else {
        write(scope, object, plan, expires).await?
    };
    memories.with(object, Memory::recorded);
    Ok(after)
}

/// Returns true when `sent`, which the API server did not store as it was sent, is this status. If
/// usage is not stored, each observation starts a new one, so it is left out of the comparison.
fn is_same(sent: &OxenModelStatus, status: &OxenModelStatus) -> bool {
    if sent.usage.is_some() {
        return sent == status;
    }
    let without = OxenModelStatus {
        usage: None,
        ..status.clone()
    };
    *sent == without
}

/// Publishes the event of a recorded plan, if it is a transition.
fn publish(scope: &Scope, object: &OxenModel, plan: &Plan) {
    if plan.transition {
        scope.context.events.publish_plan(object, plan);
    }
}

/// Writes the plan's status with its operation, and returns the written object, or `None` if the
/// API server did not store `operation`, `attempts` and `override` as they were sent. After `None`,
/// no call may follow.
///
/// While the object says that its CustomResourceDefinition is outdated, a dry run comes first, so
/// that nothing is written. After `expires`, when the observation is too old for the call, nothing
/// is written either.
pub(super) async fn record_operation(
    scope: &Scope,
    object: &Arc<OxenModel>,
    plan: &Plan,
    expires: Instant,
) -> Result<Option<Arc<OxenModel>>, ReconcileError> {
    let expires = Some(expires);
    let outdated = Verdict::CrdOutdated.presentation().reason;
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    let mut reasons = conditions.map(|condition| condition.reason.as_str());
    if reasons.any(|reason| reason == outdated) {
        let tried = send(scope, object, &plan.status, true, expires).await;
        if !is_stored(&tried, plan)? {
            return Ok(None);
        }
    }
    let written = write_if_changed(scope, object, plan, expires).await;
    let stored = is_stored(&written, plan)?;
    let recorded = written.ok().filter(|_| stored);
    if let Some(recorded) = &recorded {
        publish(scope, recorded, plan);
    }
    Ok(recorded)
}

/// Returns true when a write holds the plan's operation, attempts and override. A write that is
/// refused as invalid (422) holds nothing.
fn is_stored(
    written: &Result<Arc<OxenModel>, ReconcileError>,
    plan: &Plan,
) -> Result<bool, ReconcileError> {
    match written {
        Ok(object) => Ok(object.status.as_ref().is_some_and(|status| {
            status.operation == plan.status.operation
                && status.attempts == plan.status.attempts
                && status.override_in_force == plan.status.override_in_force
        })),
        Err(error) if error.code() == Some(422) => Ok(false),
        Err(error) => Err(error.clone()),
    }
}

async fn write(
    scope: &Scope,
    object: &Arc<OxenModel>,
    plan: &Plan,
    expires: Option<Instant>,
) -> Result<Arc<OxenModel>, ReconcileError> {
    let context = &scope.context;
    let sent = send(scope, object, &plan.status, false, expires).await;
    let after = sent.inspect_err(|error| {
        if error.code() != Some(409) {
            let memories = &context.memories;
            memories.with(object, |memory| memory.unanswered(object, &plan.status));
        }
    })?;
    context.metrics.status_written();
    let pruned = pruned_fields(&plan.status, after.status.as_ref());
    if !pruned.is_empty() {
        warn!(
            fields = pruned.join(","),
            "the API server did not store these fields of the status; upgrade the \
             CustomResourceDefinition"
        );
        context.metrics.status_pruned(&pruned);
    }
    context.memories.with(object, |memory| {
        memory.pruned = (!pruned.is_empty()).then(|| {
            let mut sent = Box::new(plan.status.clone());
            sent.usage = sent.usage.filter(|_| !pruned.contains(&"usage".to_owned()));
            sent
        });
    });
    context.index.answered(object, &after);
    note_changes(scope, object, &after);
    Ok(after)
}

/// Publishes the events about an override. If a boundary changed the desired state, also measures
/// the delay from the boundary to this write.
fn note_changes(scope: &Scope, object: &OxenModel, after: &OxenModel) {
    let context = &scope.context;
    let (Some(before), Some(after)) = (&object.status, &after.status) else {
        return;
    };
    for event in override_events(before, after) {
        context.events.publish_override(object, event);
    }
    if let Some(delay) = boundary_delay(before, after, now()) {
        context.metrics.boundary_passed(delay);
    }
}

/// The fields of the status that were sent and that the API server's answer lacks.
fn pruned_fields(sent: &OxenModelStatus, stored: Option<&OxenModelStatus>) -> Vec<String> {
    let fields = |status: Option<&OxenModelStatus>| match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    let stored = fields(stored);
    let sent = fields(Some(sent)).into_iter();
    sent.filter(|(field, value)| !value.is_null() && stored.get(field).is_none_or(Value::is_null))
        .map(|(field, _)| field)
        .collect()
}

/// Sends a merge patch of the whole status, with null for what is absent, on exactly this version
/// of this object.
async fn send(
    scope: &Scope,
    object: &Arc<OxenModel>,
    status: &OxenModelStatus,
    dry_run: bool,
    expires: Option<Instant>,
) -> Result<Arc<OxenModel>, ReconcileError> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let status = serde_json::to_value(status).map_err(|source| ReconcileError::Json {
        object: format!("{namespace}/{name}"),
        source: Arc::new(source),
    })?;
    let patch = json!({
        "metadata": {
            "uid": object.metadata.uid,
            "resourceVersion": object.metadata.resource_version,
        },
        "status": status,
    });
    let context = &scope.context;
    let api: Api<Written> = Api::namespaced_with(
        context.client.clone(),
        &namespace,
        &ApiResource::erase::<OxenModel>(&()),
    );
    let params = PatchParams {
        dry_run,
        ..PatchParams::default()
    };
    let patch = Patch::Merge(&patch);
    let write = api.patch_status(&name, &params, &patch);
    let request = Request::new("writing the status of the OxenModel", &namespace, &name);
    let written = context.send(request.before(expires), write).await?;
    Ok(Arc::new(OxenModel {
        metadata: written.metadata,
        spec: object.spec.clone(),
        status: written.status,
    }))
}

/// Remembers a conflict, so that the next reconcile reads the object from the API server.
pub(super) fn noting_conflicts<T>(
    scope: &Scope,
    object: &OxenModel,
    written: Result<T, ReconcileError>,
) -> Result<T, ReconcileError> {
    if let Err(error) = &written
        && error.code() == Some(409)
    {
        scope
            .context
            .memories
            .with(object, |memory| memory.stale = true);
    }
    written
}
