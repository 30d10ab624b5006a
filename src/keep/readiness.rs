//! Whether the model is active, as a pure function of the object and the time.

use jiff::Timestamp;

use crate::{
    api::{LiveStatus, OxenModel, State},
    decide::{READY, STALLED, condition, is_true, judge_override, requests_override},
};

/// How far the model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelReadiness {
    /// The model is active, and Ready is True.
    Active,
    /// The model is not active yet, as this text says.
    Waiting(String),
    /// A person or a change is needed, as this text says.
    Stalled(String),
}

/// Returns how far the model is. A condition of an older generation counts for nothing, and neither
/// does a Stalled from before the last request for an override.
#[must_use]
pub fn readiness(object: &OxenModel, now: Timestamp) -> ModelReadiness {
    let unseen = || ModelReadiness::Waiting("the operator has not observed the object yet".into());
    let Some(status) = &object.status else {
        return unseen();
    };
    let generation = object.metadata.generation;
    let ready = condition(&status.conditions, READY);
    let Some(ready) = ready.filter(|ready| ready.observed_generation == generation) else {
        return unseen();
    };
    let live = status
        .live
        .map_or("not known".to_owned(), |live| live.to_string());
    let wanted = status.desired == Some(State::Active);
    let says = format!("{}: {}", ready.reason, ready.message);
    if wanted && ready.status == "True" && status.live == Some(LiveStatus::Active) {
        return if is_turning_off(object, now) {
            ModelReadiness::Waiting("the override that keeps the model active is over".into())
        } else {
            ModelReadiness::Active
        };
    }
    if !wanted {
        return ModelReadiness::Waiting(format!(
            "the desired state is not active, and the live status is {live}. {says}"
        ));
    }
    if is_true(&status.conditions, STALLED) && !requests_override(object, now) {
        return ModelReadiness::Stalled(says);
    }
    ModelReadiness::Waiting(format!("the live status is {live}. {says}"))
}

/// Returns true when the override that kept the model active has ended or was ended, or a request
/// turns the model off, and the status doesn't show that yet.
fn is_turning_off(object: &OxenModel, now: Timestamp) -> bool {
    let status = object.status.as_ref();
    let stored = status.and_then(|status| status.override_in_force.as_ref());
    match judge_override(object, now).in_force {
        Some(next) => next.state == State::Inactive,
        None => stored.is_some_and(|stored| stored.state == State::Active),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::OVERRIDE_ANNOTATION;

    fn judged(annotation: &str, status: &Value) -> ModelReadiness {
        let object = serde_json::from_value(json!({
            "apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
            "metadata": {
                "name": "bot", "generation": 2, "annotations": {OVERRIDE_ANNOTATION: annotation},
            },
            "spec": {"model": "bot", "state": "inactive"},
            "status": status,
        }));
        let now = "2026-11-25T10:00:00Z".parse().unwrap();
        readiness(&object.unwrap(), now)
    }

    #[test]
    fn active_and_ready_ends_the_wait_and_so_does_stalled() {
        const VALUE: &str = "active until 2026-11-25T11:00:00Z";
        let status = |live: &str, desired: &str, ready: &str, stalled: bool, generation: i64| {
            let condition = |type_: &str, status: &str| {
                json!({
                    "type": type_, "status": status, "reason": "Because", "message": "It is so.",
                    "observedGeneration": generation, "lastTransitionTime": "2026-11-25T09:00:00Z",
                })
            };
            let mut conditions = vec![condition("Ready", ready)];
            conditions.extend(stalled.then(|| condition("Stalled", "True")));
            json!({
                "desired": desired, "live": live, "conditions": conditions,
                "handledOverride": VALUE, "observedGeneration": generation,
            })
        };
        for (annotation, status, expected) in [
            (
                VALUE,
                status("active", "active", "True", false, 2),
                "Active",
            ),
            (
                VALUE,
                status("deploying", "active", "False", false, 2),
                "Waiting",
            ),
            (
                VALUE,
                status("active", "active", "False", false, 2),
                "Waiting",
            ),
            // Idle shutdown: Ready is True and the model is off.
            (
                VALUE,
                status("inactive", "active", "True", false, 2),
                "Waiting",
            ),
            (
                VALUE,
                status("active", "inactive", "True", false, 2),
                "Waiting",
            ),
            (
                VALUE,
                status("inactive", "active", "False", true, 2),
                "Stalled",
            ),
            // The operator has seen neither this spec nor this override.
            (
                VALUE,
                status("inactive", "active", "False", true, 1),
                "Waiting",
            ),
            (
                VALUE,
                status("active", "active", "True", false, 1),
                "Waiting",
            ),
            (
                "active until 2026-11-25T12:00:00Z",
                status("inactive", "active", "False", true, 2),
                "Waiting",
            ),
            (
                VALUE,
                status("inactive", "inactive", "False", true, 2),
                "Waiting",
            ),
            (VALUE, Value::Null, "Waiting"),
        ] {
            let judged = judged(annotation, &status);
            assert!(
                format!("{judged:?}").starts_with(expected),
                "{judged:?} for {status}"
            );
        }
    }

    #[test]
    fn an_old_ready_does_not_outlive_the_override_that_it_depends_on() {
        const END: &str = "2026-11-25T11:00:00Z";
        let stored = |state: &str, until: &str| {
            let value = format!("{state} until {until}");
            json!({"value": value, "state": state, "until": until})
        };
        let on = |until: &str| stored("active", until);
        let value = format!("active until {END}");
        let off = format!("inactive until {END}");
        let later = "active until 2026-11-25T12:00:00Z";
        for (annotation, in_force, expected) in [
            (&*value, on(END), "Active"),
            (later, on(END), "Active"),
            (&value, on("2026-11-25T10:00:00Z"), "Waiting"),
            // The keeper beside this wait has renewed, and the operator is down.
            (later, on("2026-11-25T09:00:00Z"), "Active"),
            ("none", on(END), "Waiting"),
            (&off, on(END), "Waiting"),
            (&off, Value::Null, "Waiting"),
            // The desired state doesn't depend on these.
            ("none", Value::Null, "Active"),
            (later, Value::Null, "Active"),
            ("soon", on(END), "Active"),
        ] {
            let ready = json!([{
                "type": "Ready", "status": "True", "reason": "Active", "message": "",
                "observedGeneration": 2, "lastTransitionTime": "2026-11-25T09:00:00Z",
            }]);
            let status = json!({
                "desired": "active", "live": "active", "conditions": ready,
                "override": in_force, "handledOverride": value, "observedGeneration": 2,
            });
            let judged = judged(annotation, &status);
            assert!(
                format!("{judged:?}").starts_with(expected),
                "{judged:?} for {annotation} and {status}"
            );
        }
    }
}
