//! Whether an object has come to rest.

use hub::Hub;
use oxen_operator::{api::OxenModel, decide::HOW_TO_LET_GO};

use crate::world::{condition, message, ready, status};

/// Why it hasn't; or the word for how it has.
pub fn rest(hub: &Hub, object: &OxenModel) -> Result<String, String> {
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
        return Ok(format!("stalled: {}", stalled.reason));
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
