//! Whether somebody waits for an object's next observation.

use super::{
    attempts,
    clock::{Agreement, Clock},
    conditions::{RECONCILING, STALLED, SYNCED, is_false, is_true},
    desired,
    effect::{Effect, effect},
    overrides::requests_override,
};
use crate::api::{LiveStatus, OperationKind, OxenModel, State};

/// Returns true when somebody waits for the object's next observation at `clock`. Any other
/// observation is a routine poll. Somebody waits for:
///
/// - a spec or a desired state that has not been observed, or a deletion,
/// - a requested reconcile or override,
/// - an operation whose transition was not seen, or a refused call that is tried again,
/// - a model that is neither in the desired state nor on its way there, so that it may need a call.
#[must_use]
pub fn is_urgent(object: &OxenModel, clock: impl Into<Clock>) -> bool {
    let clock = clock.into();
    // The first observation after a start decides whether the clock is believed.
    let clock = match clock.agreement {
        Agreement::Unknown => clock.now.into(),
        Agreement::Agrees | Agreement::Differs => clock,
    };
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
    let desired = desired(object, clock);
    let kind = match desired {
        State::Active => OperationKind::Activate,
        State::Inactive => OperationKind::Deactivate,
    };
    let on_its_way = matches!(effect(kind, live), Effect::Target | Effect::Transition);
    let conditions = &status.conditions;
    let unsettled = is_true(conditions, RECONCILING) || is_false(conditions, SYNCED);
    let continues = unsettled && !is_true(conditions, STALLED);
    !observed
        || deleting
        || unseen
        || status.desired != Some(desired)
        || (continues && !on_its_way)
        || object.requested_reconcile().is_some()
        || requests_override(object, clock)
        || attempts::last_refusal(&status.attempts()).is_some()
}
