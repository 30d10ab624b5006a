//! The observer, which checks each call, status write and release by its own version of the rules.
//! It uses the true state of the world and its own counters, and doesn't rely on the status.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use oxen_operator::{
    api::{LiveStatus, OperationKind, OxenModelStatus, RECONCILE_ANNOTATION, State},
    decide::{
        Action, CALLS, CORRECTIONS, DELETION_BLOCKED, OperationWatch, Ownership, Plan, READY,
        RECONCILING, STALLED, SurpriseKind, Verdict,
    },
};

use crate::{
    hub::{HubFailure, Outcome, Retrieved},
    object::{NOW, Object, RULES},
    reconcile::{calls, is_outdated},
    step_log::{Milestone, Rule},
    world::{Reconcile, Snapshot, Stored, World},
};

/// Logs the milestones of a decision, of which nothing is written yet.
pub(crate) fn on_decision(world: &mut World, slot: usize, snapshot: &Snapshot, plan: &Plan) {
    let before = snapshot.object.status_or_default();
    let live = snapshot.retrieved.and_then(Retrieved::live);
    let open = before.operation.as_ref();
    let closed =
        open.filter(|open| plan.status.operation.as_ref().map(|now| &now.id) != Some(&open.id));
    let unknown = closed.is_some_and(|open| open.accepted.is_none());
    let expired = closed
        .zip(live)
        .is_some_and(|(open, live)| live != LiveStatus::Unknown && !is_target(open.kind, live));
    let log = &mut world.log;
    log.reach(Milestone::UnknownOutcomeResolved, unknown);
    log.reach(Milestone::CalledAgain, expired && calls(plan));
    let answered = requested(&snapshot.object) && live.is_some();
    let spent = before.attempts.as_ref().and_then(|all| all.calls);
    let exhausted = spent.unwrap_or_default() >= CALLS;
    log.reach(Milestone::AttemptsRenewed, answered && exhausted);
    let waited = matches!(snapshot.ownership, Ownership::Pending(_));
    log.reach(Milestone::RivalExpired, waited && calls(plan));
    log.reach(
        Milestone::RecordPruned,
        plan.verdict == Verdict::CrdOutdated,
    );
    let accepted = accepts_identity(snapshot, plan);
    let knowingly = world.slots[slot].counters.accepts_identity;
    log.require(Rule::IdentityAcceptedKnowingly, !accepted || knowingly);
    log.reach(Milestone::IdentityAccepted, accepted);
    let counters = &mut world.slots[slot].counters;
    let gained = counters.lost && plan.verdict != Verdict::Conflict && live.is_some();
    counters.lost &= !gained;
    let ended = counters.sent.is_some_and(|sent| has_ended(sent, snapshot)) || accepted;
    counters.sent.take_if(|_| ended);
    let gained = gained && !snapshot.object.deleting();
    world.log.reach(Milestone::OwnershipGained, gained);
}

/// Renews the counters where the rules renew the attempts. The plan's status is now in the API
/// server, or was there before.
pub(crate) fn on_recorded(world: &mut World, slot: usize, snapshot: &Snapshot, plan: &Plan) {
    let counters = &mut world.slots[slot].counters;
    let generation = snapshot.object.metadata.generation.unwrap_or_default();
    let new_generation = generation > counters.generation;
    let answered = matches!(
        snapshot.retrieved,
        Some(Retrieved::Base | Retrieved::Custom(_) | Retrieved::Foreign(_))
    );
    if new_generation || (answered && requested(&snapshot.object)) {
        (counters.calls, counters.corrections) = (0, 0);
        counters.settled &= !new_generation;
        counters.generation = generation.max(counters.generation);
    }
    let desired = snapshot.object.desired();
    let fits = snapshot.retrieved.is_some_and(|it| fits(it, desired));
    if fits && is_true(&plan.status, READY) {
        (counters.calls, counters.settled) = (0, true);
    }
}

/// Checks that the written status replaced the object that was decided upon. `before` is what the
/// API server had.
pub(crate) fn on_record(
    world: &mut World,
    slot: usize,
    before: Option<Stored>,
    reconcile: &Reconcile,
    plan: &Plan,
) {
    let single = one_open_operation(world, slot, &reconcile.snapshot);
    let same = before.is_some_and(|before| {
        let (stored, decided) = (&before.object, &reconcile.stored);
        stored.metadata.generation == decided.metadata.generation
            && stored.metadata.uid == decided.metadata.uid
            && stored.operation_id() == decided.operation_id()
    });
    let log = &mut world.log;
    log.require(Rule::RecordedOnDecidedObject, same || !calls(plan));
    log.require(Rule::OneOpenOperation, single || !calls(plan));
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
    let log = &mut world.log;
    log.require(Rule::NoReadyWhileOpen, !(ready && open));
    log.require(Rule::ReadyAsDeclared, !ready || holds);
    log.require(Rule::ReadyThisGeneration, !ready || current);
    log.require(
        Rule::OneProgressCondition,
        !(stalled && is_true(status, RECONCILING)),
    );
    let became = |verdict| plan.verdict == verdict && ready && before.operation.is_some();
    log.reach(Milestone::BecameActive, became(Verdict::Active));
    log.reach(Milestone::BecameInactive, became(Verdict::Inactive));
    log.reach(Milestone::Stalled, stalled);
    log.reach(Milestone::OwnershipLost, plan.verdict == Verdict::Conflict);
    log.reach(Milestone::DeletionBlocked, blocked);
    log.reach(Milestone::ReadyKept, ready && failed);
    let exhausted = matches!(
        plan.verdict,
        Verdict::CallHadNoEffect | Verdict::DriftContention
    );
    log.reach(Milestone::AttemptsExhausted, exhausted);
    let refused = plan.verdict.presentation().refusal && stalled;
    log.reach(Milestone::RefusedForLong, refused);
    let counters = &mut world.slots[slot].counters;
    counters.blocked |= blocked;
    counters.lost |= plan.verdict == Verdict::Conflict;
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
    let stored = world.slots[slot].stored.as_ref();
    let stored = stored.map(|stored| &stored.object);
    let stored = stored.filter(|stored| stored.metadata.uid == object.metadata.uid);
    let id = plan.status.operation.as_ref().map(|open| open.id.as_str());
    let recorded = stored.is_none_or(|stored| id.is_some() && stored.operation_id() == id);
    let retains = object.spec.deletion_policy.is_some();
    let leads = reconcile.may_call && world.leader == Some(process);
    let owns = !reconcile.outranked
        && !others(world, slot, snapshot).any(|other| {
            // What the process doesn't know yet of two objects that are being deleted may differ.
            !(other.deleting() && object.deleting()) && outranks(other, object)
        })
        && !has_older_unobserved(world, slot, object);
    let alone = others(world, slot, snapshot).all(|other| is_awaited(other, snapshot));
    let known = world.replicas[process].cache[slot].as_ref();
    let outdated = is_outdated(known, object);
    let sent = world.slots[slot].counters.sent;
    let ended = sent.is_none_or(|sent| live.is_some_and(|live| is_transition(sent, live)));
    let log = &mut world.log;
    log.called = true;
    log.require(Rule::ObservedBeforeCall, live.is_some());
    log.require(Rule::TableRequiresCall, is_due(snapshot, kind));
    log.require(Rule::NoCallOnUnknown, live != Some(LiveStatus::Unknown));
    log.require(
        Rule::NoCallOnBase,
        snapshot.retrieved != Some(Retrieved::Base),
    );
    log.require(
        Rule::NoCallWhileSuspended,
        object.spec.suspend != Some(true),
    );
    log.require(Rule::RecordedBeforeCall, recorded);
    log.require(Rule::OneCallAtATime, alone && !still_open(snapshot));
    log.require(Rule::NoSecondCall, ended);
    log.require(Rule::CallOnKnownSpec, !outdated);
    log.require(Rule::OwnerOnly, owns);
    log.require(Rule::LeaderOnly, leads);
    log.require(Rule::FinalizerBeforeCall, retains || object.has_finalizer());
    let corrects = plan.verdict == Verdict::CorrectingDrift;
    log.reach(Milestone::DriftCorrected, corrects);
    let retries = live == Some(LiveStatus::Error);
    log.reach(Milestone::FailedDeploymentRetried, retries);
    if !matches!(outcome, Outcome::NotSent | Outcome::Refused(_)) {
        world.slots[slot].counters.sent = Some(kind);
    }
}

/// Counts a call whose outcome is recorded, where the hub accepted it. A refused call, and one
/// whose outcome is lost, spends no attempt.
pub(crate) fn on_outcome(world: &mut World, slot: usize, outcome: Outcome) {
    let counters = &mut world.slots[slot].counters;
    if matches!(outcome, Outcome::Accepted | Outcome::AcceptedLate) {
        counters.calls += 1;
        counters.corrections += u8::from(counters.settled);
    }
    let calls = u32::from(counters.calls);
    let corrections = usize::from(counters.corrections);
    let log = &mut world.log;
    log.require(Rule::CallsBounded, calls <= CALLS);
    log.require(Rule::CorrectionsBounded, corrections <= CORRECTIONS);
}

/// Checks a removal of the finalizer. `on_answer` says that the answer to a call led to it.
pub(crate) fn on_release(
    world: &mut World,
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
    let off = matches!(live, Some(LiveStatus::Inactive | LiveStatus::None));
    let base = snapshot.retrieved == Some(Retrieved::Base);
    let not_found = snapshot.retrieved == Some(Retrieved::Failed(HubFailure::ModelNotFound))
        && surprise.is_some_and(|it| it.kind == SurpriseKind::NotFound)
        && confirmed
        && snapshot.key_proven;
    let inactive = !open && (base || (off && expected));
    let yields = lost && (!open || transition);
    let deleting = snapshot.object.deleting();
    let by_the_rules = left_as_it_is || (deleting && (inactive || not_found || yields));
    let after_block = deleting && world.slots[slot].counters.blocked;
    let without_ownership = deleting && lost && !left_as_it_is;
    let last = deleting && !left_as_it_is && !is_kept_elsewhere(world, slot, &snapshot.object);
    let log = &mut world.log;
    log.require(Rule::ReleasedByTheRules, by_the_rules);
    log.require(Rule::ReleasedOnObservation, !on_answer);
    let turned_off = base || off || not_found;
    log.require(Rule::LastReleaseTurnsOff, !last || turned_off);
    log.reach(Milestone::ReleasedAfterBlock, after_block);
    log.reach(Milestone::ReleasedWithoutOwnership, without_ownership);
}

/// Returns true when another object of the same model is held, so that it turns the model off when
/// it is deleted, or says that the model is to be left as it is.
fn is_kept_elsewhere(world: &World, slot: usize, object: &Object) -> bool {
    other_objects(world, slot).any(|other| {
        let same = other.identity() == object.identity();
        same && (other.has_finalizer() || !other.deactivates())
    })
}

/// Returns true when no two objects of the same identity have an open operation, except where the
/// owner has waited for the other one's. The slot's object has just recorded one.
fn one_open_operation(world: &World, slot: usize, snapshot: &Snapshot) -> bool {
    others(world, slot, snapshot).all(|other| is_awaited(other, snapshot))
}

/// Returns true when another object has no open operation, or has been waited for long enough.
fn is_awaited(other: &Object, snapshot: &Snapshot) -> bool {
    let mut watches = snapshot.history.rivals.iter();
    other
        .operation_id()
        .is_none_or(|id| watches.any(|watch| watch.id == id && is_expired(watch)))
}

/// Returns true when an operation has been waited for long enough.
fn is_expired(watch: &OperationWatch) -> bool {
    watch.elapsed >= RULES.operation_patience && watch.unmoved >= 2
}

/// The other objects that the API server has.
fn other_objects(world: &World, slot: usize) -> impl Iterator<Item = &Object> {
    let slots = world.slots.iter().enumerate();
    let others = slots.filter(move |(other, _)| *other != slot);
    let stored = others.filter_map(|(_, other)| other.stored.as_ref());
    stored.map(|stored| &stored.object)
}

/// The other objects that are known to be about the model that was retrieved.
fn others<'a>(
    world: &'a World,
    slot: usize,
    snapshot: &Snapshot,
) -> impl Iterator<Item = &'a Object> {
    let owner = match snapshot.retrieved {
        Some(Retrieved::Foreign(_)) => "another",
        Some(
            Retrieved::Base | Retrieved::Custom(_) | Retrieved::NoKey(_) | Retrieved::Failed(_),
        )
        | None => "acme",
    };
    let others = other_objects(world, slot);
    others.filter(move |other| other.identity() == Some(("bot", owner)))
}

/// Returns true when another object controls the model, as far as the process knows. What it knows
/// may be outdated, as if the process had acted earlier.
pub(crate) fn outranked(world: &World, process: usize, slot: usize, snapshot: &Snapshot) -> bool {
    let identity = match snapshot.retrieved {
        Some(Retrieved::Custom(_)) => Some(("bot", "acme")),
        Some(Retrieved::Foreign(_)) => Some(("bot", "another")),
        Some(Retrieved::Base) => None,
        Some(Retrieved::NoKey(_) | Retrieved::Failed(_)) | None => snapshot.object.identity(),
    };
    let cache = world.replicas[process].cache.iter().enumerate();
    let others = cache.filter(|(other, _)| *other != slot);
    let mut others = others.filter_map(|(_, cached)| cached.as_ref());
    others.any(|other| {
        let same = identity.is_some() && other.object.identity() == identity;
        same && outranks(&other.object, &snapshot.object)
    })
}

/// Returns true when another object is known to be about the same model, and controls it.
pub(crate) fn has_owner_elsewhere(world: &World, slot: usize, object: &Object) -> bool {
    other_objects(world, slot)
        .any(|other| other.identity() == object.identity() && outranks(other, object))
}

/// Returns true when there is an older object that was never observed. Until it is observed, it may
/// own the model.
fn has_older_unobserved(world: &World, slot: usize, object: &Object) -> bool {
    other_objects(world, slot).any(|other| {
        let unobserved = other.status_or_default().observed_generation < 0;
        let stay = !other.deleting() && !object.deleting();
        unobserved && stay && other.spec.model == object.spec.model && outranks(other, object)
    })
}

/// Returns true when the other object, and not this one, controls the model of both.
fn outranks(other: &Object, object: &Object) -> bool {
    let age = |object: &Object| {
        let created = object.metadata.creation_timestamp.as_ref();
        (created.map(|time| time.0), object.metadata.uid.clone())
    };
    match (object.deleting(), other.deleting()) {
        (true, false) => true,
        (false, true) => false,
        (false, false) => age(other) < age(object),
        (true, true) => other.has_finalizer() && other.deactivates() && age(other) < age(object),
    }
}

/// Returns true when a call is due. This is the decision table's calls, written independently.
fn is_due(snapshot: &Snapshot, kind: OperationKind) -> bool {
    let Some(live) = snapshot.retrieved.and_then(Retrieved::live) else {
        return false;
    };
    let status = snapshot.object.status_or_default();
    let late = |time: &Time| age(time) > RULES.progress_deadline;
    let judged = Some(status.observed_generation) == snapshot.object.metadata.generation;
    let progressing = status.progressing_since.filter(|_| judged);
    let deploying = status.since.filter(|_| status.live == Some(live));
    let overdue = progressing.iter().chain(&deploying).any(late);
    match (live, snapshot.object.desired()) {
        (LiveStatus::Inactive | LiveStatus::Error, State::Active) => {
            kind == OperationKind::Activate
        }
        (LiveStatus::Active | LiveStatus::Error, State::Inactive) => {
            kind == OperationKind::Deactivate
        }
        (LiveStatus::Deploying, State::Inactive) => overdue && kind == OperationKind::Deactivate,
        (_, State::Active | State::Inactive) => false,
    }
}

/// Returns true when the model is in the state that such a call asks for.
fn is_target(kind: OperationKind, live: LiveStatus) -> bool {
    match kind {
        OperationKind::Activate => live == LiveStatus::Active,
        OperationKind::Deactivate => matches!(live, LiveStatus::Inactive | LiveStatus::None),
    }
}

/// Returns true when the model is on its way to the state that such a call asks for.
fn is_transition(kind: OperationKind, live: LiveStatus) -> bool {
    match kind {
        OperationKind::Activate => live == LiveStatus::Deploying,
        OperationKind::Deactivate => live == LiveStatus::Deactivating,
    }
}

/// Returns true when the live GET of this reconcile ends such a call: it shows its target or a new
/// failure, or the call has been waited for long enough.
fn has_ended(kind: OperationKind, snapshot: &Snapshot) -> bool {
    let Some(live) = snapshot.retrieved.and_then(Retrieved::live) else {
        return false;
    };
    let before = snapshot.object.status_or_default().live;
    let failed = live == LiveStatus::Error && before != Some(LiveStatus::Error);
    let expired = snapshot.history.operation.as_ref().is_some_and(is_expired);
    let replaced = matches!(&snapshot.ownership, Ownership::Lost(owner) if owner.open);
    let known = live != LiveStatus::Unknown;
    is_target(kind, live) || failed || (expired && known) || replaced
}

/// Returns true when an operation was open before the observation, and the observation neither
/// closes it nor shows that the hub has taken its call.
fn still_open(snapshot: &Snapshot) -> bool {
    let Some(open) = snapshot.object.status_or_default().operation else {
        return false;
    };
    let live = snapshot.retrieved.and_then(Retrieved::live);
    let taken = live.is_some_and(|live| is_transition(open.kind, live));
    !(taken || has_ended(open.kind, snapshot) || is_accepted_identity(snapshot))
}

/// Returns true when the plan is about another identity than the object's before.
fn accepts_identity(snapshot: &Snapshot, plan: &Plan) -> bool {
    let identity = |status: &OxenModelStatus| Some(status.model.as_ref()?.identity());
    let before = identity(&snapshot.object.status_or_default());
    before.is_some() && identity(&plan.status) != before
}

/// Returns true when a request accepts the identity that the hub answered with.
fn is_accepted_identity(snapshot: &Snapshot) -> bool {
    let shown = snapshot.object.status_or_default().other_model;
    let answer = snapshot.retrieved.and_then(|it| it.result().ok());
    let answer = answer.map(|remote| remote.model.identity());
    requested(&snapshot.object) && shown.is_some() && shown == answer
}

/// Returns true when the answer shows the desired state.
pub(crate) fn fits(answer: Retrieved, desired: State) -> bool {
    match desired {
        State::Active => answer == Retrieved::Base || answer.live() == Some(LiveStatus::Active),
        State::Inactive => matches!(answer.live(), Some(LiveStatus::Inactive | LiveStatus::None)),
    }
}

/// Returns true when a requested reconcile has not been answered yet.
fn requested(object: &Object) -> bool {
    let annotations = object.metadata.annotations.as_ref();
    let requested = annotations.and_then(|all| all.get(RECONCILE_ANNOTATION));
    let handled = object.status_or_default().last_handled_reconcile_at;
    requested.is_some() && requested != handled.as_ref()
}

fn age(time: &Time) -> Duration {
    Duration::try_from(NOW.duration_since(time.0)).unwrap_or_default()
}

/// The condition of that type.
pub(crate) fn find<'a>(status: &'a OxenModelStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|one| one.type_ == type_)
}

/// Returns true when the condition of that type is True.
pub(crate) fn is_true(status: &OxenModelStatus, type_: &str) -> bool {
    find(status, type_).is_some_and(|one| one.status == "True")
}
