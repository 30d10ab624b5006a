//! The rules of a call.

use oxen_operator::{
    api::LiveStatus,
    decide::{Action, Plan, Verdict},
};

use crate::{
    claims::{self, has_older_unobserved, others, outranks},
    counters::{Course, Refused, has_ended},
    flip::is_flipped,
    hub::{Outcome, Retrieved},
    object::{Object, limit_refusals},
    reconcile::{is_edited, operation_id},
    step_log::{Milestone, Rule},
    table::{is_due, is_transition, requested},
    world::{Reconcile, Snapshot, World},
};

/// Checks a call that goes out.
pub(crate) fn on_call(
    world: &mut World,
    process: usize,
    slot: usize,
    reconcile: &Reconcile,
    plan: &Plan,
    outcome: Outcome,
) {
    let Action::Call { kind, .. } = plan.action else {
        return;
    };
    let snapshot = &reconcile.snapshot;
    let (object, live) = (
        &snapshot.object,
        snapshot.retrieved.and_then(Retrieved::live),
    );
    let retains = object.spec.deletion_policy.is_some();
    let leads = reconcile.may_call && world.leader == Some(process);
    let owns = !reconcile.outranked
        && !others(world, slot, snapshot).any(|other| {
            // What the process doesn't know yet of two objects that are being deleted may differ.
            !(other.deleting() && object.deleting()) && outranks(other, object)
        })
        && !has_older_unobserved(world, slot, object);
    let counters = &world.slots[slot].counters;
    let gone = claims::gone(world, snapshot).all(|gone| counters.is_awaited(process, &gone.id));
    let alone = gone && others_are_awaited(world, process, slot, snapshot);
    let still_open = still_open(world, process, slot, snapshot);
    let known = world.replicas[process].cache[slot].as_ref();
    let (edited, flipped) = (is_edited(known, object), is_flipped(known, object));
    let (sent, reached) = (counters.sent, counters.reached);
    let ended = sent.is_none_or(|sent| live.is_some_and(|live| is_transition(sent, live)));
    let spaced = counters.refused.is_none_or(Refused::allows_call);
    let recorded = is_recorded(world, slot, object, plan);
    let held = object.has_finalizer() && is_held(world, slot, object);
    let log = &mut world.log;
    log.called = true;
    log.require(Rule::ObservedBeforeCall, live.is_some());
    log.require(Rule::TableRequiresCall, is_due(snapshot, kind));
    log.require(Rule::NoCallOnUnknown, live != Some(LiveStatus::Unknown));
    log.require(
        Rule::NoCallOnBase,
        snapshot.retrieved != Some(Retrieved::Base),
    );
    let suspended = object.spec.suspend == Some(true);
    log.require(Rule::NoCallWhileSuspended, !suspended);
    log.require(Rule::RecordedBeforeCall, recorded);
    log.require(Rule::OneCallAtATime, alone && !still_open);
    log.require(Rule::NoSecondCall, ended);
    log.require(Rule::RefusalsSpaced, spaced);
    log.require(Rule::CallOnKnownSpec, !edited);
    log.require(Rule::CallForDesiredState, !flipped);
    log.require(Rule::OwnerOnly, owns);
    log.require(Rule::LeaderOnly, leads);
    log.require(Rule::FinalizerBeforeCall, retains || held);
    let corrects = plan.verdict == Verdict::CorrectingDrift;
    log.require(Rule::CorrectedAfterSuccess, !corrects || reached);
    log.reach(Milestone::DriftCorrected, corrects);
    let retries = live == Some(LiveStatus::Error);
    log.reach(Milestone::FailedDeploymentRetried, retries);
    let counters = &mut world.slots[slot].counters;
    if let Some((_, course)) = &mut counters.recorded {
        *course = Course::Sent;
    }
    counters.refused = match outcome {
        Outcome::Refused(failure) => Refused::by(failure),
        Outcome::NotSent
        | Outcome::Accepted
        | Outcome::AcceptedLate
        | Outcome::ResponseLost
        | Outcome::RequestLost
        | Outcome::Delayed => None,
    };
    if !matches!(outcome, Outcome::Refused(_)) {
        counters.sent = Some(kind);
        counters.restored = false;
    }
}

/// Returns true when no other object of the model has an open operation, or the process has waited
/// for each of them for long enough.
pub(crate) fn others_are_awaited(
    world: &World,
    process: usize,
    slot: usize,
    snapshot: &Snapshot,
) -> bool {
    let counters = &world.slots[slot].counters;
    let mut open = claims::open_operations(world, slot, snapshot);
    open.all(|id| counters.is_awaited(process, id))
}

/// The object in the API server, unless it is gone.
fn stored<'a>(world: &'a World, slot: usize, object: &Object) -> Option<&'a Object> {
    let stored = world.slots[slot].stored.as_ref();
    let stored = stored.map(|stored| &stored.object);
    stored.filter(|stored| stored.metadata.uid == object.metadata.uid)
}

/// Returns true when the object has the finalizer in the API server, or is gone.
fn is_held(world: &World, slot: usize, object: &Object) -> bool {
    stored(world, slot, object).is_none_or(|stored| stored.has_finalizer())
}

/// Returns true when the API server has the plan's operation and attempts, or no longer has them
/// because the object is gone or a person has replaced the status.
fn is_recorded(world: &World, slot: usize, object: &Object, plan: &Plan) -> bool {
    let stored = stored(world, slot, object);
    let mut attempts = plan.status.attempts.clone();
    attempts.iter_mut().for_each(limit_refusals);
    let id = operation_id(&plan.status);
    let lost = world.slots[slot].counters.record_lost;
    lost || stored.is_none_or(|stored| {
        id.is_some()
            && stored.operation_id() == id
            && stored.status_or_default().attempts == attempts
    })
}

/// Returns true when an operation was open before the observation, and the observation neither
/// closes it nor shows that the hub has taken its call.
fn still_open(world: &World, process: usize, slot: usize, snapshot: &Snapshot) -> bool {
    let status = snapshot.object.status_or_default();
    let spent = status.attempts.as_ref();
    let restored = spent.is_some_and(|spent| spent.uid != snapshot.object.metadata.uid);
    let Some(open) = status.operation.filter(|_| !restored) else {
        return false;
    };
    let live = snapshot.retrieved.and_then(Retrieved::live);
    let taken = live.is_some_and(|live| is_transition(open.kind, live));
    let counters = &world.slots[slot].counters;
    let ended = has_ended(counters, process, open.kind, snapshot);
    !(taken || ended || is_accepted_identity(snapshot))
}

/// Returns true when a request accepts the identity that the hub answered with.
fn is_accepted_identity(snapshot: &Snapshot) -> bool {
    let shown = snapshot.object.status_or_default().other_model;
    let answer = snapshot.retrieved.and_then(|it| it.result().ok());
    let answer = answer.map(|remote| remote.model.identity());
    requested(&snapshot.object) && shown.is_some() && shown == answer
}
