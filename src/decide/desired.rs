//! The desired state of a model, and when it changes by itself.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    clock::Clock,
    overrides,
    schedule::{is_active, next_change as next_boundary},
};
use crate::api::{Declared, Override, OxenModel, OxenModelStatus, Schedule, State, WarmUp};

/// The state that the model should be in at `now`: what an override says while it is in force, and
/// what the spec declares otherwise. It is inactive for an object that is being deleted. While the
/// clock differs from the hub's, time changes nothing: it is what the status says.
#[must_use]
pub fn desired(object: &OxenModel, clock: impl Into<Clock>) -> State {
    if object.metadata.deletion_timestamp.is_some() {
        return State::Inactive;
    }
    let clock = clock.into();
    if let Some(kept) = kept(object, clock) {
        return kept;
    }
    in_force(object, clock).map_or_else(|| declared(object, clock.now), |it| it.state)
}

/// The override that is in force. It may not be in the status yet.
fn in_force(object: &OxenModel, clock: Clock) -> Option<Override> {
    overrides::judge(object, clock).in_force
}

/// The stored desired state, if only time could have changed it since, and the clock can't be
/// believed.
fn kept(object: &OxenModel, clock: Clock) -> Option<State> {
    let status = object.status.as_ref().filter(|_| clock.differs)?;
    let same = Some(status.observed_generation) == object.metadata.generation
        && !overrides::requests_override(object, clock);
    status.desired.filter(|_| same)
}

/// The state that the spec declares for `now`.
fn declared(object: &OxenModel, now: Timestamp) -> State {
    match (object.spec.state, &object.spec.schedule) {
        (Declared::Active, _) => State::Active,
        (Declared::Scheduled, Some(schedule)) if is_active(schedule, now, lead(schedule)) => {
            State::Active
        }
        (Declared::Inactive | Declared::Scheduled, _) => State::Inactive,
    }
}

/// The first instant after `now` at which the desired state is another one, if the object doesn't
/// change, or `None` if there is none within 400 days of `now` and of the override's end. There is
/// none while the clock differs from the hub's.
#[must_use]
pub fn next_change(object: &OxenModel, clock: impl Into<Clock>) -> Option<Timestamp> {
    let clock = clock.into();
    if object.metadata.deletion_timestamp.is_some() || clock.differs {
        return None;
    }
    match in_force(object, clock) {
        None => next_declared(object, clock.now),
        Some(Override { state, until, .. }) if declared(object, until.0) == state => {
            next_declared(object, until.0)
        }
        Some(Override { until, .. }) => Some(until.0),
    }
}

/// The first instant after `now` at which the spec declares another state.
fn next_declared(object: &OxenModel, now: Timestamp) -> Option<Timestamp> {
    let schedule = object.spec.schedule.as_ref()?;
    let scheduled = object.spec.state == Declared::Scheduled;
    scheduled
        .then(|| next_boundary(schedule, now, lead(schedule)))
        .flatten()
}

/// How long before a window the model is turned on.
#[must_use]
pub fn lead(schedule: &Schedule) -> Duration {
    match schedule.warm_up {
        Some(WarmUp::Fixed(span)) => span.0,
        // The duration of the model's activations is not known.
        Some(WarmUp::Auto) | None => Duration::ZERO,
    }
}

/// How long ago the desired state should have changed by itself, in a write that replaces the
/// status `before` with the status `after` at `now`; `None` if the write is not the one that changes
/// it for that reason.
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
