//! The status that a finding is written into, and the plan that comes of both.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{
    Action, Finding, Look, Marker, Observation, Plan, Ready, Remote, calls, deletion, pace,
    verdict::Row,
};
use crate::api::{Attempts, DeletionPolicy, OxenModelStatus, State};

const READY: &str = "Ready";
const SYNCED: &str = "Synced";
const RECONCILING: &str = "Reconciling";
const STALLED: &str = "Stalled";

/// The last status, made ready for this generation: a new one starts with whole budgets, and so
/// does a requested reconcile, once a look has answered it.
pub(super) fn carry(seen: &Observation<'_>) -> OxenModelStatus {
    let mut status = seen.status();
    let generation = seen.generation();
    status.observed_generation = generation;
    status.desired = Some(if seen.deleting() {
        State::Inactive
    } else {
        super::desired(seen.object, seen.now)
    });
    let spent = calls::attempts(&status);
    if spent.generation != generation {
        status.attempts = Some(fresh(generation));
    }
    if let (Look::Seen(_), Some(asked)) = (&seen.look, seen.requested()) {
        status.attempts = Some(Attempts {
            settled: calls::attempts(&status).settled,
            ..fresh(generation)
        });
        status.last_handled_reconcile_at = Some(asked.to_owned());
    }
    status
}

fn fresh(generation: i64) -> Attempts {
    Attempts {
        generation,
        ..Attempts::default()
    }
}

/// Notes what the live retrieve showed.
pub(super) fn note(seen: &Observation<'_>, status: &mut OxenModelStatus, remote: &Remote) {
    if status.deployment != Some(remote.deployment) {
        status.deployment = Some(remote.deployment);
        status.since = Some(Time(seen.now));
    }
    status.model = Some(remote.model.clone());
    status.pricing.clone_from(&remote.pricing);
}

/// The finalizer is wanted on a custom model that deleting the object would deactivate. It is
/// set after the first good look, of this pass or an earlier one, and before the first call.
pub(super) fn finalizer_due(seen: &Observation<'_>) -> Action {
    let wanted = seen.policy() == DeletionPolicy::Deactivate && !seen.suspended();
    let known = seen.object.status.as_ref().and_then(|it| it.model.as_ref());
    let custom = match &seen.look {
        Look::Seen(remote) => !remote.base,
        Look::Unneeded | Look::Failed(_) => known.is_some_and(|model| !model.is_base()),
    };
    match (wanted, seen.has_finalizer()) {
        (true, false) if custom => Action::AddFinalizer,
        (false, true) => Action::RemoveFinalizer,
        (true | false, true | false) => Action::Nothing,
    }
}

/// From a finding to a plan.
pub(super) fn conclude(
    seen: &Observation<'_>,
    mut status: OxenModelStatus,
    finding: Finding,
) -> Plan {
    let before = std::mem::take(&mut status.conditions);
    let requeue = pace::requeue(seen, &status, &finding);
    let row = finding.verdict.row();
    let judgement = Judgement {
        row,
        message: &finding.message,
        generation: seen.generation(),
        now: seen.now,
        keep: row.ready == Ready::Kept && !seen.deleting(),
        refresh: seen.requested().is_some() && matches!(seen.look, Look::Seen(_)),
    };
    status.conditions = judgement.conditions(&before);
    let newly_blocked = finding.blocked
        && find(&before, READY)
            .is_none_or(|ready| !ready.message.ends_with(deletion::HOW_TO_LET_GO));
    let action = if finding.action == Action::Nothing && !seen.deleting() {
        finalizer_due(seen)
    } else {
        finding.action
    };
    Plan {
        news: newly_blocked || headline(&before) != Some(row.reason),
        verdict: finding.verdict,
        message: finding.message,
        status,
        action,
        requeue,
        blocked: finding.blocked,
    }
}

/// The reason that a reader of the conditions sees first: why the hub isn't heard, else whether all is as declared.
#[must_use]
pub fn headline(conditions: &[Condition]) -> Option<&str> {
    let synced = find(conditions, SYNCED).filter(|synced| synced.status == "False");
    synced
        .or(find(conditions, READY))
        .map(|condition| condition.reason.as_str())
}

fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|one| one.type_ == type_)
}

/// A verdict about to become conditions.
struct Judgement<'a> {
    row: Row,
    message: &'a str,
    generation: i64,
    now: Timestamp,
    keep: bool,
    refresh: bool,
}

impl Judgement<'_> {
    fn conditions(&self, before: &[Condition]) -> Vec<Condition> {
        let kept = self.keep
            && find(before, READY)
                .is_some_and(|ready| ready.observed_generation == Some(self.generation));
        let mut after = Vec::new();
        if kept {
            for type_ in [READY, RECONCILING, STALLED] {
                after.extend(find(before, type_).cloned());
            }
        } else {
            let ready = match self.row.ready {
                Ready::True => "True",
                Ready::False => "False",
                Ready::Unknown | Ready::Kept => "Unknown",
            };
            after.push(self.condition(before, READY, ready, self.row.reason, self.message));
            let marker = match self.row.marker {
                Marker::None => None,
                Marker::Reconciling => Some(RECONCILING),
                Marker::Stalled => Some(STALLED),
            };
            after.extend(marker.map(|marker| {
                self.condition(before, marker, "True", self.row.reason, self.message)
            }));
        }
        let (synced, reason, message) = if self.row.synced {
            ("True", "Answered", "The hub knows the model.")
        } else {
            ("False", self.row.reason, self.message)
        };
        after.push(self.condition(before, SYNCED, synced, reason, message));
        after
    }

    /// A condition keeps its time while its status stands, and its words while they are a quote
    /// on the same matter.
    fn condition(
        &self,
        before: &[Condition],
        type_: &str,
        status: &str,
        reason: &str,
        message: &str,
    ) -> Condition {
        let last = find(before, type_).filter(|last| last.status == status);
        let same_matter = last.filter(|last| {
            self.row.quotes
                && !self.refresh
                && last.reason == reason
                && last.observed_generation == Some(self.generation)
        });
        Condition {
            type_: type_.into(),
            status: status.into(),
            reason: reason.into(),
            message: same_matter.map_or_else(|| message.to_owned(), |last| last.message.clone()),
            observed_generation: Some(self.generation),
            last_transition_time: last
                .map_or(Time(self.now), |last| last.last_transition_time.clone()),
        }
    }
}

/// The conditions of an object that can't be decoded.
#[must_use]
pub fn undecodable(
    before: &[Condition],
    problem: &str,
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let judgement = Judgement {
        row: super::Verdict::InvalidSpec.row(),
        message: problem,
        generation,
        now,
        keep: false,
        refresh: false,
    };
    judgement.conditions(before)
}
