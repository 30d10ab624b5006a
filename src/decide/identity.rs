//! The identity of a model: the hub's `id` and `owned_by`. A name that starts to stand for another
//! identity is reported, and no call is made until a person accepts it.

use super::{observation::Observation, plan::Finding, remote::Remote, verdict::Verdict};
use crate::api::{ModelStatus, OxenModelStatus, RECONCILE_ANNOTATION};

/// The finding that the hub answered with another identity than before, unless a person has
/// accepted it by requesting a reconcile.
pub(super) fn changed(
    seen: &Observation<'_>,
    status: &OxenModelStatus,
    remote: &Remote,
) -> Option<Finding> {
    let before = status.model.as_ref()?;
    let differs = before.id != remote.model.id || before.owner != remote.model.owner;
    (differs && seen.subject.requested().is_none()).then(|| report(before, &remote.model))
}

fn report(before: &ModelStatus, now: &ModelStatus) -> Finding {
    Finding::new(
        Verdict::IdentityChanged,
        format!(
            "This object controlled the model {} of {}, and the hub now answers with {} of {}. If \
             the API key belongs to another account, restore the right key. To accept the new \
             model, set the annotation {RECONCILE_ANNOTATION} to a new value.",
            before.id, before.owner, now.id, now.owner,
        ),
    )
}
