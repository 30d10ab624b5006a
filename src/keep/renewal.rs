//! What the keeper writes, as a pure function of the object and the time.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{OVERRIDE_ANNOTATION, Override, OverrideRequest, OxenModel, State},
    decide::{judge_override, override_annotation},
};

/// The longest pause after a renewal that the object's condition prevented.
const BLOCKED_PAUSE: Duration = Duration::from_secs(60);

/// What the keeper does with the object's annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It sets the annotation to this value.
    Write(String),
    /// It leaves the annotation as it is, because of this override. The override is in force, or
    /// will be once the operator has answered it.
    Leave(Override),
    /// No override can be requested now, for this reason.
    Blocked(String),
    /// Somebody ended the override with `none`. This keeper writes nothing more.
    Stop,
}

/// What a process remembers of its renewals, to tell a new `none` from an old one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// True after the first renewal. From then on, a `none` in the annotation is a new one.
    pub renewed: bool,
    /// True once a renewal has found no handled `none` in the status. From then on, a handled
    /// `none` is a new one.
    pub answered: bool,
}

impl Known {
    /// Notes the object of a renewal that succeeded.
    pub fn note(&mut self, object: &OxenModel) {
        self.renewed = true;
        self.answered |= !handled(object).is_some_and(is_none);
    }
}

impl Renewal {
    /// The time until the next renewal. It is never longer than `every`. After an override that
    /// was left as it is, the next renewal follows its end.
    #[must_use]
    pub fn pause(&self, now: Timestamp, every: Duration) -> Duration {
        match self {
            Renewal::Write(_) | Renewal::Stop => every,
            Renewal::Leave(in_force) => {
                let rest = Duration::try_from(in_force.until.0.duration_since(now));
                every.min(rest.unwrap_or_default() + Duration::from_secs(1))
            }
            Renewal::Blocked(_) => every.min(BLOCKED_PAUSE),
        }
    }
}

/// Judges the object as the operator does, and never shortens an override.
///
/// An override `inactive until TIME` that is in force, or will be once the operator has handled it,
/// stays. The first renewal of a process replaces a `none`. A `none` that a later renewal finds
/// was set while this process ran, so it stops the process. A renewal that was blocked doesn't
/// count as the first one, because the `none` after it may be an old one. Where the annotation is
/// gone, a `none` that the operator has handled may be an old one, too, see [`Known`].
#[must_use]
pub fn renewal(object: &OxenModel, now: Timestamp, lasts: Duration, known: Known) -> Renewal {
    if object.metadata.deletion_timestamp.is_some() {
        return Renewal::Blocked("the object is being deleted".into());
    }
    if known.renewed && is_ended(object, known) {
        return Renewal::Stop;
    }
    let end = now.as_second().saturating_add_unsigned(lasts.as_secs());
    let end = Timestamp::from_second(end).unwrap_or(Timestamp::MAX);
    if let Some(in_force) = judge_override(object, now).in_force
        && (in_force.state == State::Inactive || in_force.until.0 >= end)
    {
        return Renewal::Leave(in_force);
    }
    let value = format!("{} until {end}", State::Active);
    match judge_override(&annotated(object, &value), now).refused {
        Some(refused) => Renewal::Blocked(refused.why),
        None => Renewal::Write(value),
    }
}

/// Returns true when the object has this value of the annotation, or the operator has handled it.
#[must_use]
pub fn shows(object: &OxenModel, value: &str) -> bool {
    override_annotation(object) == Some(value) || handled(object) == Some(value)
}

/// Returns true when the last request for an override is known to be a `none` that is newer than
/// the first renewal. Without the annotation, that is known only if `known.answered` is true.
fn is_ended(object: &OxenModel, known: Known) -> bool {
    let handled = handled(object).filter(|_| known.answered);
    override_annotation(object).or(handled).is_some_and(is_none)
}

fn is_none(value: &str) -> bool {
    value.parse() == Ok(OverrideRequest::None)
}

fn handled(object: &OxenModel) -> Option<&str> {
    object.status.as_ref()?.handled_override.as_deref()
}

/// The object with this value of the annotation.
fn annotated(object: &OxenModel, value: &str) -> OxenModel {
    let mut object = object.clone();
    let annotations = object.metadata.annotations.get_or_insert_default();
    annotations.insert(OVERRIDE_ANNOTATION.into(), value.into());
    object
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-11-25T10:00:00.7Z";
    const VALUE: &str = "active until 2026-11-25T10:20:00Z";

    fn object(annotation: Option<&str>, mut status: Value) -> OxenModel {
        status["observedGeneration"] = json!(1);
        let mut manifest = json!({
            "apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
            "metadata": {"name": "bot", "annotations": {}},
            "spec": {"model": "bot", "state": "inactive"},
            "status": status,
        });
        if let Some(value) = annotation {
            manifest["metadata"]["annotations"][OVERRIDE_ANNOTATION] = value.into();
        }
        serde_json::from_value(manifest).unwrap()
    }

    fn answered(value: &str, state: &str, until: &str) -> Value {
        json!({
            "override": {"value": value, "state": state, "until": until},
            "handledOverride": value,
        })
    }

    fn judged(object: &OxenModel, first: bool) -> Renewal {
        judged_with(object, if first { Known::default() } else { LATER })
    }

    /// What a process knows after renewals that the operator has handled.
    const LATER: Known = Known {
        renewed: true,
        answered: true,
    };

    fn judged_with(object: &OxenModel, known: Known) -> Renewal {
        let lasts = Duration::from_secs(20 * 60);
        renewal(object, NOW.parse().unwrap(), lasts, known)
    }

    #[test]
    fn an_override_is_renewed_unless_that_would_shorten_or_reverse_it() {
        const SHORTER: &str = "active until 2026-11-25T10:10:00Z";
        const LONGER: &str = "active until 2026-11-25T18:00:00Z";
        const EQUAL: &str = "active until 2026-11-25T11:20:00+01:00";
        const OFF: &str = "inactive until 2026-11-25T10:05:00Z";
        const OVER: &str = "inactive until 2026-11-25T10:00:00Z";
        const FAR: &str = "inactive until 2027-11-25T10:00:00Z";
        let none = json!({"handledOverride": "none"});
        let shorter = answered(SHORTER, "active", "2026-11-25T10:10:00Z");
        let longer = answered(LONGER, "active", "2026-11-25T18:00:00Z");
        let off = answered(OFF, "inactive", "2026-11-25T10:05:00Z");
        let over = answered(OVER, "inactive", "2026-11-25T10:00:00Z");
        for (annotation, status, writes) in [
            (None, json!({}), true),
            (Some(SHORTER), shorter.clone(), true),
            (Some(SHORTER), json!({}), true),
            (Some(LONGER), longer.clone(), false),
            (Some(LONGER), json!({}), false),
            (Some(EQUAL), json!({}), false),
            // A GitOps tool has removed the annotation, and the override is in force.
            (None, longer.clone(), false),
            (None, off.clone(), false),
            (None, shorter, true),
            // The operator has not answered this one yet.
            (Some(OFF), json!({}), false),
            (Some(OFF), longer.clone(), false),
            (Some(SHORTER), longer, true),
            (Some(OFF), off.clone(), false),
            // The end has passed, or a later value has taken its place.
            (Some(OVER), over, true),
            (Some(OFF), json!({"handledOverride": OFF}), true),
            (Some(SHORTER), off.clone(), true),
            // The operator refuses these, so they change nothing.
            (Some(FAR), json!({}), true),
            (Some("inactive until tomorrow"), json!({}), true),
            (Some("inactive until tomorrow"), off, false),
            (Some("none"), none.clone(), true),
            (Some("none"), json!({}), true),
            (None, none, true),
        ] {
            let object = object(annotation, status);
            let judged = judged(&object, true);
            let expected = Renewal::Write(VALUE.into());
            assert_eq!(judged == expected, writes, "{judged:?} for {object:?}");
            assert_ne!(judged, Renewal::Stop);
        }
    }

    #[test]
    fn a_none_that_is_found_later_stops_the_keeper() {
        let none = json!({"handledOverride": "none"});
        let off = answered(
            "inactive until 2026-11-25T18:00:00Z",
            "inactive",
            "2026-11-25T18:00:00Z",
        );
        for (annotation, status) in [
            (Some("none"), json!({})),
            (Some("none"), none.clone()),
            (Some("none"), off),
            (None, none.clone()),
        ] {
            let object = object(annotation, status);
            assert_eq!(judged(&object, false), Renewal::Stop, "{object:?}");
        }
        // Another process has renewed the override since then.
        let renewed = object(Some(VALUE), none);
        assert!(matches!(judged(&renewed, false), Renewal::Leave(_)));
        assert_eq!(
            judged(&object(None, json!({})), false),
            Renewal::Write(VALUE.into())
        );
    }

    #[test]
    fn a_none_without_the_annotation_is_an_old_one_until_the_operator_handles_another_value() {
        let none = object(None, json!({"handledOverride": "none"}));
        for (read, ended) in [
            (vec![json!({"handledOverride": "none"})], false),
            (vec![json!({})], true),
            (vec![json!({"handledOverride": VALUE})], true),
            (
                vec![
                    json!({"handledOverride": "none"}),
                    json!({"handledOverride": VALUE}),
                    json!({"handledOverride": "none"}),
                ],
                true,
            ),
        ] {
            let mut known = Known::default();
            for status in &read {
                known.note(&object(None, status.clone()));
            }
            let judged = judged_with(&none, known);
            assert_eq!(judged == Renewal::Stop, ended, "{judged:?} after {read:?}");
            let annotated = object(Some("none"), json!({"handledOverride": "none"}));
            assert_eq!(judged_with(&annotated, known), Renewal::Stop, "{read:?}");
        }
    }

    #[test]
    fn an_object_that_goes_or_does_not_own_its_model_is_left_alone() {
        let mut deleted = object(None, json!({}));
        let now = NOW.parse().unwrap();
        deleted.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
        assert_eq!(
            judged(&deleted, true),
            Renewal::Blocked("the object is being deleted".into())
        );
        let conflict = json!({"conditions": [{
            "type": "Ready", "status": "False", "reason": "Conflict", "message": "",
            "lastTransitionTime": NOW,
        }]});
        let Renewal::Blocked(why) = judged(&object(None, conflict), true) else {
            panic!("it was written");
        };
        assert!(
            why.contains("Another OxenModel controls this model"),
            "{why}"
        );
    }

    #[test]
    fn the_next_renewal_follows_the_end_of_an_override_that_was_left() {
        let secs = Duration::from_secs;
        let minute = secs(60);
        let now: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
        let left = |until: &str| {
            Renewal::Leave(Override {
                value: String::new(),
                state: State::Inactive,
                until: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(until.parse().unwrap()),
            })
        };
        for (renewal, every, pause) in [
            (Renewal::Write(VALUE.into()), 10 * minute, 10 * minute),
            (left("2026-11-25T10:05:00Z"), 10 * minute, secs(301)),
            (left("2026-11-25T18:00:00Z"), 10 * minute, 10 * minute),
            (left("2026-11-25T09:00:00Z"), 10 * minute, secs(1)),
            (Renewal::Blocked(String::new()), 10 * minute, minute),
            (Renewal::Blocked(String::new()), secs(5), secs(5)),
        ] {
            assert_eq!(renewal.pause(now, every), pause, "{renewal:?}");
        }
    }

    #[test]
    fn a_value_is_shown_as_the_annotation_or_as_the_last_one_that_was_handled() {
        for (annotation, status, is_shown) in [
            (Some(VALUE), json!({}), true),
            (Some("none"), json!({"handledOverride": VALUE}), true),
            (None, json!({"handledOverride": VALUE}), true),
            (Some("none"), json!({"handledOverride": "none"}), false),
            (None, json!({}), false),
        ] {
            let object = object(annotation, status);
            assert_eq!(shows(&object, VALUE), is_shown, "{object:?}");
        }
    }
}
