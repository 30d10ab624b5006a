//! An open operation: from its record until the hub shows what became of the call.
//!
//! While an operation is open and no live GET shows its transition, no other call is sent for the
//! model, and the object is not Ready, whatever the call's own answer was.

use std::time::Duration;

use super::{
    attempts, diagnosis,
    effect::{Effect, effect},
    fault::HubFault,
    history::History,
    observation::Observation,
    outcome::CallOutcome,
    ownership::Ownership,
    plan::{Action, Finding, Plan},
    progress,
    remote::Remote,
    verdict::Verdict,
    warm_up, words,
};
use crate::{
    api::{Attempts, LiveStatus, Operation, OxenModelStatus},
    backoff::doubled,
};

/// Closes the open operation where the live GET allows it. Otherwise the open operation is the
/// finding, unless the live GET shows its transition. In that case the hub has accepted the call,
/// and the table decides. `before` is the live status of the observation before this one.
pub(super) fn follow(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
    before: Option<LiveStatus>,
) -> Option<Finding> {
    let operation = status.operation.as_mut()?;
    match effect(operation.kind, remote.live) {
        Effect::Target => {
            warm_up::arrived(&seen.subject, status);
            close(status);
            return None;
        }
        Effect::Transition => {
            operation.accepted = Some(true);
            status.attempts = Some(attempts::accept(status.attempts()));
            return None;
        }
        Effect::Failed if before != Some(LiveStatus::Error) => {
            close(status);
            return None;
        }
        Effect::Failed | Effect::None | Effect::Unknown => {}
    }
    // The owner's operation takes the place of the one that this object recorded.
    let replaced = matches!(&seen.subject.ownership, Ownership::Lost(owner) if owner.open);
    if replaced {
        status.operation = None;
        return None;
    }
    let rules = seen.subject.rules;
    let watch = seen.history.operation.as_ref();
    let expired = watch.is_some_and(|watch| watch.is_expired(rules));
    if expired && remote.live != LiveStatus::Unknown {
        expire(status);
        return None;
    }
    let operation = status.operation.as_ref()?;
    Some(open(seen, operation, status, remote))
}

/// Ends an operation whose call the hub has accepted.
fn close(status: &mut OxenModelStatus) {
    status.operation = None;
    status.attempts = Some(attempts::accept(status.attempts()));
}

/// Ends an operation that showed no effect. A call whose answer was lost counts as a refusal.
fn expire(status: &mut OxenModelStatus) {
    if let Some(operation) = status.operation.take()
        && operation.accepted != Some(true)
    {
        status.attempts = Some(attempts::refund(status.attempts(), &operation));
    }
}

fn open(
    seen: &Observation<'_>,
    operation: &Operation,
    status: &OxenModelStatus,
    remote: &Remote,
) -> Finding {
    let kind = operation.kind;
    if seen.subject.suspended() {
        return progress::would_call(&seen.subject, remote);
    }
    if operation.accepted != Some(true) {
        return Finding::new(
            Verdict::OutcomeUnknown,
            format!(
                "The {kind} call was sent, and its outcome is not known. No other call is made \
                 until the hub shows its effect."
            ),
        )
        .stalled_if(attempts::is_refused_for_long(&status.attempts()));
    }
    Finding::new(
        progress::verdict(kind, status),
        format!(
            "The hub accepted the {kind} call; the model is {}.",
            remote.live
        ),
    )
}

/// The finding that a call's outcome leads to.
pub(super) fn after_call(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    plan: Plan,
    outcome: &CallOutcome,
) -> Finding {
    let (kind, unspent, replaced) = match plan.action {
        Action::Call {
            kind,
            unspent,
            replaced,
        } => (kind, unspent, replaced),
        Action::Nothing | Action::AddFinalizer | Action::RemoveFinalizer => {
            return Finding::new(plan.verdict, words::split_notes(&plan.message).0);
        }
    };
    match outcome {
        CallOutcome::Accepted => {
            if let Some(operation) = &mut status.operation {
                operation.accepted = Some(true);
            }
            status.attempts = Some(attempts::accept(status.attempts()));
            Finding::new(
                progress::verdict(kind, status),
                progress::accepted_message(status, kind),
            )
        }
        CallOutcome::Unknown { words, wait } => {
            let finding = Finding::new(
                Verdict::OutcomeUnknown,
                format!(
                    "The {kind} call was sent, and its outcome is not known ({words}). No other \
                     call is made until the hub shows its effect."
                ),
            )
            .stalled_if(attempts::is_refused_for_long(&unspent));
            Finding {
                wait: *wait,
                ..finding
            }
        }
        CallOutcome::NotSent(why) => {
            status.operation = replaced;
            let refused = attempts::last_refusal(&unspent);
            let stalled = attempts::is_refused_for_long(&unspent);
            status.attempts = Some(unspent);
            let message = format!("The {kind} call is due and was not sent: {why}.");
            let verdict = refused.unwrap_or(plan.verdict);
            Finding::new(verdict, message)
                .stalled_if(refused.is_some() && stalled)
                .wait(unsent_wait(seen))
        }
        CallOutcome::Refused { fault, wait } => {
            status.operation = replaced;
            refused(seen, status, unspent, fault, *wait)
        }
    }
}

/// The time until the next try of a call that was not sent. It doubles with each such call in a
/// row.
fn unsent_wait(seen: &Observation<'_>) -> Duration {
    let rules = seen.subject.rules;
    doubled(rules.backoff_first, seen.history.unsent, rules.backoff_last)
}

fn refused(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    unspent: Attempts,
    fault: &HubFault,
    retry_after: Option<Duration>,
) -> Finding {
    let message = diagnosis::hub_fault(seen, fault).message;
    // There was no connection, so no call was made. The live GETs are answered, so the count of
    // failures stays zero and can't delay the next call. This wait does.
    if let HubFault::Unreachable(_) = fault {
        status.attempts = Some(unspent);
        let finding = Finding::new(Verdict::HubFailing, message);
        return finding.wait(seen.subject.rules.transition_last);
    }
    let verdict = attempts::refusal(fault);
    let reason = verdict.presentation().reason;
    let spent = attempts::refuse(&status.attempts(), unspent, reason);
    // A changed Secret made the call due that was just refused. It doesn't make the next one due.
    let history = History::default();
    let wait = attempts::refusal_wait(&seen.subject, &history, &spent)
        .max(retry_after.unwrap_or_default());
    let stalled = attempts::is_refused_for_long(&spent);
    status.attempts = Some(spent);
    let message = format!("{message} The operator retries the call, less often each time.");
    Finding::new(verdict, message)
        .stalled_if(stalled)
        .wait(wait)
}
