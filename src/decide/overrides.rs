//! Which override is in force, and which requested one is refused.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    clock::{Agreement, Clock},
    conditions::{READY, reason},
    verdict::{EventType, Verdict},
    words::quote,
};
use crate::api::{
    OVERRIDE_ANNOTATION, Override, OverrideRequest, OxenModel, OxenModelStatus, RefusedOverride,
};

/// The longest time for which an override may be requested. An end that is mistyped by a year would
/// otherwise keep a model active for a year.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 31);

const TOO_FAR: &str = "The end is more than 31 days away. Set an earlier one.";
const NOT_OWNER: &str = "Another OxenModel controls this model. Set the annotation there.";
const CLOCK_DIFFERS: &str = "The end can't be judged, because the operator's clock and the hub's \
                             differ by more than 5 minutes. Correct the clock.";

/// The answer to an object's annotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// The override that is in force.
    pub in_force: Option<Override>,
    /// The requested override that is refused.
    pub refused: Option<RefusedOverride>,
    /// The last value of the annotation that has been handled.
    pub handled: Option<String>,
}

/// Judges the object's annotation.
///
/// An accepted override stays in force until its end or until another value replaces it, even if
/// the annotation is removed: a GitOps tool removes what `kubectl annotate` sets. Each value is
/// handled once. So an annotation that stays has no effect after the override's end, even if the
/// clock goes back. A request whose end has passed is ignored, because it may be an old one that is
/// still in Git. A value whose end is too far away stays refused, so that it doesn't take effect
/// when nobody expects it.
#[must_use]
pub fn judge(object: &OxenModel, clock: impl Into<Clock>) -> Judged {
    let clock = clock.into();
    let before = shown(object, clock);
    let kept = |refused: Option<RefusedOverride>| Judged {
        refused,
        ..before.clone()
    };
    let Some(value) = annotation(object) else {
        return kept(None);
    };
    if before.handled.as_deref() == Some(value) {
        return kept(None);
    }
    let quoted = quote(value);
    let too_far = (before.refused.as_ref()).filter(|it| it.value == quoted && it.why == TOO_FAR);
    if let Some(refused) = too_far {
        return kept(Some(refused.clone()));
    }
    let refused = |why: &str| {
        kept(Some(RefusedOverride {
            value: quoted.clone(),
            why: why.to_owned(),
        }))
    };
    let (state, until) = match value.parse() {
        Err(why) => return refused(&why),
        Ok(OverrideRequest::None) => {
            return Judged {
                handled: Some(value.to_owned()),
                ..Judged::default()
            };
        }
        Ok(OverrideRequest::Until(state, until)) => (state, until),
    };
    let (over, far) = (
        until <= clock.now,
        until.duration_since(clock.now) > LONGEST,
    );
    if (over || far) && clock.agreement == Agreement::Unknown {
        // The first observation decides whether the end can be judged.
        before
    } else if (over || far) && clock.agreement == Agreement::Differs {
        refused(CLOCK_DIFFERS)
    } else if over {
        Judged {
            handled: Some(value.to_owned()),
            ..kept(None)
        }
    } else if far {
        refused(TOO_FAR)
    } else if is_lost(object) {
        refused(NOT_OWNER)
    } else {
        Judged {
            in_force: Some(Override {
                value: value.to_owned(),
                state,
                until: Time(until),
            }),
            refused: None,
            handled: Some(value.to_owned()),
        }
    }
}

/// Returns true when the annotation needs an answer that the status doesn't have yet. An override
/// that has ended by itself needs none, and neither does an object that is being deleted.
#[must_use]
pub fn requests_override(object: &OxenModel, clock: impl Into<Clock>) -> bool {
    let clock = clock.into();
    object.metadata.deletion_timestamp.is_none() && judge(object, clock) != shown(object, clock)
}

/// Returns the answer that the status has, without an override that has ended.
fn shown(object: &OxenModel, clock: Clock) -> Judged {
    let Some(status) = &object.status else {
        return Judged::default();
    };
    let holds = |stored: &&Override| !clock.is_believed() || stored.until.0 > clock.now;
    Judged {
        in_force: status.override_in_force.as_ref().filter(holds).cloned(),
        refused: status.refused_override.clone(),
        handled: status.handled_override.clone(),
    }
}

/// The value of the annotation that requests an override.
#[must_use]
pub fn annotation(object: &OxenModel) -> Option<&str> {
    let annotations = object.metadata.annotations.as_ref()?;
    annotations.get(OVERRIDE_ANNOTATION).map(String::as_str)
}

/// Returns true when the last observation showed that another object owns the model.
fn is_lost(object: &OxenModel) -> bool {
    let conditions = object.status.as_ref().map(|status| &*status.conditions);
    let ready = reason(conditions.unwrap_or_default(), READY);
    ready == Some(Verdict::Conflict.presentation().reason)
}

/// Returns true when `after` has an override in force, and `before` has none or one for the other
/// state. A new end for the same state doesn't count.
pub(super) fn is_accepted(before: &OxenModelStatus, after: &OxenModelStatus) -> bool {
    let state = |status: &OxenModelStatus| status.override_in_force.as_ref().map(|it| it.state);
    before.override_in_force != after.override_in_force
        && state(after).is_some()
        && state(before) != state(after)
}

/// An event about an override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideEvent {
    /// The event's reason: `OverrideAccepted`, `OverrideEnded` or `OverrideRefused`.
    pub reason: &'static str,
    /// The event's type.
    pub type_: EventType,
    /// What happened, and what to do.
    pub note: String,
}

/// Returns the events of a write that replaces the status `before` with the status `after`. A new
/// end for the same state has no event: a keeper would cause one with each renewal.
#[must_use]
pub fn override_events(before: &OxenModelStatus, after: &OxenModelStatus) -> Vec<OverrideEvent> {
    let in_force = match &after.override_in_force {
        Some(accepted) if is_accepted(before, after) => Some(OverrideEvent {
            reason: "OverrideAccepted",
            type_: EventType::Normal,
            note: format!(
                "The desired state is {} until {}, whatever the spec declares. To end the override \
                 earlier, set the annotation {OVERRIDE_ANNOTATION} to none.",
                accepted.state, accepted.until.0
            ),
        }),
        None if before.override_in_force.is_some() => Some(OverrideEvent {
            reason: "OverrideEnded",
            type_: EventType::Normal,
            note: "The override has ended. The spec decides the desired state again.".into(),
        }),
        _ => None,
    };
    let refused = (after.refused_override.as_ref())
        .filter(|refused| before.refused_override.as_ref() != Some(refused));
    let refused = refused.map(|RefusedOverride { value, why }| OverrideEvent {
        reason: "OverrideRefused",
        type_: EventType::Warning,
        note: format!(
            "The value \"{value}\" of the annotation {OVERRIDE_ANNOTATION} is refused. {why}"
        ),
    });
    in_force.into_iter().chain(refused).collect()
}
