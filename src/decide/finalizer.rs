//! When the finalizer is added and removed.

use super::{observation::Subject, plan::Action, remote::Remote};
use crate::api::DeletionPolicy;

/// Adds or removes the finalizer of an object that is not being deleted.
///
/// An object has the finalizer if deleting it would deactivate a custom model. It is added once a
/// live GET, of this reconcile or an earlier one, has found the model, and before the first call.
/// So the deletion of an object with a typo in its model name never waits.
pub(super) fn due(subject: &Subject<'_>, remote: Option<&Remote>) -> Action {
    let deactivates = subject.policy() == DeletionPolicy::Deactivate && !subject.suspended();
    let status = subject.object.status.as_ref();
    let known = status.and_then(|status| status.model.as_ref());
    let custom = match remote {
        Some(remote) => !remote.base,
        None => known.is_some_and(|model| !model.is_base()),
    };
    match (deactivates, subject.object.has_finalizer()) {
        (true, false) if custom => Action::AddFinalizer,
        (false, true) => Action::RemoveFinalizer,
        (true | false, true | false) => Action::Nothing,
    }
}
