//! Durations that are constants, or follow from settings.
//!
//! Tests and the demo divide them by a time scale. Time limits never become shorter than what a
//! busy machine needs.

use std::time::Duration;

use crate::{decide::Rules, leader};

/// The time to establish a connection to the hub.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The age beyond the request timeout at which an observation is too old for a call.
const OBSERVATION_MARGIN: Duration = Duration::from_secs(15);

/// The timeout of a request to the Kubernetes API.
const KUBE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time after which the API server ends a watch, which is then started again. It is whole
/// seconds, and kube allows less than five minutes.
const WATCH_TIMEOUT: Duration = Duration::from_secs(60);

/// The time that work in flight has to end after SIGTERM.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(15);

/// How far the metrics of usage are behind. It is longer than the time from an observation to the
/// end of the write that follows from it.
const USAGE_LAG: Duration = Duration::from_secs(60);

/// The shortest time between two writes of a budget's status.
const BUDGET_INTERVAL: Duration = Duration::from_secs(10);

/// The time between two reads of the file of certificate authorities.
const AUTHORITIES_INTERVAL: Duration = Duration::from_secs(10);

/// The time from the lists of objects to the first scan. Most objects have been observed by then.
const FIRST_SCAN: Duration = Duration::from_secs(60);

/// The time without a 429 that raises the rate of requests by one step.
const RATE_RECOVERY: Duration = Duration::from_secs(10);

/// The bounds of Retry-After.
const RETRY_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(900)];

/// The shortest renew deadline.
const RENEW_DEADLINE: Duration = Duration::from_secs(20);

/// The time by which the renew deadline exceeds the longest call.
const RENEW_MARGIN: Duration = Duration::from_secs(7);

/// The time by which the lease duration exceeds the renew deadline.
const LEASE_MARGIN: Duration = Duration::from_secs(10);

/// The time between two renewals of the Lease.
const RETRY_PERIOD: Duration = Duration::from_secs(4);

/// The time by which the wait of a new leader exceeds the renew deadline.
const TAKEOVER_MARGIN: Duration = Duration::from_secs(5);

/// The shortest time limit of a request, a renewal or a shutdown, at any time scale.
const SHORTEST_LIMIT: Duration = Duration::from_secs(3);

/// The shortest lease duration at any time scale.
const SHORTEST_LEASE: Duration = Duration::from_secs(4);

/// The shortest watch timeout at any time scale.
const SHORTEST_WATCH: Duration = Duration::from_secs(1);

/// The shortest margin of the leader election at any time scale.
const SHORTEST_MARGIN: Duration = Duration::from_secs(1);

/// Constant and derived durations, for one request timeout and one time scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) scale: u32,
    pub(super) request_timeout: Duration,
}

impl Timing {
    fn wait(self, constant: Duration) -> Duration {
        constant / self.scale
    }

    /// A time limit, which the scale shortens to no less than `shortest`.
    fn limit(self, constant: Duration, shortest: Duration) -> Duration {
        self.wait(constant).max(shortest.min(constant))
    }

    pub(super) fn connect_timeout(self) -> Duration {
        CONNECT_TIMEOUT.min(self.request_timeout)
    }

    /// The longest time that a call to the hub can take.
    pub(super) fn call_timeout(self) -> Duration {
        self.request_timeout + self.connect_timeout()
    }

    pub(super) fn max_observation_age(self) -> Duration {
        self.request_timeout + self.limit(OBSERVATION_MARGIN, SHORTEST_LIMIT)
    }

    pub(super) fn kube_timeout(self) -> Duration {
        self.limit(KUBE_TIMEOUT, SHORTEST_LIMIT)
    }

    pub(super) fn watch_timeout(self) -> Duration {
        let limit = self.limit(WATCH_TIMEOUT, SHORTEST_WATCH);
        Duration::from_secs(limit.as_secs())
    }

    pub(super) fn shutdown_timeout(self) -> Duration {
        self.limit(SHUTDOWN_TIMEOUT, SHORTEST_LIMIT)
    }

    pub(super) fn usage_lag(self) -> Duration {
        self.limit(USAGE_LAG, SHORTEST_LIMIT)
    }

    pub(super) fn budget_interval(self) -> Duration {
        self.wait(BUDGET_INTERVAL)
    }

    pub(super) fn authorities_interval(self) -> Duration {
        self.wait(AUTHORITIES_INTERVAL)
    }

    pub(super) fn first_scan(self) -> Duration {
        self.wait(FIRST_SCAN)
    }

    pub(super) fn rate_recovery(self) -> Duration {
        self.wait(RATE_RECOVERY)
    }

    /// The lower and upper bound of Retry-After.
    pub(super) fn retry_after(self) -> [Duration; 2] {
        RETRY_AFTER.map(|bound| self.wait(bound))
    }

    /// The waits of the rules. Their sync interval and progress deadline are settings, and are not
    /// divided.
    pub(super) fn rules(self, rules: Rules) -> Rules {
        Rules {
            transition_first: self.wait(rules.transition_first),
            transition_last: self.wait(rules.transition_last),
            operation_patience: self.wait(rules.operation_patience),
            refusal_first: self.wait(rules.refusal_first),
            refusal_last: self.wait(rules.refusal_last),
            confirm_after: self.wait(rules.confirm_after),
            failure_delays: rules.failure_delays.map(|delay| self.wait(delay)),
            correction_window: self.wait(rules.correction_window),
            backoff_first: self.wait(rules.backoff_first),
            backoff_last: self.wait(rules.backoff_last),
            unauthorized_retry: self.wait(rules.unauthorized_retry),
            payment_retry: self.wait(rules.payment_retry),
            overdue_poll: self.wait(rules.overdue_poll),
            stale_ready: self.wait(rules.stale_ready),
            ..rules
        }
    }

    /// The election's timing. The lease duration and the wait of a new leader exceed the leader's
    /// authority, which exceeds the longest call.
    pub(super) fn leader(self) -> leader::Timing {
        let margin = |constant| self.limit(constant, SHORTEST_MARGIN);
        let renew_deadline = self
            .wait(RENEW_DEADLINE)
            .max(self.call_timeout() + margin(RENEW_MARGIN))
            .max(SHORTEST_LIMIT);
        let lease_duration = renew_deadline + margin(LEASE_MARGIN);
        leader::Timing {
            lease_duration: lease_duration.max(SHORTEST_LEASE),
            renew_deadline,
            retry_period: self.wait(RETRY_PERIOD),
            takeover_wait: renew_deadline + margin(TAKEOVER_MARGIN),
        }
    }
}
