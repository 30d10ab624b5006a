//! The desired state of a model, and when it changes by itself.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    clock::Clock,
    overrides,
    schedule::{is_active, next_change as next_boundary},
    warm_up::warm_up,
};
use crate::api::{Declared, Override, OxenModel, OxenModelStatus, State};

/// Returns the state that the model should be in at `clock`: inactive for an object that is being
/// deleted, else the state of the override in force, else what the spec declares. While `clock`
/// doesn't agree with the hub's clock, the stored desired state remains until the spec changes or
/// an override is requested.
#[must_use]
pub fn desired(object: &OxenModel, clock: impl Into<Clock>) -> State {
    if object.metadata.deletion_timestamp.is_some() {
        return State::Inactive;
    }
    let clock = clock.into();
    if let Some(kept) = kept(object, clock) {
        return kept;
    }
    let in_force = overrides::judge(object, clock).in_force;
    in_force.map_or_else(
        || declared(object, clock.now, warm_up(object)),
        |it| it.state,
    )
}

/// Returns the stored desired state if the clock can't be believed and only the passing of time
/// could have changed the desired state since it was stored.
pub(super) fn kept(object: &OxenModel, clock: Clock) -> Option<State> {
    let status = object.status.as_ref().filter(|_| !clock.is_believed())?;
    let same = Some(status.observed_generation) == object.metadata.generation
        && !overrides::requests_override(object, clock);
    status.desired.filter(|_| same)
}

/// The state that the spec declares for `now`.
fn declared(object: &OxenModel, now: Timestamp, warm_up: Duration) -> State {
    match (object.spec.state, &object.spec.schedule) {
        (Declared::Active, _) => State::Active,
        (Declared::Scheduled, Some(schedule)) if is_active(schedule, now, warm_up) => State::Active,
        (Declared::Inactive | Declared::Scheduled, _) => State::Inactive,
    }
}

/// Returns the first instant after `now` at which the desired state changes if the object doesn't
/// change, whether or not the hub's clock agrees. Returns `None` if no change is found. The search
/// covers 400 days from `now`. If the spec declares the override's state at the override's end, the
/// search covers 400 days from that end instead.
#[must_use]
pub fn next_change(object: &OxenModel, now: Timestamp) -> Option<Timestamp> {
    let in_force = overrides::judge(object, now).in_force;
    next_change_from(object, in_force.as_ref(), warm_up(object), now)
}

/// Returns what [`next_change`] returns if this override and this warm-up are in force.
pub(super) fn next_change_from(
    object: &OxenModel,
    in_force: Option<&Override>,
    warm_up: Duration,
    now: Timestamp,
) -> Option<Timestamp> {
    if object.metadata.deletion_timestamp.is_some() {
        return None;
    }
    match in_force.filter(|it| it.until.0 > now) {
        None => next_declared(object, now, warm_up),
        Some(Override { state, until, .. }) if declared(object, until.0, warm_up) == *state => {
            next_declared(object, until.0, warm_up)
        }
        Some(Override { until, .. }) => Some(until.0),
    }
}

/// The first instant after `now` at which the spec declares another state.
fn next_declared(object: &OxenModel, now: Timestamp, warm_up: Duration) -> Option<Timestamp> {
    let schedule = object.spec.schedule.as_ref()?;
    let scheduled = object.spec.state == Declared::Scheduled;
    scheduled
        .then(|| next_boundary(schedule, now, warm_up))
        .flatten()
}

/// Returns the time from the boundary until `now`, for a write that replaces the status `before`
/// with the status `after`. Returns `None` if the write doesn't change the desired state because of
/// a boundary.
#[must_use]
pub fn boundary_delay(
    before: &OxenModelStatus,
    after: &OxenModelStatus,
    now: Timestamp,
) -> Option<Duration> {
    let until = before.until.as_ref()?.0;
    let changed = before.desired.is_some() && before.desired != after.desired;
    let same = before.observed_generation == after.observed_generation;
    (changed && same && until <= now)
        .then(|| Duration::try_from(now.duration_since(until)).unwrap_or_default())
}
