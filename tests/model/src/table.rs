//! The decision table and the effects of calls, written independently of the production's.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use oxen_operator::api::{LiveStatus, OperationKind, OxenModelStatus, RECONCILE_ANNOTATION, State};

use crate::{
    hub::Retrieved,
    object::{NOW, Object, RULES},
    world::Snapshot,
};

/// Returns true when a call is due.
pub(crate) fn is_due(snapshot: &Snapshot, kind: OperationKind) -> bool {
    let Some(live) = snapshot.retrieved.and_then(Retrieved::live) else {
        return false;
    };
    let status = snapshot.object.status_or_default();
    let late = |time: &Time| age(time) > RULES.progress_deadline;
    let desired = snapshot.object.desired();
    let judged = Some(status.observed_generation) == snapshot.object.metadata.generation
        && status.desired == Some(desired);
    let progressing = status.progressing_since.filter(|_| judged);
    let deploying = status.since.filter(|_| status.live == Some(live));
    let overdue = progressing.iter().chain(&deploying).any(late);
    match (live, desired) {
        (LiveStatus::Inactive | LiveStatus::Error, State::Active) => {
            kind == OperationKind::Activate
        }
        (LiveStatus::Active | LiveStatus::Error, State::Inactive) => {
            kind == OperationKind::Deactivate
        }
        (LiveStatus::Deploying, State::Inactive) => overdue && kind == OperationKind::Deactivate,
        (_, State::Active | State::Inactive) => false,
    }
}

/// Returns true when the model is in the state that such a call asks for.
pub(crate) fn is_target(kind: OperationKind, live: LiveStatus) -> bool {
    match kind {
        OperationKind::Activate => live == LiveStatus::Active,
        OperationKind::Deactivate => is_off(live),
    }
}

/// Returns true when the model is on its way to the state that such a call asks for.
pub(crate) fn is_transition(kind: OperationKind, live: LiveStatus) -> bool {
    match kind {
        OperationKind::Activate => live == LiveStatus::Deploying,
        OperationKind::Deactivate => live == LiveStatus::Deactivating,
    }
}

/// Returns true when the model doesn't bill.
pub(crate) fn is_off(live: LiveStatus) -> bool {
    matches!(live, LiveStatus::Inactive | LiveStatus::None)
}

/// Returns true when the answer shows the desired state.
pub(crate) fn fits(answer: Retrieved, desired: State) -> bool {
    match desired {
        State::Active => answer == Retrieved::Base || answer.live() == Some(LiveStatus::Active),
        State::Inactive => answer.live().is_some_and(is_off),
    }
}

/// Returns true when a requested reconcile has not been answered yet.
pub(crate) fn requested(object: &Object) -> bool {
    let annotations = object.metadata.annotations.as_ref();
    let requested = annotations.and_then(|all| all.get(RECONCILE_ANNOTATION));
    let handled = object.status_or_default().last_handled_reconcile_at;
    requested.is_some() && requested != handled.as_ref()
}

fn age(time: &Time) -> Duration {
    Duration::try_from(NOW.duration_since(time.0)).unwrap_or_default()
}

/// The condition of that type.
pub(crate) fn find<'a>(status: &'a OxenModelStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|one| one.type_ == type_)
}

/// Returns true when the condition of that type is True.
pub(crate) fn is_true(status: &OxenModelStatus, type_: &str) -> bool {
    find(status, type_).is_some_and(|one| one.status == "True")
}
