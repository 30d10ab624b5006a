//! A bounded part of everything that can happen, as `stateright` explores it.

use oxen_operator::{
    api::{Deployment, State},
    decide::Plan,
};
use stateright::{Model, Property};

use crate::{
    decision::Decision,
    hub::{Glimpse, Hub, Outcome},
    object::{Object, Tick},
    pass::calls,
    properties,
    step::Step,
    world::{Left, Phase, Replica, Slot, Stored, World},
};

/// A bounded part of everything that can happen.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// Names in the API server; all of them are about one remote model.
    pub slots: usize,
    /// How many of them have an object at first.
    pub objects: usize,
    /// What each one's spec calls the model: its name, or its UUID.
    pub asked: [&'static str; 2],
    /// Processes of the operator.
    pub replicas: usize,
    /// Passes of a process that has lost its authority may go on beside its successor's.
    pub overlap: bool,
    /// The remote model is a base model.
    pub base: bool,
    /// What the remote model may be at first.
    pub starts: Vec<Deployment>,
    /// What may go wrong, and what people may do, at most.
    pub left: Left,
    /// How a look can fail.
    pub looks: Vec<Glimpse>,
    /// How a call can go wrong.
    pub fates: Vec<Outcome>,
    /// How the hub and the Secret can change.
    pub drifts: Vec<Step>,
    /// The decision under check.
    pub decision: Decision,
    /// Nothing goes wrong any more, and time is free.
    pub calm: bool,
}

impl Scenario {
    fn begin(&self, start: Deployment) -> World {
        let slots: Vec<Slot> = (0..self.slots)
            .map(|at| {
                let birth = u8::try_from(at).unwrap_or_default();
                let object = Object::new(at, birth, self.asked[at], State::Active);
                Slot {
                    stored: (at < self.objects).then_some(Stored { version: 0, object }),
                    births: birth,
                    tally: Default::default(),
                }
            })
            .collect();
        let replica = Replica {
            views: slots.iter().map(|slot| slot.stored.clone()).collect(),
            memories: vec![Default::default(); self.slots],
            passes: vec![None; self.slots],
        };
        World {
            slots,
            hub: Hub::new(start),
            replicas: vec![replica; self.replicas],
            leader: Some(0),
            led: Some(0),
            left: self.left,
            news: Default::default(),
        }
    }

    /// What a pass under way does next.
    fn proceed(&self, world: &World, who: usize, at: usize, steps: &mut Vec<Step>) {
        let Some(pass) = &world.replicas[who].passes[at] else {
            return;
        };
        match &pass.phase {
            Phase::Looked => {
                let turn = world.replicas[who].has_turn(at);
                steps.extend(turn.then_some(Step::Decide(who, at)));
            }
            Phase::Decided(_) => steps.push(Step::Record(who, at)),
            Phase::Recorded(plan) => self.call(world, who, at, plan, steps),
            Phase::Answered(..) => steps.push(Step::Note(who, at)),
        }
    }

    /// What may become of a call: nothing, where the process may not make it any more.
    fn call(&self, world: &World, who: usize, at: usize, plan: &Plan, steps: &mut Vec<Step>) {
        let entitled = world.replicas[who].passes[at]
            .as_ref()
            .is_some_and(|pass| pass.entitled);
        let may = (entitled && world.leader == Some(who))
            || self.decision.is(crate::decision::Mutation::TermIgnored);
        if !calls(plan) || !may {
            return steps.push(Step::Act(who, at, Outcome::NotSent));
        }
        steps.push(Step::Act(who, at, Outcome::Taken));
        if world.left.calls > 0 {
            let fates = self.fates.iter();
            steps.extend(fates.map(|fate| Step::Act(who, at, *fate)));
        }
    }

    /// What the operator's processes do.
    fn work(&self, world: &World, steps: &mut Vec<Step>) {
        for (who, replica) in world.replicas.iter().enumerate() {
            for at in 0..self.slots {
                self.proceed(world, who, at, steps);
                // What a process that only stands by has not heard yet makes no difference before
                // it may lead.
                let heeds =
                    world.leader.is_none_or(|leader| leader == who) || replica.passes[at].is_some();
                if heeds && replica.views[at] != world.slots[at].stored {
                    steps.push(Step::Deliver(who, at));
                }
                let idle = replica.passes[at].is_none() && replica.views[at].is_some();
                if !idle || world.leader != Some(who) {
                    continue;
                }
                steps.push(Step::Look(who, at, None));
                if world.left.looks > 0 {
                    let looks = self.looks.iter();
                    steps.extend(looks.map(|answer| Step::Look(who, at, Some(*answer))));
                }
            }
            if world.left.crashes > 0 {
                steps.push(Step::Crash(who));
            }
            // A new leader waits until no call of the last one can still arrive.
            let over = self.overlap || !world.at_work_beside(who);
            if world.leader.is_none() && world.hub.in_flight.is_none() && over {
                steps.push(Step::Elect(who));
            }
        }
        if world.leader.is_some() && world.left.lapses > 0 {
            steps.push(Step::Lapse);
        }
    }

    /// What time and the hub do.
    fn elapse(&self, world: &World, steps: &mut Vec<Step>) {
        let hub = &world.hub;
        if hub.in_flight.is_some() {
            steps.extend([Step::Land, Step::Vanish]);
        } else {
            // A call that is under way arrives, or is lost, within minutes.
            steps.push(Step::Tick(Tick::Minutes));
            if world.left.hours > 0 || self.calm {
                steps.push(Step::Tick(Tick::Hours));
            }
        }
        steps.extend(hub.late.map(|_| Step::Show));
        steps.extend(hub.settled().map(|_| Step::Settle));
        if hub.veiled {
            steps.push(Step::Veil(false));
        }
        steps.extend(hub.missing.iter().map(|at| Step::Secret(*at, true)));
        if world.left.drifts > 0 {
            steps.extend(&self.drifts);
        }
    }

    /// What people do.
    fn meddle(&self, world: &World, steps: &mut Vec<Step>) {
        let left = &world.left;
        for (at, slot) in world.slots.iter().enumerate() {
            let Some(stored) = &slot.stored else {
                steps.extend((left.creations > 0).then_some(Step::Create(at)));
                continue;
            };
            let deleting = stored.object.deleting();
            if left.edits > 0 {
                steps.extend((!deleting).then_some(Step::Edit(at)));
                steps.extend([Step::Suspend(at), Step::Retain(at)]);
            }
            steps.extend((left.deletions > 0 && !deleting).then_some(Step::Delete(at)));
            steps.extend((left.requests > 0).then_some(Step::Request(at)));
        }
    }
}

impl Model for Scenario {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        self.starts.iter().map(|start| self.begin(*start)).collect()
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        self.work(world, steps);
        self.elapse(world, steps);
        self.meddle(world, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        self.after(world, step)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
