//! The observer, which checks each decision and status write by its own version of the rules, as
//! `call_rules.rs` and `release_rules.rs` check each call and release. It uses the true state of
//! the world and its own counters, and doesn't rely on the status.

use oxen_operator::{
    api::{LiveStatus, OperationKind, OxenModelStatus},
    decide::{
        Action, CALLS, CORRECTIONS, DELETION_BLOCKED, Ownership, Plan, READY, RECONCILING, STALLED,
        Verdict,
    },
};

use crate::{
    call_rules::others_are_awaited,
    counters::{Course, Known, has_ended, watch},
    hub::{Outcome, Retrieved},
    reconcile::{calls, operation_id},
    release_rules::is_not_found,
    step_log::{Milestone, Rule},
    table::{find, fits, is_target, is_true, requested},
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
    // A process may know this although no write holds it.
    counters.reached |= settles(snapshot, plan);
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
pub(crate) fn log_operation(world: &mut World, slot: usize, snapshot: &Snapshot, plan: &Plan) {
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
    let desired = Some(snapshot.object.desired());
    let flipped = !new_generation
        && generation == counters.generation
        && counters
            .desired
            .is_some_and(|_| counters.desired != desired);
    if new_generation || (answered && requested(&snapshot.object)) {
        (counters.calls, counters.corrections) = (0, 0);
        counters.settled &= !new_generation;
        counters.generation = generation.max(counters.generation);
        counters.renew_refused();
    }
    if new_generation || flipped {
        (counters.settled, counters.reached) = (false, false);
        counters.desired = desired;
    }
    if flipped {
        // The clock acknowledges no correction.
        counters.calls = 0;
        counters.renew_refused();
    }
    let settled = settles(snapshot, plan);
    if settled {
        (counters.calls, counters.settled, counters.reached) = (0, true, true);
        counters.renew_refused();
    }
    let called = flipped && calls(plan);
    world.log.reach(Milestone::CalledAfterFlip, called);
}

/// Returns true when a plan says that the object is as desired, and it is.
fn settles(snapshot: &Snapshot, plan: &Plan) -> bool {
    let desired = snapshot.object.desired();
    let fits = snapshot.retrieved.is_some_and(|it| fits(it, desired));
    fits && is_true(&plan.status, READY)
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
        && before.desired == Some(snapshot.object.desired())
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

/// Counts a call whose outcome is recorded, where the hub accepted it. A refused call, and one
/// whose outcome is lost, spends no attempt.
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

/// The owner of the other identity that the plan accepts.
fn accepted_owner(snapshot: &Snapshot, plan: &Plan) -> Option<String> {
    let owner = |status: &OxenModelStatus| Some(status.model.as_ref()?.owner.clone());
    let before = owner(&snapshot.object.status_or_default())?;
    owner(&plan.status).filter(|after| *after != before)
}
