//! One pass over one object: observe, decide, record, act, and record what came of it.

use std::{error::Error as _, sync::Arc, time::Duration};

use kube::{ResourceExt, runtime::controller::Action as Next};
use rand::Rng;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{
    act,
    context::{Context, Error, Guarded, Scope},
    invalid,
    observe::observe,
    record::{record, tell},
};
use crate::{
    api::OxenModel,
    decide::{
        Action, Answer, Jitter, Observation, Plan, Requeue, Verdict, answered, decide, doubled,
    },
};

/// The whole pass, with its ends: what can't be decoded, what is gone, and the next time.
pub(super) async fn reconcile(object: Arc<Guarded>, scope: Arc<Scope>) -> Result<Next, Error> {
    let context = &scope.context;
    // What another namespace has may decide what happens here. A stop that was said comes first: nothing new begins.
    tokio::select! {
        biased;
        () = context.stop.wait() => return Ok(Next::await_change()),
        () = context.claims.listed() => {}
    }
    if !context.authority.holds() {
        return Ok(Next::requeue(context.config.rules.backoff_first));
    }
    let done = match &object.0 {
        Ok(object) => pass(&scope, &Arc::new(object.clone())).await,
        Err(undecodable) => invalid::pass(&scope, undecodable).await,
    };
    match done {
        Ok(next) => Ok(next),
        // The object is gone, and nothing comes of the next time; or another API server doesn't know of it yet.
        Err(error) if error.code() == Some(404) => {
            Ok(Next::requeue(scope.context.config.rules.sync_interval))
        }
        // What made it so starts the next pass; the time is for a watch that lags.
        Err(Error::Outdated) => Ok(Next::requeue(scope.context.config.rules.backoff_first)),
        Err(error) => Err(error),
    }
}

/// One pass over an object that can be decoded.
pub(super) async fn pass(scope: &Scope, object: &Arc<OxenModel>) -> Result<Next, Error> {
    let context = &scope.context;
    let began = Instant::now();
    let observed = observe(scope, object).await?;
    let seen = observed.observation(&context.config.rules);
    let mut plan = permitted(context, &seen, decide(&seen));
    let mut latest = noting_conflicts(scope, object, record(scope, &observed.object, &plan).await)?;
    match &plan.action {
        Action::Nothing => {}
        Action::AddFinalizer => {
            noting_conflicts(scope, object, act::finalizer(scope, &latest, true).await)?;
            // The change wakes the next pass; the time is for a watch that lags.
            plan.requeue = soon(context.config.rules.backoff_first);
        }
        Action::RemoveFinalizer => {
            noting_conflicts(scope, object, act::finalizer(scope, &latest, false).await)?;
            if plan.verdict == Verdict::LetGo {
                tell(scope, &latest, &plan).await;
                context.metrics.reconciled(&plan, began.elapsed());
                // The watch may have told meanwhile that it is gone, and nothing must be remembered of it after that.
                context.memories.forget(&latest.uid().unwrap_or_default());
                return Ok(Next::await_change());
            }
        }
        Action::Call { direction, .. } => {
            let answer = act::call(scope, &observed, *direction).await;
            context.metrics.called(plan.verdict, *direction, &answer);
            plan = answered(&seen, plan, &answer);
            latest = noting_conflicts(scope, object, record(scope, &latest, &plan).await)?;
            debug!(name = latest.name_any(), "the call's outcome is recorded");
        }
    }
    context.metrics.reconciled(&plan, began.elapsed());
    Ok(next(scope, object, &plan))
}

/// A call that may not start anyway is not even recorded. It is due again when it may.
fn permitted(context: &Context, seen: &Observation<'_>, plan: Plan) -> Plan {
    let Action::Call { .. } = plan.action else {
        return plan;
    };
    match context.authority.permits(context.config.call) {
        Ok(()) => plan,
        Err(refusal) => {
            let mut plan = answered(seen, plan, &Answer::NotSent(refusal.why));
            plan.requeue = refusal.wait.map_or(plan.requeue, soon);
            plan
        }
    }
}

fn soon(after: Duration) -> Requeue {
    Requeue {
        after,
        jitter: Jitter::None,
    }
}

/// After a conflict the next pass reads the object from the API server.
fn noting_conflicts<T>(
    scope: &Scope,
    object: &OxenModel,
    written: Result<T, Error>,
) -> Result<T, Error> {
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

fn next(scope: &Scope, object: &OxenModel, plan: &Plan) -> Next {
    let first = scope.context.memories.with(object, |memory| {
        memory.kube_failures = 0;
        !std::mem::replace(&mut memory.settled_in, true)
    });
    Next::requeue(spread(plan.requeue, first))
}

/// The first settled look after a start is drawn from the whole interval, so that objects that
/// were all looked at in one burst part ways.
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

/// The next pass after a failed request to the Kubernetes API.
pub(super) fn retry(object: Arc<Guarded>, error: &Error, scope: Arc<Scope>) -> Next {
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    let conflict = error.code() == Some(409);
    let failures = match &object.0 {
        Ok(object) => scope.context.memories.with(object, |memory| {
            memory.kube_failures = memory.kube_failures.saturating_add(1);
            memory.kube_failures
        }),
        Err(_) => 1,
    };
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    if conflict {
        debug!(
            namespace,
            name, "the object has changed meanwhile; looking again"
        );
    } else {
        warn!(namespace, name, error = %error, source, "a request to the Kubernetes API failed");
    }
    scope.context.metrics.failed();
    let rules = &scope.context.config.rules;
    let wait = doubled(rules.backoff_first, failures - 1, rules.backoff_last);
    Next::requeue(spread(
        Requeue {
            after: wait,
            jitter: Jitter::Later,
        },
        false,
    ))
}
