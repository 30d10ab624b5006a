//! The one action of a plan: the finalizer, or the call to the hub.

use std::sync::Arc;

use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    context::{Error, Scope},
    observe::{Observed, rest, resting},
};
use crate::{
    api::{Direction, FINALIZER, OxenModel},
    decide::Answer,
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
    let write = api.patch(&name, &params, &patch);
    let after = Arc::new(scope.context.ask("writing the finalizer", write).await?);
    scope
        .context
        .memories
        .with(object, |memory| memory.wrote(object, &after));
    Ok(())
}

/// Makes the recorded call, unless what it rests on no longer holds.
pub(super) async fn call(scope: &Scope, seen: &Observed, direction: Direction) -> Answer {
    let context = &scope.context;
    if context.stop.said() {
        return Answer::NotSent("the operator is shutting down");
    }
    if seen.looked.elapsed() >= context.config.freshness {
        return Answer::NotSent("recording the call took so long that the look is out of date");
    }
    let Some(key) = &seen.key else {
        return Answer::NotSent("there is no API key");
    };
    // Another object of the key may have been told so since the look.
    if resting(scope, &seen.object, key).is_some() {
        return Answer::NotSent("the hub asks to be called less often");
    }
    let answer = context
        .hub
        .call(key, &seen.object.spec.model, direction)
        .await;
    match answer {
        Answer::Refused(fault) => Answer::Refused(rest(scope, &seen.object, key, fault)),
        answer @ (Answer::Accepted | Answer::Unknown(_) | Answer::NotSent(_)) => answer,
    }
}
