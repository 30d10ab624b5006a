//! When an object is reconciled again.

use std::time::Duration;

use kube::runtime::controller::Action as ControllerAction;
use rand::Rng;

use super::{clock::no_later_than, context::Scope};
use crate::{
    api::OxenModel,
    decide::{Jitter, Plan, Requeue},
};

/// Requeues an object as its plan says.
pub(super) fn next(scope: &Scope, object: &OxenModel, plan: &Plan) -> ControllerAction {
    let first = scope.context.memories.with(object, |memory| {
        memory.kube_failures = 0;
        !std::mem::replace(&mut memory.reconciled, true)
    });
    let wait = spread(plan.requeue, first);
    ControllerAction::requeue(no_later_than(wait, plan.change))
}

/// Applies the jitter. The first poll of a settled object after a start comes anywhere within the
/// interval, because all objects were observed at the same time.
pub(super) fn spread(requeue: Requeue, first: bool) -> Duration {
    let mut rng = rand::rng();
    requeue.after.mul_f64(match requeue.jitter {
        Jitter::None => 1.0,
        Jitter::Later => rng.random_range(1.0..1.1),
        Jitter::Tenth if first => rng.random_range(0.1..1.0),
        Jitter::Tenth => rng.random_range(0.9..1.1),
        Jitter::Full => rng.random_range(0.0..1.0),
    })
}
