//! What the operator does next with an object: a pure function of the object and the time. It tells
//! only times that the status or the spec hold.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oxen_operator::{
    api::{LiveStatus, OxenModel, State},
    decide::{Progress, RequeuePolicy, Rules, Verdict, desired, next_change},
};

use crate::{fix, item::verb, schedule::accepted, when::Now};

/// A change of the desired state that comes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The state after it.
    pub to: State,
    /// When it comes.
    pub at: Timestamp,
}

/// The next change of the desired state, by the operator's own function. An override that the
/// operator has not accepted yet counts for nothing.
pub fn change(object: &OxenModel, now: Timestamp) -> Option<Change> {
    let object = accepted(object);
    let at = next_change(&object, now)?;
    let to = desired(&object, at);
    Some(Change { to, at })
}

/// What comes next, in the order in which it is told: the change of the desired state, the next
/// call or poll, and when the object becomes Stalled.
pub fn next(object: &OxenModel, now: &Now) -> String {
    let conditions = object.status.as_ref().map(|status| &status.conditions);
    let verdict = conditions.and_then(|all| fix::verdict(all));
    let suspended = object.spec.suspend == Some(true);
    let mut parts = Vec::new();
    if let Some(Change { to, at }) = change(object, now.time).filter(|_| !suspended) {
        parts.push(format!("{} at {}", verb(to), now.day_and_time(at)));
    }
    if object.metadata.deletion_timestamp.is_some() {
        parts.push("observes at least each minute until it may be released".into());
    } else {
        let policy = verdict.map(|verdict| (verdict, verdict.presentation().requeue));
        parts.push(match policy {
            Some((verdict, policy)) => poll(object, now, verdict, policy),
            None => "is observed for the first time".into(),
        });
    }
    if suspended {
        parts.push("no call is made while it is suspended".into());
    }
    parts.extend(deadline(object, now, verdict));
    parts.join("; ")
}

/// When the object becomes Stalled if nothing changes, where its own spec says after how long.
pub fn stalled(object: &OxenModel, now: &Now) -> Option<String> {
    let conditions = object.status.as_ref().map(|status| &status.conditions);
    let verdict = conditions.and_then(|all| fix::verdict(all));
    deadline(object, now, verdict)
}

/// The next observation, and the next call where it is bounded.
fn poll(object: &OxenModel, now: &Now, verdict: Verdict, policy: RequeuePolicy) -> String {
    let rules = Rules::default();
    if verdict.presentation().refusal {
        return format!(
            "tries the call again within {}",
            minutes(rules.refusal_last)
        );
    }
    // These waits are spread by a tenth.
    let spread = |wait: Duration| minutes(wait.mul_f64(1.1));
    match policy {
        RequeuePolicy::SyncInterval => {
            let interval = object.spec.sync_interval;
            let interval = interval.map(|it| format!(" ({it})")).unwrap_or_default();
            let observes = format!("observes at the sync interval{interval}");
            match verdict {
                Verdict::DriftContention => match correction(object) {
                    Some(at) => format!("corrects at {}; {observes}", now.day_and_time(at)),
                    None => observes,
                },
                _ if is_stalled(verdict) => format!("{observes}; no call is made"),
                _ => observes,
            }
        }
        RequeuePolicy::Transition => "observes every few seconds".into(),
        RequeuePolicy::Outcome => "observes at least each minute".into(),
        RequeuePolicy::Failure => {
            let [.., last] = rules.failure_delays;
            format!("tries again within {}; observes each minute", minutes(last))
        }
        RequeuePolicy::Overdue => match verdict {
            Verdict::BudgetExceeded => "activates when the budget has room".into(),
            Verdict::BudgetPending => {
                "activates when the namespace's objects are observed and its budgets allow it"
                    .into()
            }
            Verdict::BudgetUnknown => "activates when the budgets are known and allow it".into(),
            _ => "observes each minute".into(),
        },
        RequeuePolicy::Unauthorized => {
            format!(
                "asks the hub again within {}",
                spread(rules.unauthorized_retry)
            )
        }
        RequeuePolicy::Payment => {
            format!("asks the hub again within {}", spread(rules.payment_retry))
        }
        RequeuePolicy::Backoff => {
            format!("asks the hub again within {}", minutes(rules.backoff_last))
        }
        RequeuePolicy::RetryAfter => "asks again when the hub allows it".into(),
    }
}

/// A wait in whole minutes, rounded up.
fn minutes(wait: Duration) -> String {
    format!("{}m", wait.as_secs().div_ceil(60))
}

fn is_stalled(verdict: Verdict) -> bool {
    verdict.presentation().progress == Progress::Stalled
}

/// When the oldest of three corrections no longer holds up the next one.
fn correction(object: &OxenModel) -> Option<Timestamp> {
    let attempts = object.status.as_ref()?.attempts.as_ref()?;
    let oldest = attempts
        .corrections
        .iter()
        .flatten()
        .map(|time| time.0)
        .min()?;
    let window = SignedDuration::try_from(Rules::default().correction_window).ok()?;
    oldest.checked_add(window).ok()
}

/// [`stalled`], for an object with this verdict.
fn deadline(object: &OxenModel, now: &Now, verdict: Option<Verdict>) -> Option<String> {
    let status = object.status.as_ref()?;
    let waits = verdict.is_some_and(|verdict| verdict.presentation().waits);
    if !waits || object.spec.suspend == Some(true) {
        return None;
    }
    let span = SignedDuration::try_from(object.spec.progress_deadline?.0).ok()?;
    let deploying = status.live == Some(LiveStatus::Deploying);
    let since = status.since.as_ref().filter(|_| deploying);
    let from = [status.progressing_since.as_ref(), since];
    let from = from.into_iter().flatten().map(|time| time.0).min()?;
    let at = from.checked_add(span).ok()?;
    let state = status
        .live
        .map_or_else(|| "so".to_owned(), |live| live.to_string());
    let time = now.day_and_time(at);
    Some(format!("stalled at {time} if it is still {state} then"))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use serde_json::{Value, json};

    use super::*;

    fn now() -> Now {
        Now {
            time: "2026-11-25T09:12:00Z".parse().unwrap(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
        }
    }

    fn object(spec: Value, ready: &str, reason: &str, status: Value) -> OxenModel {
        let mut object = json!({
            "apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
            "metadata": {"name": "bot", "namespace": "team-a", "generation": 1},
            "spec": {"model": "bot", "state": "active"},
            "status": {"observedGeneration": 1, "desired": "active", "conditions": [
                {"type": "Ready", "status": ready, "reason": reason, "message": "",
                 "lastTransitionTime": "2026-11-25T09:00:00Z", "observedGeneration": 1},
                {"type": "Synced", "status": "True", "reason": "Answered", "message": "",
                 "lastTransitionTime": "2026-11-25T09:00:00Z"},
            ]},
        });
        merge(&mut object["spec"], spec);
        merge(&mut object["status"], status);
        serde_json::from_value(object).unwrap()
    }

    fn merge(into: &mut Value, from: Value) {
        for (key, value) in from.as_object().unwrap() {
            into[key] = value.clone();
        }
    }

    #[test]
    fn the_next_step_is_told_with_the_times_that_are_known() {
        let schedule = json!({"state": "scheduled", "syncInterval": "10m", "schedule":
            {"timeZone": "Europe/Berlin", "active": ["Mon-Fri 08:00-18:00"]}});
        let none = || json!({});
        for (spec, ready, reason, status, expected) in [
            (
                schedule.clone(),
                "True",
                "Active",
                none(),
                "deactivates at 18:00 today; observes at the sync interval (10m)",
            ),
            (
                none(),
                "True",
                "Active",
                none(),
                "observes at the sync interval",
            ),
            (
                none(),
                "False",
                "BudgetExceeded",
                none(),
                "activates when the budget has room",
            ),
            (
                json!({"suspend": true}),
                "False",
                "WouldActivate",
                none(),
                "observes at the sync interval; no call is made while it is suspended",
            ),
            (
                json!({"progressDeadline": "30m"}),
                "False",
                "Activating",
                json!({"live": "deploying", "since": "2026-11-25T09:04:00Z",
                       "progressingSince": "2026-11-25T09:06:00Z"}),
                "observes every few seconds; stalled at 10:34 today if it is still deploying then",
            ),
            (
                none(),
                "False",
                "Activating",
                none(),
                "observes every few seconds",
            ),
            (
                none(),
                "False",
                "Rejected",
                none(),
                "tries the call again within 15m",
            ),
            (
                none(),
                "False",
                "NoDeployment",
                none(),
                "observes at the sync interval; no call is made",
            ),
            (
                none(),
                "False",
                "DriftContention",
                json!({"attempts": {"generation": 1, "corrections":
                       ["2026-11-25T08:30:00Z", "2026-11-25T08:40:00Z", "2026-11-25T09:00:00Z"]}}),
                "corrects at 10:30 today; observes at the sync interval",
            ),
        ] {
            let object = object(spec, ready, reason, status);
            assert_eq!(next(&object, &now()), expected, "{reason}");
        }
        let mut new = object(none(), "True", "Active", none());
        new.status = None;
        assert_eq!(next(&new, &now()), "is observed for the first time");
    }

    #[test]
    fn the_end_of_an_override_is_a_change_to_what_the_spec_declares() {
        let status = json!({"override": {"value": "inactive until 2026-11-25T17:00:00Z",
            "state": "inactive", "until": "2026-11-25T17:00:00Z"}});
        let object = object(json!({}), "True", "Inactive", status);
        let expected = Change {
            to: State::Active,
            at: "2026-11-25T17:00:00Z".parse().unwrap(),
        };
        assert_eq!(change(&object, now().time), Some(expected));
        let mut requested = object.clone();
        requested.status.as_mut().unwrap().override_in_force = None;
        let value = "inactive until 2026-11-25T17:00:00Z".to_owned();
        let annotations = [("oxen.ai/override".to_owned(), value)];
        requested.metadata.annotations = Some(annotations.into());
        assert_eq!(change(&requested, now().time), None);
    }
}
