//! Which override is in force, and which requested one is refused.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    clock::Clock,
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

/// The override that is in force, and the requested one that is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) in_force: Option<Override>,
    pub(super) refused: Option<RefusedOverride>,
}

/// Judges the object's annotation.
///
/// An accepted override stays in force until its end or until another value replaces it, also when
/// the annotation is removed: a GitOps tool removes what `kubectl annotate` sets. A request whose
/// end has passed is ignored, because it may be an old one that is still in Git. A refused value
/// stays refused, so that it doesn't take effect at a time at which nobody expects it.
pub(super) fn judge(object: &OxenModel, clock: Clock) -> Judged {
    let now = clock.now;
    let status = object.status.as_ref();
    let stored = stored(object, clock).cloned();
    let kept = |refused| Judged {
        in_force: stored.clone(),
        refused,
    };
    let Some(value) = annotation(object) else {
        return kept(None);
    };
    if stored.as_ref().is_some_and(|stored| stored.value == value) {
        return kept(None);
    }
    let quoted = quote(value);
    let before = status.and_then(|status| status.refused_override.as_ref());
    if let Some(before) = before.filter(|before| before.value == quoted) {
        return kept(Some(before.clone()));
    }
    let refused = |why: String| kept(Some(RefusedOverride { value: quoted, why }));
    match value.parse() {
        Err(why) => refused(why),
        Ok(OverrideRequest::None) => Judged::default(),
        Ok(OverrideRequest::Until(_, until)) if until <= now => kept(None),
        Ok(OverrideRequest::Until(_, until)) if until.duration_since(now) > LONGEST => {
            refused("the end is more than 31 days away: name an earlier one".into())
        }
        Ok(OverrideRequest::Until(..)) if is_lost(status) => {
            refused("another OxenModel controls this model: set the annotation there".into())
        }
        Ok(OverrideRequest::Until(state, until)) => Judged {
            in_force: Some(Override {
                value: value.to_owned(),
                state,
                until: Time(until),
            }),
            refused: None,
        },
    }
}

/// Returns true when the object requests an override, or its end, that the status doesn't answer
/// yet.
#[must_use]
pub fn requests_override(object: &OxenModel, clock: impl Into<Clock>) -> bool {
    if object.metadata.deletion_timestamp.is_some() {
        return false;
    }
    let clock = clock.into();
    let refused = object.status.as_ref();
    let refused = refused.and_then(|status| status.refused_override.clone());
    // An override that has ended needs no answer.
    let in_force = stored(object, clock).cloned();
    judge(object, clock) != Judged { in_force, refused }
}

/// The override in the status, unless it has ended.
fn stored(object: &OxenModel, clock: Clock) -> Option<&Override> {
    let stored = object.status.as_ref()?.override_in_force.as_ref()?;
    (clock.differs || stored.until.0 > clock.now).then_some(stored)
}

fn annotation(object: &OxenModel) -> Option<&str> {
    let annotations = object.metadata.annotations.as_ref()?;
    annotations.get(OVERRIDE_ANNOTATION).map(String::as_str)
}

/// Returns true when the last observation showed that another object owns the model.
fn is_lost(status: Option<&OxenModelStatus>) -> bool {
    let conditions = status.map(|status| status.conditions.as_slice());
    let ready = reason(conditions.unwrap_or_default(), READY);
    ready == Some(Verdict::Conflict.presentation().reason)
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

/// The events of a write that replaces the status `before` with the status `after`.
#[must_use]
pub fn override_events(before: &OxenModelStatus, after: &OxenModelStatus) -> Vec<OverrideEvent> {
    let changed = before.override_in_force != after.override_in_force;
    let in_force = changed.then(|| match &after.override_in_force {
        Some(accepted) => OverrideEvent {
            reason: "OverrideAccepted",
            type_: EventType::Normal,
            note: format!(
                "The desired state is {} until {}, whatever the spec declares. To end that \
                 earlier, set the annotation {OVERRIDE_ANNOTATION} to none.",
                accepted.state, accepted.until.0
            ),
        },
        None => OverrideEvent {
            reason: "OverrideEnded",
            type_: EventType::Normal,
            note: "The override has ended. The spec decides the desired state again.".into(),
        },
    });
    let refused = (after.refused_override.as_ref())
        .filter(|refused| before.refused_override.as_ref() != Some(refused));
    let refused = refused.map(|RefusedOverride { value, why }| OverrideEvent {
        reason: "OverrideRefused",
        type_: EventType::Warning,
        note: format!(
            "The annotation {OVERRIDE_ANNOTATION} with the value \"{value}\" is refused: {why}."
        ),
    });
    in_force.into_iter().chain(refused).collect()
}
