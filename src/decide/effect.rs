//! What a live status says about the effect of a call.

use crate::api::{LiveStatus, OperationKind};

/// What a live status says about the effect of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The model is in the state that the call asked for.
    Target,
    /// The model is in the transition to that state, so the hub has accepted the call.
    Transition,
    /// The hub failed to deploy the model.
    Failed,
    /// The model is in none of these.
    None,
    /// The hub doesn't report the model's status.
    Unknown,
}

/// What the live status says about a call of this kind.
pub(super) fn effect(kind: OperationKind, live: LiveStatus) -> Effect {
    use OperationKind::{Activate, Deactivate};
    match (live, kind) {
        (LiveStatus::Active, Activate) => Effect::Target,
        (LiveStatus::Inactive | LiveStatus::None, Deactivate) => Effect::Target,
        (LiveStatus::Deploying, Activate) => Effect::Transition,
        (LiveStatus::Deactivating, Deactivate) => Effect::Transition,
        (LiveStatus::Error, Activate | Deactivate) => Effect::Failed,
        (LiveStatus::Unknown, Activate | Deactivate) => Effect::Unknown,
        (LiveStatus::Inactive | LiveStatus::Deactivating | LiveStatus::None, Activate)
        | (LiveStatus::Active | LiveStatus::Deploying, Deactivate) => Effect::None,
    }
}
