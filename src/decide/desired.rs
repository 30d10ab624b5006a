//! The desired state of a model.

use crate::api::{OxenModel, State};

/// The state that the model should be in: what the spec declares, and inactive for an object that
/// is being deleted.
#[must_use]
pub fn desired(object: &OxenModel) -> State {
    if object.metadata.deletion_timestamp.is_some() {
        State::Inactive
    } else {
        object.spec.state
    }
}
