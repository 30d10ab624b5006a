//! The rules that every decision follows: the operator's defaults, waits and limits.

use std::time::Duration;

use crate::api::{DeletionPolicy, OxenModel, SHORTEST_SYNC_INTERVAL};

/// The operator's defaults, waits and limits. They are validated settings and constants, the same
/// for every object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether every object is treated as suspended.
    pub observe_only: bool,
    /// The deletion policy of objects whose spec has none.
    pub deletion_policy: DeletionPolicy,
    /// The sync interval of objects whose spec has none.
    pub sync_interval: Duration,
    /// The progress deadline of objects whose spec has none.
    pub progress_deadline: Duration,
    /// The time until the first poll of a transition. Each later poll comes after a longer time.
    pub transition_first: Duration,
    /// The longest time between two polls of a transition.
    pub transition_last: Duration,
    /// How long to wait for the effect of an open operation.
    pub operation_patience: Duration,
    /// The wait after the first refused call. It doubles with each one that follows.
    pub refusal_first: Duration,
    /// The longest wait after a refused call. If the sync interval is shorter, that is the longest
    /// wait.
    pub refusal_last: Duration,
    /// The shortest time between the two observations that confirm a surprise.
    pub confirm_after: Duration,
    /// The wait before the first, second and third call for a failed deployment.
    pub failure_delays: [Duration; 3],
    /// The window within which at most three corrections are made.
    pub correction_window: Duration,
    /// The wait after the first unanswered request. It doubles with each one that follows.
    pub backoff_first: Duration,
    /// The longest wait after an unanswered request.
    pub backoff_last: Duration,
    /// The time between two requests with a key that the hub refuses, and between two polls after
    /// a response that can't be read.
    pub unauthorized_retry: Duration,
    /// The time between two polls while the account can't pay.
    pub payment_retry: Duration,
    /// The time between two polls past the progress deadline.
    pub overdue_poll: Duration,
    /// The longest time for which Ready is kept after the first failed observation in a row.
    pub stale_ready: Duration,
}

impl Rules {
    /// An object's own sync interval, which is at least what the schema allows, or the operator's.
    #[must_use]
    pub fn sync_interval_of(&self, object: &OxenModel) -> Duration {
        let own = object.spec.sync_interval;
        own.map_or(self.sync_interval, |own| own.0.max(SHORTEST_SYNC_INTERVAL))
    }

    /// The longest time without a usable answer of the hub for which an object's Ready is kept:
    /// three sync intervals, and at most [`stale_ready`](Self::stale_ready).
    #[must_use]
    pub fn grace_of(&self, object: &OxenModel) -> Duration {
        let intervals = self.sync_interval_of(object).saturating_mul(3);
        intervals.min(self.stale_ready)
    }
}

/// The rules of the shipped operator.
impl Default for Rules {
    fn default() -> Self {
        let minutes = |m: u64| Duration::from_secs(60 * m);
        Self {
            observe_only: false,
            deletion_policy: DeletionPolicy::Deactivate,
            sync_interval: minutes(5),
            progress_deadline: minutes(30),
            transition_first: Duration::from_secs(5),
            transition_last: Duration::from_secs(30),
            operation_patience: Duration::from_secs(120),
            refusal_first: Duration::from_secs(10),
            refusal_last: minutes(15),
            confirm_after: Duration::from_secs(2),
            failure_delays: [minutes(1), minutes(5), minutes(15)],
            correction_window: minutes(60),
            backoff_first: Duration::from_secs(1),
            backoff_last: minutes(5),
            unauthorized_retry: minutes(5),
            payment_retry: minutes(15),
            overdue_poll: minutes(1),
            stale_ready: minutes(15),
        }
    }
}
