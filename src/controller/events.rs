//! Events: one for each transition of an object.

use kube::{
    Resource, ResourceExt,
    runtime::events::{Event, EventType as KubeEventType},
};
use tracing::{debug, info, warn};

use super::context::Scope;
use crate::{
    api::OxenModel,
    decide::{DELETION_BLOCKED, EventType, Plan},
};

/// The largest note that the Events API accepts, in bytes.
const NOTE: usize = 1024;

/// Publishes an event and logs a line. It is called for transitions only. An event that can't be
/// published fails nothing.
pub(super) async fn publish_event(scope: &Scope, object: &OxenModel, plan: &Plan) {
    let presentation = plan.verdict.presentation();
    let reason = if plan.blocked {
        DELETION_BLOCKED
    } else {
        presentation.reason
    };
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let type_ = if plan.blocked || presentation.event == EventType::Warning {
        warn!(namespace, name, reason, "{}", plan.message);
        KubeEventType::Warning
    } else {
        info!(namespace, name, reason, "{}", plan.message);
        KubeEventType::Normal
    };
    let event = Event {
        type_,
        reason: reason.into(),
        note: Some(cut(&plan.message)),
        action: "Reconcile".into(),
        secondary: None,
    };
    let reference = object.object_ref(&());
    let publish = async {
        let published = scope.context.recorder.publish(&event, &reference).await;
        published.map_err(|error| debug!(namespace, name, %error, "the event was not published"))
    };
    let _permit = scope.context.kube_permit().await;
    let timeout = scope.context.config.kube_timeout;
    if tokio::time::timeout(timeout, publish).await.is_err() {
        debug!(namespace, name, "publishing the event timed out");
    }
}

fn cut(note: &str) -> String {
    let mut end = note.len().min(NOTE);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note[..end].to_owned()
}
