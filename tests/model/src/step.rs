//! Everything that can happen next.

use oxen_operator::api::{Declared, DeletionPolicy, LiveStatus};

use crate::{
    hub::{Outcome, Refusing, Retrieved},
    object::Tick,
    reconcile::{Worker, Write},
    scenario::Scenario,
    start::status_of_another_cluster,
    step_log::StepLog,
    world::{Phase, Pruned, World},
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
    /// The schedule of the object turns its desired state into the other one.
    Flip(usize),
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
                    Phase::Finalizer(_) | Phase::Recorded(_) => {
                        worker.act(Outcome::NotSent, write);
                    }
                    Phase::Observed
                    | Phase::Unanswered(_)
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
            Step::Flip(slot) => world.flip(slot),
            Step::FlipState(slot) => world.edit(slot, |object| {
                object.spec.schedule = None;
                object.spec.state = match object.spec.state {
                    Declared::Active => Declared::Inactive,
                    Declared::Inactive | Declared::Scheduled => Declared::Active,
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
