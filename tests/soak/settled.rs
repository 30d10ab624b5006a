//! Whether an object has settled.

use hub::Hub;
use oxen_operator::{
    api::OxenModel,
    decide::{CALLS, CORRECTIONS, DELETION_BLOCKED, is_true},
};
use testkit::world::{condition, ready, status};

/// Returns in which way an object has settled, or why it hasn't. `all` are all objects.
pub fn settled(hub: &Hub, all: &[OxenModel], object: &OxenModel) -> Result<String, String> {
    let Some(ready) = ready(object) else {
        return Err("was never observed".into());
    };
    let shown = status(object);
    let current = object.metadata.generation == Some(shown.observed_generation)
        && ready.observed_generation == object.metadata.generation;
    if !current {
        return Err("has a generation that was never observed".into());
    }
    if let Some(stalled) = condition(object, "Stalled") {
        let reason = stalled.reason.as_str();
        return is_justified(reason, hub, all, object)
            .then(|| format!("Stalled: {reason}"))
            .ok_or(format!("is Stalled without a cause: {reason}"));
    }
    if object.metadata.deletion_timestamp.is_some() {
        return is_true(&shown.conditions, DELETION_BLOCKED)
            .then(|| "the deletion is blocked".into())
            .ok_or("waits for its deletion, which isn't blocked".into());
    }
    if shown.operation.is_some() {
        return Err("has an open operation".into());
    }
    if ready.status == "True" {
        let live = hub.live(&object.spec.model).unwrap_or_default();
        let right = live == [object.spec.state.to_string()];
        return right
            .then(|| "Ready".into())
            .ok_or(format!("is Ready, and the model is {live:?}"));
    }
    let observing = ready.reason.starts_with("Would") || ready.reason == "StatusUnknown";
    let suspended = object.spec.suspend == Some(true) && observing;
    suspended
        .then(|| "suspended".into())
        .ok_or(format!("is neither Ready nor Stalled: {}", ready.reason))
}

/// Returns true when the cause of Stalled still exists, or the generation has no attempts left.
fn is_justified(reason: &str, hub: &Hub, all: &[OxenModel], object: &OxenModel) -> bool {
    let shown = status(object);
    let attempts = shown.attempts.unwrap_or_default();
    let counts = [attempts.calls, attempts.failures];
    let exhausted = counts.into_iter().flatten().any(|count| count >= CALLS);
    let live = hub.live(&object.spec.model).unwrap_or_default();
    let identity = |object: &OxenModel| status(object).model.map(|model| (model.id, model.owner));
    match reason {
        "Conflict" => all.iter().any(|other| {
            other.metadata.uid != object.metadata.uid && identity(other) == identity(object)
        }),
        // The transition ends only by another call, or by a person.
        "ProgressDeadlineExceeded" => live != ["active"] && live != ["inactive"],
        // The first response about the model named another account, which a person has to resolve.
        "IdentityChanged" => identity(object).is_some_and(|(id, owner)| {
            owner != hub::ACCOUNT || hub.uuid(&id).ok() != hub.uuid(&object.spec.model).ok()
        }),
        "DriftContention" => attempts.corrections.unwrap_or_default().len() >= CORRECTIONS,
        // A refused call is retried until the hub takes it.
        "CallHadNoEffect" | "DeploymentFailed" => exhausted,
        _ => false,
    }
}
