//! An object that is being deleted: its model is turned off first, or the deletion is blocked and
//! says why. The object is released because of what a live GET showed, never because of a call's
//! answer.

use super::{
    calls, diagnosis,
    fault::Fault,
    history::SurpriseKind,
    observation::{Observation, Subject},
    ownership::Ownership,
    plan::{Action, Finding},
    remote::Remote,
    table,
    verdict::{Progress, Verdict},
};
use crate::api::{DeletionPolicy, OxenModelStatus, State};

/// The end of the message of every blocked deletion.
const HOW_TO_RELEASE: &str = "Deletion is blocked. To delete this object without deactivating the \
                              model, set spec.deletionPolicy: Retain.";

const OWNED_BY_ANOTHER: &str = "The model is left as it is, because another OxenModel controls it.";

/// The finding of a deletion that needs nothing from the hub.
pub(super) fn unobserved(subject: &Subject<'_>) -> Option<Finding> {
    if !subject.object.has_finalizer() {
        return Some(Finding::new(
            Verdict::Released,
            "Nothing holds the deletion.",
        ));
    }
    if let Some(why) = free_to_release(subject) {
        return Some(release(why));
    }
    let problem = subject.object.spec.check_model().err()?;
    Some(block(Finding::new(Verdict::InvalidSpec, problem)))
}

/// Why the object can be released whatever the hub says, or `None` if it can't.
fn free_to_release(subject: &Subject<'_>) -> Option<&'static str> {
    if subject.policy() == DeletionPolicy::Retain {
        Some("The model is left as it is: deletionPolicy is Retain.")
    } else if subject.suspended() {
        Some("The model is left as it is: the object is suspended.")
    } else if yields(subject) {
        Some(OWNED_BY_ANOTHER)
    } else if subject.crd_terminating {
        Some("The model is left as it is: the CustomResourceDefinition is being deleted.")
    } else {
        None
    }
}

/// Returns true when another object controls the model and this one has no open operation. An
/// object with an open operation stays until its transition or its outcome is shown, because its
/// record keeps the owner from sending a call at the same time.
fn yields(subject: &Subject<'_>) -> bool {
    let status = subject.object.status.as_ref();
    let open = status.is_some_and(|status| status.operation.is_some());
    matches!(subject.ownership, Ownership::Lost(_)) && !open
}

/// The finding where the hub could not be observed.
///
/// The hub also answers `Model not found` to a key that it doesn't know. So the operator believes
/// this answer only after two requests, and only if the hub's list shows that the key belongs to
/// the model's owner.
pub(super) fn faulty(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    fault: &Fault,
) -> Finding {
    let finding = diagnosis::fault(seen, fault);
    if finding.verdict != Verdict::ModelNotFound {
        return finding;
    }
    if seen.key_proven {
        status.operation = None;
        return release("The hub no longer knows the model.");
    }
    Finding {
        message: format!(
            "{} The model may still bill: the operator can't verify that the API key belongs to \
             the account that owns it.",
            finding.message
        ),
        ..finding
    }
}

/// The finding where the live GET showed the model, and no operation is open.
pub(super) fn observed(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
) -> Finding {
    if remote.base {
        return release("A base model is always active.");
    }
    if matches!(seen.subject.ownership, Ownership::Lost(_)) {
        return release(OWNED_BY_ANOTHER);
    }
    match table::step(remote, State::Inactive) {
        table::Step::Settled(_) => confirmed(seen),
        step @ (table::Step::Wait(_)
        | table::Step::WaitThenCall(..)
        | table::Step::Call(_)
        | table::Step::Retry(_)
        | table::Step::Stuck(_)
        | table::Step::Unknown) => calls::take(seen, status, remote, step),
    }
}

/// Releases the object, unless a second observation has yet to confirm that the model is inactive.
fn confirmed(seen: &Observation<'_>) -> Finding {
    let rules = seen.subject.rules;
    if seen.history.is_unconfirmed(SurpriseKind::Inactive, rules) {
        let finding = Finding::new(
            Verdict::Deactivating,
            "The model became inactive by itself. The operator confirms that with another request \
             before it releases the object.",
        );
        return finding.wait(rules.transition_first);
    }
    release("The model is inactive.")
}

fn release(why: &str) -> Finding {
    Finding {
        action: Action::RemoveFinalizer,
        ..Finding::new(Verdict::Released, why)
    }
}

/// Marks a deletion as blocked, unless the model is on its way to inactive.
pub(super) fn block_unless_progressing(finding: Finding) -> Finding {
    let presentation = finding.presentation();
    let stalled = presentation.progress == Progress::Stalled;
    let refused = presentation.refusal;
    let released = finding.verdict == Verdict::Released;
    if released || (presentation.synced && !stalled && !refused) {
        return finding;
    }
    block(finding)
}

fn block(finding: Finding) -> Finding {
    Finding {
        message: blocked_message(&finding.message),
        blocked: true,
        ..finding
    }
}

/// The message of a blocked deletion: its cause, and how to release the object.
#[must_use]
pub fn blocked_message(cause: &str) -> String {
    format!("{cause} {HOW_TO_RELEASE}")
}
