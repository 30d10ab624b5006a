//! What becomes of the world once nothing goes wrong any more: from every state that a scenario
//! reaches, faults stop, people are content, and the rest is explored to its end.
//!
//! A fair run can stay for ever only in a strongly connected part of that graph in which each
//! kind of step is taken, or is at some point not open. In each such part every object must be as
//! declared, or stalled, or say how its deletion can be let go; and nothing may be called or
//! written.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use oxen_operator::{
    api::Deployment,
    decide::{CALLS, HOW_TO_LET_GO},
};
use stateright::Model;

use crate::{
    graph::{Edge, parts},
    news::News,
    object::{Object, Tick},
    rules::{find, fits, has_rival, is_true},
    scenario::Scenario,
    step::Step,
    world::World,
};

/// What the exploration came to.
#[derive(Clone, Debug, Default)]
pub struct Calm {
    /// States that the calm began in, and those that it led to.
    pub states: usize,
    /// Parts in which a fair run can stay.
    pub ends: usize,
    /// What is wrong, with the state that it is wrong in.
    pub faults: Vec<(&'static str, World)>,
}

/// Explores the calm after every state of the scenario.
#[must_use]
pub fn calm(scenario: &Scenario) -> Calm {
    calm_after(scenario, starts(scenario))
}

/// Explores the calm that begins in these worlds, which are calmed already.
pub(crate) fn calm_after(scenario: &Scenario, mut worlds: Vec<World>) -> Calm {
    let quiet = Scenario {
        calm: true,
        ..scenario.clone()
    };
    let mut known: HashMap<_, usize> = worlds.iter().map(fingerprint).zip(0..).collect();
    let mut graph: Vec<Vec<Edge>> = Vec::new();
    let mut open: Vec<u64> = Vec::new();
    while graph.len() < worlds.len() {
        let world = worlds[graph.len()].clone();
        let mut steps = Vec::new();
        quiet.actions(&world, &mut steps);
        let (mut edges, mut kinds) = (Vec::new(), 0);
        for step in steps {
            let kind = kind(step, world.slots.len());
            kinds |= kind;
            let after = quiet.after(&world, step);
            let noisy = after
                .as_ref()
                .is_some_and(|world| world.news.posted || world.news.wrote);
            let after = after.map_or_else(|| world.clone(), silent);
            let to = *known.entry(fingerprint(&after)).or_insert_with(|| {
                worlds.push(after);
                worlds.len() - 1
            });
            edges.push(Edge { to, kind, noisy });
        }
        graph.push(edges);
        open.push(kinds);
    }
    judge(&worlds, &graph, &open)
}

fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

/// Without what only the onlooker knows.
fn silent(mut world: World) -> World {
    world.news = News::default();
    for slot in &mut world.slots {
        slot.tally = Default::default();
    }
    world
}

/// Every state that the scenario reaches, calmed.
fn starts(scenario: &Scenario) -> Vec<World> {
    let mut queue: VecDeque<World> = scenario.init_states().into();
    let mut seen: HashSet<_> = queue.iter().map(fingerprint).collect();
    let (mut calm, mut starts) = (HashSet::new(), Vec::new());
    while let Some(world) = queue.pop_front() {
        let calmed = world.calmed();
        if calm.insert(fingerprint(&calmed)) {
            starts.push(calmed);
        }
        let next = scenario.next_states(&world);
        queue.extend(
            next.into_iter()
                .filter(|next| seen.insert(fingerprint(next))),
        );
    }
    starts
}

/// The kind of a step, as a bit. A kind that stays open is taken some time.
fn kind(step: Step, slots: usize) -> u64 {
    let own = |what: usize, who: usize, at: usize| 1 << (8 + 3 * (who * slots + at) + what);
    match step {
        Step::Elect(_) => 1,
        Step::Tick(Tick::Minutes) => 2,
        Step::Tick(Tick::Hours) => 4,
        Step::Land | Step::Vanish => 8,
        Step::Show => 16,
        Step::Settle => 32,
        Step::Look(who, at, _) => own(0, who, at),
        Step::Decide(who, at)
        | Step::Record(who, at)
        | Step::Act(who, at, _)
        | Step::Note(who, at) => own(1, who, at),
        Step::Deliver(who, at) => own(2, who, at),
        // Nobody has to.
        Step::Secret(..)
        | Step::Crash(_)
        | Step::Lapse
        | Step::Drift(_)
        | Step::Veil(_)
        | Step::Forget
        | Step::Edit(_)
        | Step::Suspend(_)
        | Step::Retain(_)
        | Step::Delete(_)
        | Step::Create(_)
        | Step::Request(_) => 0,
    }
}

/// What is known of a part.
#[derive(Clone, Default)]
struct Part {
    members: Vec<usize>,
    taken: u64,
    /// Kinds that are open in every state of it.
    always_open: Option<u64>,
    noisy: bool,
}

fn judge(worlds: &[World], graph: &[Vec<Edge>], open: &[u64]) -> Calm {
    let part = parts(graph);
    let mut all = vec![Part::default(); part.iter().max().map_or(0, |last| last + 1)];
    for (at, edges) in graph.iter().enumerate() {
        let own = &mut all[part[at]];
        own.members.push(at);
        own.always_open = Some(own.always_open.unwrap_or(u64::MAX) & open[at]);
        for edge in edges.iter().filter(|edge| part[edge.to] == part[at]) {
            own.taken |= edge.kind;
            own.noisy |= edge.noisy;
        }
    }
    let mut calm = Calm {
        states: worlds.len(),
        ..Calm::default()
    };
    let fair = |part: &&Part| part.always_open.unwrap_or_default() & !part.taken == 0;
    for part in all.iter().filter(fair) {
        calm.ends += 1;
        let mut members = part.members.iter().map(|at| &worlds[*at]);
        if part.noisy {
            calm.faults
                .extend(members.clone().next().map(|world| ("noise", world.clone())));
        }
        let fault = members.find_map(|world| Some((restless(world)?, world.clone())));
        calm.faults.extend(fault);
    }
    calm
}

/// Why this is no state to stay in.
fn restless(world: &World) -> Option<&'static str> {
    if world.leader.is_none() {
        return Some("nobody leads");
    }
    let slots = world.slots.iter().enumerate();
    let mut objects = slots.filter_map(|(at, slot)| Some((at, slot.stored.as_ref()?)));
    objects.find_map(|(at, own)| unsettled(at, &own.object, world))
}

fn unsettled(at: usize, object: &Object, world: &World) -> Option<&'static str> {
    let status = object.seen();
    let ready = find(&status, "Ready");
    if Some(status.observed_generation) != object.metadata.generation {
        return Some("a generation was never looked at");
    }
    if let Some(stalled) = find(&status, "Stalled") {
        let why = stalled.reason.as_str();
        return (!stands(why, at, object, world)).then_some("stalled, and for no reason any more");
    }
    if object.deleting() {
        let says_how = ready.is_some_and(|ready| ready.message.ends_with(HOW_TO_LET_GO));
        return (!says_how).then_some("a deletion waits and doesn't say how to let go");
    }
    if is_true(&status, "Ready") {
        let shown = world
            .hub
            .glimpse(status.model.is_some_and(|model| model.is_base()));
        return (!fits(shown, object.wanted())).then_some("Ready, and not so");
    }
    let would = ready.is_some_and(|ready| ready.reason.starts_with("Would"));
    let frozen = would && object.spec.suspend == Some(true);
    (!frozen).then_some("neither as declared nor stalled")
}

/// Whether what an object is stalled for is still the case: the world is so, or a budget is spent.
fn stands(why: &str, at: usize, object: &Object, world: &World) -> bool {
    let (status, hub) = (object.seen(), &world.hub);
    let spent = status.attempts.unwrap_or_default();
    let calls = [spent.sends, spent.failures, spent.rejections];
    let bound = calls.into_iter().flatten().any(|count| count >= CALLS);
    match why {
        "Conflict" => has_rival(at, object, world),
        "ModelNotFound" => !hub.known,
        "NothingDeployed" => hub.deployment == Deployment::None,
        "BaseModelCannotDeactivate" => status.model.is_some_and(|model| model.is_base()),
        "CredentialsNotFound" => !hub.has_key(at),
        // What another account's key once showed was taken for this object's own.
        "IdentityChanged" => status.model.is_some_and(|model| model.owner != "acme"),
        "DriftContention" => spent.contended == Some(true) || bound,
        "CallHadNoEffect" | "DeploymentFailed" | "Rejected" => bound,
        // A call was refused so for as long as the budget lasted.
        "Forbidden" | "Unauthenticated" | "PaymentRequired" => {
            bound && spent.refusal.as_deref() == Some(why)
        }
        _ => false,
    }
}
