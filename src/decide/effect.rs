//! What a live status says about the effect of a call.

use crate::api::{LiveStatus, OperationKind};

/// Returns true when the live status is still the one from before the call. `unknown` says nothing
/// either way.
pub(super) fn still_old(kind: OperationKind, live: LiveStatus) -> bool {
    live != LiveStatus::Unknown && !shows(kind, live)
}

/// Returns true when the live status is the call's target or its transition, or says that it
/// failed.
pub(super) fn shows(kind: OperationKind, live: LiveStatus) -> bool {
    match (live, kind) {
        (LiveStatus::Error, _) => true,
        (LiveStatus::Active | LiveStatus::Deploying, kind) => kind == OperationKind::Activate,
        (LiveStatus::Inactive | LiveStatus::Deactivating, kind) => {
            kind == OperationKind::Deactivate
        }
        (LiveStatus::Unknown | LiveStatus::None, _) => false,
    }
}
