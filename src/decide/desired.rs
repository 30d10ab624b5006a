//! The desired state of a model, and when it changes by itself.

use std::time::Duration;

use jiff::Timestamp;

use super::schedule::{is_active, next_change as next_boundary};
use crate::api::{Declared, OxenModel, Schedule, State, WarmUp};

/// The state that the model should be in at `now`: what the spec declares, and inactive for an
/// object that is being deleted.
#[must_use]
pub fn desired(object: &OxenModel, now: Timestamp) -> State {
    if object.metadata.deletion_timestamp.is_some() {
        return State::Inactive;
    }
    match (object.spec.state, &object.spec.schedule) {
        (Declared::Active, _) => State::Active,
        (Declared::Scheduled, Some(schedule)) if is_active(schedule, now, lead(schedule)) => {
            State::Active
        }
        (Declared::Inactive | Declared::Scheduled, _) => State::Inactive,
    }
}

/// The first instant after `now` at which the desired state is another one, if the object doesn't
/// change, or `None` if there is none within 400 days.
#[must_use]
pub fn next_change(object: &OxenModel, now: Timestamp) -> Option<Timestamp> {
    let schedule = object.spec.schedule.as_ref()?;
    let scheduled = object.spec.state == Declared::Scheduled;
    let kept = object.metadata.deletion_timestamp.is_none();
    (scheduled && kept)
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
