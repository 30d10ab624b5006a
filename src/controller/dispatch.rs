//! What kube's controller calls. A reconcile begins if its object is admitted. An object that waits
//! for too long gets a report of that. The error policy says what follows a failed request to the
//! Kubernetes API.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{ResourceExt, runtime::controller::Action as ControllerAction};
use tracing::{Instrument, Span, debug, error_span, warn};

use super::{
    admission::{Admitted, Slot},
    clock::{no_later_than, now},
    compact::Compact,
    context::{Context, Scope},
    credentials,
    error::ReconcileError,
    guarded::Guarded,
    prepare::{answer_request, prepare, record_wait},
    reconcile::{reconcile_object, report_undecodable},
    requeue::spread,
};
use crate::{
    backoff::doubled,
    decide::{Jitter, Requeue, is_urgent, next_change, requests_override, unobserved},
};

/// The time after which an object that waits for its slot is reconciled again, if it has requested
/// an override.
const SOON: Duration = Duration::from_secs(5);

/// Reconciles an object, whether or not it can be decoded, if it is admitted. Otherwise the
/// reconcile begins again when the object's turn comes.
pub(super) async fn reconcile(
    stored: Arc<Compact>,
    scope: Arc<Scope>,
) -> Result<ControllerAction, ReconcileError> {
    let Context {
        admission,
        config,
        index,
        shutdown,
        ..
    } = scope.context.as_ref();
    // Objects of other namespaces may own the model, so all must be listed first. The shutdown has
    // precedence: no new work begins after it.
    tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(ControllerAction::await_change()),
        () = index.listed() => {}
    }
    // The object may have changed meanwhile. One that is gone must not wait for a slot, because its
    // reconcile would never use it.
    let Some(object) = scope.latest(&stored.decode()) else {
        return Ok(ControllerAction::await_change());
    };
    let Some(newest) = scope.newest(&object) else {
        return Ok(ControllerAction::await_change());
    };
    let lane = credentials::lane(&scope, &newest);
    let urgent = is_urgent(&newest, scope.context.clock());
    let interval = config.rules.sync_interval_of(&object.object);
    let wake = scope.waking(stored);
    match admission.admit(object.uid(), lane, urgent, interval, wake) {
        Admitted::Slot(slot) => {
            let reconciled = reconcile_admitted(&object, &scope, &slot);
            Box::pin(reconciled.instrument(span(&object))).await
        }
        Admitted::Waits(waited) => {
            let change = next_change(&newest, now());
            let left = |limit: Duration| limit.checked_sub(waited).filter(|left| !left.is_zero());
            let wait = left(config.rules.grace_of(&object.object));
            let requested = requests_override(&newest, scope.context.clock());
            let Some(wait) = wait.filter(|_| !requested) else {
                let overdue = wait.is_none();
                let reconciled = reconcile_waiting(&object, &scope, change, overdue);
                return Box::pin(reconciled.instrument(span(&object))).await;
            };
            // A routine poll becomes urgent when it has waited for its sync interval, and when the
            // desired state changes.
            let until_urgent = left(interval).filter(|_| !urgent).unwrap_or(wait);
            let wait = wait.min(until_urgent);
            Ok(ControllerAction::requeue(no_later_than(wait, change)))
        }
    }
}

/// The span of an object's reconcile. Its level is that of the most severe line, so that each line
/// that is logged at all has the span.
fn span(object: &impl ResourceExt) -> Span {
    error_span!(
        "reconcile",
        namespace = object.namespace(),
        name = object.name_any()
    )
}

async fn reconcile_admitted(
    object: &Guarded,
    scope: &Scope,
    slot: &Slot,
) -> Result<ControllerAction, ReconcileError> {
    let context = &scope.context;
    if !context.authority.holds() {
        return Ok(ControllerAction::requeue(
            context.config.rules.backoff_first,
        ));
    }
    let deleting = object.object.metadata.deletion_timestamp.is_some();
    let reconciled = if object.unreadable.is_none() || deleting {
        reconcile_object(scope, object, slot).await
    } else {
        report_undecodable(scope, object).await
    };
    requeued(scope, reconciled)
}

/// Reconciles an object that waits for its slot, without an observation: answers a requested
/// override, and, if `overdue` is true, reports that the object has waited for longer than the
/// grace period. Such a wait counts as a failed observation. `change` is when the desired state
/// changes by itself.
async fn reconcile_waiting(
    object: &Guarded,
    scope: &Scope,
    change: Option<Timestamp>,
    overdue: bool,
) -> Result<ControllerAction, ReconcileError> {
    let context = &scope.context;
    let grace = context.config.rules.grace_of(&object.object);
    let report = context.admission.report();
    if report.is_none() || !context.authority.holds() {
        let soon = Requeue {
            after: if overdue { grace / 4 } else { SOON },
            jitter: Jitter::Full,
        };
        let wait = no_later_than(spread(soon, false), change);
        return Ok(ControllerAction::requeue(wait));
    }
    let recorded = async {
        let mut prepared = prepare(scope, object).await?;
        let needed = unobserved(&prepared.subject(&context.config.rules)).is_none();
        if object.unreadable.is_none() && needed {
            answer_request(scope, &mut prepared).await?;
            if overdue {
                record_wait(scope, &mut prepared).await?;
            }
        }
        let wait = if overdue { grace } else { SOON };
        Ok(ControllerAction::requeue(no_later_than(wait, change)))
    };
    requeued(scope, recorded.await)
}

/// Requeues an object that has changed or gone meanwhile, which is no failure.
fn requeued(
    scope: &Scope,
    reconciled: Result<ControllerAction, ReconcileError>,
) -> Result<ControllerAction, ReconcileError> {
    let rules = &scope.context.config.rules;
    match reconciled {
        // The object is gone, or this API server doesn't have it yet.
        Err(error) if error.code() == Some(404) => {
            Ok(ControllerAction::requeue(rules.sync_interval))
        }
        // The change that outdated this reconcile starts the next one. The requeue is for a watch
        // that is late.
        Err(ReconcileError::Outdated) => Ok(ControllerAction::requeue(rules.backoff_first)),
        done @ (Ok(_) | Err(_)) => done,
    }
}

/// The error policy: what follows a failed request to the Kubernetes API.
pub(super) fn error_policy(
    object: Arc<Compact>,
    error: &ReconcileError,
    scope: Arc<Scope>,
) -> ControllerAction {
    let _in_span = span(object.as_ref()).entered();
    let source = error.cause();
    let failures = scope.context.memories.with_uid(object.uid(), |memory| {
        memory.kube_failures = memory.kube_failures.saturating_add(1);
        memory.kube_failures
    });
    if error.code() == Some(409) {
        debug!("the object has changed meanwhile; reconciling again");
    } else {
        warn!(error = %error, source, "a request to the Kubernetes API failed");
    }
    scope.context.metrics.reconcile_failed();
    let rules = &scope.context.config.rules;
    let wait = doubled(rules.backoff_first, failures - 1, rules.backoff_last);
    let requeue = Requeue {
        after: wait,
        jitter: Jitter::Later,
    };
    let change = next_change(&object.decode().object, now());
    ControllerAction::requeue(no_later_than(spread(requeue, false), change))
}
