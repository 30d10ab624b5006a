//! How long before a window a scheduled model is turned on: its warm-up.
//!
//! With `warmUp: auto`, the warm-up is learned from the object's own activations. The learned
//! warm-up in force is in the status. It is replaced only when the desired state becomes inactive.
//! If each activation replaced it, a fast activation could shorten a warm-up that has begun, and
//! the model would be turned off and on again.

use std::time::Duration;

use super::{observation::Subject, schedule::is_active};
use crate::api::{OperationKind, OxenModel, OxenModelStatus, Schedule, Span, State, WarmUp};

/// The number of activations that a warm-up is learned from.
const ACTIVATIONS: usize = 5;

/// The time that is added to the slowest activation, because polls see the end of an activation
/// late.
const MARGIN: Duration = Duration::from_secs(30);

/// The longest learned warm-up.
const LONGEST: Duration = Duration::from_secs(3600);

/// The warm-up that a schedule declares, which is 0 for one that is learned.
#[must_use]
pub fn declared_warm_up(schedule: &Schedule) -> Duration {
    match schedule.warm_up {
        Some(WarmUp::Fixed(span)) => span.0,
        Some(WarmUp::Auto) | None => Duration::ZERO,
    }
}

/// The warm-up in force: the declared one, or the learned one that the status has.
pub(super) fn warm_up(object: &OxenModel) -> Duration {
    warm_up_by(object, object.status.as_ref())
}

/// The warm-up in force if the object has this status.
pub(super) fn warm_up_by(object: &OxenModel, status: Option<&OxenModelStatus>) -> Duration {
    let Some(schedule) = &object.spec.schedule else {
        return Duration::ZERO;
    };
    let learned = status.and_then(frozen).filter(|_| is_learned(schedule));
    learned.unwrap_or_else(|| declared_warm_up(schedule))
}

/// Updates the learned warm-up in the status. It is computed if the status has none, and when the
/// desired state becomes inactive, unless the clock can't be believed.
pub(super) fn renew(subject: &Subject<'_>, status: &mut OxenModelStatus) {
    status.activations = status.activations.take().map(newest);
    let schedule = subject.object.spec.schedule.as_ref();
    let learned = schedule
        .filter(|schedule| is_learned(schedule))
        .and_then(|schedule| next(subject, status, schedule));
    status.warm_up = learned.map(Span);
}

/// Returns the learned warm-up in force from now on: the previous one, or a newly computed one.
fn next(subject: &Subject<'_>, status: &OxenModelStatus, schedule: &Schedule) -> Option<Duration> {
    let now = subject.now;
    let before = frozen(status);
    let turned_off = subject.desired_changed() && subject.desired() == State::Inactive;
    // The comparison with the next window needs a clock that is believed.
    if (before.is_some() && !turned_off) || !subject.clock().is_believed() {
        return before;
    }
    let current = before.unwrap_or_default();
    let learned = learned(status, subject.progress_deadline());
    // The next window may be so near that the learned warm-up would turn the model on again at
    // once.
    let same = is_active(schedule, now, learned) == is_active(schedule, now, current);
    Some(if same { learned } else { current })
}

/// Computes the warm-up from the activations: the slowest one plus a margin, or 0 if none is
/// known.
fn learned(status: &OxenModelStatus, progress_deadline: Duration) -> Duration {
    let slowest = status.activations.iter().flatten().max();
    slowest.map_or(Duration::ZERO, |seconds| {
        let slowest = Duration::from_secs((*seconds).into());
        (slowest + MARGIN).min(LONGEST).min(progress_deadline)
    })
}

/// The learned warm-up that the status has. A person may have written another value than the
/// operator would.
fn frozen(status: &OxenModelStatus) -> Option<Duration> {
    status.warm_up.map(|Span(warm_up)| warm_up.min(LONGEST))
}

fn is_learned(schedule: &Schedule) -> bool {
    schedule.warm_up == Some(WarmUp::Auto)
}

/// Notes how long the object's open operation took, if it is an activation. The live GET has shown
/// that the model is active. The hub takes the same time whatever the call was made for, so each
/// activation counts.
pub(super) fn arrived(subject: &Subject<'_>, status: &mut OxenModelStatus) {
    // The time here is the recorded one, which may lie in the future.
    let before = subject.object.status.as_ref();
    let operation = before.and_then(|status| status.operation.as_ref());
    let activation = operation.filter(|open| open.kind == OperationKind::Activate);
    let duration = activation.map(|open| subject.now.duration_since(open.started.0).as_secs());
    // A negative duration means that the clock was set back in the meantime.
    if let Some(seconds) = duration.and_then(|seconds| u32::try_from(seconds).ok()) {
        let mut all = status.activations.take().unwrap_or_default();
        all.push(seconds);
        status.activations = Some(newest(all));
    }
}

/// Returns the newest durations, with the newest one last.
fn newest(mut all: Vec<u32>) -> Vec<u32> {
    let extra = all.len().saturating_sub(ACTIVATIONS);
    all.split_off(extra)
}
