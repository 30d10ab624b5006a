//! From a step to a finding: deadlines, budgets, and the record of a call.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Action, Claim, Finding, Observation, Remote, Verdict, merge, table::Step};
use crate::api::{Attempts, Deployment, Direction, Operation, OxenModelStatus, State};

/// Calls that one generation may send before it is stalled.
pub const CALLS: u32 = 3;

/// Corrections within [`Rules::correction_window`](super::Rules::correction_window).
pub const CORRECTIONS: usize = 3;

/// Takes the table's step, as far as suspension, deadline and budgets let it.
pub(super) fn take(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
    wanted: State,
    step: Step,
) -> Finding {
    match step {
        Step::Settled(verdict) => settle(status, remote, verdict),
        Step::Stuck(verdict) => Finding::new(verdict, stuck(verdict, remote)),
        Step::Unknown => {
            // A suspended object waits for nothing.
            let verdict = if overdue(seen, status) && !seen.suspended() {
                Verdict::ProgressDeadlineExceeded
            } else {
                Verdict::StatusUnknown
            };
            Finding::new(
                verdict,
                "The hub doesn't say what the model's deployment is doing. No call is made on a guess; looking again.",
            )
        }
        Step::Wait(_) | Step::WaitThenCall(..) | Step::Call(_) | Step::Retry(_)
            if seen.suspended() =>
        {
            would(seen, remote, wanted)
        }
        Step::Wait(verdict) => wait(seen, status, remote, verdict),
        Step::WaitThenCall(verdict, direction) => {
            if overdue(seen, status) && !called_since(status) {
                call(seen, status, remote, direction)
            } else {
                wait(seen, status, remote, verdict)
            }
        }
        Step::Call(direction) => call(seen, status, remote, direction),
        Step::Retry(direction) => retry(seen, status, remote, direction),
    }
}

/// The desired state is reached: the budgets are whole again, but for the corrections, of which
/// each one ends here.
fn settle(status: &mut OxenModelStatus, remote: &Remote, verdict: Verdict) -> Finding {
    let spent = attempts(status);
    status.attempts = Some(Attempts {
        generation: spent.generation,
        settled: Some(true),
        corrections: spent.corrections,
        ..Attempts::default()
    });
    let others = if remote.others.is_empty() {
        String::new()
    } else {
        format!(" Other deployments of it: {}.", remote.others.join(", "))
    };
    let words = match (verdict, remote.deployment) {
        (Verdict::AlwaysActive, _) => "A base model is always active.".to_owned(),
        (_, Deployment::None) => {
            "The hub lists no deployment of the model, so nothing bills.".into()
        }
        (_, deployment) => format!("The model is {deployment}, as declared.{others}"),
    };
    Finding::new(verdict, words)
}

fn stuck(verdict: Verdict, remote: &Remote) -> String {
    if verdict == Verdict::BaseModelCannotDeactivate {
        format!(
            "{} is a base model: always active, billed by use, and it can't be deactivated. Declare `state: active`, or delete this object.",
            remote.model.id
        )
    } else {
        format!(
            "The hub knows {} and lists no deployment of it, so there is nothing to activate. Deploy it on the hub first.",
            remote.model.id
        )
    }
}

/// What would be done, were it not suspended.
fn would(seen: &Observation<'_>, remote: &Remote, wanted: State) -> Finding {
    let verdict = match wanted {
        State::Active => Verdict::WouldActivate,
        State::Inactive => Verdict::WouldDeactivate,
    };
    let because = if seen.rules.observe_only {
        "the operator runs with --observe-only"
    } else {
        "spec.suspend is true"
    };
    Finding::new(
        verdict,
        format!(
            "The model is {}, and {wanted} is declared; no call is made because {because}.",
            remote.deployment
        ),
    )
}

fn wait(
    seen: &Observation<'_>,
    status: &OxenModelStatus,
    remote: &Remote,
    verdict: Verdict,
) -> Finding {
    let deployment = remote.deployment;
    if overdue(seen, status) {
        return Finding::new(
            Verdict::ProgressDeadlineExceeded,
            format!(
                "The model has been {deployment} for longer than its progress deadline. Still looking; see what the hub says of it, or raise spec.progressDeadline."
            ),
        );
    }
    let then = if verdict == Verdict::WaitingForDeployment {
        " It is deactivated once that has ended."
    } else if verdict == Verdict::WaitingForDeactivation {
        " It is activated once that has ended."
    } else {
        ""
    };
    Finding::new(verdict, format!("The model is {deployment}.{then}"))
}

/// A failed deployment is left alone for a while, longer each time.
fn retry(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
    direction: Direction,
) -> Finding {
    let spent = attempts(status);
    let tries = spent.failures.unwrap_or_default();
    if spent_on_refusals(&spent).is_some() {
        return call(seen, status, remote, direction);
    }
    let delay = seen.rules.failure_delays.get(tries as usize);
    let Some(delay) = delay.filter(|_| sends(status) < CALLS) else {
        return Finding::new(
            Verdict::DeploymentFailed,
            format!(
                "The hub's deployment of the model failed, and again after each {direction} that one generation may send. See what the hub says of it; then {}.",
                how_to_retry()
            ),
        );
    };
    let rested = [&status.since, &spent.last_call]
        .into_iter()
        .flatten()
        .map(|then| seen.since(then.0))
        .min()
        .unwrap_or_default();
    if rested < *delay {
        return Finding::new(
            Verdict::DeploymentError,
            format!("The hub's deployment of the model failed; {direction} is tried again after a while."),
        )
        .wait(*delay - rested);
    }
    let finding = call(seen, status, remote, direction);
    if matches!(finding.action, Action::Call { .. }) {
        let spent = attempts(status);
        status.attempts = Some(Attempts {
            failures: Some(tries + 1),
            ..spent
        });
    }
    finding
}

/// Records a call within its budgets, or says which one is spent.
fn call(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
    direction: Direction,
) -> Finding {
    let unspent = attempts(status);
    let correcting = unspent.settled == Some(true);
    let verdict = match direction {
        _ if correcting => Verdict::CorrectingDrift,
        Direction::Activate => Verdict::Activating,
        Direction::Deactivate => Verdict::Deactivating,
    };
    let message = if correcting {
        format!(
            "The model became {} without this object having changed; calling {direction} to correct it.",
            remote.deployment
        )
    } else {
        format!("The model is {}; calling {direction}.", remote.deployment)
    };
    if seen.claim == Claim::MineAfterTheirs {
        return Finding::new(
            Verdict::WaitingForTurn,
            format!(
                "{direction} is due; another OxenModel of the same model comes first: its call may be under way, even if it is gone, or it has not been looked at yet."
            ),
        );
    }
    // The finalizer comes first: a call that nothing would take back must not be made.
    if merge::finalizer_due(seen) != Action::Nothing {
        return Finding::new(verdict, message);
    }
    if let Some(finding) = exhausted(seen, &unspent, remote, direction) {
        status.attempts = Some(Attempts {
            contended: (finding.verdict == Verdict::DriftContention).then_some(true),
            ..unspent
        });
        return finding;
    }
    let sends = unspent.sends.unwrap_or_default() + 1;
    status.attempts = Some(Attempts {
        sends: Some(sends),
        last_call: Some(Time(seen.now)),
        corrections: if correcting {
            Some(last_three(&unspent, seen))
        } else {
            unspent.corrections.clone()
        },
        ..unspent.clone()
    });
    status.operation = Some(Operation {
        id: seen.operation_id.clone(),
        direction,
        generation: seen.generation(),
        epoch: seen.epoch,
        started: Time(seen.now),
        sends,
        accepted: None,
    });
    Finding {
        action: Action::Call { direction, unspent },
        ..Finding::new(verdict, message)
    }
}

/// The budget that forbids another call, as a finding.
fn exhausted(
    seen: &Observation<'_>,
    spent: &Attempts,
    remote: &Remote,
    direction: Direction,
) -> Option<Finding> {
    if let Some(refused) = spent_on_refusals(spent) {
        return Some(Finding::new(
            refused,
            format!(
                "The hub refused {direction} as often as one generation may ask. Mend the cause, then {}.",
                how_to_retry()
            ),
        ));
    }
    let recent = spent
        .corrections
        .iter()
        .flatten()
        .filter(|then| seen.since(then.0) < seen.rules.correction_window)
        .count();
    let correcting = spent.settled == Some(true);
    if spent.contended == Some(true) || (correcting && recent >= CORRECTIONS) {
        return Some(Finding::new(
            Verdict::DriftContention,
            format!(
                "The model keeps leaving the declared state, or a correction shows no effect, and it was corrected as often as an hour allows: does another cluster or a person control it too? Settle that, then {}.",
                how_to_retry()
            ),
        ));
    }
    (spent.sends.unwrap_or_default() >= CALLS).then(|| {
        Finding::new(
            Verdict::CallHadNoEffect,
            format!(
                "The hub took {direction} as often as one generation may call, and the model is still {}. See what the hub says of it; then {}.",
                remote.deployment,
                how_to_retry()
            ),
        )
    })
}

/// The refusal that ends a generation's calls.
pub(super) fn spent_on_refusals(spent: &Attempts) -> Option<Verdict> {
    if spent.rejections.unwrap_or_default() >= CALLS {
        return Some(Verdict::RejectedForGood);
    }
    if spent.sends.unwrap_or_default() < CALLS {
        return None;
    }
    let refusal = spent.refusal.as_deref()?;
    Some(
        [
            Verdict::Unauthenticated,
            Verdict::Forbidden,
            Verdict::PaymentRequired,
            Verdict::ModelNotFound,
        ]
        .into_iter()
        .find(|verdict| verdict.row().reason == refusal)
        .unwrap_or(Verdict::RejectedForGood),
    )
}

fn last_three(spent: &Attempts, seen: &Observation<'_>) -> Vec<Time> {
    let mut all: Vec<Time> = spent.corrections.clone().unwrap_or_default();
    all.push(Time(seen.now));
    let extra = all.len().saturating_sub(CORRECTIONS);
    all.split_off(extra)
}

/// The transition has taken longer than `progressDeadline`.
pub(super) fn overdue(seen: &Observation<'_>, status: &OxenModelStatus) -> bool {
    let taken = status
        .since
        .as_ref()
        .map_or(Duration::ZERO, |then| seen.since(then.0));
    taken > seen.progress_deadline()
}

fn sends(status: &OxenModelStatus) -> u32 {
    attempts(status).sends.unwrap_or_default()
}

/// A call was made since the deployment became what it is.
fn called_since(status: &OxenModelStatus) -> bool {
    let last = attempts(status).last_call;
    match (&status.since, last) {
        (Some(since), Some(last)) => last.0 > since.0,
        (None, Some(_)) => true,
        (Some(_) | None, None) => false,
    }
}

pub(super) fn attempts(status: &OxenModelStatus) -> Attempts {
    status.attempts.clone().unwrap_or_default()
}

pub(super) fn how_to_retry() -> String {
    format!(
        "change the spec or set the annotation {} to a new value",
        crate::api::RECONCILE_ANNOTATION
    )
}
