//! The live GET of an object's model. It waits for a permit, and is not sent while the hub has
//! asked for no requests.

use std::time::Duration;

use tokio::time::Instant;

use super::{context::Scope, credentials, error::ReconcileError};
use crate::{
    api::OxenModel,
    backoff::doubled,
    decide::{Fault, HubFault, Remote, Verdict},
    hub::{ApiKey, Permit, Priority, fold},
};

/// The largest number of similar names in a message.
const SIMILAR_NAMES: usize = 5;

/// What became of a live GET.
pub(super) struct Retrieved {
    pub(super) result: Result<Box<Remote>, Fault>,
    /// When the request was sent, or `None` if no request was sent.
    pub(super) sent: Option<Instant>,
}

/// A permit for a request, or the answer that the hub is known to give.
enum Admission<'a> {
    Permit(Permit<'a>),
    Fault(HubFault),
}

/// Retrieves the model with its live status, when the object gets a permit.
pub(super) async fn retrieve(
    scope: &Scope,
    object: &OxenModel,
    key: &ApiKey,
) -> Result<Retrieved, ReconcileError> {
    let admission = match backing_off(scope, object) {
        Some(fault) => Admission::Fault(fault),
        None => admit(scope, object, key).await?,
    };
    let permit = match admission {
        Admission::Permit(permit) => permit,
        Admission::Fault(fault) => {
            return Ok(Retrieved {
                result: Err(fault.into()),
                sent: None,
            });
        }
    };
    // The observation's age counts from the permit, because the wait for it may be long.
    let sent = Some(permit.granted());
    let asked = &object.spec.model;
    let model = permit.retrieve(asked, true).await;
    let api_base = scope.context.hub.api_base();
    let result = match model.and_then(|model| fold(asked, &model, &api_base)) {
        Ok(remote) => {
            let (namespace, secret) = credentials::origin(scope, object);
            scope.context.metrics.hub_answered(namespace, secret);
            Ok(Box::new(remote))
        }
        Err(fault) => Err(retry_after(scope, object, fault).into()),
    };
    Ok(Retrieved { result, sent })
}

/// Waits for a permit to observe the object, unless there is a reason to start over.
async fn admit<'a>(
    scope: &'a Scope,
    object: &OxenModel,
    key: &'a ApiKey,
) -> Result<Admission<'a>, ReconcileError> {
    let context = &scope.context;
    let changed = context
        .memories
        .with(object, |memory| memory.changed.clone());
    tokio::select! {
        () = context.shutdown.cancelled() => Err(ReconcileError::Outdated),
        () = changed.notified() => Err(ReconcileError::Outdated),
        permit = context.hub.permit(key, Priority::Urgent) => Ok(match permit {
            Ok(permit) => {
                context.metrics.hub_waited(permit.waited());
                Admission::Permit(permit)
            }
            Err(fault) => Admission::Fault(fault),
        }),
    }
}

/// The fault of an object about which the hub asked for no requests, or `None` once that time has
/// passed. It holds for every reconcile, whatever started it. The limiter does the same for a whole
/// key.
fn backing_off(scope: &Scope, object: &OxenModel) -> Option<HubFault> {
    let memories = &scope.context.memories;
    let until = memories.with(object, |memory| memory.backing_off_until)?;
    let wait = until.duration_since(Instant::now());
    (!wait.is_zero()).then_some(HubFault::RateLimited {
        wait: Some(wait),
        whole_key: false,
        words: None,
    })
}

/// Backs off after a Retry-After about one object. If the hub names no time, the operator chooses
/// one. The limiter has already handled a Retry-After about the whole key.
pub(super) fn retry_after(scope: &Scope, object: &OxenModel, fault: HubFault) -> HubFault {
    let HubFault::RateLimited {
        wait,
        whole_key: false,
        words,
    } = fault
    else {
        return fault;
    };
    let rules = &scope.context.config.rules;
    let memories = &scope.context.memories;
    let failures = memories.with(object, |memory| memory.failures());
    let wait = wait.unwrap_or_else(|| doubled(rules.backoff_first, failures, rules.backoff_last));
    back_off(scope, object, wait);
    HubFault::RateLimited {
        wait: Some(wait),
        whole_key: false,
        words,
    }
}

/// Makes the operator send no request about the object for this long.
pub(super) fn back_off(scope: &Scope, object: &OxenModel, wait: Duration) {
    let until = Some(Instant::now() + wait);
    let memories = &scope.context.memories;
    memories.with(object, |memory| memory.backing_off_until = until);
}

/// Returns true when the hub's list shows that the key belongs to the owner of an object's model,
/// or when the hub refuses the list without a key. The hub may answer a key that it doesn't know as
/// if there were none.
pub(super) async fn prove_key(
    scope: &Scope,
    object: &OxenModel,
    key: &ApiKey,
) -> Result<bool, ReconcileError> {
    let status = object.status.as_ref();
    let Some(model) = status.and_then(|status| status.model.as_ref()) else {
        return Ok(false);
    };
    let Admission::Permit(permit) = admit(scope, object, key).await? else {
        return Ok(false);
    };
    Ok(permit.is_key_of(&model.owner).await.unwrap_or(false))
}

/// Searches for names that are similar to one that isn't found, once per generation.
pub(super) async fn similar_names(scope: &Scope, object: &OxenModel, key: &ApiKey) -> Vec<String> {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    let mut reported = conditions.filter(|one| {
        one.reason == Verdict::ModelNotFound.presentation().reason
            && one.observed_generation == object.metadata.generation
    });
    if reported.next().is_some() || object.metadata.deletion_timestamp.is_some() {
        return Vec::new();
    }
    // The part before the first separator finds names that differ at their end.
    let asked = object.spec.model.as_str();
    let stem = asked.split(['-', '_', '.', '/']).next().unwrap_or(asked);
    let Ok(Admission::Permit(permit)) = admit(scope, object, key).await else {
        return Vec::new();
    };
    match permit.search(stem, SIMILAR_NAMES).await {
        Ok(names) => names,
        Err(fault) => {
            // A Retry-After holds, whatever request it answers.
            retry_after(scope, object, fault);
            Vec::new()
        }
    }
}
