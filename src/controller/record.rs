//! Writes the status if it changed.

use std::sync::Arc;

use kube::{
    Api, ResourceExt,
    api::{ApiResource, NotUsed, Object, Patch, PatchParams},
};
use serde_json::json;

use super::{
    context::Scope,
    error::{ReconcileError, Request},
    events::publish_event,
};
use crate::{
    api::{OxenModel, OxenModelStatus},
    decide::{Plan, Verdict},
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
    let after = if object.status.as_ref() == Some(&plan.status) {
        object.clone()
    } else {
        write(scope, object, plan).await?
    };
    if plan.transition {
        publish_event(scope, &after, plan).await;
    }
    Ok(after)
}

/// Sends a merge patch of the whole status, with null for what is absent, on exactly this version
/// of this object.
async fn write(
    scope: &Scope,
    object: &Arc<OxenModel>,
    plan: &Plan,
) -> Result<Arc<OxenModel>, ReconcileError> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let status = serde_json::to_value(&plan.status).map_err(|source| ReconcileError::Json {
        object: format!("{namespace}/{name}"),
        source,
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
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let write = api.patch_status(&name, &params, &patch);
    let request = Request::new("writing the status of the OxenModel", &namespace, &name);
    let written = context.send(request, write).await?;
    let after = Arc::new(OxenModel {
        metadata: written.metadata,
        spec: object.spec.clone(),
        status: written.status,
    });
    context.metrics.status_written();
    context
        .memories
        .with(object, |memory| memory.record_write(object, &after));
    Ok(after)
}
