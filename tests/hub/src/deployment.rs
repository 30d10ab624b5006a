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
    since: Instant,
    /// The changes of the status, in the order of time.
    changes: Vec<Change>,
}

#[derive(Clone)]
struct Change {
    at: Instant,
    status: String,
    /// Whether the deployment was turned off because it had no requests.
    idle: bool,
}

impl Change {
    fn new(at: Instant, status: impl Into<String>) -> Self {
        Self {
            at,
            status: status.into(),
            idle: false,
        }
    }
}

impl Deployment {
    pub(crate) fn new(status: impl Into<String>) -> Self {
        Self {
            status: status.into(),
            since: Instant::now(),
            changes: Vec::new(),
        }
    }

    /// The status at the provider at this time.
    pub(crate) fn status(&self, now: Instant) -> &str {
        self.latest_change(now)
            .map_or(&self.status, |change| &change.status)
    }

    fn latest_change(&self, now: Instant) -> Option<&Change> {
        self.changes.iter().rev().find(|change| change.at <= now)
    }

    /// The time from which the current status holds.
    fn since(&self, now: Instant) -> Instant {
        self.latest_change(now)
            .map_or(self.since, |change| change.at)
    }

    /// Schedules a change of the status that no POST requested. A transition that starts before
    /// that time cancels the change.
    pub(crate) fn schedule_drift(&mut self, status: String, at: Instant) {
        self.schedule(Change::new(at, status));
    }

    fn schedule(&mut self, change: Change) {
        self.changes.push(change);
        self.changes.sort_by_key(|change| change.at);
    }

    /// Turns the deployment off at the time at which it was active without a request for the
    /// time-out, if that time has come.
    pub(crate) fn turn_off_if_idle(
        &mut self,
        timeout: Duration,
        last_request: Option<Instant>,
        now: Instant,
    ) {
        if self.status(now) != Operation::Activate.final_status() {
            return;
        }
        let since = self.since(now);
        let last_use = last_request.map_or(since, |request| request.max(since));
        // A time-out that is too long for the clock never ends.
        if let Some(at) = last_use.checked_add(timeout).filter(|at| *at <= now) {
            self.schedule(Change {
                idle: true,
                ..Change::new(at, Operation::Deactivate.final_status())
            });
        }
    }

    /// Whether the deployment is off because it had no requests.
    pub(crate) fn is_off_by_idleness(&self, now: Instant) -> bool {
        self.latest_change(now).is_some_and(|change| change.idle)
    }

    /// Whether the deployment already has the operation's final status, or is changing to it.
    pub(crate) fn already_follows(&self, operation: Operation, now: Instant) -> bool {
        let status = self.reported_status(now);
        status == operation.transitional_status() || status == operation.final_status()
    }

    /// The status that the response to a POST reports: the transitional status of a transition
    /// whose effect is delayed, and the current status where there is none.
    pub(crate) fn reported_status(&self, now: Instant) -> &str {
        let delayed = self.changes.iter().find(|change| {
            change.at > now && matches!(change.status.as_str(), "deploying" | "deactivating")
        });
        delayed.map_or_else(|| self.status(now), |change| &change.status)
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
        self.since = self.since(now);
        self.status = self.status(now).to_owned();
        self.changes = vec![
            Change::new(begins, operation.transitional_status()),
            Change::new(begins + duration, end),
        ];
        operation.transitional_status()
    }
}
