//! A deployment at the provider: its status now, and its scheduled statuses.

use std::time::Duration;

use tokio::time::Instant;

/// The operation that a POST requests.
#[derive(Clone, Copy)]
pub(crate) enum Operation {
    Activate,
    Deactivate,
}

impl Operation {
    fn transitional_status(self) -> &'static str {
        match self {
            Self::Activate => "deploying",
            Self::Deactivate => "deactivating",
        }
    }

    fn final_status(self) -> &'static str {
        match self {
            Self::Activate => "active",
            Self::Deactivate => "inactive",
        }
    }
}

/// The transition that an operation starts.
pub(crate) struct Transition {
    pub(crate) operation: Operation,
    /// How long the provider still shows the old status.
    pub(crate) effect_delay: Duration,
    /// How long the provider shows the transitional status.
    pub(crate) duration: Duration,
    /// Whether the transition ends in `error`.
    pub(crate) fails: bool,
}

#[derive(Clone)]
pub(crate) struct Deployment {
    status: String,
    /// Each status with the time from which it holds, in the order of time.
    scheduled: Vec<(Instant, String)>,
}

impl Deployment {
    pub(crate) fn new(status: impl Into<String>) -> Self {
        Self {
            status: status.into(),
            scheduled: Vec::new(),
        }
    }

    /// The status at the provider at this time.
    pub(crate) fn status(&self, now: Instant) -> &str {
        let past = self.scheduled.iter().rev().find(|(at, _)| *at <= now);
        past.map_or(&self.status, |(_, status)| status)
    }

    /// Schedules a change of the status that no POST requested. A transition that starts before
    /// that time cancels the change.
    pub(crate) fn schedule_drift(&mut self, status: String, at: Instant) {
        self.scheduled.push((at, status));
        self.scheduled.sort_by_key(|(at, _)| *at);
    }

    /// Whether the deployment already has the operation's final status, or is changing to it.
    pub(crate) fn already_follows(&self, operation: Operation, now: Instant) -> bool {
        let status = self.reported_status(now);
        status == operation.transitional_status() || status == operation.final_status()
    }

    /// The status that the response to a POST reports: the transitional status of a transition
    /// whose effect is delayed, and the current status where there is none.
    pub(crate) fn reported_status(&self, now: Instant) -> &str {
        let delayed = self.scheduled.iter().find(|(at, status)| {
            *at > now && matches!(status.as_str(), "deploying" | "deactivating")
        });
        delayed.map_or_else(|| self.status(now), |(_, status)| status)
    }

    /// Starts a transition, and returns the status that the response to the POST reports.
    pub(crate) fn start(&mut self, transition: &Transition, now: Instant) -> &'static str {
        let Transition {
            operation,
            effect_delay,
            duration,
            fails,
        } = *transition;
        let begins = now + effect_delay;
        let end = if fails {
            "error"
        } else {
            operation.final_status()
        };
        self.status = self.status(now).to_owned();
        self.scheduled = vec![
            (begins, operation.transitional_status().to_owned()),
            (begins + duration, end.to_owned()),
        ];
        operation.transitional_status()
    }
}
