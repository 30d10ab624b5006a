//! One reconcile of one object: observe, decide, record, act, and record the outcome.

use std::{error::Error as _, sync::Arc, time::Duration};

use kube::{ResourceExt, runtime::controller::Action as ControllerAction};
use rand::Rng;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{
    act,
    context::{Context, Scope},
    error::{Guarded, ReconcileError},
    events::publish_event,
    observe::{Observed, observe, prepare},
    record::record,
    undecodable::{self, Read},
};
use crate::{
    api::{OperationKind, OxenModel},
    backoff::doubled,
    decide::{
        Action, CallOutcome, Jitter, Observation, Plan, Requeue, Verdict, after_call, decide,
        unobserved,
    },
};

/// Reconciles an object, whether or not it can be decoded.
pub(super) async fn reconcile(
    object: Arc<Guarded>,
    scope: Arc<Scope>,
) -> Result<ControllerAction, ReconcileError> {
    let context = &scope.context;
    // Objects of other namespaces may own the model, so all must be listed first. The shutdown has
    // precedence: no new work begins after it.
    tokio::select! {
        biased;
        () = context.shutdown.cancelled() => return Ok(ControllerAction::await_change()),
        () = context.index.listed() => {}
    }
    if !context.authority.holds() {
        return Ok(ControllerAction::requeue(
            context.config.rules.backoff_first,
        ));
    }
    let reconciled = match &object.0 {
        Ok(object) => reconcile_object(&scope, &Arc::new(object.clone())).await,
        Err(invalid) => match undecodable::read(context, invalid).await {
            Ok(Read::Deletable(object)) => {
                // The object was just read. Reading it again as an `OxenModel` would fail.
                context
                    .memories
                    .with(&object, |memory| memory.stale = false);
                reconcile_object(&scope, &Arc::new(*object)).await
            }
            Ok(Read::Undecodable(raw)) => undecodable::report(context, invalid, &raw)
                .await
                .map(|()| ControllerAction::requeue(context.config.rules.sync_interval)),
            Err(error) => Err(error),
        },
    };
    match reconciled {
        Ok(action) => Ok(action),
        // The object is gone, or this API server doesn't have it yet.
        Err(error) if error.code() == Some(404) => Ok(ControllerAction::requeue(
            scope.context.config.rules.sync_interval,
        )),
        // The change that outdated this reconcile starts the next one. The requeue is for a watch
        // that is late.
        Err(ReconcileError::Outdated) => Ok(ControllerAction::requeue(
            scope.context.config.rules.backoff_first,
        )),
        Err(error) => Err(error),
    }
}

/// Reconciles an object that can be decoded.
async fn reconcile_object(
    scope: &Scope,
    object: &Arc<OxenModel>,
) -> Result<ControllerAction, ReconcileError> {
    let context = &scope.context;
    let rules = &context.config.rules;
    let started = Instant::now();
    let prepared = prepare(scope, object).await?;
    if let Some(plan) = unobserved(&prepared.subject(rules)) {
        return perform(scope, &prepared.object, plan, started).await;
    }
    let observed = observe(scope, prepared).await?;
    let seen = observed.observation(rules);
    let plan = permitted(context, &seen, decide(&seen));
    match plan.action {
        Action::Call { kind, .. } => call(scope, &observed, &seen, plan, kind, started).await,
        Action::Nothing | Action::AddFinalizer | Action::RemoveFinalizer => {
            perform(scope, &observed.prepared.object, plan, started).await
        }
    }
}

/// Writes the status, and performs a plan that has no call.
async fn perform(
    scope: &Scope,
    object: &Arc<OxenModel>,
    mut plan: Plan,
    started: Instant,
) -> Result<ControllerAction, ReconcileError> {
    let context = &scope.context;
    let latest = noting_conflicts(scope, object, record(scope, object, &plan).await)?;
    let added = plan.action == Action::AddFinalizer;
    if added || plan.action == Action::RemoveFinalizer {
        let written = act::set_finalizer(scope, &latest, added).await;
        noting_conflicts(scope, object, written)?;
    }
    if added {
        // The change starts the next reconcile. The requeue is for a watch that is late.
        plan.requeue = Requeue::exactly(context.config.rules.backoff_first);
    }
    if plan.action == Action::RemoveFinalizer && plan.verdict == Verdict::Released {
        publish_event(scope, &latest, &plan).await;
        context.metrics.reconciled(&plan, started.elapsed());
        // The watch may have reported the deletion already, and nothing may be remembered after it.
        context.memories.forget(&latest.uid().unwrap_or_default());
        return Ok(ControllerAction::await_change());
    }
    context.metrics.reconciled(&plan, started.elapsed());
    Ok(next(scope, object, &plan))
}

/// Writes the operation's record, sends the call, and writes its outcome.
async fn call(
    scope: &Scope,
    observed: &Observed,
    seen: &Observation<'_>,
    plan: Plan,
    kind: OperationKind,
    started: Instant,
) -> Result<ControllerAction, ReconcileError> {
    let context = &scope.context;
    let object = &observed.prepared.object;
    let recorded = noting_conflicts(scope, object, record(scope, object, &plan).await)?;
    let outcome = act::call(scope, observed, kind).await;
    context.metrics.called(plan.verdict, kind, &outcome);
    let plan = after_call(seen, plan, &outcome);
    let latest = noting_conflicts(scope, object, record(scope, &recorded, &plan).await)?;
    debug!(name = latest.name_any(), "the call's outcome is recorded");
    context.metrics.reconciled(&plan, started.elapsed());
    Ok(next(scope, object, &plan))
}

/// Removes the call from the plan if this process may not make it now. The operation is then not
/// recorded either, and the object is requeued for when the call may be made.
fn permitted(context: &Context, seen: &Observation<'_>, plan: Plan) -> Plan {
    let Action::Call { .. } = plan.action else {
        return plan;
    };
    match context.authority.permits(context.config.call_timeout) {
        Ok(()) => plan,
        Err(error) => {
            let mut plan = after_call(seen, plan, &CallOutcome::NotSent(error.why));
            plan.requeue = error.wait.map_or(plan.requeue, Requeue::exactly);
            plan
        }
    }
}

/// Remembers a conflict, so that the next reconcile reads the object from the API server.
fn noting_conflicts<T>(
    scope: &Scope,
    object: &OxenModel,
    written: Result<T, ReconcileError>,
) -> Result<T, ReconcileError> {
    if let Err(error) = &written
        && error.code() == Some(409)
    {
        scope
            .context
            .memories
            .with(object, |memory| memory.stale = true);
    }
    written
}

fn next(scope: &Scope, object: &OxenModel, plan: &Plan) -> ControllerAction {
    let first = scope.context.memories.with(object, |memory| {
        memory.kube_failures = 0;
        !std::mem::replace(&mut memory.reconciled, true)
    });
    ControllerAction::requeue(spread(plan.requeue, first))
}

/// Applies the jitter. The first poll of a settled object after a start comes anywhere within the
/// interval, because all objects were observed at the same time.
fn spread(requeue: Requeue, first: bool) -> Duration {
    let mut rng = rand::rng();
    requeue.after.mul_f64(match requeue.jitter {
        Jitter::None => 1.0,
        Jitter::Later => rng.random_range(1.0..1.1),
        Jitter::Tenth if first => rng.random_range(0.1..1.0),
        Jitter::Tenth => rng.random_range(0.9..1.1),
        Jitter::Full => rng.random_range(0.0..1.0),
    })
}

/// The error policy: what follows a failed request to the Kubernetes API.
pub(super) fn error_policy(
    object: Arc<Guarded>,
    error: &ReconcileError,
    scope: Arc<Scope>,
) -> ControllerAction {
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    let failures = match &object.0 {
        Ok(object) => scope.context.memories.with(object, |memory| {
            memory.kube_failures = memory.kube_failures.saturating_add(1);
            memory.kube_failures
        }),
        Err(_) => 1,
    };
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    if error.code() == Some(409) {
        debug!(
            namespace,
            name, "the object has changed meanwhile; reconciling again"
        );
    } else {
        warn!(namespace, name, error = %error, source, "a request to the Kubernetes API failed");
    }
    scope.context.metrics.reconcile_failed();
    let rules = &scope.context.config.rules;
    let wait = doubled(rules.backoff_first, failures - 1, rules.backoff_last);
    let requeue = Requeue {
        after: wait,
        jitter: Jitter::Later,
    };
    ControllerAction::requeue(spread(requeue, false))
}
