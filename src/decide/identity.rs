//! The identity of a model: the hub's `id` and `owned_by`. A name that starts to stand for another
//! identity is reported, and no call is made until a person accepts it.

use super::{
    observation::Observation, plan::Finding, remote::Remote, verdict::Verdict, words::quote,
};
use crate::api::{Identity, ModelStatus, OxenModelStatus, RECONCILE_ANNOTATION};

/// The finding that the hub answered with another identity than before.
///
/// To accept the identity that the status shows, and no other one, a person requests a reconcile
/// after it was shown. This ends the open operation of the old identity, whose activations say
/// nothing about the new one.
pub(super) fn changed(
    seen: &Observation<'_>,
    status: &mut OxenModelStatus,
    remote: &Remote,
) -> Option<Finding> {
    let now = remote.model.identity();
    let before = match &status.model {
        Some(before) if before.identity() != now => before.clone(),
        Some(_) | None => {
            status.other_model = None;
            return None;
        }
    };
    let shown = status.other_model.as_ref() == Some(&now);
    if shown && seen.subject.requested().is_some() {
        status.other_model = None;
        status.operation = None;
        status.activations = None;
        status.live = None;
        status.since = None;
        return None;
    }
    let finding = report(&before, &now);
    status.other_model = Some(now);
    Some(finding)
}

fn report(before: &ModelStatus, now: &Identity) -> Finding {
    Finding::new(
        Verdict::IdentityChanged,
        format!(
            "This object controlled the model {} of {}, and the hub now answers with {} of {}. If \
             the API key belongs to another account, restore the right key. To accept the new \
             model, set the annotation {RECONCILE_ANNOTATION} to a new value.",
            quote(&before.id),
            quote(&before.owner),
            quote(&now.id),
            quote(&now.owner),
        ),
    )
}
