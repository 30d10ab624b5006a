//! An object that this version can't decode: its own status says so, and no other object is
//! affected.

use jiff::Timestamp;
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    context::Scope,
    error::{ReconcileError, Request},
    guarded::Guarded,
    prepare::newest,
};
use crate::decide::{DELETION_BLOCKED, blocked_message, headline, is_true, undecodable};

/// Writes into the object's status that it can't be decoded, and why. Fields other than the
/// conditions are left as they are.
pub(super) async fn report(scope: &Scope, guarded: &Guarded) -> Result<(), ReconcileError> {
    let Some(unreadable) = &guarded.unreadable else {
        return Ok(());
    };
    let context = &scope.context;
    let object = newest(scope, guarded).await?;
    let deleting = object.metadata.deletion_timestamp.is_some();
    let mut problem = format!(
        "This version of the operator can't decode the object: {}. Correct that field, or delete \
         the object.",
        unreadable.problem
    );
    if deleting {
        problem = blocked_message(&problem);
    }
    let before = object.status.as_ref();
    let before = before.map_or(&[][..], |status| &status.conditions);
    let generation = object.metadata.generation.unwrap_or_default();
    let after = undecodable(before, &problem, deleting, generation, Timestamp::now());
    if after == before {
        return Ok(());
    }
    let patch = json!({
        "metadata": {
            "uid": object.metadata.uid,
            "resourceVersion": object.metadata.resource_version,
        },
        "status": {"observedGeneration": generation, "conditions": after},
    });
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let api = context.objects(&namespace);
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let write = api.patch_status(&name, &params, &patch);
    let request = Request::new("writing the status of the OxenModel", &namespace, &name);
    let written = context.send(request, write).await?;
    context.metrics.status_written();
    context.index.answered(&object, &written.object);
    let blocked = |conditions| is_true(conditions, DELETION_BLOCKED);
    if headline(before) != headline(&after) || (blocked(&after) && !blocked(before)) {
        let events = &context.events;
        events.publish_undecodable(&object, deleting, problem);
    }
    Ok(())
}
