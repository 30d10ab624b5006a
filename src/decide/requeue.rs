//! When to reconcile next.

use std::time::Duration;

use super::{
    effect::{Effect, effect},
    observation::{Observation, Subject},
    verdict::{RequeuePolicy, Verdict},
};
use crate::{api::OxenModelStatus, backoff::doubled};

/// When the next reconcile is due, if nothing starts one earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requeue {
    /// The time from now.
    pub after: Duration,
    /// How the controller spreads that time. The decision itself has no randomness.
    pub jitter: Jitter,
}

impl Requeue {
    /// A reconcile after this time, without jitter.
    #[must_use]
    pub const fn exactly(after: Duration) -> Self {
        Self {
            after,
            jitter: Jitter::None,
        }
    }

    /// The same, but after no longer than this time without jitter.
    pub(super) fn at_most(self, longest: Duration) -> Self {
        if self.after > longest {
            Self::exactly(longest)
        } else {
            self
        }
    }
}

/// How a time is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// The time is exact.
    None,
    /// The time varies by up to a tenth, either way.
    Tenth,
    /// The time is up to a tenth later, and never earlier.
    Later,
    /// The time is anywhere between zero and all of it.
    Full,
}

/// When to reconcile an object for which nothing was needed from the hub.
pub(super) fn unobserved(subject: &Subject<'_>) -> Requeue {
    let requeue = spread(subject.sync_interval());
    if subject.deleting() {
        at_least_each_minute(subject, requeue)
    } else {
        requeue
    }
}

/// When to reconcile an object that is being deleted: at most a minute from now, because somebody
/// waits for the deletion.
fn at_least_each_minute(subject: &Subject<'_>, requeue: Requeue) -> Requeue {
    let after = requeue.after.min(subject.rules.overdue_poll);
    let jitter = if requeue.jitter == Jitter::Tenth {
        Jitter::None
    } else {
        requeue.jitter
    };
    Requeue { after, jitter }
}

/// When to reconcile after a verdict that an observation led to. `wait` is the time that the
/// finding asks for, if it asks for one.
pub(super) fn after(
    seen: &Observation<'_>,
    status: &OxenModelStatus,
    verdict: Verdict,
    wait: Option<Duration>,
) -> Requeue {
    let requeue = by_policy(seen, status, verdict, wait);
    let policy = verdict.presentation().requeue;
    // The other policies, and a wait of the finding, say when the operator may send a request
    // again.
    let bounded = matches!(
        policy,
        RequeuePolicy::SyncInterval | RequeuePolicy::Backoff | RequeuePolicy::Overdue
    );
    if seen.subject.deleting() && bounded && wait.is_none() {
        return at_least_each_minute(&seen.subject, requeue);
    }
    requeue
}

fn by_policy(
    seen: &Observation<'_>,
    status: &OxenModelStatus,
    verdict: Verdict,
    wait: Option<Duration>,
) -> Requeue {
    let rules = seen.subject.rules;
    let policy = verdict.presentation().requeue;
    let sync_interval = seen.subject.sync_interval();
    if let Some(wait) = wait {
        return match policy {
            // A poll before the next call may find that the model has recovered.
            RequeuePolicy::Failure => Requeue::exactly(wait.min(rules.overdue_poll)),
            RequeuePolicy::RetryAfter => later(wait),
            // A call that is due much later delays no poll.
            RequeuePolicy::SyncInterval if wait > sync_interval => spread(sync_interval),
            RequeuePolicy::SyncInterval
            | RequeuePolicy::Transition
            | RequeuePolicy::Outcome
            | RequeuePolicy::Overdue
            | RequeuePolicy::Unauthorized
            | RequeuePolicy::Payment
            | RequeuePolicy::Backoff => Requeue::exactly(wait),
        };
    }
    match policy {
        RequeuePolicy::SyncInterval => spread(sync_interval),
        RequeuePolicy::Transition => Requeue::exactly(
            (rules.transition_first + in_transition(seen, status)).min(rules.transition_last),
        ),
        RequeuePolicy::Outcome => Requeue::exactly(
            (rules.transition_first + watched(seen, status)).min(rules.overdue_poll),
        ),
        RequeuePolicy::Overdue | RequeuePolicy::Failure => Requeue::exactly(rules.overdue_poll),
        // The reconcile must not be early, because the key's limiter counts the same time and
        // answers an earlier reconcile without a request.
        RequeuePolicy::Unauthorized => later(rules.unauthorized_retry),
        RequeuePolicy::Payment => spread(rules.payment_retry),
        RequeuePolicy::Backoff | RequeuePolicy::RetryAfter => Requeue {
            after: doubled(
                rules.backoff_first,
                seen.history.failures.saturating_sub(1),
                rules.backoff_last,
            ),
            jitter: Jitter::Full,
        },
    }
}

/// How long the hub has shown the transition, or how long an open operation whose transition isn't
/// shown has been watched.
fn in_transition(seen: &Observation<'_>, status: &OxenModelStatus) -> Duration {
    let shown = status.operation.as_ref().zip(status.live);
    if shown.is_some_and(|(open, live)| effect(open.kind, live) != Effect::Transition) {
        return watched(seen, status);
    }
    status
        .since
        .as_ref()
        .map_or(Duration::ZERO, |then| seen.subject.since(then.0))
}

/// How long the open operation has been watched, which is zero if this reconcile recorded it.
fn watched(seen: &Observation<'_>, status: &OxenModelStatus) -> Duration {
    let before = seen.subject.object.status.as_ref();
    let before = before.and_then(|status| status.operation.as_ref());
    let same = before.map(|one| &one.id) == status.operation.as_ref().map(|one| &one.id);
    if same {
        let watch = seen.history.operation.as_ref();
        watch.map_or(Duration::ZERO, |watch| watch.elapsed)
    } else {
        Duration::ZERO
    }
}

fn spread(after: Duration) -> Requeue {
    Requeue {
        after,
        jitter: Jitter::Tenth,
    }
}

fn later(after: Duration) -> Requeue {
    Requeue {
        after,
        jitter: Jitter::Later,
    }
}
