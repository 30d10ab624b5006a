//! Whether somebody waits for an object's next observation.

use super::{
    attempts, desired,
    effect::{Effect, effect},
};
use crate::api::{LiveStatus, OxenModel};

/// Returns true when somebody waits for the object's next observation: a spec or a desired state
/// that has not been observed, a deletion, a requested reconcile, an operation whose transition was
/// not seen, or a refused call that is tried again. Any other observation is a routine poll.
#[must_use]
pub fn is_urgent(object: &OxenModel) -> bool {
    let Some(status) = &object.status else {
        return true;
    };
    let observed = Some(status.observed_generation) == object.metadata.generation;
    let deleting = object.metadata.deletion_timestamp.is_some();
    let live = status.live.unwrap_or(LiveStatus::Unknown);
    let unseen = status
        .operation
        .as_ref()
        .is_some_and(|open| effect(open.kind, live) != Effect::Transition);
    !observed
        || deleting
        || unseen
        || status.desired != Some(desired(object))
        || object.requested_reconcile().is_some()
        || attempts::last_refusal(&status.attempts()).is_some()
}
