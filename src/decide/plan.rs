//! The plan: what to record, what to do, and when to reconcile next.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    requeue::Requeue,
    verdict::{Presentation, Verdict},
};
use crate::api::{Attempts, Operation, OperationKind, OxenModelStatus};

/// What to record, what to do, and when to reconcile next.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What was found.
    pub verdict: Verdict,
    /// The finding in words: what is the case and what to do about it.
    pub message: String,
    /// The whole status. It is written before a call, if it differs from the stored one. The
    /// finalizer is changed first.
    pub status: OxenModelStatus,
    /// The one thing to do besides writing the status.
    pub action: Action,
    /// When to reconcile next.
    pub requeue: Requeue,
    /// When the desired state changes by itself, whether or not the hub's clock agrees. The next
    /// reconcile is no later.
    pub change: Option<Timestamp>,
    /// Whether the plan has an event: the finding is a transition, or follows a call that was sent
    /// without an event.
    pub transition: bool,
    /// Whether the deletion waits for a person or the hub.
    pub blocked: bool,
}

/// The one thing that a plan does besides writing the status.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Do nothing.
    Nothing,
    /// Add the finalizer, which holds the object's deletion from then on, and decide again with the
    /// same observation.
    AddFinalizer,
    /// Remove the finalizer. This releases an object that is being deleted. For any other object,
    /// decide again with the same observation.
    RemoveFinalizer,
    /// Send an activate or deactivate call to the hub.
    Call {
        /// Which call.
        kind: OperationKind,
        /// The attempts before the call, which are restored if the call isn't counted.
        unspent: Attempts,
        /// The open operation that the call's own replaces. It is restored if the call has no
        /// effect.
        replaced: Option<Operation>,
    },
}

/// A verdict with its message and its action, before it becomes a plan.
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) message: String,
    pub(super) action: Action,
    /// The time until the next reconcile. If it is unset, the verdict's requeue policy decides.
    pub(super) wait: Option<Duration>,
    /// Whether the object is Stalled although the verdict alone says Reconciling.
    pub(super) stalled: bool,
    pub(super) blocked: bool,
}

impl Finding {
    pub(super) fn new(verdict: Verdict, message: impl Into<String>) -> Self {
        Self {
            verdict,
            message: message.into(),
            action: Action::Nothing,
            wait: None,
            stalled: false,
            blocked: false,
        }
    }

    pub(super) fn stalled_if(self, stalled: bool) -> Self {
        Self { stalled, ..self }
    }

    /// How the finding is presented.
    pub(super) fn presentation(&self) -> Presentation {
        let presentation = self.verdict.presentation();
        if self.stalled {
            presentation.stalled()
        } else {
            presentation
        }
    }

    pub(super) fn wait(self, wait: Duration) -> Self {
        Self {
            wait: Some(wait),
            ..self
        }
    }
}
