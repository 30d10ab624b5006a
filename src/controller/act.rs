//! Performs the one action of a plan: a change of the finalizer, or a call to the hub.

use std::sync::Arc;

use kube::{
    Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::{
    context::Scope,
    error::{ReconcileError, Request},
    memory::reason,
    observe::Observed,
    retrieve::back_off,
};
use crate::{
    api::{FINALIZER, OperationKind, OxenModel},
    decide::{CallOutcome, Clock, HubFault, desired},
    hub::Priority,
};

/// Adds or removes the operator's finalizer.
///
/// The merge patch replaces the whole list of finalizers. It is safe because it names the uid and
/// the resourceVersion that the decision was based on: if anybody has changed the list meanwhile,
/// the API server answers with a conflict. kube's `finalizer` helper isn't used, because adding the
/// finalizer here depends on a live GET, and removing it is a decision with a message.
pub(super) async fn set_finalizer(
    scope: &Scope,
    object: &OxenModel,
    present: bool,
) -> Result<Arc<OxenModel>, ReconcileError> {
    let after = with_finalizer(object, present);
    let expected = reason(&after);
    let memories = &scope.context.memories;
    memories.with(object, |memory| memory.expect(expected));
    let patch = json!({"metadata": {
        "uid": object.metadata.uid,
        "resourceVersion": object.metadata.resource_version,
        "finalizers": after.finalizers(),
    }});
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let api = scope.context.objects(&namespace);
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    // Only the metadata is read back, because this version may not be able to decode the object.
    let write = api.patch_metadata(&name, &params, &patch);
    let request = Request::new("writing the finalizers of the OxenModel", &namespace, &name);
    let written = scope.context.send(request, write).await?;
    Ok(Arc::new(OxenModel {
        metadata: written.metadata,
        ..after
    }))
}

/// The object with the operator's finalizer, or without it.
fn with_finalizer(object: &OxenModel, present: bool) -> OxenModel {
    let mut object = object.clone();
    let finalizers = object.finalizers_mut();
    finalizers.retain(|one| one != FINALIZER);
    if present {
        finalizers.push(FINALIZER.into());
    }
    object
}

/// Why the object, as the watch has it now, no longer allows the call, or `None` if it does.
/// `decided` is the clock by which the call was decided.
fn outdated(scope: &Scope, object: &OxenModel, decided: Clock) -> Option<&'static str> {
    let Some(latest) = scope.named(object) else {
        return Some("the object is gone");
    };
    let latest = latest.decode();
    let wanted = desired(&latest.object, scope.context.clock());
    let (latest, known) = (latest.meta(), &object.metadata);
    if latest.uid != known.uid {
        Some("the object was deleted and created again")
    } else if latest.deletion_timestamp.is_some() && known.deletion_timestamp.is_none() {
        Some("the object is being deleted")
    } else if latest.generation > known.generation {
        Some("the object has changed")
    } else if wanted != desired(object, decided) {
        Some("the desired state has changed")
    } else {
        None
    }
}

/// Sends the recorded call, unless what it is based on no longer holds.
pub(super) async fn call(scope: &Scope, seen: &Observed, kind: OperationKind) -> CallOutcome {
    let context = &scope.context;
    let object = &seen.prepared.stored;
    let Some(key) = &seen.key else {
        return CallOutcome::NotSent("there is no API key");
    };
    let expires = seen.expires(context.config.max_observation_age);
    let permit = tokio::select! {
        permit = context.hub.permit(key, Priority::Call(kind)) => permit,
        () = context.shutdown.cancelled() => {
            return CallOutcome::NotSent("the operator is shutting down");
        }
        () = sleep_until(expires) => {
            return CallOutcome::NotSent(
                "the observation became too old while the call waited for a permit",
            );
        }
    };
    // Another object with the same key may have received such an answer since the observation.
    let permit = match permit {
        Ok(permit) => permit,
        Err(HubFault::RateLimited { .. }) => {
            return CallOutcome::NotSent("the hub limits the rate of requests");
        }
        Err(_) => return CallOutcome::NotSent("the hub doesn't accept the API key"),
    };
    context.metrics.hub_waited(permit.waited());
    // These checks come last, with no await between them and the request, because the decision may
    // have been made long ago.
    if context.shutdown.is_cancelled() {
        return CallOutcome::NotSent("the operator is shutting down");
    }
    if Instant::now() >= expires {
        return CallOutcome::NotSent("the observation became too old while the call was recorded");
    }
    if let Some(why) = outdated(scope, object, seen.prepared.clock) {
        return CallOutcome::NotSent(why);
    }
    if let Err(error) = context.authority.permits(context.config.call_timeout) {
        return CallOutcome::NotSent(error.why);
    }
    let model = &object.spec.model;
    let operation_id = &seen.prepared.operation_id;
    let outcome = permit.call(model, kind, operation_id).await;
    match outcome {
        CallOutcome::Unknown {
            wait: Some(wait), ..
        } => {
            back_off(scope, object, wait);
            outcome
        }
        CallOutcome::Accepted
        | CallOutcome::Refused { .. }
        | CallOutcome::Unknown { wait: None, .. }
        | CallOutcome::NotSent(_) => outcome,
    }
}
