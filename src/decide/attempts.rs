//! Attempts: the calls, retries and corrections that one generation may make, and the limits
//! that forbid another call now.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    fault::HubFault, history::History, observation::Subject, overrides, plan::Finding,
    remote::Remote, verdict::Verdict,
};
use crate::{
    api::{
        Attempts, IdleShutdown, LiveStatus, Operation, OperationKind, OxenModelStatus,
        RECONCILE_ANNOTATION,
    },
    backoff::doubled,
};

/// The number of calls that the hub may accept for one generation before its object is Stalled.
pub const CALLS: u32 = 3;

/// The number of corrections within [`Rules::correction_window`](super::Rules::correction_window).
pub const CORRECTIONS: usize = 3;

/// The number of refused calls in a row from which on the object is Stalled. The operator continues
/// to retry the call.
pub const REFUSALS: u32 = 5;

/// Resets the attempts for a new generation, for another desired state, for an accepted override,
/// and for a reconcile request that the hub answered. Another desired state and an override leave
/// the corrections as they are.
pub(super) fn renew(subject: &Subject<'_>, status: &mut OxenModelStatus, answered: bool) {
    forget_other_object(status, subject.object.metadata.uid.as_deref());
    if status.attempts.is_none() || status.attempts().generation != subject.generation() {
        status.attempts = Some(fresh(subject));
    } else if subject.desired_changed() || overrides::is_accepted(&subject.status(), status) {
        status.attempts = Some(Attempts {
            corrections: status.attempts().corrections,
            ..fresh(subject)
        });
    }
    if let (true, Some(requested)) = (answered, subject.requested()) {
        // A requested reconcile turns on a model that an idle shutdown turned off.
        let settled = status.attempts().settled;
        let allowed = subject.object.spec.idle_shutdown == Some(IdleShutdown::Allow);
        status.attempts = Some(Attempts {
            settled: settled.filter(|_| !allowed),
            ..fresh(subject)
        });
        status.last_handled_reconcile_at = Some(requested.to_owned());
    }
}

/// Removes the attempts, the operation, the activations, the model's last live status and the usage
/// from a status that was restored from a backup of an object with another UID. Returns true when
/// it is such a status.
pub(super) fn forget_other_object(status: &mut OxenModelStatus, uid: Option<&str>) -> bool {
    let spent = status.attempts.as_ref();
    let restored = spent.is_some_and(|spent| spent.uid.as_deref() != uid);
    if restored {
        status.attempts = None;
        status.operation = None;
        status.activations = None;
        status.live = None;
        status.since = None;
        status.progressing_since = None;
        status.usage = None;
    }
    restored
}

fn fresh(subject: &Subject<'_>) -> Attempts {
    Attempts {
        generation: subject.generation(),
        uid: subject.object.metadata.uid.clone(),
        ..Attempts::default()
    }
}

/// Resets all attempts but the corrections, because the model reached the desired state. A later
/// call in the same generation is a correction.
pub(super) fn settle(status: &mut OxenModelStatus) {
    let spent = status.attempts();
    status.attempts = Some(Attempts {
        generation: spent.generation,
        uid: spent.uid,
        settled: Some(true),
        corrections: spent.corrections,
        ..Attempts::default()
    });
}

/// The attempts after one more call, which is made at this live status.
pub(super) fn spend(subject: &Subject<'_>, unspent: &Attempts, from: LiveStatus) -> Attempts {
    let correcting = unspent.settled == Some(true);
    let failed = from == LiveStatus::Error;
    Attempts {
        calls: Some(unspent.calls.unwrap_or_default() + 1),
        failures: (unspent.failures)
            .map(|failures| failures + u32::from(failed))
            .or(failed.then_some(1)),
        last_call: Some(Time(subject.now)),
        corrections: if correcting {
            Some(last_three(unspent, subject))
        } else {
            unspent.corrections.clone()
        },
        ..unspent.clone()
    }
}

/// The attempts after the hub refused a call. The call had no effect, so it counts as a refusal,
/// and no longer as a call.
pub(super) fn refuse(spent: &Attempts, unspent: Attempts, reason: &str) -> Attempts {
    Attempts {
        refusals: Some(unspent.refusals.unwrap_or_default() + 1),
        refusal: Some(reason.to_owned()),
        last_call: spent.last_call.clone(),
        ..unspent
    }
}

/// The attempts after an operation ended without an effect, where the call's answer was lost. The
/// call counts as a refusal.
pub(super) fn refund(spent: Attempts, operation: &Operation) -> Attempts {
    let mut corrections = spent.corrections.clone().unwrap_or_default();
    if corrections.last() == Some(&operation.started) {
        corrections.pop();
    }
    let failed = operation.from == LiveStatus::Error;
    let aborted = operation.from == LiveStatus::Deploying;
    let unspent = Attempts {
        calls: (spent.calls.map(|calls| calls.saturating_sub(1))).filter(|calls| *calls > 0),
        failures: (spent
            .failures
            .map(|it| it.saturating_sub(u32::from(failed))))
        .filter(|failures| *failures > 0),
        aborted: spent.aborted.filter(|_| !aborted),
        corrections: Some(corrections).filter(|all| !all.is_empty()),
        ..spent.clone()
    };
    let reason = Verdict::CallOutcomeUnknown.presentation().reason;
    refuse(&spent, unspent, reason)
}

/// The attempts after the hub accepted a call.
pub(super) fn accept(spent: Attempts) -> Attempts {
    Attempts {
        refusals: None,
        refusal: None,
        ..spent
    }
}

/// The verdict of a refused call.
pub(super) fn refusal(fault: &HubFault) -> Verdict {
    match fault {
        HubFault::Unauthenticated => Verdict::CallUnauthenticated,
        HubFault::Forbidden(_) => Verdict::CallForbidden,
        HubFault::PaymentRequired(_) => Verdict::CallPaymentRequired,
        HubFault::ModelNotFound(_) => Verdict::CallModelNotFound,
        HubFault::RateLimited { .. }
        | HubFault::Unreachable(_)
        | HubFault::ProviderFailed(_)
        | HubFault::Unexpected(_)
        | HubFault::ModelMismatch(_)
        | HubFault::Rejected(_) => Verdict::Rejected,
    }
}

/// The verdict of the last refusal, or `None` if the last call was not refused.
pub(super) fn last_refusal(spent: &Attempts) -> Option<Verdict> {
    let reason = spent.refusal.as_deref()?;
    spent.refusals.filter(|refusals| *refusals > 0)?;
    let known = Verdict::ALL.iter().copied().find(|verdict| {
        let presentation = verdict.presentation();
        presentation.refusal && presentation.reason == reason
    });
    Some(known.unwrap_or(Verdict::Rejected))
}

/// Returns true when the calls were refused so often that a person is needed.
pub(super) fn is_refused_for_long(spent: &Attempts) -> bool {
    spent.refusals.unwrap_or_default() >= REFUSALS
}

/// The time until the next call after a refused one may be sent, which can be zero. The wait
/// doubles with each refusal. A changed Secret ends the wait, but doesn't end the hub's
/// Retry-After.
pub(super) fn refusal_wait(subject: &Subject<'_>, history: &History, spent: &Attempts) -> Duration {
    let refusals = spent.refusals.unwrap_or_default();
    if refusals == 0 {
        return history.call_wait;
    }
    let rules = subject.rules;
    let longest = subject.sync_interval().min(rules.refusal_last);
    let delay = doubled(
        rules.refusal_first,
        refusals - 1,
        longest.max(rules.refusal_first),
    );
    let waited = spent
        .last_call
        .as_ref()
        .map_or(delay, |then| subject.since(then.0));
    if history.secret_changed {
        return history.call_wait;
    }
    delay.saturating_sub(waited).max(history.call_wait)
}

/// The finding that another call is forbidden, or `None` if no limit is reached.
pub(super) fn exhausted(
    subject: &Subject<'_>,
    spent: &Attempts,
    remote: &Remote,
    kind: OperationKind,
) -> Option<Finding> {
    if spent.settled == Some(true)
        && let Some(wait) = correction_wait(subject, spent)
    {
        let causes = match kind {
            OperationKind::Activate => {
                "the hub's idle shutdown, another cluster or a person. If an idle model may be \
                 off, set spec.idleShutdown: Allow."
            }
            OperationKind::Deactivate => {
                "another cluster or a person. To keep the model active for a while, set the \
                 annotation oxen.ai/override to \"active until TIME\"."
            }
        };
        let finding = Finding::new(
            Verdict::DriftContention,
            format!(
                "The model was corrected {CORRECTIONS} times within an hour and is {} again. The \
                 operator makes the next correction when an hour has passed since the first of \
                 the three. Find out what changes the model: {causes}",
                remote.live
            ),
        );
        return Some(finding.wait(wait));
    }
    (spent.calls.unwrap_or_default() >= CALLS).then(|| {
        Finding::new(
            Verdict::CallHadNoEffect,
            format!(
                "The hub accepted {kind} {CALLS} times, and the model is still {}. Check what the \
                 hub says about it, then {}.",
                remote.live,
                how_to_retry()
            ),
        )
    })
}

/// The time until another correction may be made, or `None` if the limit is not reached.
fn correction_wait(subject: &Subject<'_>, spent: &Attempts) -> Option<Duration> {
    let window = subject.rules.correction_window;
    let ages = spent.corrections.iter().flatten();
    let ages = ages.map(|then| subject.since(then.0));
    let recent: Vec<Duration> = ages.filter(|age| *age < window).collect();
    let oldest = recent.iter().max()?;
    (recent.len() >= CORRECTIONS).then(|| window.saturating_sub(*oldest))
}

fn last_three(spent: &Attempts, subject: &Subject<'_>) -> Vec<Time> {
    let mut all: Vec<Time> = spent.corrections.clone().unwrap_or_default();
    all.push(Time(subject.now));
    let extra = all.len().saturating_sub(CORRECTIONS);
    all.split_off(extra)
}

/// What gives an object new attempts, as the end of a sentence.
pub(super) fn how_to_retry() -> String {
    format!("change the spec or set the annotation {RECONCILE_ANNOTATION} to a new value")
}
