//! Everything that a decision needs, in one value.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    budget::Refusal,
    clock::{Agreement, Clock},
    conditions::{READY, SYNCED, is_false, is_true},
    desired::desired,
    fault::Fault,
    history::History,
    ownership::Ownership,
    remote::Remote,
    rules::Rules,
};
use crate::api::{DeletionPolicy, OxenModel, OxenModelStatus, State};

/// An object and what is known about it without the hub.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The object. Its status is no older than this process's last write of it.
    pub object: &'a OxenModel,
    /// The wall clock, for the times that the status shows.
    pub now: Timestamp,
    /// Whether the hub's clock agrees with the wall clock.
    pub agreement: Agreement,
    /// The operator's defaults, waits and limits.
    pub rules: &'a Rules,
    /// A new id, for the operation that the decision may record.
    pub operation_id: String,
    /// Which object controls the model.
    pub ownership: Ownership,
    /// Whether the CustomResourceDefinition is being deleted, and every object with it.
    pub crd_terminating: bool,
}

/// Everything that [`decide`](super::decide) may know about an object after its live GET.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// The object and what is known about it without the hub.
    pub subject: Subject<'a>,
    /// What the live GET of this reconcile showed, or why it showed nothing.
    pub retrieved: Result<Box<Remote>, Fault>,
    /// What this process remembers of earlier observations, this one included.
    pub history: History,
    /// Whether the hub's list has shown that the key belongs to the model's owner. The list is
    /// requested only if a deletion depends on it.
    pub key_proven: bool,
    /// Why the budgets of the namespace allow no activate call, or `None` if they allow it. They
    /// are asked only if an activate call is due.
    pub refusal: Option<Refusal>,
}

impl Observation<'_> {
    /// The model, if the live GET showed it.
    pub(super) fn remote(&self) -> Option<&Remote> {
        self.retrieved.as_deref().ok()
    }

    /// Returns true when the live GET showed the model.
    pub(super) fn is_live(&self) -> bool {
        self.retrieved.is_ok()
    }
}

impl Subject<'_> {
    /// The object's status, or the schema's default.
    pub(super) fn status(&self) -> OxenModelStatus {
        self.object.status.clone().unwrap_or_default()
    }

    pub(super) fn generation(&self) -> i64 {
        self.object.metadata.generation.unwrap_or_default()
    }

    pub(super) fn deleting(&self) -> bool {
        self.object.metadata.deletion_timestamp.is_some()
    }

    /// The state that the model should be in now.
    pub(super) fn desired(&self) -> State {
        desired(self.object, self.clock())
    }

    /// The clock that the desired state is judged by.
    pub(super) fn clock(&self) -> Clock {
        Clock {
            now: self.now,
            agreement: self.agreement,
        }
    }

    /// Whether the desired state is another one than the stored status has. The spec, a schedule or
    /// a deletion may have changed it.
    pub(super) fn desired_changed(&self) -> bool {
        let status = self.object.status.as_ref();
        let before = status.and_then(|status| status.desired);
        before.is_some_and(|before| before != self.desired())
    }

    /// Returns true when the status shows that the last observation failed, and no `Ready` from
    /// before that.
    #[must_use]
    pub fn shows_fault(&self) -> bool {
        let current = |status: &&OxenModelStatus| status.observed_generation == self.generation();
        let status = self.object.status.as_ref().filter(current);
        status.is_some_and(|status| {
            let conditions = &status.conditions;
            is_false(conditions, SYNCED) && !is_true(conditions, READY) && !self.desired_changed()
        })
    }

    pub(super) fn policy(&self) -> DeletionPolicy {
        self.object
            .spec
            .deletion_policy
            .unwrap_or(self.rules.deletion_policy)
    }

    pub(super) fn suspended(&self) -> bool {
        self.rules.observe_only || self.object.spec.suspend == Some(true)
    }

    pub(super) fn sync_interval(&self) -> Duration {
        self.rules.sync_interval_of(self.object)
    }

    pub(super) fn grace(&self) -> Duration {
        self.rules.grace_of(self.object)
    }

    pub(super) fn progress_deadline(&self) -> Duration {
        self.object
            .spec
            .progress_deadline
            .map_or(self.rules.progress_deadline, |own| own.0)
    }

    /// The value of the reconcile annotation, until a reconcile has answered it.
    pub(super) fn requested(&self) -> Option<&str> {
        self.object.requested_reconcile()
    }

    /// How long ago a time in the status was, or zero for a time in the future.
    pub(super) fn since(&self, then: Timestamp) -> Duration {
        Duration::try_from(self.now.duration_since(then)).unwrap_or_default()
    }
}
