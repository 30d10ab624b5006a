//! The progress of a requested change: a pure function of the request and the object.
//!
//! The conditions count only after the status shows that the operator has observed the request.
//! Therefore, a Stalled condition from before the request doesn't end the wait.

use jiff::Timestamp;
use oxen_operator::{
    api::{
        Declared, LiveStatus, OVERRIDE_ANNOTATION, OxenModel, OxenModelStatus,
        RECONCILE_ANNOTATION, State,
    },
    decide::{READY, STALLED, SYNCED, condition, is_true},
};

use crate::clean;

/// The value of the annotation that ends an override.
pub const NONE: &str = "none";

/// What was requested, by what the status shows once the operator has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The override with this value.
    Override(String, State),
    /// The end of any override.
    Auto,
    /// The spec of this generation, and what it declares.
    Spec(i64, Declared),
    /// The end of a suspension, with this generation.
    Resume(i64),
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
    /// The last observation of the model failed, so the requested reconcile is not done. Holds the
    /// reason and the message of Ready, which may be older than the request. The operator may not
    /// have seen the request.
    Unanswered(String, String),
    /// The operator is at work: the reason and the message of Ready.
    Working(String, String),
    /// The object is as wanted.
    Done(String, String),
    /// The object needs a person.
    Stalled(String, String),
    /// An override for the other state decides until this time.
    Overridden(State, Timestamp),
    /// The operator refused the request.
    Refused(String),
    /// The request no longer applies: another one has replaced it, or it has ended.
    Over(String),
}

impl Request {
    /// How far the request is, by the object.
    pub fn progress(&self, object: &OxenModel) -> Progress {
        let status = object.status.clone().unwrap_or_default();
        if let Some(why) = self.refused(&status) {
            return Progress::Refused(why);
        }
        if let Some(why) = self.over(object, &status) {
            return Progress::Over(why);
        }
        let ready = condition(&status.conditions, READY);
        let words = ready.map(|it| (clean::line(&it.reason), clean::line(&it.message)));
        if !self.seen(object, &status) {
            let synced = condition(&status.conditions, SYNCED);
            let failing = synced.is_some_and(|synced| synced.status == "False");
            let waits = matches!(self, Request::Reconcile(_)) && failing;
            return match words.filter(|_| waits) {
                Some((reason, message)) => Progress::Unanswered(reason, message),
                None => Progress::Unseen,
            };
        }
        if let Some((state, until)) = self.overridden(&status) {
            return Progress::Overridden(state, until);
        }
        let current = |generation: Option<i64>| generation == object.metadata.generation;
        let ready = ready.filter(|ready| current(ready.observed_generation));
        let Some((ready, (reason, message))) = ready.zip(words) else {
            return Progress::Unseen;
        };
        if matches!(self, Request::Suspend(_)) {
            return Progress::Done(reason, message);
        }
        let would = match reason.as_str() {
            // The status can have a newer live status than its conditions.
            "WouldActivate" => status.live != Some(LiveStatus::Active),
            "WouldDeactivate" => !is_off(status.live),
            _ => false,
        };
        if is_true(&status.conditions, STALLED) || would {
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

    /// Why the request counts no longer, if that is so.
    fn over(&self, object: &OxenModel, status: &OxenModelStatus) -> Option<String> {
        if object.metadata.deletion_timestamp.is_some() {
            return Some("it is being deleted".into());
        }
        match self {
            Request::Override(value, _) => {
                let handled = status.handled_override.as_ref() == Some(value);
                match annotation(object, OVERRIDE_ANNOTATION) {
                    _ if in_force(status) == Some(value) => None,
                    Some(other) if other != value => Some(replaced("override", other)),
                    _ if handled => Some("the override has ended".into()),
                    Some(_) => None,
                    None => Some(removed(OVERRIDE_ANNOTATION)),
                }
            }
            Request::Auto if self.seen(object, status) => None,
            Request::Auto => match annotation(object, OVERRIDE_ANNOTATION) {
                Some(NONE) => None,
                Some(other) => Some(replaced("override", other)),
                None => Some(removed(OVERRIDE_ANNOTATION)),
            },
            Request::Spec(_, declared) => (object.spec.state != *declared)
                .then(|| format!("its spec now declares {}", object.spec.state)),
            Request::Resume(_) => {
                (object.spec.suspend == Some(true)).then(|| "it is suspended again".into())
            }
            Request::Suspend(_) => {
                (object.spec.suspend != Some(true)).then(|| "it is resumed again".into())
            }
            Request::Reconcile(_) if self.seen(object, status) => None,
            Request::Reconcile(token) => match annotation(object, RECONCILE_ANNOTATION) {
                Some(current) if current == token => None,
                Some(other) => Some(replaced("request", other)),
                None => Some(removed(RECONCILE_ANNOTATION)),
            },
        }
    }

    /// Returns true when the status shows that the operator has seen the request.
    fn seen(&self, object: &OxenModel, status: &OxenModelStatus) -> bool {
        match self {
            Request::Override(value, _) => in_force(status) == Some(value),
            Request::Auto => {
                let gone = annotation(object, OVERRIDE_ANNOTATION).is_none();
                status.handled_override.as_deref() == Some(NONE)
                    || (gone && status.override_in_force.is_none())
            }
            Request::Spec(generation, _)
            | Request::Resume(generation)
            | Request::Suspend(generation) => status.observed_generation >= *generation,
            Request::Reconcile(token) => status.last_handled_reconcile_at.as_ref() == Some(token),
        }
    }

    /// The override that decides in place of the declared state, and until when.
    fn overridden(&self, status: &OxenModelStatus) -> Option<(State, Timestamp)> {
        let Request::Spec(..) = self else {
            return None;
        };
        let wanted = self.wanted()?;
        let other = status.override_in_force.as_ref();
        let other = other.filter(|other| other.state != wanted)?;
        Some((other.state, other.until.0))
    }

    /// The state that was asked for, if it is one.
    pub fn wanted(&self) -> Option<State> {
        match self {
            Request::Override(_, state) => Some(*state),
            Request::Spec(_, Declared::Active) => Some(State::Active),
            Request::Spec(_, Declared::Inactive) => Some(State::Inactive),
            Request::Spec(_, Declared::Scheduled)
            | Request::Auto
            | Request::Resume(_)
            | Request::Suspend(_)
            | Request::Reconcile(_) => None,
        }
    }

    /// Returns true when the live status is the one that was asked for. An idle model can be Ready
    /// and off.
    fn is_wanted(&self, status: &OxenModelStatus) -> bool {
        match (self.wanted(), status.live) {
            (None, _) => true,
            (Some(State::Active), live) => live == Some(LiveStatus::Active),
            (Some(State::Inactive), live) => is_off(live),
        }
    }
}

fn is_off(live: Option<LiveStatus>) -> bool {
    matches!(live, Some(LiveStatus::Inactive | LiveStatus::None))
}

fn in_force(status: &OxenModelStatus) -> Option<&String> {
    status.override_in_force.as_ref().map(|it| &it.value)
}

fn annotation<'a>(object: &'a OxenModel, name: &str) -> Option<&'a str> {
    let annotations = object.metadata.annotations.as_ref()?;
    annotations.get(name).map(String::as_str)
}

fn replaced(what: &str, by: &str) -> String {
    format!(
        "another {what} has taken its place: \"{}\"",
        clean::line(by)
    )
}

fn removed(annotation: &str) -> String {
    format!("the annotation {annotation} was removed before the operator saw it")
}

#[cfg(test)]
mod tests;
