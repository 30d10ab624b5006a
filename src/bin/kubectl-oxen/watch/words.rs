//! What a wait says.

use std::time::Duration;

use oxen_operator::api::{LiveStatus, Span, State};

use super::Follow;
use crate::{
    age, next,
    outcome::{Failure, Outcome},
    wait::Progress,
    when::Now,
};

impl Follow<'_> {
    /// Says that the object is as wanted.
    pub(super) fn done(&self, reason: &str) -> Result<Outcome, Failure> {
        let state = self
            .request
            .wanted()
            .map_or_else(|| reason.into(), |state| state.to_string());
        let then = (self.waits.then)(self.item);
        let verdict = format!("{} is {state} after {}{then}.", self.full, self.elapsed());
        if self.waits.verdicts {
            self.waits.console.print(&format!("{verdict}\n"))?;
        } else {
            self.waits.console.say(&verdict);
        }
        Ok(Outcome::Done)
    }

    /// Says that the request has no answer.
    pub(super) fn unanswered(&self) -> Outcome {
        if let Progress::Unanswered(reason, message) = &self.told {
            let (full, stays) = (&self.full, self.waits.stays);
            self.waits.console.error(&format!(
                "neither the operator nor the hub has answered about {full} since the request: \
                 {reason}. {message} To check the operator: kubectl oxen doctor. {stays}"
            ));
        }
        Outcome::Stalled
    }

    pub(super) fn tell(&self, progress: &Progress) {
        let seen = matches!(
            progress,
            Progress::Working(..) | Progress::Done(..) | Progress::Stalled(..)
        );
        let before = matches!(self.told, Progress::Unseen | Progress::Unanswered(..));
        let now = Now::here();
        let time = now.clock(now.time);
        if seen && before {
            self.say(&format!("{time}  accepted by the operator"));
        }
        match progress {
            Progress::Working(reason, message)
            | Progress::Done(reason, message)
            | Progress::Stalled(reason, message)
            | Progress::Unanswered(reason, message) => {
                self.say(&format!("{time}  {reason}: {message}"));
            }
            Progress::Unseen
            | Progress::Overridden(..)
            | Progress::Refused(_)
            | Progress::Over(_) => {}
        }
    }

    /// Says a line of progress, with the object's name where there are several.
    pub(super) fn say(&self, text: &str) {
        let name = if self.waits.several {
            format!("{}  ", self.name)
        } else {
            String::new()
        };
        self.waits.console.say(&format!("  {name}{text}"));
    }

    /// Shows on the terminal for how long the model has been on its way.
    pub(super) fn show(&self) {
        let now = Now::here();
        let status = self.item.status();
        let since = status.since.as_ref().map(|since| since.0);
        let moving = [LiveStatus::Deploying, LiveStatus::Deactivating];
        let live = status.live.filter(|live| moving.contains(live)).zip(since);
        let what = match (&self.told, live) {
            (Progress::Working(..), Some((live, since))) => {
                format!("{live} for {}", age::between(since, now.time))
            }
            (Progress::Working(reason, _), None) => format!("{reason} for {}", self.elapsed()),
            (Progress::Unanswered(..), _) => {
                format!("not answered for {}", self.elapsed())
            }
            _ => format!("not seen by the operator for {}", self.elapsed()),
        };
        let object = self.item.object.as_ref().ok();
        let stalled = object.and_then(|object| next::stalled(object, &now));
        let stalled = stalled.map(|it| format!("; {it}")).unwrap_or_default();
        let line = format!("  {what}{stalled} (Ctrl-C stops waiting)");
        self.waits.console.replaceable(&line);
    }

    pub(super) fn remind(&self) {
        let what = match &self.told {
            Progress::Working(reason, _) => reason.as_str(),
            Progress::Unanswered(..) => "not answered",
            _ => "not seen by the operator",
        };
        self.say(&format!("still {what} after {}", self.elapsed()));
    }

    pub(super) fn timed_out(&self, limit: Duration) {
        let (full, limit, stays) = (&self.full, Span(limit), self.waits.stays);
        let live = self.item.status().live;
        let now = live.map_or_else(|| "never observed".into(), |live| live.to_string());
        let wanted = match self.request.wanted() {
            Some(State::Active) => "active",
            Some(State::Inactive) => "inactive",
            None => "done",
        };
        self.waits.console.error(&match &self.told {
            Progress::Working(..) | Progress::Unanswered(..) if wanted != "done" => {
                format!("{full} is not {wanted} after {limit}: {now}. {stays}")
            }
            Progress::Working(reason, message) => {
                format!("{full} is not done after {limit}: {reason}. {message} {stays}")
            }
            Progress::Unanswered(reason, message) => format!(
                "{full} is not done after {limit}: neither the operator nor the hub has answered: \
                 {reason}. {message} To check the operator: kubectl oxen doctor. {stays}"
            ),
            _ => format!(
                "{full} is not {wanted} after {limit}: the operator has not seen the request: \
                 kubectl oxen doctor. {stays}"
            ),
        });
    }

    fn elapsed(&self) -> String {
        let elapsed = jiff::SignedDuration::try_from(self.begun.elapsed());
        age::duration(elapsed.unwrap_or_default())
    }
}
