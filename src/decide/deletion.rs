//! An object that is being deleted: its model is turned off first, or the deletion says why it
//! waits. It is let go on what a live retrieve showed, never on a call's answer.

use super::{
    Action, Claim, Fault, Finding, Look, Marker, Observation, Remote, Verdict, calls, fault,
    regard, table,
};
use crate::api::{DeletionPolicy, OxenModel, OxenModelStatus, State};

/// What a waiting deletion tells a person.
pub const HOW_TO_LET_GO: &str =
    "The deletion waits; to let go without deactivating, set spec.deletionPolicy: Retain.";

const ANOTHERS: &str =
    "The model is left as it is: another OxenModel claims it, and decides what happens to it.";

/// Live retrieves that must say that the hub no longer knows the model.
const GONE_LOOKS: u32 = 2;

pub(super) fn judge(seen: &Observation<'_>, status: &mut OxenModelStatus) -> Finding {
    if !seen.has_finalizer() {
        return Finding::new(Verdict::LetGo, "Nothing holds the deletion.");
    }
    if let Some(why) = free_to_go(seen) {
        return let_go(why);
    }
    let finding = match &seen.look {
        Look::Unneeded => Finding::new(
            Verdict::InvalidSpec,
            seen.object.spec.check_model().err().unwrap_or_default(),
        ),
        Look::Failed(Fault::ModelNotFound(_)) if seen.past.gone >= GONE_LOOKS => {
            let_go("The hub no longer knows the model.")
        }
        Look::Failed(fault) => fault::judge(seen, fault),
        Look::Seen(remote) => look(seen, status, remote),
    };
    explain(seen, finding)
}

/// Another object decides what happens to the model. One that has a call under way stays until it is known what became
/// of it: its record is what keeps the other one from calling beside it.
pub(super) fn is_anothers(claim: &Claim, object: &OxenModel) -> bool {
    let status = object.status.as_ref();
    let calling = status.is_some_and(|status| status.operation.is_some());
    matches!(claim, Claim::Theirs(_)) && !calling
}

/// The deletion doesn't depend on the hub.
fn free_to_go(seen: &Observation<'_>) -> Option<&'static str> {
    if seen.policy() == DeletionPolicy::Retain {
        Some("The model is left as it is: deletionPolicy is Retain.")
    } else if seen.suspended() {
        Some("The model is left as it is: the object is suspended.")
    } else if is_anothers(&seen.claim, seen.object) {
        Some(ANOTHERS)
    } else if seen.crd_going {
        Some("The model is left as it is: the CustomResourceDefinition is being deleted.")
    } else {
        None
    }
}

fn look(seen: &Observation<'_>, status: &mut OxenModelStatus, remote: &Remote) -> Finding {
    if let Some(finding) = regard(seen, status, remote) {
        return finding;
    }
    if remote.base {
        return let_go("A base model is always active.");
    }
    if matches!(seen.claim, Claim::Theirs(_)) {
        return let_go(ANOTHERS);
    }
    match table::step(remote, State::Inactive) {
        table::Step::Settled(_) => let_go("The model is inactive."),
        step @ (table::Step::Wait(_)
        | table::Step::WaitThenCall(..)
        | table::Step::Call(_)
        | table::Step::Retry(_)
        | table::Step::Stuck(_)
        | table::Step::Unknown) => calls::take(seen, status, remote, State::Inactive, step),
    }
}

fn let_go(why: &str) -> Finding {
    Finding {
        action: Action::RemoveFinalizer,
        ..Finding::new(Verdict::LetGo, why)
    }
}

/// A deletion that waits for anything but the model's own way to inactive says how to let go.
pub(super) fn explain(seen: &Observation<'_>, finding: Finding) -> Finding {
    let row = finding.verdict.row();
    let refused = finding.verdict == Verdict::Rejected;
    let under_way = row.synced && row.marker != Marker::Stalled && !refused;
    if under_way || !seen.has_finalizer() {
        return finding;
    }
    Finding {
        message: format!("{} {HOW_TO_LET_GO}", finding.message),
        blocked: true,
        ..finding
    }
}
