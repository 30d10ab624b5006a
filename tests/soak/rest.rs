//! Whether an object has come to rest.

use hub::Hub;
use oxen_operator::{
    api::OxenModel,
    decide::{CALLS, HOW_TO_LET_GO},
};

use crate::world::{condition, message, ready, status};

/// Why it hasn't; or the word for how it has. `all` are all objects.
pub fn rest(hub: &Hub, all: &[OxenModel], object: &OxenModel) -> Result<String, String> {
    let Some(ready) = ready(object) else {
        return Err("never looked at".into());
    };
    let seen = status(object);
    let current = object.metadata.generation == Some(seen.observed_generation)
        && ready.observed_generation == object.metadata.generation;
    if !current {
        return Err("a generation was never looked at".into());
    }
    if let Some(stalled) = condition(object, "Stalled") {
        let why = stalled.reason.as_str();
        return stands(why, hub, all, object)
            .then(|| format!("stalled: {why}"))
            .ok_or(format!("stalled for no reason any more: {why}"));
    }
    if object.metadata.deletion_timestamp.is_some() {
        let blocked = message(object).ends_with(HOW_TO_LET_GO);
        return blocked
            .then(|| "a blocked deletion".into())
            .ok_or("its deletion waits and doesn't say how to let go".into());
    }
    if seen.operation.is_some() {
        return Err("a call is under way".into());
    }
    if ready.status == "True" {
        let live = hub.live(&object.spec.model).unwrap_or_default();
        let so = live == [object.spec.state.to_string()];
        return so
            .then(|| "ready".into())
            .ok_or(format!("Ready, and the model is {live:?}"));
    }
    let looks_on = ready.reason.starts_with("Would") || ready.reason == "StatusUnknown";
    let frozen = object.spec.suspend == Some(true) && looks_on;
    frozen
        .then(|| "suspended".into())
        .ok_or(format!("neither as declared nor stalled: {}", ready.reason))
}

/// Whether what an object is stalled for is still the case: the world is so, or a budget is spent.
fn stands(why: &str, hub: &Hub, all: &[OxenModel], object: &OxenModel) -> bool {
    let seen = status(object);
    let spent = seen.attempts.unwrap_or_default();
    let calls = [spent.sends, spent.failures, spent.rejections];
    let bound = calls.into_iter().flatten().any(|count| count >= CALLS);
    let live = hub.live(&object.spec.model).unwrap_or_default();
    let identity = |object: &OxenModel| status(object).model.map(|model| (model.id, model.owner));
    match why {
        "Conflict" => all.iter().any(|other| {
            other.metadata.uid != object.metadata.uid && identity(other) == identity(object)
        }),
        // The hub itself is stuck: nothing moves it but another call or a person.
        "ProgressDeadlineExceeded" => live != ["active"] && live != ["inactive"],
        // The hub's first answer about it was of another account, and that waits for a person.
        "IdentityChanged" => identity(object).is_some_and(|(id, owner)| {
            owner != hub::ACCOUNT || hub.uuid(&id).ok() != hub.uuid(&object.spec.model).ok()
        }),
        "DriftContention" => spent.contended == Some(true) || bound,
        "CallHadNoEffect" | "DeploymentFailed" | "Rejected" => bound,
        "Forbidden" | "Unauthenticated" | "PaymentRequired" | "ModelNotFound" => {
            bound && spent.refusal.as_deref() == Some(why)
        }
        _ => false,
    }
}
