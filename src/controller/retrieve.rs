//! The live GET of an object's model. It waits for a permit, and is not sent while the hub has
//! asked for no requests.

use std::{
    future::Future,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::{
    admission::Slot,
    clock::{no_later_than, now},
    context::{Context, Scope},
    credentials::{self, Credentials},
    error::ReconcileError,
    guarded::Guarded,
    prepare::{
        Prepared, answer_request, credentials, prepare_again, prepare_with_change, record_wait,
    },
};
use crate::{
    api::OxenModel,
    backoff::doubled,
    decide::{
        Fault, HubFault, Remote, Verdict, is_urgent, next_change, requests_override, unobserved,
    },
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
enum PermitOrFault<'a> {
    Permit(Permit<'a>),
    Fault(HubFault),
}

/// Retrieves the model with its live status, when the object gets a permit. An object that has
/// changed meanwhile is read again.
pub(super) async fn retrieve(
    scope: &Scope,
    prepared: &mut Prepared,
    key: &ApiKey,
    slot: &Slot,
) -> Result<Retrieved, ReconcileError> {
    let context = &scope.context;
    let answer = match backing_off(scope, &prepared.object) {
        Some(fault) => PermitOrFault::Fault(fault),
        None => observation_permit(scope, prepared, key, slot).await?,
    };
    let permit = match answer {
        PermitOrFault::Permit(permit) => permit,
        PermitOrFault::Fault(fault) => {
            return Ok(Retrieved {
                result: Err(fault.into()),
                sent: None,
            });
        }
    };
    read_again(scope, prepared, key).await?;
    context.kube_ready().await;
    // The observation's age counts from here, because the waits may be long.
    let sent = Some(Instant::now());
    let object = &prepared.object;
    let asked = &object.spec.model;
    let model = permit.retrieve(asked, true).await;
    let api_base = context.hub.api_base();
    let result = match model.and_then(|model| fold(asked, &model, &api_base)) {
        Ok(remote) => {
            let (namespace, secret) = credentials::origin(scope, object);
            context.metrics.hub_answered(namespace, secret);
            Ok(Box::new(remote))
        }
        Err(fault) => Err(retry_after(scope, object, fault).into()),
    };
    Ok(Retrieved { result, sent })
}

/// Waits for a permit to observe the object. A wait that is longer than the time for which Ready is
/// kept counts as a failed observation. The object keeps its place in the queue.
async fn observation_permit<'a>(
    scope: &'a Scope,
    prepared: &mut Prepared,
    key: &'a ApiKey,
    slot: &Slot,
) -> Result<PermitOrFault<'a>, ReconcileError> {
    let context = &scope.context;
    let object = prepared.object.clone();
    let watched = prepared.watched.clone();
    let urgent = until_urgent(scope, &watched, slot.since);
    let permit = context.hub.permit_moving_up(key, Priority::Routine, urgent);
    let mut answer = pin!(permit_until_shutdown(scope, permit));
    let grace = context.config.rules.grace_of(&object);
    let mut overdue = slot.since + grace;
    let mut answered = prepared.changes;
    loop {
        let (due, known, writing) = (overdue, answered, AtomicBool::new(false));
        let mut late = pin!(async {
            let requested = timeout_at(due, until_override(scope, &watched, known)).await;
            writing.store(true, Ordering::Relaxed);
            let Ok(changes) = requested else {
                record_wait(scope, prepared).await?;
                return Ok((Instant::now() + grace, known));
            };
            prepare_with_change(scope, prepared).await?;
            answer_request(scope, prepared).await?;
            Ok((due, changes))
        });
        // Both are polled, because a request that isn't polled would hold up those behind it.
        tokio::select! {
            biased;
            answer = &mut answer => {
                if writing.load(Ordering::Relaxed) {
                    late.await?;
                }
                return answer;
            }
            recorded = &mut late => (overdue, answered) = recorded?,
        }
    }
}

/// Waits until the object has another number of changes than `answered`, and requests an override
/// that the status doesn't answer yet. Returns the new number of changes.
async fn until_override(scope: &Scope, known: &Guarded, answered: u64) -> u64 {
    let object = &known.object;
    loop {
        let memories = &scope.context.memories;
        let changed = memories.with(object, |memory| memory.changed.clone());
        let mut changed = pin!(changed.notified());
        // A change after this line is not missed.
        changed.as_mut().enable();
        let changes = memories.with(object, |memory| memory.changes);
        let newest = scope.newest(known).filter(|_| changes != answered);
        if newest.is_some_and(|newest| requests_override(&newest, scope.context.clock())) {
            return changes;
        }
        changed.await;
    }
}

/// Waits for a permit for a further request of a reconcile that has its observation.
async fn urgent_permit<'a>(
    scope: &'a Scope,
    key: &'a ApiKey,
) -> Result<PermitOrFault<'a>, ReconcileError> {
    permit_until_shutdown(scope, scope.context.hub.permit(key, Priority::Urgent)).await
}

/// Waits for a permit until the shutdown.
async fn permit_until_shutdown<'a>(
    scope: &'a Scope,
    permit: impl Future<Output = Result<Permit<'a>, HubFault>>,
) -> Result<PermitOrFault<'a>, ReconcileError> {
    let context = &scope.context;
    tokio::select! {
        () = context.shutdown.cancelled() => Err(ReconcileError::Outdated),
        permit = permit => Ok(match permit {
            Ok(permit) => {
                context.metrics.hub_waited(permit.waited());
                PermitOrFault::Permit(permit)
            }
            Err(fault) => PermitOrFault::Fault(fault),
        }),
    }
}

/// Reads an object again that has changed while it waited. The reconcile starts over if the object
/// now uses another key, or needs nothing from the hub.
async fn read_again(
    scope: &Scope,
    prepared: &mut Prepared,
    key: &ApiKey,
) -> Result<(), ReconcileError> {
    if scope.latest(&prepared.watched).is_none() {
        return Err(ReconcileError::Outdated);
    }
    let memories = &scope.context.memories;
    if memories.with(&prepared.object, |memory| memory.changes) == prepared.changes {
        return Ok(());
    }
    let again = prepare_again(scope, prepared).await?;
    let same = match credentials(scope, &again.object).await? {
        Credentials::Key(now) => now == *key,
        Credentials::Fault(_) => false,
    };
    let needed = unobserved(&again.subject(&scope.context.config.rules)).is_none();
    if !same || !needed {
        return Err(ReconcileError::Outdated);
    }
    *prepared = again;
    Ok(())
}

/// Ends when somebody waits for the object's next observation, and when a routine poll has waited
/// for its sync interval since `since`.
pub(super) async fn until_urgent(scope: &Scope, known: &Guarded, since: Instant) {
    let object = &known.object;
    let Context {
        memories, config, ..
    } = scope.context.as_ref();
    let interval = config.rules.sync_interval_of(object);
    loop {
        let changed = memories.with(object, |memory| memory.changed.clone());
        let mut changed = pin!(changed.notified());
        // A change after this line is not missed.
        changed.as_mut().enable();
        let newest = scope.newest(known);
        // The reconcile of an object that is gone ends at once.
        let Some(newest) = newest.filter(|newest| !is_urgent(newest, scope.context.clock())) else {
            return;
        };
        tokio::select! {
            () = changed => {}
            () = sleep(no_later_than(interval, next_change(&newest, now()))) => {}
            () = sleep_until(since + interval) => return,
        }
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
    let PermitOrFault::Permit(permit) = urgent_permit(scope, key).await? else {
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
    let Ok(PermitOrFault::Permit(permit)) = urgent_permit(scope, key).await else {
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
