//! The decision table: what was observed, against what is desired, gives the next step.

use super::{remote::Remote, verdict::Verdict};
use crate::api::{LiveStatus, OperationKind, State};

/// What the table asks for; [`super::calls`] takes the step within the budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Observed equals desired.
    Settled(Verdict),
    /// The model is on its way; wait for it.
    Wait(Verdict),
    /// As `Wait`; past the progress deadline one call all the same.
    WaitThenCall(Verdict, OperationKind),
    /// A call is due.
    Call(OperationKind),
    /// The hub failed; a call is due after a while, a few times.
    Retry(OperationKind),
    /// No call can help.
    Stuck(Verdict),
    /// Nobody knows, so nothing is done.
    Unknown,
}

/// One row and one column of the table.
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
        // It may bill, and it may never end.
        (LiveStatus::Deploying, State::Inactive) => {
            Step::WaitThenCall(Verdict::WaitingForDeployment, OperationKind::Deactivate)
        }
        (LiveStatus::Deactivating, State::Inactive) => Step::Wait(Verdict::Deactivating),
        (LiveStatus::Error, State::Inactive) => Step::Retry(OperationKind::Deactivate),

        (LiveStatus::Unknown, State::Active | State::Inactive) => Step::Unknown,
    }
}
