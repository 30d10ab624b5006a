//! From a step of the table to a finding: suspension, deadlines, attempts, and an operation's
//! record.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    attempts::{self, CALLS},
    finalizer,
    observation::{Observation, Subject},
    plan::{Action, Finding},
    progress::{self, would_call},
    refusal,
    remote::Remote,
    table::Step,
    verdict::Verdict,
    words::quote,
};
use crate::api::{
    Attempts, Declared, IdleShutdown, LiveStatus, OVERRIDE_ANNOTATION, Operation, OperationKind,
    OxenModelStatus,
};

/// Takes the table's step, if suspension, the progress deadline and the attempts allow it.
pub(super) fn take(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
    step: Step,
) -> Finding {
    let subject = &seen.subject;
    match step {
        Step::Settled(verdict) => settle(subject, status, remote, verdict),
        Step::Stuck(verdict) => Finding::new(verdict, stuck(status, verdict, remote)),
        Step::Unknown => {
            let verdict = if subject.suspended() {
                Verdict::SuspendedStatusUnknown
            } else {
                Verdict::StatusUnknown
            };
            Finding::new(
                verdict,
                "The hub doesn't report what the model's deployment is doing. No call is made \
                 until it does.",
            )
        }
        Step::Wait(_) | Step::WaitThenCall(..) | Step::Call(_) | Step::Retry(_)
            if subject.suspended() =>
        {
            would_call(subject, remote)
        }
        Step::Wait(verdict) => wait(seen, status, remote, verdict),
        Step::WaitThenCall(verdict, kind) => {
            let aborted = status.attempts().aborted == Some(true);
            if progress::is_overdue(subject, status) && !aborted {
                abort(seen, status, remote, kind)
            } else {
                wait(seen, status, remote, verdict)
            }
        }
        Step::Call(OperationKind::Activate)
            if remote.live == LiveStatus::Inactive && may_idle(seen, status) =>
        {
            Finding::new(
                Verdict::IdleShutdown,
                "The model became inactive without a call of the operator: the hub turns off a \
                 model that has had no requests for about 15 minutes. It stays off because \
                 spec.idleShutdown is Allow. To turn it on, send it a request or request a \
                 reconcile.",
            )
        }
        Step::Call(kind) => call(seen, status, remote, kind),
        Step::Retry(kind) => retry(seen, status, remote, kind),
    }
}

/// Returns true when the object allows the hub to turn the model off, and no call has been made
/// since the model was last active.
fn may_idle(seen: &Observation<'_>, status: &OxenModelStatus) -> bool {
    let spent = status.attempts();
    seen.subject.object.spec.idle_shutdown == Some(IdleShutdown::Allow)
        && spent.settled == Some(true)
        && spent.calls.is_none()
}

fn settle(
    subject: &Subject<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
    verdict: Verdict,
) -> Finding {
    attempts::settle(status);
    let others = if remote.others.is_empty() {
        String::new()
    } else {
        format!(" Its other deployments: {}.", remote.others_counted())
    };
    let message = match (verdict, remote.live) {
        (Verdict::AlwaysActive, _) => "A base model is always active.".to_owned(),
        (_, LiveStatus::None) => {
            "The hub lists no deployment of the model, so nothing bills.".into()
        }
        (_, live) if status.override_in_force.is_some() => format!(
            "The model is {live}, as the override says. To end the override, set the annotation \
             {OVERRIDE_ANNOTATION} to none.{others}"
        ),
        (_, live) if subject.object.spec.state == Declared::Scheduled => {
            format!("The model is {live}, as the schedule says.{others}")
        }
        (_, live) => format!("The model is {live}, as declared.{others}"),
    };
    Finding::new(verdict, message)
}

fn stuck(status: &OxenModelStatus, verdict: Verdict, remote: &Remote) -> String {
    let id = quote(&remote.model.id);
    if verdict == Verdict::BaseModelCannotDeactivate {
        let remedy = if status.override_in_force.is_some() {
            format!("To end the override, set the annotation {OVERRIDE_ANNOTATION} to none.")
        } else {
            "Declare `state: active`, or delete this object.".to_owned()
        };
        format!(
            "{id} is a base model, which is always active, is billed by use, and can't be \
             deactivated. {remedy}"
        )
    } else {
        format!(
            "The hub lists no deployment of {id}, so there is nothing to activate. Deploy the \
             model on the hub first."
        )
    }
}

fn wait(
    seen: &Observation<'_>,
    status: &OxenModelStatus,
    remote: &Remote,
    verdict: Verdict,
) -> Finding {
    let then = if verdict == Verdict::WaitingForDeployment {
        " The operator deactivates it once the deployment has ended."
    } else if verdict == Verdict::WaitingForDeactivation && !may_idle(seen, status) {
        " The operator activates it once the deactivation has ended."
    } else {
        ""
    };
    Finding::new(verdict, format!("The model is {}.{then}", remote.live))
}

/// Deactivates a model that has been deploying for longer than the progress deadline. This is done
/// once for each generation.
fn abort(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
    kind: OperationKind,
) -> Finding {
    let finding = call(seen, status, remote, kind);
    if matches!(finding.action, Action::Call { .. }) {
        status.attempts = Some(Attempts {
            aborted: Some(true),
            ..status.attempts()
        });
    }
    finding
}

/// Makes a call for a failed deployment, after a wait that grows with each try.
fn retry(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
    kind: OperationKind,
) -> Finding {
    let subject = &seen.subject;
    let spent = status.attempts();
    let tries = spent.failures.unwrap_or_default();
    let delay = subject.rules.failure_delays.get(tries as usize);
    let Some(delay) = delay.filter(|_| spent.calls.unwrap_or_default() < CALLS) else {
        let off_and_on = match kind {
            OperationKind::Activate => {
                " To turn it off and on, set spec.state to inactive and then to active."
            }
            OperationKind::Deactivate => "",
        };
        return Finding::new(
            Verdict::DeploymentFailed,
            format!(
                "The hub's deployment of the model failed, and failed again after each {kind} \
                 call that one generation may make. The model may still bill. Check what the hub \
                 says about it.{off_and_on} To retry the {kind} call, {}.",
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
    if waited < *delay && attempts::last_refusal(&spent).is_none() {
        return Finding::new(
            Verdict::DeploymentError,
            format!(
                "The hub's deployment of the model failed, and the model may still bill. The \
                 operator retries the {kind} call after a wait."
            ),
        )
        .wait(*delay - waited);
    }
    if waited < *delay {
        return await_retry(&spent, kind).wait(*delay - waited);
    }
    call(seen, status, remote, kind)
}

/// The finding while the retry of a refused call is not due yet. The stored message, which quotes
/// the hub, is kept instead of this one.
fn await_retry(spent: &Attempts, kind: OperationKind) -> Finding {
    let verdict = attempts::last_refusal(spent).unwrap_or(Verdict::Rejected);
    let what = if verdict == Verdict::CallOutcomeUnknown {
        format!("The answer to the {kind} call was lost, and the call had no effect.")
    } else {
        format!("The hub refused the {kind} call.")
    };
    let message = format!("{what} The operator retries the call, less often each time.");
    Finding::new(verdict, message).stalled_if(attempts::is_refused_for_long(spent))
}

/// Records an operation, or returns the finding that the call must not be made now.
fn call(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
    kind: OperationKind,
) -> Finding {
    let subject = &seen.subject;
    if let (OperationKind::Activate, Some(refusal)) = (kind, &seen.refusal) {
        return refusal::refused(refusal, remote.live);
    }
    let unspent = status.attempts();
    let refused = attempts::last_refusal(&unspent).is_some();
    let finding = if refused {
        // A retry leaves the conditions as they are until its answer.
        await_retry(&unspent, kind)
    } else {
        let message = if unspent.settled == Some(true) {
            format!(
                "The model became {} although this object had not changed. {} The operator sends \
                 {kind} to correct it.",
                remote.live,
                cause_of_drift(kind, remote.live)
            )
        } else {
            format!("The model is {}. The operator sends {kind}.", remote.live)
        };
        Finding::new(progress::verdict(kind, status), message)
    };
    // The finalizer comes first: a call that no deletion would reverse must not be made.
    let finalizer = finalizer::due(subject, Some(remote));
    if finalizer != Action::Nothing {
        return Finding {
            action: finalizer,
            ..finding
        };
    }
    let wait = attempts::refusal_wait(subject, &seen.history, &unspent);
    if !wait.is_zero() {
        return await_retry(&unspent, kind).wait(wait);
    }
    if let Some(finding) = attempts::exhausted(subject, &unspent, remote, kind) {
        return finding;
    }
    let replaced = status.operation.replace(Operation {
        id: subject.operation_id.clone(),
        kind,
        from: remote.live,
        started: Time(subject.now),
        accepted: None,
    });
    status.attempts = Some(attempts::spend(subject, &unspent, remote.live));
    Finding {
        action: Action::Call {
            kind,
            unspent,
            replaced,
        },
        ..finding
    }
}

fn cause_of_drift(kind: OperationKind, live: LiveStatus) -> &'static str {
    match kind {
        OperationKind::Activate if live == LiveStatus::Inactive => {
            "The hub turns off a model that has had no requests for about 15 minutes; to allow \
             that, set spec.idleShutdown: Allow. Another cluster or a person may also have turned \
             it off."
        }
        OperationKind::Activate => "Another cluster or a person may also control the model.",
        OperationKind::Deactivate => {
            "Another cluster or a person may also control the model. To keep the model active for \
             a while, set the annotation oxen.ai/override to \"active until TIME\"."
        }
    }
}
