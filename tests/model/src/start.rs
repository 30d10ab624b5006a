//! The worlds that a scenario begins in, and the statuses that people put in place of another.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oxen_operator::api::{
    Attempts, FINALIZER, LiveStatus, Operation, OperationKind, OxenModelStatus, State,
};

use crate::{
    hub::{Hub, Outcome, Retrieved},
    object::{NOW, Object},
    scenario::Scenario,
    step::Step,
    world::{Replica, Slot, Stored, World},
};

/// The generation of an object in another cluster that was edited more often than any object here.
pub const ANOTHER_GENERATION: i64 = 99;

/// What the objects are at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The objects are new.
    New,
    /// The objects are new, and have a schedule that wants their model active.
    Scheduled,
    /// The first process has observed the objects, and nothing is left to do.
    Settled,
    /// The same, and then the last object was created.
    LastNew,
    /// The first process has observed the objects, and waits for the effect of a call that the hub
    /// has accepted. The first object says that the model is to be left as it is. These are one of
    /// the scenario's call faults, and one of its edits.
    Leaving,
    /// The first object is being deleted, has an open operation, and has no Secret, so that it
    /// can't be observed any more. The Secret isn't created again.
    Unobservable,
}

impl Scenario {
    /// The world at the beginning, with a hub model of that live status.
    pub(crate) fn begin(&self, live: LiveStatus) -> World {
        let settled = self.objects - usize::from(self.start == Start::LastNew);
        let slots = (0..self.slots).map(|slot| self.slot(slot, slot < settled));
        let slots: Vec<Slot> = slots.collect();
        let mut hub = Hub::new(live);
        hub.set_secret(0, self.start != Start::Unobservable);
        let replica = Replica {
            cache: slots.iter().map(|slot| slot.stored.clone()).collect(),
            memories: vec![Default::default(); self.slots],
            reconciles: vec![None; self.slots],
            orphaned: Vec::new(),
            released: vec![None; self.slots],
            stale: vec![false; self.slots],
        };
        let world = World {
            slots,
            hub,
            prunes: None,
            replicas: vec![replica; self.replicas],
            leader: Some(0),
            last_leader: Some(0),
            removal: None,
            gone: Vec::new(),
            remaining: self.limits,
            log: Default::default(),
        };
        match self.start {
            Start::New | Start::Scheduled | Start::Unobservable => world,
            Start::Settled => self.settled(world),
            Start::Leaving => {
                let called = self.settled(world);
                let told = self.after(&called, Step::ToggleRetain(0)).unwrap_or(called);
                self.settled(told)
            }
            Start::LastNew => {
                let mut world = self.settled(world);
                world.slots[settled] = self.slot(settled, true);
                world.deliver(0, settled);
                world
            }
        }
    }

    /// The name of that number, with an object if it `exists`.
    fn slot(&self, slot: usize, exists: bool) -> Slot {
        let number = u8::try_from(slot).unwrap_or_default();
        let object = Object::new(slot, number, self.models[slot], State::Active);
        let object = match self.start {
            Start::Unobservable if slot == 0 => unobservable(&object),
            Start::Scheduled => object.scheduled(),
            Start::New | Start::Settled | Start::LastNew | Start::Leaving | Start::Unobservable => {
                object
            }
        };
        Slot {
            stored: exists.then_some(Stored { version: 0, object }),
            number,
            counters: Default::default(),
        }
    }

    /// The world once the first process has no more to do.
    fn settled(&self, mut world: World) -> World {
        loop {
            let before = world.clone();
            for slot in 0..self.slots {
                for step in [
                    Step::Deliver(0, slot),
                    Step::Observe(0, slot, None),
                    Step::Decide(0, slot),
                    Step::Record(0, slot),
                    Step::Act(0, slot, Outcome::NotSent),
                    Step::RecordOutcome(0, slot),
                ] {
                    let step = self.possible(&world, step);
                    world = step
                        .and_then(|step| self.after(&world, step))
                        .unwrap_or(world);
                }
            }
            world.log = before.log;
            if world == before {
                return world;
            }
        }
    }

    /// The step, with the outcome that a call has before the scenario begins, where it is possible.
    fn possible(&self, world: &World, step: Step) -> Option<Step> {
        let mut steps = Vec::new();
        self.operator_steps(world, &mut steps);
        let Step::Act(process, slot, _) = step else {
            return steps.contains(&step).then_some(step);
        };
        let late = Step::Act(process, slot, Outcome::AcceptedLate);
        if self.start == Start::Leaving && steps.contains(&late) {
            return Some(late);
        }
        let own = |one: &Step| matches!(one, Step::Act(other, own, _) if (*other, *own) == (process, slot));
        steps.into_iter().find(own)
    }
}

/// The object as it is when it is deleted while its operation is open.
fn unobservable(object: &Object) -> Object {
    object.with(|object| {
        object.metadata.finalizers = Some(vec![FINALIZER.into()]);
        object.metadata.deletion_timestamp = Some(Time(NOW));
        object.status = Some(OxenModelStatus {
            operation: Some(operation("0.0")),
            ..inactive(1)
        });
    })
}

/// The status of an object with the same name in another cluster, as a backup restores it: its
/// attempts are used up, and an operation is open.
pub(crate) fn status_of_another_cluster(generation: i64) -> OxenModelStatus {
    OxenModelStatus {
        operation: Some(operation("another")),
        attempts: Some(Attempts {
            generation,
            uid: Some("another".into()),
            settled: Some(true),
            calls: Some(3),
            last_call: Some(Time(NOW)),
            corrections: Some(vec![Time(NOW); 3]),
            ..Attempts::default()
        }),
        ..inactive(generation)
    }
}

/// The status of an object that is declared active and whose model is inactive.
fn inactive(generation: i64) -> OxenModelStatus {
    let live = LiveStatus::Inactive;
    let remote = Retrieved::Custom(live).result().ok();
    OxenModelStatus {
        observed_generation: generation,
        desired: Some(State::Active),
        live: Some(live),
        since: Some(Time(NOW)),
        model: remote.map(|remote| remote.model),
        ..OxenModelStatus::default()
    }
}

fn operation(id: &str) -> Operation {
    Operation {
        id: id.into(),
        kind: OperationKind::Activate,
        from: LiveStatus::Inactive,
        started: Time(NOW),
        accepted: Some(true),
    }
}
