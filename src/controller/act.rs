//! The one action of a plan: the finalizer, or the call to the hub.

use std::sync::Arc;

use kube::{
    Resource, ResourceExt,
    api::{Patch, PatchParams},
    runtime::reflector::ObjectRef,
};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::{
    context::{Error, Scope},
    look::{leave_alone, rest},
    observe::Observed,
};
use crate::{
    api::{Direction, FINALIZER, OxenModel},
    decide::{Answer, Fault},
    oxen::Lane,
};

/// Adds or removes the finalizer, on the very version that was decided upon.
pub(super) async fn finalizer(scope: &Scope, object: &OxenModel, hold: bool) -> Result<(), Error> {
    let others = object.finalizers().iter().filter(|one| *one != FINALIZER);
    let mut finalizers: Vec<&str> = others.map(String::as_str).collect();
    if hold {
        finalizers.push(FINALIZER);
    }
    let patch = json!({"metadata": {
        "uid": object.metadata.uid,
        "resourceVersion": object.metadata.resource_version,
        "finalizers": finalizers,
    }});
    let api = scope
        .context
        .objects(&object.namespace().unwrap_or_default());
    let (name, params) = (object.name_any(), PatchParams::default());
    let patch = Patch::Merge(&patch);
    // The rest of the object is as it was, and need not be what this version can decode.
    let write = api.patch_metadata(&name, &params, &patch);
    let written = scope.context.ask("writing the finalizer", write).await?;
    let after = Arc::new(OxenModel {
        metadata: written.metadata,
        ..object.clone()
    });
    scope
        .context
        .memories
        .with(object, |memory| memory.wrote(object, &after));
    Ok(())
}

/// What the watch has brought meanwhile that the decision didn't know.
fn overtaken(scope: &Scope, object: &OxenModel) -> Option<&'static str> {
    let name = ObjectRef::new(&object.name_any());
    let namespace = object.namespace().unwrap_or_default();
    let Some(latest) = scope.objects.get(&name.within(&namespace)) else {
        return Some("the object is gone");
    };
    let (latest, known) = (latest.meta(), &object.metadata);
    if latest.uid != known.uid {
        Some("the object was made anew")
    } else if latest.deletion_timestamp.is_some() && known.deletion_timestamp.is_none() {
        Some("the object is being deleted")
    } else if latest.generation > known.generation {
        Some("the object has changed")
    } else {
        None
    }
}

/// Makes the recorded call, unless what it rests on no longer holds.
pub(super) async fn call(scope: &Scope, seen: &Observed, direction: Direction) -> Answer {
    let context = &scope.context;
    let Some(key) = &seen.key else {
        return Answer::NotSent("there is no API key");
    };
    let fresh_until = seen.looked + context.config.freshness;
    let turn = tokio::select! {
        turn = context.hub.turn(key, Lane::Call) => turn,
        () = context.stop.wait() => return Answer::NotSent("the operator is shutting down"),
        () = sleep_until(fresh_until) => {
            return Answer::NotSent("its turn didn't come before the look was out of date");
        }
    };
    // Another object of the key may have been told so since the look.
    let turn = match turn {
        Ok(turn) => turn,
        Err(Fault::RateLimited { .. }) => {
            return Answer::NotSent("the hub asks to be called less often");
        }
        Err(_) => return Answer::NotSent("the hub doesn't accept the API key"),
    };
    context.metrics.waited(turn.waited());
    // Last of all, with nothing to wait for between this and the request: it may be long since
    // the call was decided upon.
    if context.stop.said() {
        return Answer::NotSent("the operator is shutting down");
    }
    if Instant::now() >= fresh_until {
        return Answer::NotSent("recording the call took so long that the look is out of date");
    }
    if let Some(why) = overtaken(scope, &seen.object) {
        return Answer::NotSent(why);
    }
    if let Err(refusal) = context.authority.permits(context.config.call) {
        return Answer::NotSent(refusal.why);
    }
    let model = &seen.object.spec.model;
    let answer = turn.call(model, direction, &seen.operation_id).await;
    match answer {
        Answer::Refused(fault) => Answer::Refused(rest(scope, &seen.object, fault)),
        Answer::Unknown {
            wait: Some(wait), ..
        } => {
            leave_alone(scope, &seen.object, wait);
            answer
        }
        Answer::Accepted | Answer::Unknown { wait: None, .. } | Answer::NotSent(_) => answer,
    }
}
