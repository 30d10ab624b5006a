//! The findings while a model is on its way to the desired state, and the progress deadline.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    diagnosis,
    observation::{Observation, Subject},
    ownership::Ownership,
    plan::{Action, Finding},
    remote::Remote,
    verdict::{Progress, Ready, Verdict},
};
use crate::api::{LiveStatus, OVERRIDE_ANNOTATION, OperationKind, OxenModelStatus, State};

/// The verdict while a call is being made or its effect is awaited.
pub(super) fn verdict(kind: OperationKind, status: &OxenModelStatus) -> Verdict {
    match kind {
        _ if status.attempts().settled == Some(true) => Verdict::CorrectingDrift,
        OperationKind::Activate => Verdict::Activating,
        OperationKind::Deactivate => Verdict::Deactivating,
    }
}

/// The finding for a suspended object whose model is not in the desired state.
pub(super) fn would_call(subject: &Subject<'_>, remote: &Remote) -> Finding {
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

/// Returns the finding that follows an answered override request, if the object is no longer Ready
/// because of it. The model has not been observed since the request was answered.
pub(super) fn after_override(subject: &Subject<'_>) -> Finding {
    let desired = subject.desired();
    let (verdict, suspended) = match desired {
        State::Active => (Verdict::Activating, Verdict::WouldActivate),
        State::Inactive => (Verdict::Deactivating, Verdict::WouldDeactivate),
    };
    let verdict = if subject.suspended() {
        suspended
    } else {
        verdict
    };
    let message = format!(
        "The desired state is now {desired}. The operator has not observed the model since the \
         annotation {OVERRIDE_ANNOTATION} changed."
    );
    Finding::new(verdict, message)
}

/// Returns true when the object has not been as declared for longer than the progress deadline. A
/// deploying model counts from when it began to deploy, if that is earlier.
pub(super) fn is_overdue(subject: &Subject<'_>, status: &OxenModelStatus) -> bool {
    let age = |then: &Option<Time>| then.as_ref().map(|then| subject.since(then.0));
    let progressing = age(&status.progressing_since);
    let deploying = age(&status.since).filter(|_| status.live == Some(LiveStatus::Deploying));
    let longest = progressing.max(deploying).unwrap_or(Duration::ZERO);
    longest > subject.progress_deadline()
}

/// Past the progress deadline, replaces a finding that waits for the model with one that needs a
/// person.
pub(super) fn limit(seen: &Observation<'_>, status: &OxenModelStatus, finding: Finding) -> Finding {
    let subject = &seen.subject;
    let waits = finding.presentation().waits && !finding.stalled;
    let acts = finding.action != Action::Nothing;
    if !waits || acts || subject.suspended() || !is_overdue(subject, status) {
        return finding;
    }
    let message = format!(
        "{} This has taken longer than the progress deadline. The operator keeps polling. Check \
         what the hub says about the model, or raise spec.progressDeadline.",
        finding.message
    );
    Finding {
        verdict: Verdict::ProgressDeadlineExceeded,
        message,
        ..finding
    }
}

/// Notes since when the object has not been as declared. The time starts from zero after the object
/// was Ready, suspended, not the owner, Stalled for another reason, or without an answer of the hub
/// for longer than Ready is kept.
pub(super) fn track(seen: &Observation<'_>, status: &mut OxenModelStatus, finding: &Finding) {
    let presentation = finding.presentation();
    let stalled = presentation.progress == Progress::Stalled
        && finding.verdict != Verdict::ProgressDeadlineExceeded;
    let lost = matches!(seen.subject.ownership, Ownership::Lost(_));
    let silent = !seen.is_live() && diagnosis::is_silent(seen);
    if presentation.ready == Ready::True || stalled || lost || silent || seen.subject.suspended() {
        status.progressing_since = None;
    } else if seen.is_live() && presentation.ready != Ready::Kept {
        let now = Time(seen.subject.now);
        status.progressing_since.get_or_insert(now);
    }
}

/// The message of a call that the hub accepted.
pub(super) fn accepted_message(status: &OxenModelStatus, kind: OperationKind) -> String {
    let from = status.operation.as_ref().map(|open| open.from);
    let from = from.unwrap_or(LiveStatus::Unknown);
    format!("The model was {from}. The hub accepted the {kind} call.")
}
