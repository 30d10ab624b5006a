//! Waiting for a change to take effect: a pure machine of the request and the object.
//!
//! First the status has to show that the operator has seen this very request. Only then do the
//! conditions count, so that a Stalled from before the request ends no wait.

use oxen_operator::{
    api::{LiveStatus, OxenModel, OxenModelStatus, State},
    decide::{READY, STALLED, condition, is_true},
};

use crate::clean;

/// What was requested, by what the status shows once the operator has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The override with this value.
    Override(String, State),
    /// The end of any override.
    Auto,
    /// The spec of this generation, and the state that it declares, if that is fixed.
    Spec(i64, Option<State>),
    /// The suspension of this generation, after which the operator only observes.
    Suspend(i64),
    /// The reconcile with this token.
    Reconcile(String),
}

/// How far a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The operator has not shown yet that it has seen the request.
    Unseen,
    /// The operator is at work: the reason and the message of Ready.
    Working(String, String),
    /// The object is as wanted.
    Done(String, String),
    /// The object needs a person.
    Stalled(String, String),
    /// The operator refused the request.
    Refused(String),
}

impl Request {
    /// How far the request is, by the object.
    pub fn progress(&self, object: &OxenModel) -> Progress {
        let status = object.status.clone().unwrap_or_default();
        if let Some(why) = self.refused(&status) {
            return Progress::Refused(why);
        }
        if !self.seen(&status) {
            return Progress::Unseen;
        }
        let current = |generation: Option<i64>| generation == object.metadata.generation;
        let ready = condition(&status.conditions, READY);
        let Some(ready) = ready.filter(|ready| current(ready.observed_generation)) else {
            return Progress::Unseen;
        };
        let (reason, message) = (clean::line(&ready.reason), clean::line(&ready.message));
        if matches!(self, Request::Suspend(_)) {
            return Progress::Done(reason, message);
        }
        if is_true(&status.conditions, STALLED) || reason.starts_with("Would") {
            return Progress::Stalled(reason, message);
        }
        if ready.status == "True" && self.is_wanted(&status) {
            return Progress::Done(reason, message);
        }
        Progress::Working(reason, message)
    }

    fn refused(&self, status: &OxenModelStatus) -> Option<String> {
        let Request::Override(value, _) = self else {
            return None;
        };
        let refused = status.refused_override.as_ref();
        let refused = refused.filter(|refused| refused.value == *value)?;
        Some(clean::line(&refused.why))
    }

    /// Returns true when the status shows that the operator has seen the request.
    fn seen(&self, status: &OxenModelStatus) -> bool {
        match self {
            Request::Override(value, _) => {
                let in_force = status.override_in_force.as_ref();
                in_force.is_some_and(|in_force| in_force.value == *value)
            }
            Request::Auto => status.override_in_force.is_none(),
            Request::Spec(generation, _) | Request::Suspend(generation) => {
                status.observed_generation >= *generation
            }
            Request::Reconcile(token) => status.last_handled_reconcile_at.as_ref() == Some(token),
        }
    }

    /// Returns true when the live status is the one that was asked for. An idle model can be Ready
    /// and off.
    fn is_wanted(&self, status: &OxenModelStatus) -> bool {
        let wanted = match self {
            Request::Override(_, state) => Some(*state),
            Request::Spec(_, state) => *state,
            Request::Auto | Request::Suspend(_) | Request::Reconcile(_) => None,
        };
        match (wanted, status.live) {
            (None, _) => true,
            (Some(State::Active), live) => live == Some(LiveStatus::Active),
            (Some(State::Inactive), live) => {
                matches!(live, Some(LiveStatus::Inactive | LiveStatus::None))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const VALUE: &str = "active until 2026-11-25T18:00:00+01:00";

    fn object(ready: (&str, &str), stalled: bool, status: Value) -> OxenModel {
        let one = |type_: &str, status: &str, reason: &str| {
            json!({"type": type_, "status": status, "reason": reason, "message": "words",
                   "observedGeneration": 2, "lastTransitionTime": "2026-11-25T09:00:00Z"})
        };
        let mut conditions = vec![one("Ready", ready.0, ready.1)];
        if stalled {
            conditions.push(one("Stalled", "True", ready.1));
        }
        let mut object = json!({
            "apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
            "metadata": {"name": "bot", "namespace": "a", "generation": 2},
            "spec": {"model": "m", "state": "inactive"},
            "status": {"observedGeneration": 2, "conditions": conditions},
        });
        for (key, value) in status.as_object().unwrap() {
            object["status"][key] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn in_force(live: &str) -> Value {
        json!({"live": live, "override": {"value": VALUE, "state": "active",
                                         "until": "2026-11-25T17:00:00Z"}})
    }

    #[test]
    fn the_echo_comes_before_the_conditions() {
        let on = || Request::Override(VALUE.into(), State::Active);
        let words = |reason: &str| (reason.to_owned(), "words".to_owned());
        let working = |reason| {
            let (r, m) = words(reason);
            Progress::Working(r, m)
        };
        let done = |reason| {
            let (r, m) = words(reason);
            Progress::Done(r, m)
        };
        let stalled = |reason| {
            let (r, m) = words(reason);
            Progress::Stalled(r, m)
        };
        let refused = json!({"refusedOverride": {"value": VALUE, "why": "too long"}});
        let other = json!({"refusedOverride": {"value": "other", "why": "too long"}});
        for (request, ready, is_stalled, status, expected) in [
            (
                on(),
                ("False", "Rejected"),
                true,
                json!({}),
                Progress::Unseen,
            ),
            (
                on(),
                ("True", "Active"),
                false,
                json!({"live": "active"}),
                Progress::Unseen,
            ),
            (on(), ("True", "Inactive"), false, other, Progress::Unseen),
            (
                on(),
                ("True", "Inactive"),
                false,
                refused,
                Progress::Refused("too long".into()),
            ),
            (
                on(),
                ("False", "Activating"),
                false,
                in_force("deploying"),
                working("Activating"),
            ),
            (
                on(),
                ("True", "Active"),
                false,
                in_force("active"),
                done("Active"),
            ),
            (
                on(),
                ("True", "IdleShutdown"),
                false,
                in_force("inactive"),
                working("IdleShutdown"),
            ),
            (
                on(),
                ("False", "Rejected"),
                true,
                in_force("inactive"),
                stalled("Rejected"),
            ),
            (
                on(),
                ("False", "WouldActivate"),
                false,
                in_force("inactive"),
                stalled("WouldActivate"),
            ),
            (
                Request::Auto,
                ("True", "Active"),
                false,
                in_force("active"),
                Progress::Unseen,
            ),
            (
                Request::Auto,
                ("True", "Inactive"),
                false,
                json!({}),
                done("Inactive"),
            ),
            (
                Request::Spec(3, None),
                ("True", "Active"),
                false,
                json!({}),
                Progress::Unseen,
            ),
            (
                Request::Spec(2, Some(State::Inactive)),
                ("True", "Inactive"),
                false,
                json!({"live": "none"}),
                done("Inactive"),
            ),
            (
                Request::Suspend(2),
                ("False", "WouldActivate"),
                false,
                json!({}),
                done("WouldActivate"),
            ),
            (
                Request::Reconcile("t".into()),
                ("True", "Active"),
                false,
                json!({"lastHandledReconcileAt": "s"}),
                Progress::Unseen,
            ),
            (
                Request::Reconcile("t".into()),
                ("False", "Rejected"),
                true,
                json!({"lastHandledReconcileAt": "t"}),
                stalled("Rejected"),
            ),
        ] {
            let object = object(ready, is_stalled, status);
            assert_eq!(request.progress(&object), expected, "{request:?} {ready:?}");
        }
    }

    #[test]
    fn conditions_of_an_older_generation_count_for_nothing() {
        let mut object = object(("True", "Active"), false, in_force("active"));
        object.metadata.generation = Some(3);
        let on = Request::Override(VALUE.into(), State::Active);
        assert_eq!(on.progress(&object), Progress::Unseen);
    }
}
