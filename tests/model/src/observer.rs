//! The observer, which checks each call, status write and release by its own version of the rules.
//! It uses the true state of the world and its own counters, and doesn't rely on the status.

use oxen_operator::{
    api::{LiveStatus, OperationKind, OxenModelStatus},
    decide::{
        Action, CALLS, CORRECTIONS, DELETION_BLOCKED, Ownership, Plan, READY, RECONCILING, STALLED,
        SurpriseKind, Verdict,
    },
};

use crate::{
    claims::{self, has_older_unobserved, is_kept_elsewhere, others, outranks},
    counters::{Course, Known, Refused, has_ended, watch},
    hub::{HubFailure, Outcome, Retrieved},
    object::{Object, RULES, limit_refusals},
    reconcile::{calls, is_outdated},
    step_log::{Milestone, Rule},
    table::{find, fits, is_due, is_off, is_target, is_transition, is_true, requested},
    world::{Reconcile, Snapshot, Stored, World},
};

/// Checks a decision, of which nothing is written yet.
pub(crate) fn on_decision(
    world: &mut World,
    process: usize,
    slot: usize,
    snapshot: &Snapshot,
    plan: &Plan,
) {
    watch(world, process, slot, snapshot);
    log_operation(world, slot, snapshot, plan);
    let before = snapshot.object.status_or_default();
    let live = snapshot.retrieved.and_then(Retrieved::live);
    let answered = requested(&snapshot.object) && live.is_some();
    let spent = before.attempts.as_ref().and_then(|all| all.calls);
    let exhausted = spent.unwrap_or_default() >= CALLS;
    let log = &mut world.log;
    log.reach(Milestone::AttemptsRenewed, answered && exhausted);
    let accepted = accepted_owner(snapshot, plan);
    let counters = &mut world.slots[slot].counters;
    let knowingly =
        accepted.is_none() || (requested(&snapshot.object) && counters.shown == accepted);
    log.require(Rule::IdentityAcceptedKnowingly, knowingly);
    log.reach(Milestone::IdentityAccepted, accepted.is_some());
    let gained = counters.lost && plan.verdict != Verdict::Conflict && live.is_some();
    counters.lost &= !gained;
    let gained = gained && !snapshot.object.deleting();
    log.reach(Milestone::OwnershipGained, gained);
    let sent = counters.sent;
    let ended = sent.is_some_and(|sent| has_ended(counters, process, sent, snapshot));
    // The call of a model that the hub no longer knows has no effect.
    let forgotten = plan.verdict == Verdict::Released && is_not_found(snapshot);
    counters
        .sent
        .take_if(|_| ended || forgotten || accepted.is_some());
    check_recorded(world, process, slot, snapshot, plan);
}

/// Logs what the decision makes of open operations.
fn log_operation(world: &mut World, slot: usize, snapshot: &Snapshot, plan: &Plan) {
    let live = snapshot.retrieved.and_then(Retrieved::live);
    let before = snapshot.object.status_or_default().operation;
    let closed = before.filter(|open| operation_id(&plan.status) != Some(open.id.as_str()));
    let unknown = closed.as_ref().is_some_and(|open| open.accepted.is_none());
    let expired = closed
        .zip(live)
        .is_some_and(|(open, live)| live != LiveStatus::Unknown && !is_target(open.kind, live));
    let waited = matches!(snapshot.ownership, Ownership::Pending(_));
    let rivals = snapshot.ownership.rivals();
    let orphaned = world.gone.iter().any(|gone| rivals.contains(&gone.id));
    let log = &mut world.log;
    log.reach(Milestone::UnknownOutcomeResolved, unknown);
    log.reach(Milestone::CalledAgain, expired && calls(plan));
    log.reach(Milestone::RivalExpired, waited && calls(plan));
    log.reach(Milestone::OrphanExpired, orphaned && calls(plan));
    let hub = &world.hub;
    let refused = hub.refuses.is_some_and(|refuses| refuses.activates_only);
    let deactivates = matches!(
        plan.action,
        Action::Call {
            kind: OperationKind::Deactivate,
            ..
        }
    );
    let through = refused && deactivates && world.slots[slot].counters.refused.is_some();
    log.reach(Milestone::DeactivatedThroughRefusals, through);
}

/// Checks the decision against what the process knows of the operation that it recorded: one whose
/// call it has not sent is over, and so is one whose end it has seen.
fn check_recorded(
    world: &mut World,
    process: usize,
    slot: usize,
    snapshot: &Snapshot,
    plan: &Plan,
) {
    let before = snapshot.object.operation_id();
    let after = operation_id(&plan.status);
    let recorded = &mut world.slots[slot].counters.recorded;
    let Some((known, course)) = recorded.as_mut().filter(|it| it.0.process == process) else {
        return;
    };
    let is = |id: Option<&str>| id == Some(known.id.as_str());
    let kept = is(after) && !calls(plan);
    let log = &mut world.log;
    log.require(Rule::UnsentEndsAtOnce, !(kept && *course == Course::Unsent));
    log.require(
        Rule::EndedStaysEnded,
        !(is(before) && *course == Course::Ended),
    );
    // A released object has no next reconcile. What a call replaces comes back if it isn't sent.
    let ends = plan.verdict != Verdict::Released && !calls(plan);
    if ends && is(before) && !is(after) {
        *course = Course::Ended;
    }
}

/// Renews the counters where the rules renew the attempts. The plan's status is now in the API
/// server, or was there before.
pub(crate) fn on_recorded(world: &mut World, slot: usize, snapshot: &Snapshot, plan: &Plan) {
    let counters = &mut world.slots[slot].counters;
    let generation = snapshot.object.metadata.generation.unwrap_or_default();
    let new_generation = generation > counters.generation;
    let answered = snapshot.retrieved.is_some_and(Retrieved::is_answered);
    if new_generation || (answered && requested(&snapshot.object)) {
        (counters.calls, counters.corrections) = (0, 0);
        counters.settled &= !new_generation;
        counters.generation = generation.max(counters.generation);
        counters.renew_refused();
    }
    let desired = snapshot.object.desired();
    let fits = snapshot.retrieved.is_some_and(|it| fits(it, desired));
    if fits && is_true(&plan.status, READY) {
        (counters.calls, counters.settled) = (0, true);
        counters.renew_refused();
    }
}

/// Checks that the written status replaced the object that was decided upon. `before` is what the
/// API server had.
pub(crate) fn on_record(
    world: &mut World,
    process: usize,
    slot: usize,
    before: Option<Stored>,
    reconcile: &Reconcile,
    plan: &Plan,
) {
    if !calls(plan) {
        return;
    }
    let single = others_are_awaited(world, process, slot, &reconcile.snapshot);
    let same = before.is_some_and(|before| {
        let (stored, decided) = (&before.object, &reconcile.stored);
        stored.metadata.generation == decided.metadata.generation
            && stored.metadata.uid == decided.metadata.uid
            && stored.operation_id() == decided.operation_id()
    });
    world.log.require(Rule::RecordedOnDecidedObject, same);
    world.log.require(Rule::OneOpenOperation, single);
    let known = operation_id(&plan.status).map(|id| Known {
        process,
        id: id.to_owned(),
    });
    let counters = &mut world.slots[slot].counters;
    counters.recorded = known.map(|known| (known, Course::Unsent));
    counters.record_lost = false;
}

/// Checks a status that was written.
pub(crate) fn on_status(world: &mut World, slot: usize, snapshot: &Snapshot, plan: &Plan) {
    let (status, before) = (&plan.status, snapshot.object.status_or_default());
    let open = status.operation.is_some();
    let ready = is_true(status, READY);
    let generation = snapshot.object.metadata.generation;
    let kept = is_true(&before, READY)
        && find(&before, READY).and_then(|own| own.observed_generation) == generation;
    let failed = matches!(
        snapshot.retrieved,
        Some(Retrieved::NoKey(_) | Retrieved::Failed(_))
    );
    let holds = match snapshot.retrieved {
        Some(Retrieved::NoKey(_) | Retrieved::Failed(_)) => kept,
        Some(answer) => fits(answer, snapshot.object.desired()),
        None => false,
    };
    let current = find(status, READY).and_then(|own| own.observed_generation) == generation
        && Some(status.observed_generation) == generation;
    let stalled = is_true(status, STALLED);
    let blocked = plan.blocked && is_true(status, DELETION_BLOCKED);
    let exhausted = matches!(
        plan.verdict,
        Verdict::CallHadNoEffect | Verdict::DeploymentFailed | Verdict::DriftContention
    );
    let counters = &mut world.slots[slot].counters;
    counters.blocked |= blocked;
    counters.lost |= plan.verdict == Verdict::Conflict;
    let log = &mut world.log;
    log.require(Rule::NoReadyWhileOpen, !(ready && open));
    log.require(Rule::ReadyAsDeclared, !ready || holds);
    log.require(Rule::ReadyThisGeneration, !ready || current);
    log.require(
        Rule::OneProgressCondition,
        !(stalled && is_true(status, RECONCILING)),
    );
    log.require(Rule::StalledByOwnCalls, !(exhausted && counters.restored));
    let became = |verdict| plan.verdict == verdict && ready && before.operation.is_some();
    log.reach(Milestone::BecameActive, became(Verdict::Active));
    log.reach(Milestone::BecameInactive, became(Verdict::Inactive));
    log.reach(Milestone::Stalled, stalled);
    log.reach(Milestone::OwnershipLost, plan.verdict == Verdict::Conflict);
    log.reach(Milestone::DeletionBlocked, blocked);
    log.reach(Milestone::ReadyKept, ready && failed);
    log.reach(Milestone::AttemptsExhausted, exhausted);
    let refused = plan.verdict.presentation().refusal && stalled;
    log.reach(Milestone::RefusedForLong, refused);
    let pruned = plan.verdict == Verdict::CrdOutdated;
    log.reach(Milestone::RecordPruned, pruned);
}

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
    let outdated = is_outdated(known, object);
    let sent = counters.sent;
    let ended = sent.is_none_or(|sent| live.is_some_and(|live| is_transition(sent, live)));
    let spaced = counters.refused.is_none_or(Refused::allows_call);
    let recorded = is_recorded(world, slot, object, plan);
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
    log.require(Rule::CallOnKnownSpec, !outdated);
    log.require(Rule::OwnerOnly, owns);
    log.require(Rule::LeaderOnly, leads);
    log.require(Rule::FinalizerBeforeCall, retains || object.has_finalizer());
    let corrects = plan.verdict == Verdict::CorrectingDrift;
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
fn others_are_awaited(world: &World, process: usize, slot: usize, snapshot: &Snapshot) -> bool {
    let counters = &world.slots[slot].counters;
    let mut open = claims::open_operations(world, slot, snapshot);
    open.all(|id| counters.is_awaited(process, id))
}

/// Returns true when the API server has the plan's operation and attempts, or no longer has them
/// because the object is gone or a person has replaced the status.
fn is_recorded(world: &World, slot: usize, object: &Object, plan: &Plan) -> bool {
    let stored = world.slots[slot].stored.as_ref();
    let stored = stored.map(|stored| &stored.object);
    let stored = stored.filter(|stored| stored.metadata.uid == object.metadata.uid);
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

/// Counts a call whose outcome is recorded, where the hub accepted it. A refused call, and one whose
/// outcome is lost, spends no attempt.
pub(crate) fn on_outcome(world: &mut World, slot: usize, outcome: Outcome, plan: &Plan) {
    let counters = &mut world.slots[slot].counters;
    if matches!(outcome, Outcome::Accepted | Outcome::AcceptedLate) {
        counters.calls += 1;
        counters.corrections += u8::from(counters.settled);
    }
    let recorded = counters.recorded.as_ref();
    let unsent = recorded.filter(|(_, course)| *course == Course::Unsent);
    let unsent = unsent.map(|(known, _)| known.id.as_str());
    let kept = unsent.is_some() && operation_id(&plan.status) == unsent;
    let calls = u32::from(counters.calls);
    let corrections = usize::from(counters.corrections);
    let log = &mut world.log;
    log.require(Rule::UnsentEndsAtOnce, !kept);
    log.reach(Milestone::UnsentEnded, unsent.is_some());
    log.require(Rule::CallsBounded, calls <= CALLS);
    log.require(Rule::CorrectionsBounded, corrections <= CORRECTIONS);
}

/// Checks a removal of the finalizer that the API server has just made. `on_answer` says that the
/// answer to a call led to it.
pub(crate) fn on_release(
    world: &mut World,
    process: usize,
    slot: usize,
    reconcile: &Reconcile,
    plan: &Plan,
    on_answer: bool,
) {
    let (snapshot, lost) = (&reconcile.snapshot, reconcile.outranked);
    let left_as_it_is = !snapshot.object.deactivates();
    let (history, live) = (
        &snapshot.history,
        snapshot.retrieved.and_then(Retrieved::live),
    );
    let surprise = history.surprise.as_ref();
    let confirmed = surprise.is_some_and(|it| it.elapsed >= RULES.confirm_after);
    let expected = surprise.is_none_or(|it| {
        confirmed
            || !matches!(
                it.kind,
                SurpriseKind::Inactive | SurpriseKind::NoDeployments
            )
    });
    let before = snapshot.object.status_or_default().operation;
    let transition = before
        .zip(live)
        .is_some_and(|(open, live)| is_transition(open.kind, live));
    let open = plan.status.operation.is_some();
    let off = live.is_some_and(is_off);
    let base = snapshot.retrieved == Some(Retrieved::Base);
    let not_found = is_not_found(snapshot)
        && surprise.is_some_and(|it| it.kind == SurpriseKind::NotFound)
        && confirmed
        && snapshot.key_proven;
    let inactive = !open && (base || (off && expected));
    let yields = lost && (!open || transition);
    let deleting = snapshot.object.deleting();
    let by_the_rules = left_as_it_is || (deleting && (inactive || not_found || yields));
    let after_block = deleting && world.slots[slot].counters.blocked;
    let without_ownership = deleting && lost && !left_as_it_is;
    let last = deleting
        && !left_as_it_is
        && !reconcile.left_as_it_is
        && !is_kept_elsewhere(world, slot, snapshot);
    // Another object may have turned it off meanwhile.
    let off = off || is_off(world.hub.live);
    let turned_off = base || not_found || (off && !may_activate(world, process, slot, snapshot));
    let several = last && world.slots.iter().any(|slot| slot.stored.is_none());
    let log = &mut world.log;
    log.require(Rule::ReleasedByTheRules, by_the_rules);
    log.require(Rule::ReleasedOnObservation, !on_answer);
    log.require(Rule::LastReleaseTurnsOff, !last || turned_off);
    log.reach(Milestone::ReleasedAfterBlock, after_block);
    log.reach(Milestone::ReleasedWithoutOwnership, without_ownership);
    log.reach(Milestone::LastReleased, several);
}

fn is_not_found(snapshot: &Snapshot) -> bool {
    snapshot.retrieved == Some(Retrieved::Failed(HubFailure::ModelNotFound))
}

/// Returns true when an activate call of the operator may still take effect on the model.
fn may_activate(world: &World, process: usize, slot: usize, snapshot: &Snapshot) -> bool {
    let counters = &world.slots[slot].counters;
    let mut gone = claims::gone(world, snapshot);
    counters.sent == Some(OperationKind::Activate)
        || gone.any(|gone| {
            gone.kind == OperationKind::Activate && !counters.is_awaited(process, &gone.id)
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

/// The owner of the other identity that the plan accepts.
fn accepted_owner(snapshot: &Snapshot, plan: &Plan) -> Option<String> {
    let owner = |status: &OxenModelStatus| Some(status.model.as_ref()?.owner.clone());
    let before = owner(&snapshot.object.status_or_default())?;
    owner(&plan.status).filter(|after| *after != before)
}

/// Returns true when a request accepts the identity that the hub answered with.
fn is_accepted_identity(snapshot: &Snapshot) -> bool {
    let shown = snapshot.object.status_or_default().other_model;
    let answer = snapshot.retrieved.and_then(|it| it.result().ok());
    let answer = answer.map(|remote| remote.model.identity());
    requested(&snapshot.object) && shown.is_some() && shown == answer
}

/// The id of the operation in a status.
fn operation_id(status: &OxenModelStatus) -> Option<&str> {
    status.operation.as_ref().map(|open| open.id.as_str())
}
