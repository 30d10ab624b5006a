//! The decision table: what was observed, against what is wanted, gives the next step.

use super::{Remote, Verdict};
use crate::api::{Deployment, Direction, State};

/// What the table asks for; [`super::calls`] takes the step within the budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Observed equals wanted.
    Settled(Verdict),
    /// The model is on its way; wait for it.
    Wait(Verdict),
    /// As `Wait`; past the progress deadline one call all the same.
    WaitThenCall(Verdict, Direction),
    /// A call is due.
    Call(Direction),
    /// The hub failed; a call is due after a while, a few times.
    Retry(Direction),
    /// No call can help.
    Stuck(Verdict),
    /// Nobody knows, so nothing is done.
    Unknown,
}

/// One row and one column of the table.
pub(super) fn step(remote: &Remote, wanted: State) -> Step {
    if remote.base {
        return match wanted {
            State::Active => Step::Settled(Verdict::AlwaysActive),
            State::Inactive => Step::Stuck(Verdict::BaseModelCannotDeactivate),
        };
    }
    match (remote.deployment, wanted) {
        (Deployment::Active, State::Active) => Step::Settled(Verdict::Active),
        (Deployment::Inactive, State::Active) => Step::Call(Direction::Activate),
        (Deployment::Deploying, State::Active) => Step::Wait(Verdict::Activating),
        (Deployment::Deactivating, State::Active) => Step::Wait(Verdict::WaitingForDeactivation),
        (Deployment::Error, State::Active) => Step::Retry(Direction::Activate),
        (Deployment::None, State::Active) => Step::Stuck(Verdict::NothingDeployed),

        (Deployment::Active, State::Inactive) => Step::Call(Direction::Deactivate),
        (Deployment::Inactive | Deployment::None, State::Inactive) => {
            Step::Settled(Verdict::Inactive)
        }
        // It may bill, and it may never end.
        (Deployment::Deploying, State::Inactive) => {
            Step::WaitThenCall(Verdict::WaitingForDeployment, Direction::Deactivate)
        }
        (Deployment::Deactivating, State::Inactive) => Step::Wait(Verdict::Deactivating),
        (Deployment::Error, State::Inactive) => Step::Retry(Direction::Deactivate),

        (Deployment::Unknown, State::Active | State::Inactive) => Step::Unknown,
    }
}
