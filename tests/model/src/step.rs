//! Everything that can happen next.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oxen_operator::api::{
    DeletionPolicy, LiveStatus, OxenModel, OxenModelStatus, RECONCILE_ANNOTATION, State,
};

use crate::{
    counters::{Counters, on_gone},
    hub::{Outcome, Refusing, Retrieved},
    object::{NOW, Object, Tick},
    reconcile::{Worker, Write},
    scenario::Scenario,
    start::status_of_another_cluster,
    step_log::{Milestone, StepLog},
    world::{Phase, Pruned, Remaining, Replica, Slot, Stored, World},
};

/// One thing that happens. Steps of the operator have the process first and then the slot; other
/// steps of an object have the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A reconcile begins and retrieves the model, with this fault instead of the true answer.
    Observe(usize, usize, Option<Retrieved>),
    /// A reconcile locks the model and decides.
    Decide(usize, usize),
    /// A reconcile writes the status.
    Record(usize, usize),
    /// A reconcile performs the plan's action. A call has this outcome.
    Act(usize, usize, Outcome),
    /// A reconcile writes the outcome of its call.
    RecordOutcome(usize, usize),
    /// A reconcile's write of the status or the finalizer has no answer, or a late one.
    WriteUnanswered(usize, usize, Write),
    /// The late answer to a removal of the finalizer.
    Answer(usize, usize),
    /// The watch delivers the newest version.
    Deliver(usize, usize),
    /// A process dies, and a new one takes its place.
    Crash(usize),
    /// The leader's authority lapses while its reconciles continue.
    Lapse,
    /// A process becomes the leader.
    Elect(usize),
    /// Time passes.
    Tick(Tick),
    /// A delayed call arrives.
    CallArrives,
    /// A delayed call is lost.
    CallLost,
    /// A delayed removal of the finalizer arrives.
    RemovalArrives,
    /// A delayed removal of the finalizer is lost.
    RemovalLost,
    /// A call that the hub accepted shows its effect.
    EffectShows,
    /// A transition ends.
    TransitionEnds,
    /// Something else changes the live status, or the deployment fails.
    Drift(LiveStatus),
    /// The hub starts or stops leaving out the deployments.
    HideDeployments(bool),
    /// The hub no longer knows the model.
    ForgetModel,
    /// The hub refuses each call, or no longer does.
    RefuseCalls(Option<Refusing>),
    /// The API server drops a field of each status that is written, or no longer does.
    Prune(Option<Pruned>),
    /// The Secret of an object is created or deleted.
    SetSecret(usize, bool),
    /// A person changes the declared state.
    FlipState(usize),
    /// A person suspends or resumes.
    ToggleSuspend(usize),
    /// A person sets or removes the deletion policy `Retain`.
    ToggleRetain(usize),
    /// A person deletes the object.
    Delete(usize),
    /// A person creates an object with that name.
    Create(usize),
    /// A person requests a reconcile.
    RequestReconcile(usize),
    /// A person clears the status.
    ClearStatus(usize),
    /// A backup of another cluster, of this generation, takes the place of the status.
    RestoreStatus(usize, i64),
}

impl Remaining {
    /// The kind that a step is of, where it is a fault or a human action.
    fn kind(&mut self, step: Step) -> Option<&mut u8> {
        match step {
            Step::Observe(_, _, Some(_)) => Some(&mut self.retrieve_faults),
            Step::Act(_, _, outcome) => match outcome {
                Outcome::Accepted | Outcome::NotSent => None,
                Outcome::AcceptedLate
                | Outcome::Refused(_)
                | Outcome::ResponseLost
                | Outcome::RequestLost
                | Outcome::Delayed => Some(&mut self.call_faults),
            },
            Step::WriteUnanswered(..) => Some(&mut self.write_faults),
            Step::Crash(_) => Some(&mut self.crashes),
            Step::Lapse => Some(&mut self.lapses),
            Step::Drift(_)
            | Step::HideDeployments(true)
            | Step::ForgetModel
            | Step::RefuseCalls(Some(_))
            | Step::Prune(Some(_))
            | Step::SetSecret(_, false) => Some(&mut self.changes),
            Step::FlipState(_) | Step::ToggleSuspend(_) | Step::ToggleRetain(_) => {
                Some(&mut self.edits)
            }
            Step::Delete(_) => Some(&mut self.deletions),
            Step::Create(_) => Some(&mut self.creations),
            Step::RequestReconcile(_) => Some(&mut self.requests),
            Step::ClearStatus(_) | Step::RestoreStatus(..) => Some(&mut self.statuses),
            Step::Tick(Tick::Hours) => Some(&mut self.hours),
            Step::Observe(_, _, None)
            | Step::Decide(..)
            | Step::Record(..)
            | Step::RecordOutcome(..)
            | Step::Answer(..)
            | Step::Deliver(..)
            | Step::Elect(_)
            | Step::Tick(Tick::Minutes)
            | Step::CallArrives
            | Step::CallLost
            | Step::RemovalArrives
            | Step::RemovalLost
            | Step::EffectShows
            | Step::TransitionEnds
            | Step::HideDeployments(false)
            | Step::RefuseCalls(None)
            | Step::Prune(None)
            | Step::SetSecret(_, true) => None,
        }
    }

    /// Returns true for a step that is neither a fault nor a human action: the operator's own
    /// work, and what time and the hub do by themselves.
    #[must_use]
    pub fn is_unlimited(mut self, step: Step) -> bool {
        self.kind(step).is_none()
    }

    /// Counts a step. Returns `None` where no step of its kind remains.
    pub(crate) fn count(&mut self, step: Step) -> Option<()> {
        let all = self.all;
        let Some(kind) = self.kind(step) else {
            return Some(());
        };
        if all == 0 || *kind == 0 {
            return None;
        }
        *kind -= 1;
        self.all -= 1;
        self.limit_kinds();
        Some(())
    }
}

impl Scenario {
    /// The world after a step, or `None` where the step can't happen or changes nothing.
    #[must_use]
    pub fn after(&self, before: &World, step: Step) -> Option<World> {
        let mut world = before.clone();
        world.log = StepLog::default();
        let hours_pass = self.fault_free && matches!(step, Step::Tick(_));
        // A hub that refuses each call is one fault, not one for each call.
        let refused = matches!(step, Step::Act(_, _, Outcome::Refused(failure))
            if before.hub.refuses.is_some_and(|refuses| refuses.failure == failure));
        if !hours_pass && !refused {
            world.remaining.count(step)?;
        }
        self.take(&mut world, step)?;
        world.rank_versions();
        world.forget_operations();
        let unchanged = World {
            log: before.log,
            ..world.clone()
        } == *before;
        (!unchanged || world.log != StepLog::default()).then_some(world)
    }

    fn worker<'a>(&self, world: &'a mut World, process: usize, slot: usize) -> Worker<'a> {
        Worker {
            world,
            decision: self.decision,
            process,
            slot,
            base: self.base,
        }
    }

    fn take(&self, world: &mut World, step: Step) -> Option<()> {
        match step {
            Step::Observe(process, slot, fault) => {
                self.worker(world, process, slot).observe(fault)?;
            }
            Step::Decide(process, slot) => self.worker(world, process, slot).decide(),
            Step::Record(process, slot) => {
                self.worker(world, process, slot).record(Write::Answered);
            }
            Step::WriteUnanswered(process, slot, write) => {
                let reconcile = world.replicas[process].reconciles[slot].as_ref()?;
                let phase = reconcile.phase.clone();
                let mut worker = self.worker(world, process, slot);
                match phase {
                    Phase::Called(..) => worker.record_outcome(write),
                    Phase::Recorded(_) => worker.act(Outcome::NotSent, write),
                    Phase::Observed
                    | Phase::Decided(_)
                    | Phase::NotRecorded(_)
                    | Phase::Removed(_) => worker.record(write),
                }
            }
            Step::Answer(process, slot) => self.worker(world, process, slot).answer(),
            Step::Act(process, slot, outcome) => {
                self.worker(world, process, slot)
                    .act(outcome, Write::Answered);
            }
            Step::RecordOutcome(process, slot) => {
                self.worker(world, process, slot)
                    .record_outcome(Write::Answered);
            }
            Step::Deliver(process, slot) => world.deliver(process, slot),
            Step::Crash(process) => world.crash(process),
            Step::Lapse => {
                let leader = world.leader.take()?;
                world.forbid_calls(leader);
            }
            Step::Elect(process) => world.elect(process),
            Step::Tick(tick) => {
                world.tick(tick);
                // Without faults, no reconcile pauses before its call again and again.
                let paused = if self.fault_free { 0 } else { self.replicas };
                (0..paused).for_each(|process| world.forbid_calls(process));
            }
            Step::CallArrives => {
                let kind = world.hub.in_flight.take()?;
                world.hub.take_effect(kind);
            }
            Step::CallLost => world.hub.in_flight = None,
            Step::RemovalArrives => {
                let removal = world.removal.take()?;
                self.worker(world, removal.process, removal.slot)
                    .removal_arrives(&removal.reconcile);
            }
            Step::RemovalLost => world.removal = None,
            Step::EffectShows => {
                let kind = world.hub.accepted.take()?;
                world.hub.take_effect(kind);
            }
            Step::TransitionEnds => world.hub.live = world.hub.after_transition()?,
            Step::Drift(live) => world.hub.live = live,
            Step::HideDeployments(hide) => world.hub.hides_deployments = hide,
            Step::ForgetModel => world.hub.knows_model = false,
            Step::RefuseCalls(failure) => world.hub.refuses = failure,
            Step::Prune(pruned) => world.prunes = pruned,
            Step::SetSecret(slot, exists) => {
                world.hub.set_secret(slot, exists);
                for replica in &mut world.replicas {
                    replica.memories[slot].secret_changed();
                }
                let refused = &mut world.slots[slot].counters.refused;
                refused.iter_mut().for_each(|it| it.secret_changed = true);
            }
            Step::FlipState(slot) => world.edit(slot, |object| {
                object.spec.state = match object.spec.state {
                    State::Active => State::Inactive,
                    State::Inactive => State::Active,
                };
            })?,
            Step::ToggleSuspend(slot) => world.edit(slot, |object| {
                object.spec.suspend = object.spec.suspend.is_none().then_some(true);
            })?,
            Step::ToggleRetain(slot) => world.edit(slot, |object| {
                let policy = &mut object.spec.deletion_policy;
                *policy = policy.is_none().then_some(DeletionPolicy::Retain);
            })?,
            Step::Delete(slot) => world.delete(slot)?,
            Step::Create(slot) => world.create(slot, self.models[slot]),
            Step::RequestReconcile(slot) => world.request_reconcile(slot)?,
            Step::ClearStatus(slot) => world.replace_status(slot, None)?,
            Step::RestoreStatus(slot, generation) => {
                world.replace_status(slot, Some(status_of_another_cluster(generation)))?;
                world.slots[slot].counters.restored = true;
            }
        }
        Some(())
    }
}

impl World {
    fn change(&mut self, slot: usize, change: impl FnOnce(&Object) -> Object) -> Option<()> {
        let version = self.next_version(slot);
        let stored = self.slots[slot].stored.as_mut()?;
        *stored = Stored {
            version,
            object: change(&stored.object),
        };
        Some(())
    }

    fn edit(&mut self, slot: usize, change: impl FnOnce(&mut OxenModel)) -> Option<()> {
        self.change(slot, |object| object.edited(change))
    }

    fn delete(&mut self, slot: usize) -> Option<()> {
        let held = self.slots[slot].stored.as_ref()?.object.has_finalizer();
        if !held {
            on_gone(self, slot);
            self.slots[slot].stored = None;
            return Some(());
        }
        self.edit(slot, |object| {
            object.metadata.deletion_timestamp = Some(Time(NOW));
        })
    }

    fn create(&mut self, slot: usize, model: &str) {
        let numbers = self.slots.iter().map(|slot| slot.number);
        let number = numbers.max().unwrap_or_default() + 1;
        let version = self.next_version(slot);
        let object = Object::new(slot, number, model, State::Active);
        self.slots[slot] = Slot {
            stored: Some(Stored { version, object }),
            number,
            counters: Counters::default(),
        };
    }

    fn request_reconcile(&mut self, slot: usize) -> Option<()> {
        let remaining = self.remaining.requests;
        let stored = self.slots[slot].stored.as_ref()?;
        let shown = stored.object.status_or_default().other_model;
        self.slots[slot].counters.shown = shown.map(|shown| shown.owner);
        self.change(slot, |object| {
            object.with(|object| {
                let annotations = object.metadata.annotations.get_or_insert_default();
                annotations.insert(RECONCILE_ANNOTATION.into(), format!("{remaining} remain"));
            })
        })
    }

    /// Replaces the status, as a person does. The observer forgets what the status had counted.
    fn replace_status(&mut self, slot: usize, status: Option<OxenModelStatus>) -> Option<()> {
        let open = self.slots[slot].counters.sent.is_some();
        self.log.reach(Milestone::StatusLost, open);
        let counters = &mut self.slots[slot].counters;
        counters.forget_attempts();
        counters.record_lost = counters.recorded.is_some();
        self.change(slot, |object| object.with(|object| object.status = status))
    }

    /// Makes a process the leader. A standby remembers nothing, and lists everything when it
    /// becomes the leader. The last leader continues, if it still runs.
    fn elect(&mut self, process: usize) {
        if self.last_leader != Some(process) {
            self.restart(process);
            self.gone.clear();
        }
        (self.leader, self.last_leader) = (Some(process), Some(process));
    }

    /// A process dies, and a new one takes its place.
    fn crash(&mut self, process: usize) {
        self.restart(process);
        if self.replicas.len() > 1 {
            self.leader.take_if(|leader| *leader == process);
            self.last_leader.take_if(|last| *last == process);
        }
    }

    /// Returns true when another process has an open reconcile.
    pub(crate) fn another_reconciles(&self, process: usize) -> bool {
        let replicas = self.replicas.iter().enumerate();
        let others = replicas.filter(|(other, _)| *other != process);
        let mut reconciles = others.flat_map(|(_, replica)| &replica.reconciles);
        reconciles.any(Option::is_some)
    }

    /// Forgets everything that the process knew, and lists the objects.
    fn restart(&mut self, process: usize) {
        let slots = self.slots.len();
        if self.last_leader == Some(process) {
            self.gone.clear();
        }
        for slot in &mut self.slots {
            slot.counters.forget_process(process);
        }
        self.replicas[process] = Replica {
            cache: self.slots.iter().map(|slot| slot.stored.clone()).collect(),
            memories: vec![Default::default(); slots],
            reconciles: vec![None; slots],
            orphaned: Vec::new(),
            released: vec![None; slots],
            stale: vec![false; slots],
        };
    }

    /// Forbids the process's open reconciles to call, and to release an object.
    fn forbid_calls(&mut self, process: usize) {
        let reconciles = &mut self.replicas[process].reconciles;
        for reconcile in reconciles.iter_mut().flatten() {
            reconcile.may_call &= !reconcile.depends_on_authority();
        }
    }

    fn tick(&mut self, tick: Tick) {
        for slot in &mut self.slots {
            if let Some(stored) = &mut slot.stored {
                stored.object = stored.object.aged(tick);
            }
            slot.counters.advance();
            if tick == Tick::Hours {
                slot.counters.corrections = 0;
            }
        }
        if tick == Tick::Hours {
            self.gone.clear();
        }
        for replica in &mut self.replicas {
            for cached in replica.cache.iter_mut().flatten() {
                cached.object = cached.object.aged(tick);
            }
            for (memory, cached) in replica.memories.iter_mut().zip(&replica.cache) {
                let cached = cached.as_ref();
                let retries = cached.is_some_and(|cached| cached.object.failed());
                memory.advance(retries, tick);
            }
            if tick == Tick::Hours {
                replica.orphaned.clear();
            }
        }
    }
}
