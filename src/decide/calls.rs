//! From a step of the table to a finding: suspension, deadlines, attempts, and an operation's
//! record.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    attempts::{self, CALLS},
    finalizer,
    observation::{Observation, Subject},
    ownership::Ownership,
    plan::{Action, Finding},
    remote::Remote,
    table::Step,
    verdict::Verdict,
};
use crate::api::{Attempts, LiveStatus, Operation, OperationKind, OxenModelStatus, State};

/// Takes the table's step, if suspension, the progress deadline and the attempts allow it.
pub(super) fn take(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
    step: Step,
) -> Finding {
    let subject = &seen.subject;
    match step {
        Step::Settled(verdict) => settle(status, remote, verdict),
        Step::Stuck(verdict) => Finding::new(verdict, stuck(verdict, remote)),
        Step::Unknown => {
            // A suspended object waits for nothing, so it has no deadline.
            let verdict = if overdue(subject, status) && !subject.suspended() {
                Verdict::ProgressDeadlineExceeded
            } else {
                Verdict::StatusUnknown
            };
            Finding::new(
                verdict,
                "The hub doesn't report what the model's deployment is doing. No call is made \
                 until it does; the operator keeps polling.",
            )
        }
        Step::Wait(_) | Step::WaitThenCall(..) | Step::Call(_) | Step::Retry(_)
            if subject.suspended() =>
        {
            would_call(subject, remote)
        }
        Step::Wait(verdict) => wait(subject, status, remote, verdict),
        Step::WaitThenCall(verdict, kind) => {
            if overdue(subject, status) && !called_since(status) {
                call(subject, status, remote, kind)
            } else {
                wait(subject, status, remote, verdict)
            }
        }
        Step::Call(kind) => call(subject, status, remote, kind),
        Step::Retry(kind) => retry(subject, status, remote, kind),
    }
}

fn settle(status: &mut OxenModelStatus, remote: &Remote, verdict: Verdict) -> Finding {
    attempts::settle(status);
    let others = if remote.others.is_empty() {
        String::new()
    } else {
        format!(" Its other deployments are {}.", remote.others.join(", "))
    };
    let message = match (verdict, remote.live) {
        (Verdict::AlwaysActive, _) => "A base model is always active.".to_owned(),
        (_, LiveStatus::None) => {
            "The hub lists no deployment of the model, so nothing bills.".into()
        }
        (_, live) => format!("The model is {live}, as declared.{others}"),
    };
    Finding::new(verdict, message)
}

fn stuck(verdict: Verdict, remote: &Remote) -> String {
    let id = &remote.model.id;
    if verdict == Verdict::BaseModelCannotDeactivate {
        format!(
            "{id} is a base model, which is always active, is billed by use, and can't be \
             deactivated. Declare `state: active`, or delete this object."
        )
    } else {
        format!(
            "The hub lists no deployment of {id}, so there is nothing to activate. Deploy the \
             model on the hub first."
        )
    }
}

/// The finding for a suspended object whose model is not in the desired state.
fn would_call(subject: &Subject<'_>, remote: &Remote) -> Finding {
    let desired = subject.desired();
    let verdict = match desired {
        State::Active => Verdict::WouldActivate,
        State::Inactive => Verdict::WouldDeactivate,
    };
    let because = if subject.rules.observe_only {
        "the operator runs with --observe-only"
    } else {
        "spec.suspend is true"
    };
    Finding::new(
        verdict,
        format!(
            "The model is {}, and the desired state is {desired}. No call is made because \
             {because}.",
            remote.live
        ),
    )
}

fn wait(
    subject: &Subject<'_>,
    status: &OxenModelStatus,
    remote: &Remote,
    verdict: Verdict,
) -> Finding {
    let live = remote.live;
    if overdue(subject, status) {
        return Finding::new(
            Verdict::ProgressDeadlineExceeded,
            format!(
                "The model has been {live} for longer than its progress deadline. The operator \
                 keeps polling. Check what the hub says about the model, or raise \
                 spec.progressDeadline."
            ),
        );
    }
    let then = if verdict == Verdict::WaitingForDeployment {
        " The operator deactivates it once the deployment has ended."
    } else if verdict == Verdict::WaitingForDeactivation {
        " The operator activates it once the deactivation has ended."
    } else {
        ""
    };
    Finding::new(verdict, format!("The model is {live}.{then}"))
}

/// Makes a call for a failed deployment, after a wait that grows with each try.
fn retry(
    subject: &Subject<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
    kind: OperationKind,
) -> Finding {
    let spent = status.attempts();
    let tries = spent.failures.unwrap_or_default();
    if attempts::exhausted_by_refusals(&spent).is_some() {
        return call(subject, status, remote, kind);
    }
    let delay = subject.rules.failure_delays.get(tries as usize);
    let Some(delay) = delay.filter(|_| spent.sends.unwrap_or_default() < CALLS) else {
        return Finding::new(
            Verdict::DeploymentFailed,
            format!(
                "The hub's deployment of the model failed, and failed again after each {kind} \
                 call that one generation may make. Check what the hub says about it, then {}.",
                attempts::how_to_retry()
            ),
        );
    };
    let waited = [&status.since, &spent.last_call]
        .into_iter()
        .flatten()
        .map(|then| subject.since(then.0))
        .min()
        .unwrap_or_default();
    if waited < *delay {
        return Finding::new(
            Verdict::DeploymentError,
            format!(
                "The hub's deployment of the model failed. The operator retries the {kind} call \
                 after a wait."
            ),
        )
        .wait(*delay - waited);
    }
    let finding = call(subject, status, remote, kind);
    if matches!(finding.action, Action::Call { .. }) {
        status.attempts = Some(Attempts {
            failures: Some(tries + 1),
            ..status.attempts()
        });
    }
    finding
}

/// Records an operation, or says which limit forbids the call.
fn call(
    subject: &Subject<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
    kind: OperationKind,
) -> Finding {
    let unspent = status.attempts();
    let correcting = unspent.settled == Some(true);
    let verdict = match kind {
        _ if correcting => Verdict::CorrectingDrift,
        OperationKind::Activate => Verdict::Activating,
        OperationKind::Deactivate => Verdict::Deactivating,
    };
    let message = if correcting {
        format!(
            "The model became {} although this object had not changed. The operator sends {kind} \
             to correct it.",
            remote.live
        )
    } else {
        format!("The model is {}. The operator sends {kind}.", remote.live)
    };
    if subject.ownership == Ownership::Pending {
        return Finding::new(
            Verdict::OperationInProgress,
            format!(
                "The {kind} call is due. It waits for another OxenModel of the same model, which \
                 has an open operation or has not been observed yet."
            ),
        );
    }
    // The finalizer comes first: a call that no deletion would reverse must not be made.
    if finalizer::due(subject, Some(remote)) != Action::Nothing {
        return Finding::new(verdict, message);
    }
    if let Some(finding) = attempts::exhausted(subject, &unspent, remote, kind) {
        status.attempts = Some(Attempts {
            contended: (finding.verdict == Verdict::DriftContention).then_some(true),
            ..unspent
        });
        return finding;
    }
    let spent = attempts::spend(subject, &unspent);
    status.operation = Some(Operation {
        id: subject.operation_id.clone(),
        kind,
        generation: subject.generation(),
        epoch: subject.epoch,
        started: Time(subject.now),
        sends: spent.sends.unwrap_or_default(),
        accepted: None,
    });
    status.attempts = Some(spent);
    Finding {
        action: Action::Call { kind, unspent },
        ..Finding::new(verdict, message)
    }
}

/// Returns true when the transition has taken longer than the progress deadline.
pub(super) fn overdue(subject: &Subject<'_>, status: &OxenModelStatus) -> bool {
    let taken = status
        .since
        .as_ref()
        .map_or(Duration::ZERO, |then| subject.since(then.0));
    taken > subject.progress_deadline()
}

/// Returns true when a call was made since the live status last changed.
fn called_since(status: &OxenModelStatus) -> bool {
    let last = status.attempts().last_call;
    match (&status.since, last) {
        (Some(since), Some(last)) => last.0 > since.0,
        (None, Some(_)) => true,
        (Some(_) | None, None) => false,
    }
}
