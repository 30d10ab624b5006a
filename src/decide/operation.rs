//! An open operation: from its record until the hub shows what became of the call.
//!
//! While an operation is open, no other call is sent for the model, and the object is not Ready,
//! whatever the call's own answer was.

use std::time::Duration;

use super::{
    attempts,
    calls::overdue,
    diagnosis,
    effect::{shows, still_old},
    fault::HubFault,
    observation::Observation,
    plan::{Action, Finding, Plan},
    remote::Remote,
    verdict::Verdict,
};
use crate::api::{Attempts, LiveStatus, Operation, OperationKind, OxenModelStatus};

/// The number of live GETs that must still show the old status after the patience has ended.
const LATE_OBSERVATIONS: u32 = 2;

/// What became of an activate or deactivate call.
#[derive(Clone, Debug, PartialEq)]
pub enum CallOutcome {
    /// The hub accepted the call.
    Accepted,
    /// The hub refused the call, which had no effect.
    Refused(HubFault),
    /// The call was sent, and its effect is not known.
    Unknown {
        /// What came instead of an answer.
        words: String,
        /// The time after which the hub may be asked about this object again, if the hub names one.
        wait: Option<Duration>,
    },
    /// The call was not sent, for this reason.
    NotSent(&'static str),
}

impl CallOutcome {
    /// The outcome of a call that was sent and got no usable answer. `words` say what came instead.
    #[must_use]
    pub fn unknown(words: impl Into<String>) -> Self {
        Self::Unknown {
            words: words.into(),
            wait: None,
        }
    }
}

/// Closes the open operation where the live GET allows it. Otherwise the open operation is the
/// finding.
pub(super) fn follow(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
) -> Option<Finding> {
    let operation = status.operation.as_ref()?;
    let (elapsed, unmoved) = seen.watched();
    let expired = elapsed >= seen.subject.rules.operation_patience
        && unmoved >= LATE_OBSERVATIONS
        && still_old(operation.kind, remote.live);
    if expired || shows(operation.kind, remote.live) {
        status.operation = None;
        return None;
    }
    Some(open(seen, operation, status, remote))
}

fn open(
    seen: &Observation<'_>,
    operation: &Operation,
    status: &OxenModelStatus,
    remote: &Remote,
) -> Finding {
    let kind = operation.kind;
    // An operation stays open past the deadline only if the hub doesn't report the model's status.
    let silent = remote.live == LiveStatus::Unknown && overdue(&seen.subject, status);
    if silent && !seen.subject.suspended() {
        return Finding::new(
            Verdict::ProgressDeadlineExceeded,
            format!(
                "The {kind} call was sent, and the hub doesn't report the model's status. No \
                 other call is made until it does. Check the model on the hub."
            ),
        );
    }
    if operation.accepted != Some(true) {
        return Finding::new(
            Verdict::OutcomeUnknown,
            format!(
                "The {kind} call was sent, and its outcome is not known. No other call is made \
                 until the hub shows its effect."
            ),
        );
    }
    let correcting = status.attempts().settled == Some(true);
    let verdict = match kind {
        _ if correcting => Verdict::CorrectingDrift,
        OperationKind::Activate => Verdict::Activating,
        OperationKind::Deactivate => Verdict::Deactivating,
    };
    Finding::new(
        verdict,
        format!(
            "The hub accepted the {kind} call; the model is still {}.",
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
    let (kind, unspent) = match plan.action {
        Action::Call { kind, unspent } => (kind, unspent),
        Action::Nothing | Action::AddFinalizer | Action::RemoveFinalizer => {
            return Finding::new(plan.verdict, plan.message);
        }
    };
    match outcome {
        CallOutcome::Accepted => {
            if let Some(operation) = &mut status.operation {
                operation.accepted = Some(true);
            }
            not_refused(status);
            Finding::new(plan.verdict, plan.message)
        }
        CallOutcome::Unknown { words, wait } => {
            not_refused(status);
            let finding = Finding::new(
                Verdict::OutcomeUnknown,
                format!(
                    "The {kind} call was sent, and its outcome is not known ({words}). No other \
                     call is made until the hub shows its effect."
                ),
            );
            Finding {
                wait: *wait,
                ..finding
            }
        }
        CallOutcome::NotSent(why) => {
            status.operation = None;
            status.attempts = Some(unspent);
            let message = format!("The {kind} call is due and was not sent: {why}.");
            Finding::new(plan.verdict, message).wait(seen.subject.rules.backoff_first)
        }
        CallOutcome::Refused(refusal) => {
            status.operation = None;
            refused(seen, status, unspent, refusal)
        }
    }
}

/// Forgets an earlier refusal, which is no longer why the model is not in the desired state.
fn not_refused(status: &mut OxenModelStatus) {
    status.attempts = Some(Attempts {
        refusal: None,
        ..status.attempts()
    });
}

fn refused(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    unspent: Attempts,
    refusal: &HubFault,
) -> Finding {
    let mut finding = diagnosis::hub_fault(seen, refusal);
    let spent = status.attempts();
    // A call that was rate limited, or that had no connection, has not been made.
    match refusal {
        HubFault::RateLimited { .. } => {
            status.attempts = Some(unspent);
            return finding;
        }
        // The live GETs succeed, so the count of failures stays zero and can't delay the next call.
        HubFault::Unreachable(_) => {
            status.attempts = Some(unspent);
            return finding.wait(seen.subject.rules.transition_last);
        }
        HubFault::Unauthenticated
        | HubFault::Forbidden(_)
        | HubFault::PaymentRequired(_)
        | HubFault::ModelNotFound(_)
        | HubFault::Unexpected(_)
        | HubFault::ModelMismatch(_)
        | HubFault::Rejected(_) => {}
    }
    let rejections = matches!(refusal, HubFault::Rejected(_))
        .then(|| spent.rejections.unwrap_or_default() + 1)
        .or(spent.rejections);
    let spent = Attempts {
        rejections,
        refusal: Some(finding.verdict.presentation().reason.into()),
        ..spent
    };
    // The first message of a reason is kept, so the last refusal has to say how to go on.
    if let Some(verdict) = attempts::exhausted_by_refusals(&spent) {
        finding.verdict = verdict;
        let retry = attempts::how_to_retry();
        finding.message +=
            &format!(" No more calls are made for this generation. Fix the cause, then {retry}.");
    } else {
        finding.message += " The operator retries the call a few times.";
    }
    status.attempts = Some(spent);
    finding
}
