//! One reconcile of one object: observe, decide, change the finalizer and decide again, ask the
//! budgets and decide again, record, act, and record the outcome.

use std::sync::Arc;

use kube::{ResourceExt, runtime::controller::Action as ControllerAction};
use tokio::{sync::OwnedMutexGuard, time::Instant};
use tracing::debug;

use super::{
    act,
    admission::Slot,
    context::{Context, Scope},
    error::ReconcileError,
    guarded::Guarded,
    observe::{Observed, observe},
    prepare::{Prepared, answer_request, newest, prepare},
    record::{noting_conflicts, record, record_operation},
    requeue::next,
    undecodable,
};
use crate::{
    api::{OperationKind, OxenModel},
    decide::{
        Action, CallOutcome, Observation, Ownership, Plan, Requeue, Verdict, after_call, decide,
        not_permitted, not_recorded, unobserved,
    },
};

/// Reconciles an object that can be decoded, or whose deletion continues with what can be read.
pub(super) async fn reconcile_object(
    scope: &Scope,
    object: &Guarded,
    slot: &Slot,
) -> Result<ControllerAction, ReconcileError> {
    let context = &scope.context;
    let rules = &context.config.rules;
    let started = Instant::now();
    let mut prepared = prepare(scope, object).await?;
    // No other object of the same model may be decided on while a release is decided.
    let model = prepared.object.status.as_ref();
    let model = model.and_then(|status| status.model.as_ref());
    let removes = |plan: &Plan| plan.action == Action::RemoveFinalizer;
    let mut plan = unobserved(&prepared.subject(rules));
    let mut model_lock = None;
    if let Some(model) = model.filter(|_| plan.as_ref().is_some_and(removes)) {
        model_lock = Some(context.index.lock_model(&model.identity()).await);
        prepared = prepare(scope, object).await?;
        plan = unobserved(&prepared.subject(rules));
    }
    // A release needs only what could be read. Nothing else is decided from a partial object.
    let unreadable = object.unreadable.as_ref();
    let partial = unreadable.is_some_and(|unreadable| !unreadable.deletable);
    if partial && !plan.as_ref().is_some_and(removes) {
        return report_undecodable(scope, object).await;
    }
    if let Some(mut plan) = plan {
        if let Some(present) = changes_finalizer(&prepared, &plan) {
            set_finalizer(scope, &mut prepared, &plan, present).await?;
            plan = unobserved(&prepared.subject(rules)).unwrap_or(plan);
        }
        return perform(scope, &prepared, plan, started).await;
    }
    answer_request(scope, &mut prepared).await?;
    // The observation takes the lock of the model that the hub shows.
    drop(model_lock);
    let mut observed = observe(scope, prepared, slot).await?;
    let mut seen = observed.observation(rules);
    let mut plan = decide(&seen);
    if let Some(present) = changes_finalizer(&observed.prepared, &plan) {
        set_finalizer(scope, &mut observed.prepared, &plan, present).await?;
        seen = observed.observation(rules);
        plan = decide(&seen);
    }
    let mut budget_lock = None;
    if activates(&plan) {
        budget_lock = observed.ask_budgets(scope).await;
        seen = observed.observation(rules);
        plan = decide(&seen);
    } else {
        context.index.not_refused(&observed.prepared.object);
    }
    let plan = permitted(context, &seen, plan);
    match plan.action {
        Action::Call { kind, .. } => {
            call(scope, &observed, &seen, plan, kind, started, budget_lock).await
        }
        Action::Nothing | Action::AddFinalizer | Action::RemoveFinalizer => {
            drop(budget_lock);
            perform(scope, &observed.prepared, plan, started).await
        }
    }
}

/// Returns true when the plan has an activate call, which the budgets may refuse.
fn activates(plan: &Plan) -> bool {
    match plan.action {
        Action::Call { kind, .. } => kind == OperationKind::Activate,
        Action::Nothing | Action::AddFinalizer | Action::RemoveFinalizer => false,
    }
}

/// Writes into an object's status that it can't be decoded.
pub(super) async fn report_undecodable(
    scope: &Scope,
    object: &Guarded,
) -> Result<ControllerAction, ReconcileError> {
    let reported = undecodable::report(scope, object).await;
    noting_conflicts(scope, &object.object, reported)?;
    scope
        .context
        .memories
        .with(&object.object, |memory| memory.kube_failures = 0);
    let rules = &scope.context.config.rules;
    let deleting = object.object.metadata.deletion_timestamp.is_some();
    Ok(ControllerAction::requeue(if deleting {
        rules.sync_interval.min(rules.overdue_poll)
    } else {
        rules.sync_interval
    }))
}

/// Returns `Some(true)` if the plan adds the finalizer, `Some(false)` if it removes it from an
/// object that isn't being deleted, and `None` otherwise.
fn changes_finalizer(prepared: &Prepared, plan: &Plan) -> Option<bool> {
    let deleting = prepared.object.metadata.deletion_timestamp.is_some();
    match plan.action {
        Action::AddFinalizer => Some(true),
        Action::RemoveFinalizer => (!deleting).then_some(false),
        Action::Nothing | Action::Call { .. } => None,
    }
}

/// Adds or removes the finalizer, before the plan's status is written. The reconcile then decides
/// again with the same observation, because a call may be due.
async fn set_finalizer(
    scope: &Scope,
    prepared: &mut Prepared,
    plan: &Plan,
    present: bool,
) -> Result<(), ReconcileError> {
    let object = &prepared.stored;
    // No write has stored the plan's operation, so this process remembers it for the next
    // reconcile.
    let remember = || {
        let memories = &scope.context.memories;
        memories.with(object, |memory| {
            memory.track(|it| it.before_write(&plan.status))
        });
    };
    let written = act::set_finalizer(scope, object, present).await;
    let after = match noting_conflicts(scope, object, written) {
        Ok(after) => after,
        Err(error) if matches!(error.code(), Some(404 | 409)) => {
            remember();
            return Err(error);
        }
        Err(error) => {
            // The status says what is the case, even if the finalizer can't be written.
            noting_conflicts(scope, object, record(scope, object, plan).await)?;
            return Err(error);
        }
    };
    scope.context.index.answered(object, &after);
    // What the API server stored differs from what the decision was about.
    if after.metadata.generation != object.metadata.generation {
        remember();
        return Err(ReconcileError::Outdated);
    }
    if after.has_finalizer() != present {
        noting_conflicts(scope, object, record(scope, &after, plan).await)?;
        return Err(ReconcileError::FinalizersNotStored {
            object: after.name_any(),
        });
    }
    prepared.wrote(scope, after);
    Ok(())
}

/// Writes the status, and performs a plan that has no call.
async fn perform(
    scope: &Scope,
    prepared: &Prepared,
    mut plan: Plan,
    started: Instant,
) -> Result<ControllerAction, ReconcileError> {
    let context = &scope.context;
    let object = &prepared.stored;
    if plan.action == Action::RemoveFinalizer {
        return release(scope, object, &plan, started).await;
    }
    // The reconcile may have waited for so long that another leader has already listed the objects.
    if !context.authority.holds() {
        return Ok(ControllerAction::requeue(
            context.config.rules.backoff_first,
        ));
    }
    let latest = noting_conflicts(scope, object, record(scope, object, &plan).await)?;
    // The owner may have gone before the write showed others which model this object is about. Then
    // nobody has woken this object.
    let memories = &context.memories;
    let lost = plan.verdict == Verdict::Conflict;
    if lost
        && !matches!(
            context.index.ownership(memories, &latest, None),
            Ownership::Lost(_)
        )
    {
        plan.requeue = Requeue::exactly(context.config.rules.backoff_first);
    }
    context.metrics.reconciled(&plan, started.elapsed());
    Ok(next(scope, object, &plan))
}

/// Releases an object that is being deleted: removes the finalizer that holds the deletion.
async fn release(
    scope: &Scope,
    object: &OxenModel,
    plan: &Plan,
    started: Instant,
) -> Result<ControllerAction, ReconcileError> {
    let context = &scope.context;
    // A release needs the same authority as a call: another leader may own the model's other
    // object.
    if let Err(error) = context.authority.permits(context.config.call_timeout) {
        let wait = error.wait.unwrap_or(context.config.rules.backoff_first);
        return Ok(ControllerAction::requeue(wait));
    }
    // The watch may report the deletion before the answer comes, and the answer can be lost.
    let open = plan.status.operation.as_ref();
    let open = open.map(|operation| operation.id.clone());
    context.index.release(object, open);
    if let Err(error) = act::set_finalizer(scope, object, false).await {
        // The next reconcile asks the API server whether the object is still there.
        context.memories.with(object, |memory| memory.stale = true);
        return Err(error);
    }
    context.events.publish_plan(object, plan);
    context.metrics.reconciled(plan, started.elapsed());
    // The watch may have already reported the deletion. After that, nothing about the object may be
    // kept.
    let uid = object.metadata.uid.as_deref();
    context.memories.forget(uid.unwrap_or_default());
    Ok(ControllerAction::await_change())
}

/// Writes the operation's record, sends the call, and writes its outcome. `budget_lock` is held
/// until the record is written, because the record counts towards the budgets.
async fn call(
    scope: &Scope,
    observed: &Observed,
    seen: &Observation<'_>,
    plan: Plan,
    kind: OperationKind,
    started: Instant,
    budget_lock: Option<OwnedMutexGuard<()>>,
) -> Result<ControllerAction, ReconcileError> {
    let context = &scope.context;
    let object = &observed.prepared.stored;
    let id = &observed.prepared.operation_id;
    let recorded = record_call(scope, observed, seen, &plan, kind).await;
    drop(budget_lock);
    let recorded = match recorded? {
        Recorded::Stored(recorded) => recorded,
        Recorded::Nothing(plan) => {
            context.metrics.reconciled(&plan, started.elapsed());
            return Ok(next(scope, object, &plan));
        }
    };
    let outcome = act::call(scope, observed, kind).await;
    context.metrics.called(plan.verdict, kind, &outcome);
    let plan = after_call(seen, plan, &outcome);
    context.memories.with(object, |memory| {
        memory.track(|tracked| tracked.track(id, &plan.status));
        memory.call_ended(&outcome);
    });
    let model = plan.status.model.as_ref();
    if let (CallOutcome::NotSent(_), Some(model)) = (&outcome, model) {
        context.index.never_sent(&model.identity(), id);
    }
    noting_conflicts(scope, object, record(scope, &recorded, &plan).await)?;
    debug!("the call's outcome is recorded");
    context.metrics.reconciled(&plan, started.elapsed());
    Ok(next(scope, object, &plan))
}

/// What became of a call's record.
enum Recorded {
    /// The API server holds the record, so the call may follow. This is the written object.
    Stored(Arc<OxenModel>),
    /// There is no record, so no call follows. This is the plan without the call.
    Nothing(Box<Plan>),
}

/// Writes the operation's record before its call.
async fn record_call(
    scope: &Scope,
    observed: &Observed,
    seen: &Observation<'_>,
    plan: &Plan,
    kind: OperationKind,
) -> Result<Recorded, ReconcileError> {
    let context = &scope.context;
    let object = &observed.prepared.stored;
    let memories = &context.memories;
    // The call's outcome if the write of the record has no answer: the call is not sent.
    let outcome = CallOutcome::NotSent("it was not recorded");
    let unsent = after_call(seen, plan.clone(), &outcome);
    let id = &observed.prepared.operation_id;
    memories.with(object, |memory| {
        memory.track(|tracked| tracked.track(id, &unsent.status));
    });
    let expires = observed.expires(context.config.max_observation_age);
    match record_operation(scope, object, plan, expires).await {
        Ok(Some(recorded)) => {
            memories.with(object, |memory| {
                memory.track(|tracked| tracked.stored(&plan.status));
            });
            Ok(Recorded::Stored(recorded))
        }
        Ok(None) => {
            let plan = not_recorded(seen, plan.clone());
            let latest = newest(scope, &observed.prepared.watched).await?;
            noting_conflicts(scope, object, record(scope, &latest, &plan).await)?;
            Ok(Recorded::Nothing(Box::new(plan)))
        }
        Err(ReconcileError::Late { .. }) => {
            let why = "the observation became too old before the call was recorded";
            let outcome = CallOutcome::NotSent(why);
            context.metrics.called(plan.verdict, kind, &outcome);
            memories.with(object, |memory| memory.call_ended(&outcome));
            // Nothing is written, so that a slow API server gets no additional requests.
            let plan = not_permitted(seen, plan.clone(), why);
            Ok(Recorded::Nothing(Box::new(plan)))
        }
        Err(error) => noting_conflicts(scope, object, Err(error)),
    }
}

/// Removes the call from the plan if this process may not make it now. The operation is then not
/// recorded either, and the object is requeued for when the call may be made.
fn permitted(context: &Context, seen: &Observation<'_>, plan: Plan) -> Plan {
    let Action::Call { .. } = plan.action else {
        return plan;
    };
    let Err(error) = context.authority.permits(context.config.call_timeout) else {
        return plan;
    };
    let mut plan = not_permitted(seen, plan, error.why);
    plan.requeue = error.wait.map_or(plan.requeue, Requeue::exactly);
    context.memories.with(seen.subject.object, |memory| {
        memory.call_ended(&CallOutcome::NotSent(error.why));
    });
    plan
}
