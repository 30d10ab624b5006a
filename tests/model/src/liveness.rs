//! What follows when faults stop: from every state that a scenario reaches, everything that can
//! still happen without faults and human actions is explored.
//!
//! A fair execution can stay only in a strongly connected component in which each kind of step is
//! taken, or is in some state not possible. In each such component there must be no call and no
//! write, and every object must be in the desired state, be Stalled for a reason that still applies
//! or because its attempts are used up, or be in a deletion that says how to release it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use oxen_operator::{
    api::{LiveStatus, ModelStatus, OperationKind, OxenModelStatus, State},
    decide::{CALLS, DELETION_BLOCKED, READY, STALLED, blocked_message},
};
use stateright::Model;

use crate::{
    claims::has_owner_elsewhere,
    graph::{Edge, components},
    object::{Object, Tick},
    scenario::Scenario,
    step::Step,
    table::{find, fits, is_true},
    world::World,
};

/// The result of an exploration without faults.
#[derive(Clone, Debug, Default)]
pub struct Convergence {
    /// The number of states that the exploration began in or reached.
    pub states: usize,
    /// The number of components in which a fair execution can stay.
    pub components: usize,
    /// What is wrong, with the state that it is wrong in.
    pub faults: Vec<(&'static str, World)>,
}

/// Explores what follows when faults stop in any state of the scenario.
#[must_use]
pub fn converge(scenario: &Scenario) -> Convergence {
    converge_from(scenario, states_without_faults(scenario))
}

/// Explores what follows from these worlds, in which no faults remain.
pub(crate) fn converge_from(scenario: &Scenario, mut worlds: Vec<World>) -> Convergence {
    let scenario = Scenario {
        fault_free: true,
        ..scenario.clone()
    };
    let mut known: HashMap<_, usize> = worlds.iter().map(fingerprint).zip(0..).collect();
    let mut graph: Vec<Vec<Edge>> = Vec::new();
    let mut possible: Vec<u64> = Vec::new();
    while graph.len() < worlds.len() {
        let world = worlds[graph.len()].clone();
        let mut steps = Vec::new();
        scenario.actions(&world, &mut steps);
        let (mut edges, mut kinds) = (Vec::new(), 0);
        for step in steps {
            let kind = kind(step, world.slots.len());
            kinds |= kind;
            let after = scenario.after(&world, step);
            // A call that the hub refuses is sent again for ever, each time with its record.
            let acts = world.hub.refuses.is_none()
                && after
                    .as_ref()
                    .is_some_and(|world| world.log.called || world.log.wrote);
            let after = after.map_or_else(|| world.clone(), World::without_observer);
            let to = *known.entry(fingerprint(&after)).or_insert_with(|| {
                worlds.push(after);
                worlds.len() - 1
            });
            edges.push(Edge { to, kind, acts });
        }
        graph.push(edges);
        possible.push(kinds);
    }
    judge(&worlds, &graph, &possible)
}

fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

/// Every state that the scenario reaches, without its remaining faults.
fn states_without_faults(scenario: &Scenario) -> Vec<World> {
    let mut queue: VecDeque<World> = scenario.init_states().into();
    let mut known: HashSet<_> = queue.iter().map(fingerprint).collect();
    let (mut kept, mut states) = (HashSet::new(), Vec::new());
    while let Some(world) = queue.pop_front() {
        let state = world.without_faults();
        if kept.insert(fingerprint(&state)) {
            states.push(state);
        }
        let next = scenario.next_states(&world);
        queue.extend(
            next.into_iter()
                .filter(|next| known.insert(fingerprint(next))),
        );
    }
    states
}

/// The kind of a step, as a bit. A fair execution takes a step of each kind that stays possible.
fn kind(step: Step, slots: usize) -> u64 {
    let own =
        |what: usize, process: usize, slot: usize| 1 << (8 + 3 * (process * slots + slot) + what);
    match step {
        Step::Elect(_) => 1,
        Step::Tick(Tick::Minutes) => 2,
        Step::Tick(Tick::Hours) => 4,
        Step::CallArrives | Step::CallLost => 8,
        Step::RemovalArrives | Step::RemovalLost => 64,
        Step::EffectShows => 16,
        Step::TransitionEnds => 32,
        Step::Observe(process, slot, _) => own(0, process, slot),
        Step::Decide(process, slot)
        | Step::Record(process, slot)
        | Step::Act(process, slot, _)
        | Step::RecordOutcome(process, slot)
        | Step::Answer(process, slot) => own(1, process, slot),
        Step::Deliver(process, slot) => own(2, process, slot),
        // These need never happen.
        Step::SetSecret(..)
        | Step::WriteUnanswered(..)
        | Step::RefuseCalls(_)
        | Step::Prune(_)
        | Step::Crash(_)
        | Step::Lapse
        | Step::Drift(_)
        | Step::HideDeployments(_)
        | Step::ForgetModel
        | Step::Flip(_)
        | Step::FlipState(_)
        | Step::ToggleSuspend(_)
        | Step::ToggleRetain(_)
        | Step::Delete(_)
        | Step::Create(_)
        | Step::RequestReconcile(_)
        | Step::ClearStatus(_)
        | Step::RestoreStatus(..) => 0,
    }
}

/// A strongly connected component.
#[derive(Clone, Default)]
struct Component {
    members: Vec<usize>,
    /// The kinds of the steps that stay in it.
    taken: u64,
    /// The kinds that are possible in each of its states.
    always_possible: Option<u64>,
    /// Whether one of the steps that stay in it calls the hub or writes to the Kubernetes API.
    acts: bool,
}

impl Component {
    /// Returns true when a fair execution can stay in it.
    fn is_fair(&self) -> bool {
        self.always_possible.unwrap_or_default() & !self.taken == 0
    }
}

fn judge(worlds: &[World], graph: &[Vec<Edge>], possible: &[u64]) -> Convergence {
    let component = components(graph);
    let count = component.iter().max().map_or(0, |last| last + 1);
    let mut all = vec![Component::default(); count];
    for (at, edges) in graph.iter().enumerate() {
        let own = &mut all[component[at]];
        own.members.push(at);
        own.always_possible = Some(own.always_possible.unwrap_or(u64::MAX) & possible[at]);
        for edge in edges {
            if component[edge.to] == component[at] {
                own.taken |= edge.kind;
                own.acts |= edge.acts;
            }
        }
    }
    let mut convergence = Convergence {
        states: worlds.len(),
        ..Convergence::default()
    };
    for component in all.iter().filter(|component| component.is_fair()) {
        convergence.components += 1;
        let mut members = component.members.iter().map(|at| &worlds[*at]);
        if component.acts {
            let first = members.clone().next();
            let words = "there are calls or writes without end";
            convergence
                .faults
                .extend(first.map(|world| (words, world.clone())));
        }
        let fault = members.find_map(|world| Some((unconverged(world)?, world.clone())));
        convergence.faults.extend(fault);
    }
    convergence
}

/// Why a fair execution may not stay in this state.
fn unconverged(world: &World) -> Option<&'static str> {
    if world.leader.is_none() {
        return Some("no process leads");
    }
    let slots = world.slots.iter().enumerate();
    let mut objects = slots.filter_map(|(slot, own)| Some((slot, own.stored.as_ref()?)));
    objects.find_map(|(slot, stored)| unconverged_object(slot, &stored.object, world))
}

fn unconverged_object(slot: usize, object: &Object, world: &World) -> Option<&'static str> {
    let status = object.status_or_default();
    if Some(status.observed_generation) != object.metadata.generation {
        return Some("a generation is never observed");
    }
    if object.deleting() && !says_how_to_release(&status) {
        return Some("a deletion waits and doesn't say how to release the object");
    }
    if let Some(stalled) = find(&status, STALLED) {
        let applies = still_applies(&stalled.reason, slot, object, world);
        return (!applies).then_some("Stalled for a reason that no longer applies");
    }
    if object.deleting() {
        return None;
    }
    if is_true(&status, READY) {
        let base = status.model.as_ref().is_some_and(ModelStatus::is_base);
        let answer = world.hub.retrieve(base);
        return (!fits(answer, object.desired())).then_some("Ready, and not in the desired state");
    }
    let ready = find(&status, READY);
    let would_call = ready.is_some_and(|ready| ready.reason.starts_with("Would"));
    let suspended = would_call && object.spec.suspend == Some(true);
    (!suspended).then_some("neither in the desired state nor Stalled")
}

fn says_how_to_release(status: &OxenModelStatus) -> bool {
    let blocked = find(status, DELETION_BLOCKED);
    let how = blocked_message("");
    blocked.is_some_and(|blocked| blocked.status == "True" && blocked.message.ends_with(&how))
}

/// Returns true when the reason for which an object is Stalled still applies, or its attempts are
/// used up.
fn still_applies(reason: &str, slot: usize, object: &Object, world: &World) -> bool {
    let (status, hub) = (object.status_or_default(), &world.hub);
    let spent = status.attempts.unwrap_or_default();
    let calls = [spent.calls, spent.failures];
    let exhausted = calls.into_iter().flatten().any(|count| count >= CALLS);
    match reason {
        "Conflict" => has_owner_elsewhere(world, slot, object),
        "ModelNotFound" if !hub.knows_model => true,
        "NoDeployment" => hub.live == LiveStatus::None,
        "BaseModelCannotDeactivate" => status.model.is_some_and(|model| model.is_base()),
        "CredentialsNotFound" => !hub.has_secret(slot),
        // The first answer was about another account's model, and the object keeps that identity.
        "IdentityChanged" => status.model.is_some_and(|model| model.owner != "acme"),
        "CallHadNoEffect" | "DeploymentFailed" => exhausted,
        "CRDOutdated" => world.prunes.is_some(),
        // The hub refuses each such call, and the operator retries it.
        "Forbidden" | "Unauthenticated" | "PaymentRequired" | "ModelNotFound" | "Rejected" => {
            let kind = match object.desired() {
                State::Active => OperationKind::Activate,
                State::Inactive => OperationKind::Deactivate,
            };
            hub.refusal(kind).is_some() && spent.refusal.as_deref() == Some(reason)
        }
        _ => false,
    }
}
