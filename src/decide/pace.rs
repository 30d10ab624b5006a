//! When to look again.

use std::time::Duration;

use super::{Finding, Observation, Pace};
use crate::api::OxenModelStatus;

/// When the next pass comes, if nothing else starts one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requeue {
    /// From now.
    pub after: Duration,
    /// How the controller spreads it; the decision itself knows no chance.
    pub jitter: Jitter,
}

/// How a time is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Not at all.
    None,
    /// By a tenth, either way.
    Tenth,
    /// By up to a tenth, later only.
    Later,
    /// Anywhere from nothing to all of it.
    Full,
}

pub(super) fn requeue(
    seen: &Observation<'_>,
    status: &OxenModelStatus,
    finding: &Finding,
) -> Requeue {
    let rules = seen.rules;
    if let Some(wait) = finding.wait {
        return match finding.verdict.row().pace {
            // A look in between may find that it has mended itself.
            Pace::Failure => exactly(wait.min(rules.overdue_probe)),
            Pace::Told => later(wait),
            Pace::Settled
            | Pace::Transition
            | Pace::Outcome
            | Pace::Refusal
            | Pace::Overdue
            | Pace::Probe
            | Pace::Payment
            | Pace::Backoff => exactly(wait),
        };
    }
    match finding.verdict.row().pace {
        Pace::Settled => spread(seen.sync_interval()),
        Pace::Transition => exactly(
            (rules.transition_first + in_transition(seen, status)).min(rules.transition_last),
        ),
        Pace::Outcome => {
            exactly((rules.transition_first + watched(seen, status)).min(rules.overdue_probe))
        }
        Pace::Refusal => exactly(doubled(
            rules.transition_first,
            calls_refused(status),
            rules.backoff_last,
        )),
        Pace::Overdue | Pace::Failure => exactly(rules.overdue_probe),
        // Never early: the pace of a refused key has its own clock, and one that comes before its
        // time is answered without a probe.
        Pace::Probe => later(rules.refused_probe),
        Pace::Payment => spread(rules.payment_probe),
        Pace::Backoff | Pace::Told => Requeue {
            after: doubled(rules.backoff_first, seen.past.failures, rules.backoff_last),
            jitter: Jitter::Full,
        },
    }
}

/// `first`, doubled `times`, and never more than `last`.
#[must_use]
pub(crate) fn doubled(first: Duration, times: u32, last: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(last)
}

fn in_transition(seen: &Observation<'_>, status: &OxenModelStatus) -> Duration {
    if status.operation.is_some() {
        return watched(seen, status);
    }
    status
        .since
        .as_ref()
        .map_or(Duration::ZERO, |then| seen.since(then.0))
}

/// How long the open operation has been watched; not at all yet if this very pass recorded it.
fn watched(seen: &Observation<'_>, status: &OxenModelStatus) -> Duration {
    let before = seen.object.status.as_ref();
    let before = before.and_then(|status| status.operation.as_ref());
    let same = before.map(|one| &one.id) == status.operation.as_ref().map(|one| &one.id);
    if same {
        seen.watched.elapsed
    } else {
        Duration::ZERO
    }
}

fn calls_refused(status: &OxenModelStatus) -> u32 {
    status
        .attempts
        .as_ref()
        .and_then(|spent| spent.rejections)
        .unwrap_or_default()
}

fn exactly(after: Duration) -> Requeue {
    Requeue {
        after,
        jitter: Jitter::None,
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
