//! A call under way: from its record until the hub shows what became of it.
//!
//! While an operation is open there is no other call on the model and no Ready, however the call
//! was answered.

use super::{Action, Answer, Fault, Finding, Observation, Plan, Remote, Verdict, calls, fault};
use crate::api::{Attempts, Deployment, Direction, Operation, OxenModelStatus};

/// Live retrieves that must still show the old status, once the patience is over.
const LATE_LOOKS: u32 = 2;

/// Whether the status is still the one from before the call. `unknown` says nothing either way.
#[must_use]
pub fn still_old(direction: Direction, deployment: Deployment) -> bool {
    deployment != Deployment::Unknown && !shows(direction, deployment)
}

/// The status shows the call's target, its transition, or that it failed.
fn shows(direction: Direction, deployment: Deployment) -> bool {
    match (deployment, direction) {
        (Deployment::Error, _) => true,
        (Deployment::Active | Deployment::Deploying, direction) => direction == Direction::Activate,
        (Deployment::Inactive | Deployment::Deactivating, direction) => {
            direction == Direction::Deactivate
        }
        (Deployment::Unknown | Deployment::None, _) => false,
    }
}

/// Closes the open operation where the live retrieve allows it; else the open operation is what
/// was found.
pub(super) fn follow(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
) -> Option<Finding> {
    let operation = status.operation.as_ref()?;
    let given_up = seen.watched.elapsed >= seen.rules.operation_patience
        && seen.watched.unmoved >= LATE_LOOKS
        && still_old(operation.direction, remote.deployment);
    if given_up || shows(operation.direction, remote.deployment) {
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
    let direction = operation.direction;
    // Only a hub that doesn't say what the model is doing can keep it open for so long.
    let silent = remote.deployment == Deployment::Unknown && calls::overdue(seen, status);
    if silent && !seen.suspended() {
        return Finding::new(
            Verdict::ProgressDeadlineExceeded,
            format!(
                "{direction} was called, and the hub doesn't say what became of the model. No other call is made until it does; looking again."
            ),
        );
    }
    if operation.accepted != Some(true) {
        return Finding::new(
            Verdict::OutcomeUnknown,
            format!(
                "{direction} was called and what became of it is not known. No other call is made until the hub shows."
            ),
        );
    }
    let correcting = calls::attempts(status).settled == Some(true);
    let verdict = match direction {
        _ if correcting => Verdict::CorrectingDrift,
        Direction::Activate => Verdict::Activating,
        Direction::Deactivate => Verdict::Deactivating,
    };
    Finding::new(
        verdict,
        format!(
            "The hub took {direction}; the model is still {}.",
            remote.deployment
        ),
    )
}

/// What a call's answer means.
pub(super) fn answered(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    plan: Plan,
    answer: &Answer,
) -> Finding {
    let (direction, unspent) = match plan.action {
        Action::Call { direction, unspent } => (direction, unspent),
        Action::Nothing | Action::AddFinalizer | Action::RemoveFinalizer => {
            return Finding::new(plan.verdict, plan.message);
        }
    };
    match answer {
        Answer::Accepted => {
            if let Some(operation) = &mut status.operation {
                operation.accepted = Some(true);
            }
            not_refused(status);
            Finding::new(plan.verdict, plan.message)
        }
        Answer::Unknown { words, wait } => {
            not_refused(status);
            let finding = Finding::new(
                Verdict::OutcomeUnknown,
                format!(
                    "{direction} was called and what became of it is not known ({words}). No other call is made until the hub shows."
                ),
            );
            Finding {
                wait: *wait,
                ..finding
            }
        }
        Answer::NotSent(why) => {
            status.operation = None;
            status.attempts = Some(unspent);
            let message = format!("{direction} is due and was not called: {why}.");
            Finding::new(plan.verdict, message).wait(seen.rules.backoff_first)
        }
        Answer::Refused(refusal) => {
            status.operation = None;
            refused(seen, status, unspent, refusal)
        }
    }
}

/// An earlier refusal is no longer why the model isn't as declared.
fn not_refused(status: &mut OxenModelStatus) {
    status.attempts = Some(Attempts {
        refusal: None,
        ..calls::attempts(status)
    });
}

fn refused(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    unspent: Attempts,
    refusal: &Fault,
) -> Finding {
    let mut finding = fault::judge(seen, refusal);
    let spent = calls::attempts(status);
    // A call that the hub had no time for was not made, and one that found no way there neither.
    match refusal {
        Fault::RateLimited { .. } => {
            status.attempts = Some(unspent);
            return finding;
        }
        // Looks get through, so no failure counts up that would space out the tries.
        Fault::Unreachable(_) => {
            status.attempts = Some(unspent);
            return finding.wait(seen.rules.transition_last);
        }
        Fault::CredentialsNotFound { .. }
        | Fault::CredentialsInvalid { .. }
        | Fault::OperatorKeyNotAllowed
        | Fault::Unauthenticated
        | Fault::Forbidden(_)
        | Fault::PaymentRequired(_)
        | Fault::ModelNotFound(_)
        | Fault::Unexpected(_)
        | Fault::AnotherModel(_)
        | Fault::Rejected(_) => {}
    }
    let rejections = matches!(refusal, Fault::Rejected(_))
        .then(|| spent.rejections.unwrap_or_default() + 1)
        .or(spent.rejections);
    let spent = Attempts {
        rejections,
        refusal: Some(finding.verdict.row().reason.into()),
        ..spent
    };
    // These words stay while the matter does, so the last ones say how to go on.
    if let Some(verdict) = calls::spent_on_refusals(&spent) {
        finding.verdict = verdict;
        let retry = calls::how_to_retry();
        finding.message += &format!(" No call is made any more; mend the cause, then {retry}.");
    } else {
        finding.message += " The call is tried again a few times.";
    }
    status.attempts = Some(spent);
    finding
}
