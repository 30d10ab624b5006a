//! The decision table: the live status and the desired state give the next step.

use super::{remote::Remote, verdict::Verdict};
use crate::api::{LiveStatus, OperationKind, State};

/// The next step. [`super::calls`] takes it, as far as suspension, deadline and attempts allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The model is in the desired state.
    Settled(Verdict),
    /// Wait for the model's transition to end.
    Wait(Verdict),
    /// Wait for the model's transition to end, and make the call if it passes the progress
    /// deadline.
    WaitThenCall(Verdict, OperationKind),
    /// Make the call now.
    Call(OperationKind),
    /// The hub's deployment failed: make the call after a wait, a few times.
    Retry(OperationKind),
    /// No call can reach the desired state.
    Stuck(Verdict),
    /// The live status is not known: do nothing.
    Unknown,
}

/// The step for one live status and one desired state.
pub(super) fn step(remote: &Remote, desired: State) -> Step {
    if remote.base {
        return match desired {
            State::Active => Step::Settled(Verdict::AlwaysActive),
            State::Inactive => Step::Stuck(Verdict::BaseModelCannotDeactivate),
        };
    }
    match (remote.live, desired) {
        (LiveStatus::Active, State::Active) => Step::Settled(Verdict::Active),
        (LiveStatus::Inactive, State::Active) => Step::Call(OperationKind::Activate),
        (LiveStatus::Deploying, State::Active) => Step::Wait(Verdict::Activating),
        (LiveStatus::Deactivating, State::Active) => Step::Wait(Verdict::WaitingForDeactivation),
        (LiveStatus::Error, State::Active) => Step::Retry(OperationKind::Activate),
        (LiveStatus::None, State::Active) => Step::Stuck(Verdict::NoDeployment),

        (LiveStatus::Active, State::Inactive) => Step::Call(OperationKind::Deactivate),
        (LiveStatus::Inactive | LiveStatus::None, State::Inactive) => {
            Step::Settled(Verdict::Inactive)
        }
        // A deployment may bill, and may never end.
        (LiveStatus::Deploying, State::Inactive) => {
            Step::WaitThenCall(Verdict::WaitingForDeployment, OperationKind::Deactivate)
        }
        (LiveStatus::Deactivating, State::Inactive) => Step::Wait(Verdict::Deactivating),
        (LiveStatus::Error, State::Inactive) => Step::Retry(OperationKind::Deactivate),

        (LiveStatus::Unknown, State::Active | State::Inactive) => Step::Unknown,
    }
}
