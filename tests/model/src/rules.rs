//! The onlooker: checks each call, each write and each letting-go by rules of its own, from what
//! was really the case, and counts what it sees.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use oxen_operator::{
    api::{Deployment, Direction, OxenModelStatus, RECONCILE_ANNOTATION, State},
    decide::{Action, CALLS, CORRECTIONS, HOW_TO_LET_GO, Plan, Verdict, has_finalizer, still_old},
};

use crate::{
    hub::{Failure, Glimpse, Outcome},
    news::{Milestone, Rule},
    object::{NOW, Object, RULES},
    pass::calls,
    world::{Pass, Seen, Stored, World},
};

/// A decision was made; nothing is written yet.
pub(crate) fn on_decision(world: &mut World, at: usize, seen: &Seen, plan: &Plan) {
    let before = seen.object.seen();
    let open = before.operation.as_ref();
    let closed =
        open.filter(|open| plan.status.operation.as_ref().map(|now| &now.id) != Some(&open.id));
    let unknown = closed.is_some_and(|open| open.accepted.is_none());
    let shown = seen.glimpse.shown();
    let old = closed
        .zip(shown)
        .is_some_and(|(open, shown)| still_old(open.direction, shown));
    let news = &mut world.news;
    news.note(Milestone::UnknownResolved, unknown);
    news.note(Milestone::CalledAgain, old && calls(plan));
    let request = requested(&seen.object) && seen.glimpse.shown().is_some();
    let spent = before
        .attempts
        .and_then(|all| all.sends)
        .unwrap_or_default();
    news.note(Milestone::Refilled, request && spent >= CALLS);
    let tally = &mut world.slots[at].tally;
    let gained = tally.lost && plan.verdict != Verdict::Conflict && shown.is_some();
    tally.lost &= !gained;
    world
        .news
        .note(Milestone::HandedOver, gained && !seen.object.deleting());
}

/// The plan's status stands in the API server, or stood there already: the budgets are whole
/// where the rules say so.
pub(crate) fn on_settled_budget(world: &mut World, at: usize, seen: &Seen, plan: &Plan) {
    let tally = &mut world.slots[at].tally;
    let generation = seen.object.metadata.generation.unwrap_or_default();
    let news = generation > tally.generation;
    let looked = matches!(
        seen.glimpse,
        Glimpse::Base | Glimpse::Seen(_) | Glimpse::Foreign(_)
    );
    if news || (looked && requested(&seen.object)) {
        (tally.sent, tally.corrections) = (0, 0);
        tally.settled &= !news;
        tally.generation = generation.max(tally.generation);
    }
    let settled = fits(seen.glimpse, seen.object.wanted()) && plan.status.operation.is_none();
    if settled {
        (tally.sent, tally.settled) = (0, true);
    }
}

/// A status was written over `before`.
pub(crate) fn on_record(world: &mut World, before: Option<Stored>, seen: &Seen, plan: &Plan) {
    let same = before.is_some_and(|before| {
        let (was, own) = (&before.object, &seen.object);
        was.metadata.generation == own.metadata.generation
            && was.metadata.uid == own.metadata.uid
            && was.operation() == own.operation()
    });
    world
        .news
        .demand(Rule::RecordedOnWhatWasSeen, same || !calls(plan));
}

/// A status was written.
pub(crate) fn on_status(world: &mut World, at: usize, seen: &Seen, plan: &Plan) {
    let (status, before) = (&plan.status, seen.object.seen());
    let open = status.operation.is_some();
    let ready = is_true(status, "Ready");
    let generation = seen.object.metadata.generation;
    let kept = is_true(&before, "Ready")
        && find(&before, "Ready").and_then(|own| own.observed_generation) == generation;
    let holds = match seen.glimpse {
        Glimpse::Failed(_) => kept,
        shown => fits(shown, seen.object.wanted()),
    };
    let current = find(status, "Ready").and_then(|own| own.observed_generation) == generation
        && Some(status.observed_generation) == generation;
    let stalled = is_true(status, "Stalled");
    let blocked = plan.blocked && plan.message.ends_with(HOW_TO_LET_GO);
    let news = &mut world.news;
    news.demand(Rule::NoReadyWhileOpen, !(ready && open));
    news.demand(Rule::ReadyAsDeclared, !ready || holds);
    news.demand(Rule::ReadyThisGeneration, !ready || current);
    news.demand(
        Rule::OneMarker,
        !(stalled && is_true(status, "Reconciling")),
    );
    let became = |verdict| plan.verdict == verdict && ready && before.operation.is_some();
    news.note(Milestone::BecameActive, became(Verdict::Active));
    news.note(Milestone::BecameInactive, became(Verdict::Inactive));
    news.note(Milestone::Stalled, stalled);
    news.note(Milestone::Conflicted, plan.verdict == Verdict::Conflict);
    news.note(Milestone::Blocked, blocked);
    let failed = matches!(seen.glimpse, Glimpse::Failed(_));
    news.note(Milestone::KeptThroughFault, ready && failed);
    let spent = matches!(
        plan.verdict,
        Verdict::CallHadNoEffect | Verdict::DriftContention | Verdict::RejectedForGood
    );
    news.note(Milestone::SpentItsBudget, spent);
    let tally = &mut world.slots[at].tally;
    tally.blocked |= blocked;
    tally.lost |= plan.verdict == Verdict::Conflict;
}

/// A call goes out.
pub(crate) fn on_post(
    world: &mut World,
    who: usize,
    at: usize,
    pass: &Pass,
    plan: &Plan,
    outcome: Outcome,
) {
    let Action::Call { direction, .. } = plan.action else {
        return;
    };
    let (seen, glimpse) = (&pass.seen, pass.seen.glimpse);
    let stored = world.slots[at].stored.as_ref().map(|own| &own.object);
    let stored = stored.filter(|own| own.metadata.uid == seen.object.metadata.uid);
    let named = plan.status.operation.as_ref().map(|open| open.id.as_str());
    let recorded = stored.is_none_or(|own| named.is_some() && own.operation() == named);
    let retains = seen.object.spec.deletion_policy.is_some();
    let held = retains || has_finalizer(&seen.object);
    let leads = pass.entitled && world.leader == Some(who);
    let owns = !others(world, at, seen).any(|other| outranks(other, &seen.object))
        && !older_and_unseen(world, at, &seen.object);
    let alone = !others(world, at, seen).any(|other| other.operation().is_some());
    let news = &mut world.news;
    news.posted = true;
    news.demand(Rule::LookedFirst, glimpse.shown().is_some());
    news.demand(Rule::TableCallsForIt, called_for(seen, direction));
    news.demand(
        Rule::NeverOnUnknown,
        glimpse.shown() != Some(Deployment::Unknown),
    );
    news.demand(Rule::NeverOnBase, glimpse != Glimpse::Base);
    news.demand(Rule::NeverSuspended, seen.object.spec.suspend != Some(true));
    news.demand(Rule::WrittenAhead, recorded);
    news.demand(Rule::OneCallAtATime, alone && !still_open(seen));
    news.demand(Rule::OwnerOnly, owns);
    news.demand(Rule::LeaderOnly, leads);
    news.demand(Rule::HeldBeforeCall, held);
    news.note(
        Milestone::DriftCorrected,
        plan.verdict == Verdict::CorrectingDrift,
    );
    news.note(
        Milestone::Retried,
        glimpse.shown() == Some(Deployment::Error),
    );
    count(world, at, outcome);
}

/// The hub's "too many requests" spends nothing, and nor does a call that found no connection.
fn count(world: &mut World, at: usize, outcome: Outcome) {
    let tally = &mut world.slots[at].tally;
    let unspent = [Failure::RateLimited, Failure::Unreachable].map(Outcome::Refused);
    if !unspent.contains(&outcome) {
        tally.sent += 1;
        tally.corrections += u8::from(tally.settled);
    }
    let (sent, corrections) = (u32::from(tally.sent), usize::from(tally.corrections));
    world.news.demand(Rule::SendsBounded, sent <= CALLS);
    world
        .news
        .demand(Rule::CorrectionsBounded, corrections <= CORRECTIONS);
}

/// The finalizer was removed.
pub(crate) fn on_let_go(world: &mut World, at: usize, pass: &Pass, plan: &Plan, on_answer: bool) {
    let (seen, lost) = (&pass.seen, pass.outranked);
    let spec = &seen.object.spec;
    let left_alone = spec.deletion_policy.is_some() || spec.suspend == Some(true);
    let open = plan.status.operation.is_some();
    let off = !open
        && matches!(
            seen.glimpse,
            Glimpse::Base
                | Glimpse::Seen(Deployment::Inactive | Deployment::None)
                | Glimpse::Foreign(Deployment::Inactive | Deployment::None)
        );
    let gone = seen.glimpse == Glimpse::Failed(Failure::ModelNotFound) && seen.past.1 >= 2;
    let deleting = seen.object.deleting();
    let by_the_rules = left_alone || (deleting && (off || gone || (lost && !open)));
    let after_block = deleting && world.slots[at].tally.blocked;
    let news = &mut world.news;
    news.demand(Rule::LetGoByTheRules, by_the_rules);
    news.demand(Rule::LetGoOnALook, !on_answer);
    news.note(Milestone::LetGoAfterBlock, after_block);
    news.note(Milestone::LoserLetGo, deleting && lost && !left_alone);
}

/// After each step: of the objects with one identity at most one has a call under way.
pub(crate) fn one_open_operation(world: &World) -> bool {
    let objects = world.slots.iter().flat_map(|slot| &slot.stored);
    let open = objects.filter(|own| own.object.operation().is_some());
    let mut identities: Vec<_> = open.map(|own| own.object.identity()).collect();
    let all = identities.len();
    identities.sort_unstable();
    identities.dedup();
    identities.len() == all
}

/// Other objects that are known to be the same remote model.
fn others<'a>(world: &'a World, at: usize, seen: &Seen) -> impl Iterator<Item = &'a Object> {
    let owner = match seen.glimpse {
        Glimpse::Foreign(_) => "another",
        Glimpse::Base | Glimpse::Seen(_) | Glimpse::Unneeded | Glimpse::Failed(_) => "acme",
    };
    let rest = world.slots.iter().enumerate();
    let rest = rest.filter(move |(other, _)| *other != at);
    let objects = rest.filter_map(|(_, slot)| slot.stored.as_ref());
    let objects = objects.map(|own| &own.object);
    objects.filter(move |other| other.identity() == Some(("bot", owner)))
}

/// Whether another object decides what happens to the model, as far as the process knows. What it knows may lag:
/// then it is as if it had acted earlier.
pub(crate) fn outranked(world: &World, who: usize, at: usize, seen: &Seen) -> bool {
    let mine = match seen.glimpse {
        Glimpse::Seen(_) => Some(("bot", "acme")),
        Glimpse::Foreign(_) => Some(("bot", "another")),
        Glimpse::Base => None,
        Glimpse::Unneeded | Glimpse::Failed(_) => seen.object.identity(),
    };
    let views = world.replicas[who].views.iter().enumerate();
    let rivals = views.filter(|(other, _)| *other != at);
    rivals.filter_map(|(_, view)| view.as_ref()).any(|view| {
        let same = mine.is_some() && view.object.identity() == mine;
        same && outranks(&view.object, &seen.object)
    })
}

/// Whether another object is known to be about the same model, and decides what happens to it.
pub(crate) fn has_rival(at: usize, object: &Object, world: &World) -> bool {
    let slots = world.slots.iter().enumerate();
    let mut others = slots.filter(|(other, _)| *other != at);
    others.any(|(_, slot)| {
        let other = slot.stored.as_ref().map(|stored| &stored.object);
        other.is_some_and(|other| other.identity() == object.identity() && outranks(other, object))
    })
}

/// Another object that is older, and has not been looked at: until it is, it may have the model.
fn older_and_unseen(world: &World, at: usize, own: &Object) -> bool {
    let slots = world.slots.iter().enumerate();
    let mut others = slots.filter(|(other, _)| *other != at);
    others.any(|(_, slot)| {
        let other = slot.stored.as_ref().map(|stored| &stored.object);
        other.is_some_and(|other| {
            let unseen = other.seen().observed_generation < 0;
            let alive = !other.deleting() && !own.deleting();
            unseen && alive && other.spec.model == own.spec.model && outranks(other, own)
        })
    })
}

/// The model is that object's rather than this one's.
fn outranks(other: &Object, own: &Object) -> bool {
    let age = |object: &Object| {
        let created = object.metadata.creation_timestamp.as_ref();
        (created.map(|time| time.0), object.metadata.uid.clone())
    };
    match (own.deleting(), other.deleting()) {
        (true, false) => true,
        (false, true) => false,
        (false, false) => age(other) < age(own),
        (true, true) => has_finalizer(other) && age(other) < age(own),
    }
}

/// The table of calls, written once more.
fn called_for(seen: &Seen, direction: Direction) -> bool {
    let Some(shown) = seen.glimpse.shown() else {
        return false;
    };
    let status = seen.object.seen();
    let overdue = status.deployment == Some(shown)
        && status
            .since
            .is_some_and(|since| age(&since) > RULES.progress_deadline);
    match (shown, seen.object.wanted()) {
        (Deployment::Inactive | Deployment::Error, State::Active) => {
            direction == Direction::Activate
        }
        (Deployment::Active | Deployment::Error, State::Inactive) => {
            direction == Direction::Deactivate
        }
        (Deployment::Deploying, State::Inactive) => overdue && direction == Direction::Deactivate,
        (_, State::Active | State::Inactive) => false,
    }
}

/// The operation that was open before the look, which the look doesn't close.
fn still_open(seen: &Seen) -> bool {
    let Some(open) = seen.object.seen().operation else {
        return false;
    };
    let moved = match (seen.glimpse.shown(), open.direction) {
        (Some(Deployment::Error), _)
        | (Some(Deployment::Active | Deployment::Deploying), Direction::Activate)
        | (Some(Deployment::Inactive | Deployment::Deactivating), Direction::Deactivate) => true,
        (_, Direction::Activate | Direction::Deactivate) => false,
    };
    let (late, unmoved) = seen.watched;
    !(moved || (late && unmoved >= 2))
}

/// Observed equals declared.
pub(crate) fn fits(glimpse: Glimpse, wanted: State) -> bool {
    match wanted {
        State::Active => glimpse == Glimpse::Base || glimpse.shown() == Some(Deployment::Active),
        State::Inactive => matches!(
            glimpse.shown(),
            Some(Deployment::Inactive | Deployment::None)
        ),
    }
}

fn requested(object: &Object) -> bool {
    let annotations = object.metadata.annotations.as_ref();
    let asked = annotations.and_then(|all| all.get(RECONCILE_ANNOTATION));
    asked.is_some() && asked != object.seen().last_handled_reconcile_at.as_ref()
}

fn age(time: &Time) -> Duration {
    Duration::try_from(NOW.duration_since(time.0)).unwrap_or_default()
}

pub(crate) fn find<'a>(status: &'a OxenModelStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|one| one.type_ == type_)
}

pub(crate) fn is_true(status: &OxenModelStatus, type_: &str) -> bool {
    find(status, type_).is_some_and(|one| one.status == "True")
}
