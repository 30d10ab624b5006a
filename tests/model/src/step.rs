//! Everything that can happen next.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oxen_operator::{
    api::{DeletionPolicy, Deployment, RECONCILE_ANNOTATION, State},
    decide::has_finalizer,
};

use crate::{
    hub::{Glimpse, Outcome},
    news::{News, Rule},
    object::{NOW, Object, Tick},
    pass::Worker,
    rules,
    scenario::Scenario,
    world::{Left, Replica, Slot, Stored, Tally, World},
};

/// One thing that happens. Processes and objects go by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A pass begins and looks; with an answer, where the hub's is not the truth.
    Look(usize, usize, Option<Glimpse>),
    /// It takes its turn and decides.
    Decide(usize, usize),
    /// It writes the status.
    Record(usize, usize),
    /// It does what it planned, and a call meets this fate.
    Act(usize, usize, Outcome),
    /// It writes what came of the call.
    Note(usize, usize),
    /// The watch brings the newest version.
    Deliver(usize, usize),
    /// A process dies, and a new one takes its place.
    Crash(usize),
    /// The leader's authority ends while it goes on.
    Lapse,
    /// A process becomes leader.
    Elect(usize),
    /// Time goes by.
    Tick(Tick),
    /// A delayed call arrives at last.
    Land,
    /// A delayed call is lost.
    Vanish,
    /// A call that was taken shows.
    Show,
    /// A transition ends.
    Settle,
    /// The model changes by another's hand, or fails.
    Drift(Deployment),
    /// The hub begins or ends to leave the deployments out.
    Veil(bool),
    /// The hub forgets the model.
    Forget,
    /// The Secret with an object's key goes or comes back.
    Secret(usize, bool),
    /// A person flips the state.
    Edit(usize),
    /// A person suspends or resumes.
    Suspend(usize),
    /// A person turns `Retain` on or off.
    Retain(usize),
    /// A person deletes.
    Delete(usize),
    /// A person creates it again.
    Create(usize),
    /// A person asks for a look.
    Request(usize),
}

impl Left {
    /// What a step costs.
    fn cost(&mut self, step: Step) -> Option<&mut u8> {
        match step {
            Step::Look(_, _, Some(_)) => Some(&mut self.looks),
            Step::Act(_, _, outcome) => match outcome {
                Outcome::Taken | Outcome::NotSent => None,
                Outcome::TakenLate
                | Outcome::Refused(_)
                | Outcome::AnswerLost
                | Outcome::Lost
                | Outcome::Delayed => Some(&mut self.calls),
            },
            Step::Crash(_) => Some(&mut self.crashes),
            Step::Lapse => Some(&mut self.lapses),
            Step::Drift(_) | Step::Veil(true) | Step::Forget | Step::Secret(_, false) => {
                Some(&mut self.drifts)
            }
            Step::Edit(_) | Step::Suspend(_) | Step::Retain(_) => Some(&mut self.edits),
            Step::Delete(_) => Some(&mut self.deletions),
            Step::Create(_) => Some(&mut self.creations),
            Step::Request(_) => Some(&mut self.requests),
            Step::Tick(Tick::Hours) => Some(&mut self.hours),
            Step::Look(_, _, None)
            | Step::Decide(..)
            | Step::Record(..)
            | Step::Note(..)
            | Step::Deliver(..)
            | Step::Elect(_)
            | Step::Tick(Tick::Minutes)
            | Step::Land
            | Step::Vanish
            | Step::Show
            | Step::Settle
            | Step::Veil(false)
            | Step::Secret(_, true) => None,
        }
    }

    /// Whether a step costs nothing: the operator's own work, and what time and the hub do by themselves.
    #[must_use]
    pub fn is_free(mut self, step: Step) -> bool {
        self.cost(step).is_none()
    }

    /// Pays for a step; `None` where nothing is left to pay with.
    pub(crate) fn pay(&mut self, step: Step) -> Option<()> {
        let any = self.any;
        let Some(own) = self.cost(step) else {
            return Some(());
        };
        if any == 0 || *own == 0 {
            return None;
        }
        *own -= 1;
        self.any -= 1;
        // Without any left, which ones were spent makes no difference.
        if self.any == 0 {
            *self = Left::default();
        }
        Some(())
    }
}

impl Scenario {
    /// The world after a step; `None` where the step can't happen or changes nothing.
    #[must_use]
    pub fn after(&self, before: &World, step: Step) -> Option<World> {
        let mut world = before.clone();
        world.news = News::default();
        if !self.calm || !matches!(step, Step::Tick(_)) {
            world.left.pay(step)?;
        }
        self.take(&mut world, step)?;
        world.tidy();
        let single = rules::one_open_operation(&world);
        world.news.demand(Rule::OneOpenOperation, single);
        let unchanged = World {
            news: before.news,
            ..world.clone()
        } == *before;
        (!unchanged || world.news != News::default()).then_some(world)
    }

    fn worker<'a>(&self, world: &'a mut World, who: usize, at: usize) -> Worker<'a> {
        Worker {
            world,
            decision: self.decision,
            who,
            at,
            base: self.base,
        }
    }

    fn take(&self, world: &mut World, step: Step) -> Option<()> {
        match step {
            Step::Look(who, at, answer) => self.worker(world, who, at).look(answer)?,
            Step::Decide(who, at) => self.worker(world, who, at).decide(),
            Step::Record(who, at) => self.worker(world, who, at).record(),
            Step::Act(who, at, outcome) => self.worker(world, who, at).act(outcome),
            Step::Note(who, at) => self.worker(world, who, at).note(),
            Step::Deliver(who, at) => world.deliver(who, at),
            Step::Crash(who) => world.crash(who),
            Step::Lapse => {
                let leader = world.leader.take()?;
                world.disown(leader);
            }
            Step::Elect(who) => world.elect(who),
            Step::Tick(tick) => {
                world.tick(tick);
                // A pass that always pauses before its call is a fault that goes on.
                let paused = if self.calm { 0 } else { self.replicas };
                (0..paused).for_each(|who| world.disown(who));
            }
            Step::Land => {
                let direction = world.hub.in_flight.take()?;
                world.hub.apply(direction);
            }
            Step::Vanish => world.hub.in_flight = None,
            Step::Show => {
                let direction = world.hub.late.take()?;
                world.hub.apply(direction);
            }
            Step::Settle => world.hub.deployment = world.hub.settled()?,
            Step::Drift(deployment) => world.hub.deployment = deployment,
            Step::Veil(on) => world.hub.veiled = on,
            Step::Forget => world.hub.known = false,
            Step::Secret(at, there) => world.hub.set_key(at, there),
            Step::Edit(at) => world.edit(at, |object| {
                object.spec.state = match object.spec.state {
                    State::Active => State::Inactive,
                    State::Inactive => State::Active,
                };
            })?,
            Step::Suspend(at) => world.edit(at, |object| {
                object.spec.suspend = object.spec.suspend.is_none().then_some(true);
            })?,
            Step::Retain(at) => world.edit(at, |object| {
                let policy = &mut object.spec.deletion_policy;
                *policy = policy.is_none().then_some(DeletionPolicy::Retain);
            })?,
            Step::Delete(at) => world.delete(at)?,
            Step::Create(at) => world.create(at, self.asked[at]),
            Step::Request(at) => world.request(at)?,
        }
        Some(())
    }
}

impl World {
    fn change(&mut self, at: usize, change: impl FnOnce(&Object) -> Object) -> Option<()> {
        let version = self.next_version(at);
        let stored = self.slots[at].stored.as_mut()?;
        *stored = Stored {
            version,
            object: change(&stored.object),
        };
        Some(())
    }

    fn edit(
        &mut self,
        at: usize,
        change: impl FnOnce(&mut oxen_operator::api::OxenModel),
    ) -> Option<()> {
        self.change(at, |object| object.edited(change))
    }

    fn delete(&mut self, at: usize) -> Option<()> {
        let held = has_finalizer(&self.slots[at].stored.as_ref()?.object);
        if !held {
            self.slots[at].stored = None;
            return Some(());
        }
        self.edit(at, |object| {
            object.metadata.deletion_timestamp = Some(Time(NOW));
        })
    }

    fn create(&mut self, at: usize, asked: &str) {
        let births = self.slots.iter().map(|slot| slot.births).max();
        let birth = births.unwrap_or_default() + 1;
        let version = self.next_version(at);
        let object = Object::new(at, birth, asked, State::Active);
        self.slots[at] = Slot {
            stored: Some(Stored { version, object }),
            births: birth,
            tally: Tally::default(),
        };
    }

    fn request(&mut self, at: usize) -> Option<()> {
        let left = self.left.requests;
        self.change(at, |object| {
            object.with(|object| {
                let annotations = object.metadata.annotations.get_or_insert_default();
                annotations.insert(RECONCILE_ANNOTATION.into(), format!("{left} left"));
            })
        })
    }

    /// A standby knows nothing, and reads everything once it leads; who led last and still runs goes on.
    fn elect(&mut self, who: usize) {
        if self.led != Some(who) {
            self.begin_anew(who);
        }
        (self.leader, self.led) = (Some(who), Some(who));
    }

    /// The process dies, and another takes its place.
    fn crash(&mut self, who: usize) {
        self.begin_anew(who);
        if self.replicas.len() > 1 {
            self.leader.take_if(|leader| *leader == who);
            self.led.take_if(|led| *led == who);
        }
    }

    /// Whether another process is in the middle of a pass.
    pub(crate) fn at_work_beside(&self, who: usize) -> bool {
        let others = self
            .replicas
            .iter()
            .enumerate()
            .filter(|(it, _)| *it != who);
        let mut passes = others.flat_map(|(_, replica)| &replica.passes);
        passes.any(Option::is_some)
    }

    /// All that the process knew is gone, and its copies are what the API server has now.
    fn begin_anew(&mut self, who: usize) {
        let slots = self.slots.len();
        self.replicas[who] = Replica {
            views: self.slots.iter().map(|slot| slot.stored.clone()).collect(),
            memories: vec![Default::default(); slots],
            passes: vec![None; slots],
        };
    }

    /// Its passes may no longer call.
    fn disown(&mut self, who: usize) {
        for pass in self.replicas[who].passes.iter_mut().flatten() {
            pass.entitled = false;
        }
    }

    fn tick(&mut self, tick: Tick) {
        for slot in &mut self.slots {
            if let Some(stored) = &mut slot.stored {
                stored.object = stored.object.aged(tick);
            }
            if tick == Tick::Hours {
                slot.tally.corrections = 0;
            }
        }
        for replica in &mut self.replicas {
            for view in replica.views.iter_mut().flatten() {
                view.object = view.object.aged(tick);
            }
            for memory in &mut replica.memories {
                memory.silent |= tick == Tick::Hours && memory.key;
                if let Some(watch) = &mut memory.watched {
                    watch.late = true;
                }
            }
        }
    }
}
