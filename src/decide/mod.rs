//! The decision: a pure function from what was seen to what to do next.
//!
//! No async, no clock, no client, no logging: the same observation always gives the same plan.
//! A call is planned only where the live retrieve of this very pass showed a status that asks
//! for it, and the plan holds the call's record, to be written before the call goes out.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | what a decision may know | `seen.rs` |
//! | observed x desired -> the next step | `table.rs` |
//! | from a step to a call, within the budgets | `calls.rs` |
//! | two objects on one remote model | `claims.rs` |
//! | a call under way | `operation.rs` |
//! | what a fault of the hub means | `fault.rs` |
//! | an object that is being deleted | `deletion.rs` |
//! | what each verdict shows | `verdict.rs` |
//! | the status and its conditions | `merge.rs` |
//! | when to look again | `pace.rs` |

#![warn(clippy::wildcard_enum_match_arm)]

mod calls;
mod claims;
mod deletion;
mod fault;
mod merge;
mod operation;
mod pace;
mod seen;
mod table;
mod verdict;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use calls::{CALLS, CORRECTIONS};
pub use claims::{Claim, Stake};
pub use deletion::HOW_TO_LET_GO;
pub use merge::{headline, undecodable};
pub use operation::still_old;
pub(crate) use pace::doubled;
pub use pace::{Jitter, Requeue};
pub use seen::{
    Answer, Fault, Look, Mend, Observation, Past, Remote, Rules, Watched, desired, has_finalizer,
};
pub use verdict::{Marker, Pace, Ready, Row, Tone, Verdict};

use crate::api::{Attempts, DeletionPolicy, Direction, ModelStatus, OxenModel, OxenModelStatus};

/// What to record, what to do, and when to look again.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What was found.
    pub verdict: Verdict,
    /// The same for a person: what is the case and what to do about it.
    pub message: String,
    /// The whole status, to be written before the action where it differs from what is stored.
    pub status: OxenModelStatus,
    /// The one thing to do.
    pub action: Action,
    /// When to look again.
    pub requeue: Requeue,
    /// The finding is news, and worth an event.
    pub news: bool,
    /// The deletion waits for a person or the hub.
    pub blocked: bool,
}

/// The one thing that a plan does beside the record.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Hold the object's deletion from now on.
    AddFinalizer,
    /// Let the object go, or no longer hold it.
    RemoveFinalizer,
    /// Call the hub.
    Call {
        /// Which call.
        direction: Direction,
        /// The budgets as they were, should the call not be spent after all.
        unspent: Attempts,
    },
}

/// A verdict with its words and its action, before it becomes a plan.
struct Finding {
    verdict: Verdict,
    message: String,
    action: Action,
    /// The time until the next look, where the verdict's pace asks for one.
    wait: Option<Duration>,
    blocked: bool,
}

impl Finding {
    fn new(verdict: Verdict, message: impl Into<String>) -> Self {
        Self {
            verdict,
            message: message.into(),
            action: Action::Nothing,
            wait: None,
            blocked: false,
        }
    }

    fn wait(self, wait: Duration) -> Self {
        Self {
            wait: Some(wait),
            ..self
        }
    }
}

/// From what was seen to what to do next.
#[must_use]
pub fn decide(seen: &Observation<'_>) -> Plan {
    let mut status = merge::carry(seen);
    let finding = if seen.deleting() {
        deletion::judge(seen, &mut status)
    } else {
        judge(seen, &mut status)
    };
    merge::conclude(seen, status, finding)
}

/// What a call's answer makes of the plan that made it.
#[must_use]
pub fn answered(seen: &Observation<'_>, plan: Plan, answer: &Answer) -> Plan {
    let mut status = plan.status.clone();
    let finding = operation::answered(seen, &mut status, plan, answer);
    let finding = if seen.deleting() {
        deletion::explain(seen, finding)
    } else {
        finding
    };
    merge::conclude(seen, status, finding)
}

/// Whether the decision on this object depends on what the hub says.
#[must_use]
pub fn needs_look(object: &OxenModel, rules: &Rules, claim: &Claim, crd_going: bool) -> bool {
    if object.metadata.deletion_timestamp.is_none() {
        return object.spec.check().is_ok();
    }
    let policy = object.spec.deletion_policy.unwrap_or(rules.deletion_policy);
    let suspended = rules.observe_only || object.spec.suspend == Some(true);
    has_finalizer(object)
        && policy == DeletionPolicy::Deactivate
        && !suspended
        && !crd_going
        && !deletion::is_anothers(claim, object)
        && object.spec.check_model().is_ok()
}

fn judge(seen: &Observation<'_>, status: &mut OxenModelStatus) -> Finding {
    if let Err(problem) = seen.object.spec.check() {
        return Finding::new(Verdict::InvalidSpec, problem);
    }
    match &seen.look {
        Look::Unneeded => Finding::new(Verdict::StatusUnknown, "The hub was not asked."),
        Look::Failed(fault) => fault::judge(seen, fault),
        Look::Seen(remote) => match regard(seen, status, remote) {
            Some(finding) => finding,
            None => {
                let wanted = desired(seen.object, seen.now);
                let step = table::step(remote, wanted);
                if let (Claim::Theirs(owner), false) = (&seen.claim, remote.base) {
                    return conflict(owner.as_deref());
                }
                calls::take(seen, status, remote, wanted, step)
            }
        },
    }
}

/// Notes what the live retrieve showed, and follows the open operation with it. A finding ends
/// the pass: nothing may be called.
fn regard(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
) -> Option<Finding> {
    if let Some(before) = &status.model
        && !same_identity(before, &remote.model)
        && seen.requested().is_none()
    {
        return Some(identity_changed(before, &remote.model));
    }
    merge::note(seen, status, remote);
    operation::follow(seen, status, remote)
}

fn conflict(owner: Option<&str>) -> Finding {
    let owner = owner.map_or_else(
        || "in another namespace".to_owned(),
        |name| format!("{name:?}"),
    );
    Finding::new(
        Verdict::Conflict,
        format!(
            "An older OxenModel {owner} has this model; it alone decides what happens to it. Delete one of the two."
        ),
    )
}

fn same_identity(one: &ModelStatus, other: &ModelStatus) -> bool {
    one.id == other.id && one.owner == other.owner
}

fn identity_changed(before: &ModelStatus, now: &ModelStatus) -> Finding {
    Finding::new(
        Verdict::IdentityChanged,
        format!(
            "This was model {} of {}, and the hub now answers with {} of {}: is the API key another account's? \
             Put the right key back, or accept the change with the annotation {}.",
            before.id,
            before.owner,
            now.id,
            now.owner,
            crate::api::RECONCILE_ANNOTATION
        ),
    )
}
