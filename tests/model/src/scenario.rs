//! A bounded part of everything that can happen, as `stateright` explores it.

use oxen_operator::{
    api::{Declared, LiveStatus},
    decide::{Action, Plan},
};
use stateright::{Model, Property};

use crate::{
    decision::Decision,
    flip::is_flipped,
    hub::{Outcome, Retrieved},
    mutation::Mutation,
    object::Tick,
    properties,
    reconcile::{Write, calls, is_edited},
    remaining::Remaining,
    start::{ANOTHER_GENERATION, Start},
    step::Step,
    world::{Phase, World},
};

/// A bounded part of everything that can happen.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// The number of names of objects in the API server. All objects are about one hub model.
    pub slots: usize,
    /// The number of slots that have an object at first.
    pub objects: usize,
    /// `spec.model` of each slot's object: the hub model's name, or its UUID.
    pub models: [&'static str; 3],
    /// The number of the operator's processes.
    pub replicas: usize,
    /// Whether the reconciles of a process that lost its authority may continue while its
    /// successor leads.
    pub overlap: bool,
    /// Whether the hub model is a base model.
    pub base: bool,
    /// What the objects are at first.
    pub start: Start,
    /// The live statuses that the hub model may have at first.
    pub initial: Vec<LiveStatus>,
    /// The largest numbers of faults and human actions.
    pub limits: Remaining,
    /// The ways in which a live GET can fail.
    pub retrieve_faults: Vec<Retrieved>,
    /// The ways in which a call can go wrong.
    pub call_faults: Vec<Outcome>,
    /// The ways in which the hub and the Secrets can change.
    pub changes: Vec<Step>,
    /// The decision under check.
    pub decision: Decision,
    /// Whether there are no faults and human actions. Hours pass without limit then.
    pub fault_free: bool,
}

impl Scenario {
    /// Returns true when the other scenario explores everything that this one does, whatever the
    /// decisions are.
    #[must_use]
    pub fn is_within(&self, wider: &Self) -> bool {
        let same = |one: &Self| (one.slots, one.objects, one.models, one.replicas, one.start);
        let flags = |one: &Self| (one.overlap, one.base, one.fault_free);
        same(self) == same(wider)
            && flags(self) == flags(wider)
            && self.limits.is_within(wider.limits)
            && is_subset(&self.initial, &wider.initial)
            && is_subset(&self.retrieve_faults, &wider.retrieve_faults)
            && is_subset(&self.call_faults, &wider.call_faults)
            && is_subset(&self.changes, &wider.changes)
    }

    /// The next steps of an open reconcile.
    fn reconcile_steps(&self, world: &World, process: usize, slot: usize, steps: &mut Vec<Step>) {
        let replica = &world.replicas[process];
        let Some(reconcile) = &replica.reconciles[slot] else {
            return;
        };
        if world.remaining.write_faults > 0 {
            let unanswered = |write: &Write| Step::WriteUnanswered(process, slot, *write);
            steps.extend(write_faults(&reconcile.phase).iter().map(unanswered));
        }
        match &reconcile.phase {
            Phase::Observed => {
                let unlocked = replica.model_is_unlocked(slot);
                steps.extend(unlocked.then_some(Step::Decide(process, slot)));
            }
            Phase::Finalizer(_) => steps.push(Step::Act(process, slot, Outcome::NotSent)),
            Phase::Unanswered(_) | Phase::Decided(_) | Phase::NotRecorded(_) => {
                steps.push(Step::Record(process, slot));
            }
            Phase::Recorded(plan) => {
                let leads = (reconcile.may_call && world.leader == Some(process))
                    || self.decision.is(Mutation::LeadershipIgnored);
                let known = replica.cache[slot].as_ref();
                let decided = &reconcile.snapshot.object;
                let edited =
                    is_edited(known, decided) && !self.decision.is(Mutation::OutdatedSpecIgnored);
                let flipped = is_flipped(known, decided)
                    && !self.decision.is(Mutation::FlipBeforeCallIgnored);
                let may = leads && !edited && !flipped;
                let outcomes = self.outcomes(world, plan, may);
                steps.extend(outcomes.map(|outcome| Step::Act(process, slot, outcome)));
            }
            Phase::Removed(_) => steps.push(Step::Answer(process, slot)),
            Phase::Called(..) => steps.push(Step::RecordOutcome(process, slot)),
        }
    }

    /// What can become of a plan's call. `may` says whether the process may make it.
    fn outcomes(&self, world: &World, plan: &Plan, may: bool) -> impl Iterator<Item = Outcome> {
        let kind = match plan.action {
            Action::Call { kind, .. } if may => Some(kind),
            Action::Call { .. }
            | Action::Nothing
            | Action::AddFinalizer
            | Action::RemoveFinalizer => None,
        };
        let (first, faults) = if kind.is_none() {
            (Outcome::NotSent, None)
        } else if let Some(failure) = kind.and_then(|kind| world.hub.refusal(kind)) {
            (Outcome::Refused(failure), None)
        } else if world.remaining.call_faults > 0 {
            (Outcome::Accepted, Some(&self.call_faults))
        } else {
            (Outcome::Accepted, None)
        };
        [first]
            .into_iter()
            .chain(faults.into_iter().flatten().copied())
    }

    /// What the operator's processes can do.
    pub(crate) fn operator_steps(&self, world: &World, steps: &mut Vec<Step>) {
        for (process, replica) in world.replicas.iter().enumerate() {
            for slot in 0..self.slots {
                self.reconcile_steps(world, process, slot, steps);
                // What the watch delivers to a standby makes no difference, because a standby
                // lists everything when it becomes the leader.
                let leads = world.leader.is_none_or(|leader| leader == process);
                let uses_watch = leads || replica.reconciles[slot].is_some();
                if uses_watch && replica.cache[slot] != world.slots[slot].stored {
                    steps.push(Step::Deliver(process, slot));
                }
                let idle = replica.reconciles[slot].is_none() && replica.cache[slot].is_some();
                if !idle || world.leader != Some(process) {
                    continue;
                }
                steps.push(Step::Observe(process, slot, None));
                if world.remaining.retrieve_faults > 0 {
                    let faults = self.retrieve_faults.iter();
                    steps.extend(faults.map(|fault| Step::Observe(process, slot, Some(*fault))));
                }
            }
            if world.remaining.crashes > 0 {
                steps.push(Step::Crash(process));
            }
            // A new leader waits until nothing that its predecessor sent can still arrive.
            let ended = self.overlap || !world.another_reconciles(process);
            let in_flight = world.hub.in_flight.is_some() || world.removal.is_some();
            if world.leader.is_none() && !in_flight && ended {
                steps.push(Step::Elect(process));
            }
        }
        if world.leader.is_some() && world.remaining.lapses > 0 {
            steps.push(Step::Lapse);
        }
    }

    /// What time and the hub can do.
    fn hub_steps(&self, world: &World, steps: &mut Vec<Step>) {
        let hub = &world.hub;
        if hub.in_flight.is_some() {
            steps.extend([Step::CallArrives, Step::CallLost]);
        } else if world.removal.is_some() {
            steps.extend([Step::RemovalArrives, Step::RemovalLost]);
        } else {
            // What is in flight arrives, or is lost, within minutes.
            steps.push(Step::Tick(Tick::Minutes));
            if world.remaining.hours > 0 || self.fault_free {
                steps.push(Step::Tick(Tick::Hours));
            }
        }
        steps.extend(hub.accepted.map(|_| Step::EffectShows));
        steps.extend(hub.after_transition().map(|_| Step::TransitionEnds));
        if hub.hides_deployments {
            steps.push(Step::HideDeployments(false));
        }
        if hub.refuses.is_some() {
            steps.push(Step::RefuseCalls(None));
        }
        if world.prunes.is_some() {
            steps.push(Step::Prune(None));
        }
        if self.start != Start::Unobservable {
            let missing = hub.missing_secrets.iter();
            steps.extend(missing.map(|slot| Step::SetSecret(*slot, true)));
        }
        if world.remaining.changes > 0 {
            steps.extend(&self.changes);
        }
    }

    /// What people and schedules can do.
    fn human_steps(&self, world: &World, steps: &mut Vec<Step>) {
        let remaining = &world.remaining;
        for (at, slot) in world.slots.iter().enumerate() {
            let Some(stored) = &slot.stored else {
                steps.extend((remaining.creations > 0).then_some(Step::Create(at)));
                continue;
            };
            let deleting = stored.object.deleting();
            if remaining.flips > 0 && stored.object.spec.state == Declared::Scheduled {
                steps.push(Step::Flip(at));
            }
            if remaining.edits > 0 {
                steps.extend((!deleting).then_some(Step::FlipState(at)));
                steps.extend([Step::ToggleSuspend(at), Step::ToggleRetain(at)]);
            }
            steps.extend((remaining.deletions > 0 && !deleting).then_some(Step::Delete(at)));
            steps.extend((remaining.requests > 0).then_some(Step::RequestReconcile(at)));
            if remaining.statuses > 0 {
                let generations = [1, ANOTHER_GENERATION].into_iter();
                steps.push(Step::ClearStatus(at));
                steps.extend(generations.map(|generation| Step::RestoreStatus(at, generation)));
            }
        }
    }
}

fn is_subset<T: PartialEq>(some: &[T], all: &[T]) -> bool {
    some.iter().all(|one| all.contains(one))
}

/// What can become of the write that a reconcile makes next, besides its success.
fn write_faults(phase: &Phase) -> &'static [Write] {
    const SOME: &[Write] = &[Write::AnswerLost, Write::Failed];
    const ALL: &[Write] = &[
        Write::AnswerLost,
        Write::AnswerLate,
        Write::Delayed,
        Write::Failed,
    ];
    match phase {
        Phase::Finalizer(_) | Phase::Unanswered(_) | Phase::Decided(_) | Phase::Called(..) => SOME,
        Phase::Recorded(plan) if calls(plan) => &[],
        Phase::Recorded(_) => ALL,
        Phase::Observed | Phase::NotRecorded(_) | Phase::Removed(_) => &[],
    }
}

impl Model for Scenario {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        self.initial.iter().map(|live| self.begin(*live)).collect()
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        self.operator_steps(world, steps);
        self.hub_steps(world, steps);
        self.human_steps(world, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        self.after(world, step)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
