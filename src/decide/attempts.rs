//! Attempts: the calls, retries and corrections that one generation may make, and the limits that
//! forbid another call.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{observation::Subject, plan::Finding, remote::Remote, verdict::Verdict};
use crate::api::{Attempts, OperationKind, OxenModelStatus, RECONCILE_ANNOTATION};

/// The number of calls that one generation may make before its object is Stalled.
pub const CALLS: u32 = 3;

/// The number of corrections within [`Rules::correction_window`](super::Rules::correction_window).
pub const CORRECTIONS: usize = 3;

/// Resets the attempts for a new generation, and for a reconcile request that the hub answered.
pub(super) fn renew(subject: &Subject<'_>, status: &mut OxenModelStatus, answered: bool) {
    let generation = subject.generation();
    if status.attempts().generation != generation {
        status.attempts = Some(fresh(generation));
    }
    if let (true, Some(requested)) = (answered, subject.requested()) {
        status.attempts = Some(Attempts {
            settled: status.attempts().settled,
            ..fresh(generation)
        });
        status.last_handled_reconcile_at = Some(requested.to_owned());
    }
}

fn fresh(generation: i64) -> Attempts {
    Attempts {
        generation,
        ..Attempts::default()
    }
}

/// Resets all attempts but the corrections, because the model reached the desired state. A later
/// call in the same generation is a correction.
pub(super) fn settle(status: &mut OxenModelStatus) {
    let spent = status.attempts();
    status.attempts = Some(Attempts {
        generation: spent.generation,
        settled: Some(true),
        corrections: spent.corrections,
        ..Attempts::default()
    });
}

/// The attempts after one more call.
pub(super) fn spend(subject: &Subject<'_>, unspent: &Attempts) -> Attempts {
    let correcting = unspent.settled == Some(true);
    Attempts {
        sends: Some(unspent.sends.unwrap_or_default() + 1),
        last_call: Some(Time(subject.now)),
        corrections: if correcting {
            Some(last_three(unspent, subject))
        } else {
            unspent.corrections.clone()
        },
        ..unspent.clone()
    }
}

/// The finding that another call is forbidden, or `None` if no limit is reached.
pub(super) fn exhausted(
    subject: &Subject<'_>,
    spent: &Attempts,
    remote: &Remote,
    kind: OperationKind,
) -> Option<Finding> {
    if let Some(refused) = exhausted_by_refusals(spent) {
        return Some(Finding::new(
            refused,
            format!(
                "{CALLS} calls were made, and the hub refused the last {kind}. No more calls are made \
                 for this generation. Fix the cause, then {}.",
                how_to_retry()
            ),
        ));
    }
    let recent = spent
        .corrections
        .iter()
        .flatten()
        .filter(|then| subject.since(then.0) < subject.rules.correction_window)
        .count();
    let correcting = spent.settled == Some(true);
    if spent.contended == Some(true) || (correcting && recent >= CORRECTIONS) {
        return Some(Finding::new(
            Verdict::DriftContention,
            format!(
                "The model was corrected {CORRECTIONS} times within an hour and is still not in \
                 the desired state. Check whether another cluster or a person controls it too, \
                 then {}.",
                how_to_retry()
            ),
        ));
    }
    (spent.sends.unwrap_or_default() >= CALLS).then(|| {
        Finding::new(
            Verdict::CallHadNoEffect,
            format!(
                "{CALLS} calls were made, and the model is still {}. Check what the hub says about it, \
                 then {}.",
                remote.live,
                how_to_retry()
            ),
        )
    })
}

/// The verdict for a generation whose calls the hub refused too often, or `None` if it didn't.
pub(super) fn exhausted_by_refusals(spent: &Attempts) -> Option<Verdict> {
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
        .find(|verdict| verdict.presentation().reason == refusal)
        .unwrap_or(Verdict::RejectedForGood),
    )
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
