//! Writes the status if it changed, then tells of news, then counts.

use std::sync::Arc;

use kube::{
    Api, Resource, ResourceExt,
    api::{ApiResource, NotUsed, Object, Patch, PatchParams},
    runtime::events::{Event, EventType},
};
use serde_json::json;
use tracing::{debug, info, warn};

use super::context::{Error, Scope};
use crate::{
    api::{OxenModel, OxenModelStatus},
    decide::{Plan, Tone, Verdict},
};

/// What comes back from a write of the status. The spec is the one of the version that was
/// written upon, and need not be one that this version can decode.
type Written = Object<NotUsed, OxenModelStatus>;

/// The most that an event's note may hold, in bytes.
const NOTE: usize = 1024;

/// Writes the plan's status where it differs from what is stored. The object that comes back is
/// the one to base the next write of this pass on.
pub(super) async fn record(
    scope: &Scope,
    object: &Arc<OxenModel>,
    plan: &Plan,
) -> Result<Arc<OxenModel>, Error> {
    // An object that is let go needs no status any more.
    let after = if plan.verdict == Verdict::LetGo || object.status.as_ref() == Some(&plan.status) {
        object.clone()
    } else {
        write(scope, object, plan).await?
    };
    if plan.news && plan.verdict != Verdict::LetGo {
        tell(scope, &after, plan).await;
    }
    Ok(after)
}

/// A merge patch of the whole status, null for what is absent, on just this object and version.
async fn write(
    scope: &Scope,
    object: &Arc<OxenModel>,
    plan: &Plan,
) -> Result<Arc<OxenModel>, Error> {
    let patch = json!({
        "metadata": {
            "uid": object.metadata.uid,
            "resourceVersion": object.metadata.resource_version,
        },
        "status": serde_json::to_value(&plan.status)?,
    });
    let context = &scope.context;
    let api: Api<Written> = Api::namespaced_with(
        context.client.clone(),
        &object.namespace().unwrap_or_default(),
        &ApiResource::erase::<OxenModel>(&()),
    );
    let (name, params) = (object.name_any(), PatchParams::default());
    let patch = Patch::Merge(&patch);
    let write = api.patch_status(&name, &params, &patch);
    let written = context.ask("writing the status", write).await?;
    let after = Arc::new(OxenModel {
        metadata: written.metadata,
        spec: object.spec.clone(),
        status: written.status,
    });
    context.metrics.status_written();
    context
        .memories
        .with(object, |memory| memory.wrote(object, &after));
    Ok(after)
}

/// An event and a line in the log, on transitions only. A failed event fails nothing.
pub(super) async fn tell(scope: &Scope, object: &OxenModel, plan: &Plan) {
    let row = plan.verdict.row();
    let reason = if plan.blocked {
        "DeletionBlocked"
    } else {
        row.reason
    };
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let warning = row.tone == Tone::Warning || plan.blocked;
    if warning {
        warn!(namespace, name, reason, "{}", plan.message);
    } else {
        info!(namespace, name, reason, "{}", plan.message);
    }
    let event = Event {
        type_: if warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: reason.into(),
        note: Some(cut(&plan.message)),
        action: "Reconcile".into(),
        secondary: None,
    };
    let reference = object.object_ref(&());
    let publish = async {
        let published = scope.context.recorder.publish(&event, &reference).await;
        published.map_err(|error| debug!(%error, "the event was not published"))
    };
    let _slot = scope.context.slot().await;
    let timeout = scope.context.config.kube_timeout;
    if tokio::time::timeout(timeout, publish).await.is_err() {
        debug!("the event got no answer in time");
    }
}

fn cut(note: &str) -> String {
    let mut end = note.len().min(NOTE);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note[..end].to_owned()
}
