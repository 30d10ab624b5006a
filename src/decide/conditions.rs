//! The conditions that a verdict leads to.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{
    verdict::{Presentation, Progress, Ready, Verdict},
    words,
};

/// The condition that says whether the model is in the desired state.
pub const READY: &str = "Ready";
/// The condition that says whether the hub answered for this model with this key.
pub const SYNCED: &str = "Synced";
/// The condition that is present, and True, while the operator is working towards the desired
/// state.
pub const RECONCILING: &str = "Reconciling";
/// The condition that is present, and True, while a person or a change is needed.
pub const STALLED: &str = "Stalled";
/// The condition that is present, and True, while a deletion waits for the hub or a person.
pub const DELETION_BLOCKED: &str = "DeletionBlocked";

/// The reason that a reader of the conditions sees first. It is the reason of `Synced` while that
/// is False, and the reason of `Ready` at all other times.
#[must_use]
pub fn headline(conditions: &[Condition]) -> Option<&str> {
    let headline = if is_false(conditions, SYNCED) {
        SYNCED
    } else {
        READY
    };
    reason(conditions, headline)
}

/// Returns true when the condition of this type is present and True.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    condition(conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// Returns true when a condition is present with the status False.
#[must_use]
pub(super) fn is_false(conditions: &[Condition], type_: &str) -> bool {
    condition(conditions, type_).is_some_and(|condition| condition.status == "False")
}

/// The reason of the condition of this type, if it is present.
#[must_use]
pub(super) fn reason<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a str> {
    condition(conditions, type_).map(|condition| condition.reason.as_str())
}

/// Returns the condition of this type, if it is present.
#[must_use]
pub fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|one| one.type_ == type_)
}

/// Returns true when a change of the conditions is worth an event: another reason, or a deletion
/// that has just become blocked.
pub(super) fn is_transition(before: &[Condition], after: &[Condition]) -> bool {
    let blocked = is_true(after, DELETION_BLOCKED) && !is_true(before, DELETION_BLOCKED);
    blocked || headline(before) != headline(after)
}

/// A finding that is about to become conditions.
pub(super) struct Judgement<'a> {
    pub(super) presentation: Presentation,
    pub(super) message: &'a str,
    /// Whether the deletion waits for the hub or a person.
    pub(super) blocked: bool,
    pub(super) generation: i64,
    /// Whether `before` was judged for another desired state.
    pub(super) desired_changed: bool,
    pub(super) now: Timestamp,
    pub(super) deleting: bool,
    /// Whether a requested reconcile was answered, which replaces the messages that quote somebody.
    pub(super) refresh: bool,
}

impl Judgement<'_> {
    /// The conditions that follow `before`.
    pub(super) fn conditions(&self, before: &[Condition]) -> Vec<Condition> {
        let Presentation {
            ready,
            progress,
            reason,
            ..
        } = self.presentation;
        let kept = ready == Ready::Kept
            && !self.deleting
            && !self.desired_changed
            && condition(before, READY)
                .is_some_and(|ready| ready.observed_generation == Some(self.generation));
        let mut after = Vec::new();
        // The other conditions of the finding have the same message as Ready.
        let mut message = self.message.to_owned();
        if kept {
            for type_ in [READY, RECONCILING, STALLED] {
                after.extend(condition(before, type_).cloned());
            }
        } else {
            let ready = match ready {
                Ready::True => "True",
                Ready::False => "False",
                Ready::Unknown | Ready::Kept => "Unknown",
            };
            message = self.message(before, READY, ready, reason);
            after.push(self.condition(before, READY, ready, reason, &message));
            let progress = match progress {
                Progress::None => None,
                Progress::Reconciling => Some(RECONCILING),
                Progress::Stalled => Some(STALLED),
            };
            after.extend(
                progress.map(|type_| self.condition(before, type_, "True", reason, &message)),
            );
        }
        after.push(if self.presentation.synced {
            self.condition(
                before,
                SYNCED,
                "True",
                "Answered",
                "The hub knows the model.",
            )
        } else {
            let message = self.message(before, SYNCED, "False", reason);
            self.condition(before, SYNCED, "False", reason, &message)
        });
        if self.blocked {
            after.push(self.condition(before, DELETION_BLOCKED, "True", reason, &message));
        }
        after
    }

    /// The finding's message, with those parts of the last one that count as the same: words of the
    /// hub that differ only in tokens with a digit, and all words that a fault or a call's outcome
    /// quotes while the reason and the generation stay the same.
    fn message(&self, before: &[Condition], type_: &str, status: &str, reason: &str) -> String {
        let last = condition(before, type_).filter(|last| last.status == status && !self.refresh);
        let Some(last) = last else {
            return self.message.to_owned();
        };
        let quoted = self.presentation.quotes
            && last.reason == reason
            && last.observed_generation == Some(self.generation);
        let (last_own, last_notes) = words::split_notes(&last.message);
        let (own, notes) = words::split_notes(self.message);
        let own = if quoted { last_own } else { own };
        let same = own == last_own && words::are_same_notes(last_notes, notes);
        format!("{own}{}", if same { last_notes } else { notes })
    }

    /// Makes a condition. It keeps its time while its status stays the same.
    fn condition(
        &self,
        before: &[Condition],
        type_: &str,
        status: &str,
        reason: &str,
        message: &str,
    ) -> Condition {
        let last = condition(before, type_).filter(|last| last.status == status);
        Condition {
            type_: type_.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            observed_generation: Some(self.generation),
            last_transition_time: last
                .map_or(Time(self.now), |last| last.last_transition_time.clone()),
        }
    }
}

/// The conditions of an object that can't be decoded. If `deleting` is true, the object is being
/// deleted, and the deletion is blocked until a person corrects the object.
#[must_use]
pub fn undecodable(
    before: &[Condition],
    problem: &str,
    deleting: bool,
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let judgement = Judgement {
        presentation: Verdict::InvalidSpec.presentation(),
        message: problem,
        blocked: deleting,
        generation,
        desired_changed: false,
        now,
        deleting,
        refresh: false,
    };
    judgement.conditions(before)
}
