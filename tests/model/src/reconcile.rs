//! A reconcile, step by step, as `controller::{observe, reconcile, record, act}` perform it.
//! Anything else may happen between two steps.

use std::sync::Arc;

use oxen_operator::{
    api::{Identity, OxenModel, OxenModelStatus},
    decide::{Action, Claimant, History, Ownership, Pending, Plan, Verdict},
};

use crate::{
    claims,
    decision::Decision,
    hub::{KeyFailure, Outcome, Retrieved},
    memory::Memory,
    mutation::Mutation,
    object::{Object, RULES},
    observer,
    step_log::Milestone,
    world::{Phase, Pruned, Reconcile, Snapshot, Stored, World},
};

/// What becomes of a write to the Kubernetes API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// The write is answered, if only with a conflict.
    Answered,
    /// The write takes effect, and its answer is lost.
    AnswerLost,
    /// The write takes effect, and its answer comes later.
    AnswerLate,
    /// The write times out, and may still take effect.
    Delayed,
    /// The write fails.
    Failed,
}

/// One process's work on one object.
pub(crate) struct Worker<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) decision: Decision,
    pub(crate) process: usize,
    pub(crate) slot: usize,
    /// Whether the hub model is a base model.
    pub(crate) base: bool,
}

impl Worker<'_> {
    pub(crate) fn open(&mut self) -> &mut Option<Reconcile> {
        &mut self.world.replicas[self.process].reconciles[self.slot]
    }

    /// Begins a reconcile: plans what needs nothing from the hub, or retrieves the model.
    /// `fault` replaces the true answer to the live GET. Returns `None` where it can't happen.
    pub(crate) fn observe(&mut self, fault: Option<Retrieved>) -> Option<()> {
        if self.world.replicas[self.process].stale[self.slot] {
            self.read_again();
            return fault.is_none().then_some(());
        }
        let replica = &self.world.replicas[self.process];
        let Stored {
            version,
            object: stored,
        } = replica.cache[self.slot].clone()?;
        let memory = &replica.memories[self.slot];
        let object = if self.forgets_tracked(&stored) {
            stored.clone()
        } else {
            memory.with_tracked(&stored)
        };
        let mut snapshot = Snapshot {
            ownership: self.ownership_before_observation(&object),
            retrieved: None,
            history: History::default(),
            key_proven: false,
            operation_id: self.world.unused_operation_id(self.slot),
            first: self.decision.is(Mutation::AttemptsRenewedByRestart) && !memory.has_observed(),
            object,
        };
        let unobserved = self.decision.plan(&snapshot);
        // A release waits for the lock of the model, as a decision does.
        let locked = !replica.model_is_unlocked(self.slot);
        if locked && unobserved.as_deref().is_some_and(releases) {
            return None;
        }
        if unobserved.is_none() {
            snapshot.retrieved = Some(self.retrieve(&snapshot.object, fault)?);
        } else if fault.is_some() {
            return None;
        }
        let locks_model = snapshot.retrieved.and_then(Retrieved::live).is_some();
        let reconcile = Reconcile {
            snapshot: Arc::new(snapshot),
            phase: Phase::Observed,
            stored,
            version,
            outranked: false,
            left_as_it_is: false,
            may_call: true,
        };
        match unobserved {
            Some(plan) => self.follow(reconcile, plan),
            None => {
                *self.open() = Some(reconcile);
                // Only a reconcile that may wait for another one's lock decides in a separate step.
                if !locks_model || self.world.slots.len() == 1 {
                    self.decide();
                }
            }
        }
        Some(())
    }

    /// Returns true for a mutant that starts from the stored status alone.
    fn forgets_tracked(&self, stored: &Object) -> bool {
        let attempts = stored.status_or_default().attempts;
        let restored = attempts.is_some_and(|spent| spent.uid != stored.metadata.uid);
        let cleared = stored.status.is_none();
        self.decision.is(Mutation::TrackedOperationForgotten)
            || (cleared && self.decision.is(Mutation::ClearedOperationForgotten))
            || (restored && self.decision.is(Mutation::RestoredOperationForgotten))
    }

    fn retrieve(&self, object: &OxenModel, fault: Option<Retrieved>) -> Option<Retrieved> {
        let memory = &self.world.replicas[self.process].memories[self.slot];
        let remembered = object.metadata.deletion_timestamp.is_some() && memory.key_proven;
        let has_key = self.world.hub.has_secret(self.slot) || remembered;
        let retrieved = match fault {
            _ if !has_key => Retrieved::NoKey(KeyFailure::NotFound),
            Some(fault) => fault,
            None => self.world.hub.retrieve(self.base),
        };
        fault
            .is_none_or(|fault| fault == retrieved)
            .then_some(retrieved)
    }

    /// The ownership by the identity of an earlier observation. Only a deletion may be decided by
    /// it.
    fn ownership_before_observation(&self, object: &Object) -> Ownership {
        if object.metadata.deletion_timestamp.is_none() {
            return Ownership::Owned;
        }
        self.ownership(object, None)
    }

    /// Which object controls the model, as this process knows it.
    fn ownership(&self, object: &Object, identity: Option<Identity>) -> Ownership {
        let mut claimant = Claimant::of(object, &RULES);
        claimant.identity = identity.or(claimant.identity);
        let replica = &self.world.replicas[self.process];
        let known = replica.cache.iter().zip(&replica.released);
        let late = self.decision.is(Mutation::ReleaseNotedLate);
        let others: Vec<Claimant> = known
            .filter(|(_, released)| late || released.is_none())
            .filter_map(|(cached, _)| cached.as_ref())
            .map(|cached| Claimant {
                held: cached.object.has_finalizer() || self.decision.is(Mutation::YieldsToUnheld),
                ..Claimant::of(&cached.object, &RULES)
            })
            .collect();
        let mut pending = match claimant.ownership(others.iter()) {
            Ownership::Lost(owner) => return Ownership::Lost(owner),
            Ownership::Owned => Pending::default(),
            Ownership::Pending(pending) => pending,
        };
        let owner = claimant.identity.map(|identity| identity.owner);
        let forgets = self.decision.is(Mutation::OrphanedForgotten);
        let orphaned = replica.orphaned.iter();
        let orphaned = orphaned.filter(|one| Some(&one.owner) == owner.as_ref() && !forgets);
        pending
            .operations
            .extend(orphaned.map(|one| one.id.clone()));
        Ownership::from(pending)
    }

    /// Locks the model, judges the ownership by the identity that the hub showed, and decides.
    pub(crate) fn decide(&mut self) {
        let Some(reconcile) = self.open().take() else {
            return;
        };
        let Some(retrieved) = reconcile.snapshot.retrieved else {
            return;
        };
        let mut snapshot = reconcile.snapshot.as_ref().clone();
        if let Ok(remote) = retrieved.result() {
            let identity = remote.model.identity();
            snapshot.ownership = self.ownership(&snapshot.object, Some(identity));
        }
        let rivals = snapshot.ownership.rivals();
        let mut history = History::default();
        self.remember(&snapshot.object, |memory| {
            history = memory.observe(&snapshot.object, retrieved, rivals);
        });
        snapshot.history = history;
        let asked = !matches!(retrieved, Retrieved::NoKey(_));
        snapshot.key_proven = asked && snapshot.history.has_lost_model(&RULES);
        let Some(plan) = self.decision.plan(&snapshot) else {
            return;
        };
        let reconcile = Reconcile {
            snapshot: Arc::new(snapshot),
            ..reconcile
        };
        self.follow(reconcile, plan);
    }

    /// Continues with a plan, or ends the reconcile where the plan changes nothing.
    fn follow(&mut self, reconcile: Reconcile, plan: Arc<Plan>) {
        let (process, slot) = (self.process, self.slot);
        let snapshot = reconcile.snapshot.clone();
        observer::on_decision(self.world, process, slot, &snapshot, &plan);
        let mut reconcile = Reconcile {
            phase: Phase::Decided(plan.clone()),
            ..reconcile
        };
        // Where the rest of the reconcile depends on none of these, they make no difference.
        let depends = reconcile.depends_on_authority();
        reconcile.may_call |= !depends;
        let world = &*self.world;
        reconcile.outranked = depends && claims::outranked(world, process, slot, &snapshot);
        reconcile.left_as_it_is =
            releases(&plan) && claims::is_left_as_it_is(world, process, slot, &snapshot);
        if self.writes(&reconcile, &plan) {
            *self.open() = Some(reconcile);
        } else {
            self.recorded(reconcile, plan);
        }
    }

    /// Returns true when the status differs from the one that the reconcile began with, and from the
    /// one that the API server did not store as it was sent. The status of an object that is
    /// released is not written.
    fn writes(&self, reconcile: &Reconcile, plan: &Plan) -> bool {
        let memory = &self.world.replicas[self.process].memories[self.slot];
        let pruned = memory.pruned.as_ref();
        let same = |object: &Object| object.status.as_ref() == Some(&plan.status);
        plan.verdict != Verdict::Released && !same(&reconcile.stored) && !pruned.is_some_and(same)
    }

    /// Continues with the plan's action, because the API server has its status.
    fn recorded(&mut self, mut reconcile: Reconcile, plan: Arc<Plan>) {
        let snapshot = reconcile.snapshot.clone();
        observer::on_recorded(self.world, self.slot, &snapshot, &plan);
        if !releases(&plan) {
            self.remember(&snapshot.object, |memory| memory.stored(&plan.status));
        }
        if plan.action != Action::Nothing {
            reconcile.phase = Phase::Recorded(plan);
            *self.open() = Some(reconcile);
        }
    }

    /// Writes the status, before the plan's action.
    pub(crate) fn record(&mut self, write: Write) {
        let Some((mut reconcile, plan)) = self.proceed() else {
            return;
        };
        let snapshot = reconcile.snapshot.clone();
        let operation = operation_id(&plan.status).filter(|_| calls(&plan));
        if let Some(id) = operation {
            self.track_unsent(&snapshot, &plan, id);
            if self.world.prunes.is_some() && is_outdated_crd(&reconcile.stored) {
                // The dry run shows that the record would not be stored.
                return self.not_recorded(reconcile, &plan);
            }
        } else if !releases(&plan) {
            self.track_end(&snapshot.object, &plan);
        }
        let skips = self.decision.is(Mutation::CallBeforeRecord) && calls(&plan);
        if !skips && self.writes(&reconcile, &plan) {
            if write == Write::Failed {
                return;
            }
            let before = self.world.slots[self.slot].stored.clone();
            let Some(version) = self.write_status(reconcile.version, &plan, write) else {
                return;
            };
            reconcile.version = version;
            let (process, slot) = (self.process, self.slot);
            observer::on_record(self.world, process, slot, before, &reconcile, &plan);
            observer::on_status(self.world, slot, &snapshot, &plan);
            if write == Write::AnswerLost {
                observer::on_recorded(self.world, slot, &snapshot, &plan);
                return;
            }
            if let Some(stored) = self.pruned(&plan).filter(|_| calls(&plan)) {
                reconcile.stored = stored;
                return self.not_recorded(reconcile, &plan);
            }
        }
        self.recorded(reconcile, plan);
    }

    /// Remembers what the operation's record becomes if its write has no answer: nothing was sent.
    fn track_unsent(&mut self, snapshot: &Snapshot, plan: &Plan, id: &str) {
        if self.decision.is(Mutation::UnansweredRecordForgotten) {
            return;
        }
        let outcome = Outcome::NotSent.call_outcome();
        let unsent = (self.decision).after_call(snapshot, plan.clone(), &outcome);
        self.remember(&snapshot.object, |memory| memory.track(id, &unsent.status));
    }

    /// Remembers what a plan without a call makes of the operation, before the plan is written.
    fn track_end(&mut self, object: &Object, plan: &Plan) {
        if !self.decision.is(Mutation::UnansweredEndForgotten) {
            self.remember(object, |memory| memory.before_write(&plan.status));
        }
    }

    /// The object as it is stored, where the API server dropped a field of the plan's record.
    fn pruned(&self, plan: &Plan) -> Option<Object> {
        let ignored = match self.world.prunes? {
            Pruned::Operation => Mutation::PrunedOperationIgnored,
            Pruned::Attempts => Mutation::PrunedAttemptsIgnored,
        };
        let stored = self.world.slots[self.slot].stored.as_ref()?;
        let status = self.stored_of(&plan.status);
        let lacks =
            status.operation != plan.status.operation || status.attempts != plan.status.attempts;
        let lacks = lacks && !self.decision.is(ignored);
        lacks.then(|| stored.object.clone())
    }

    /// What the API server stores of a status.
    fn stored_of(&self, status: &OxenModelStatus) -> OxenModelStatus {
        let mut status = status.clone();
        match self.world.prunes {
            None => {}
            Some(Pruned::Operation) => status.operation = None,
            Some(Pruned::Attempts) => status.attempts = None,
        }
        status
    }

    /// Continues with what follows where the API server doesn't store an operation.
    fn not_recorded(&mut self, mut reconcile: Reconcile, plan: &Plan) {
        let plan = (self.decision).not_recorded(&reconcile.snapshot, plan.clone());
        reconcile.phase = Phase::NotRecorded(Arc::new(plan));
        *self.open() = Some(reconcile);
    }

    /// Performs the plan's one action. `write` is what becomes of a write of the finalizer.
    pub(crate) fn act(&mut self, outcome: Outcome, write: Write) {
        let Some((mut reconcile, plan)) = self.proceed() else {
            return;
        };
        let Action::Call { kind, .. } = plan.action else {
            let leads = reconcile.may_call && self.world.leader == Some(self.process);
            if releases(&plan) && !leads && !self.decision.is(Mutation::LeadershipIgnored) {
                return;
            }
            return self.set_finalizer(reconcile, plan, false, write);
        };
        let id = operation_id(&plan.status).unwrap_or_default().to_owned();
        if outcome == Outcome::NotSent {
            let orphaned = &mut self.world.replicas[self.process].orphaned;
            orphaned.retain(|orphaned| orphaned.id != id);
        } else {
            let (process, slot) = (self.process, self.slot);
            observer::on_call(self.world, process, slot, &reconcile, &plan, outcome);
        }
        self.world.hub.call(kind, outcome);
        let before = plan.status.clone();
        let known = outcome.call_outcome();
        let plan = plan.as_ref().clone();
        let plan = (self.decision).after_call(&reconcile.snapshot, plan, &known);
        let changed = before != plan.status;
        self.remember(&reconcile.snapshot.object, |memory| {
            memory.track(&id, &plan.status);
            memory.on_outcome(&known);
            if !changed {
                memory.stored(&plan.status);
            }
        });
        if changed || plan.action == Action::RemoveFinalizer {
            reconcile.phase = Phase::Called(Arc::new(plan), outcome);
            *self.open() = Some(reconcile);
        }
    }

    /// Writes the outcome of the call.
    pub(crate) fn record_outcome(&mut self, write: Write) {
        let Some((reconcile, plan)) = self.proceed() else {
            return;
        };
        if plan.action == Action::RemoveFinalizer {
            return self.set_finalizer(reconcile, plan, true, Write::Answered);
        }
        self.track_end(&reconcile.snapshot.object, &plan);
        if write == Write::Failed {
            return;
        }
        if self.write_status(reconcile.version, &plan, write).is_some() {
            observer::on_status(self.world, self.slot, &reconcile.snapshot, &plan);
            if let Phase::Called(_, outcome) = reconcile.phase {
                observer::on_outcome(self.world, self.slot, outcome, &plan);
            }
            if write == Write::Answered {
                self.remember(&reconcile.snapshot.object, |memory| {
                    memory.stored(&plan.status);
                });
            }
        }
    }

    /// Works with what the process remembers of the object, unless the object is gone.
    fn remember(&mut self, object: &Object, work: impl FnOnce(&mut Memory)) {
        let replica = &mut self.world.replicas[self.process];
        let known = replica.cache[self.slot].as_ref();
        if known.is_some_and(|known| known.object.metadata.uid == object.metadata.uid) {
            work(&mut replica.memories[self.slot]);
        }
    }

    /// Writes the status on exactly that version, and returns the new one.
    fn write_status(&mut self, version: u8, plan: &Plan, write: Write) -> Option<u8> {
        let status = self.stored_of(&plan.status);
        if self.world.prunes == Some(Pruned::Attempts) {
            self.world.slots[self.slot].counters.forget_attempts();
        }
        let pruned = status != plan.status;
        let written = self.write(version, write, |object| object.status = Some(status));
        if write == Write::Answered {
            self.keep();
        }
        let stored = self.world.slots[self.slot].stored.as_ref();
        if let (Write::Answered, Some(_), Some(stored)) = (write, written, stored) {
            let object = stored.object.clone();
            let sent = object.with(|object| object.status = Some(plan.status.clone()));
            self.remember(&object, |memory| memory.pruned = pruned.then_some(sent));
        }
        written
    }

    /// Takes the open reconcile out, with its plan.
    pub(crate) fn proceed(&mut self) -> Option<(Reconcile, Arc<Plan>)> {
        let reconcile = self.open().take()?;
        let plan = match &reconcile.phase {
            Phase::Observed => return None,
            Phase::Decided(plan)
            | Phase::NotRecorded(plan)
            | Phase::Recorded(plan)
            | Phase::Removed(plan)
            | Phase::Called(plan, _) => plan.clone(),
        };
        Some((reconcile, plan))
    }

    /// Writes on exactly that version, and returns the new one. After a conflict, the next
    /// reconcile reads the object from the API server.
    pub(crate) fn write(
        &mut self,
        version: u8,
        write: Write,
        change: impl FnOnce(&mut OxenModel),
    ) -> Option<u8> {
        let any_version = self.decision.is(Mutation::ResourceVersionIgnored);
        let next = self.world.next_version(self.slot);
        let slot = &mut self.world.slots[self.slot];
        let current = slot.stored.as_mut();
        let matching = current.filter(|stored| stored.version == version || any_version);
        let written = matching.map(|stored| {
            stored.object = stored.object.with(change);
            stored.version = next;
            next
        });
        let log = &mut self.world.log;
        log.wrote |= written.is_some();
        log.reach(Milestone::WriteConflict, written.is_none());
        if write == Write::Answered {
            self.world.deliver(self.process, self.slot);
        }
        written
    }
}

/// Returns true when the plan has a call.
pub(crate) fn calls(plan: &Plan) -> bool {
    matches!(plan.action, Action::Call { .. })
}

/// The id of the operation in a status.
pub(crate) fn operation_id(status: &OxenModelStatus) -> Option<&str> {
    status.operation.as_ref().map(|open| open.id.as_str())
}

/// Returns true when the plan releases an object that is being deleted.
pub(crate) fn releases(plan: &Plan) -> bool {
    plan.verdict == Verdict::Released && plan.action == Action::RemoveFinalizer
}

/// Returns true when the object says that its CustomResourceDefinition is outdated.
fn is_outdated_crd(object: &Object) -> bool {
    let reason = Verdict::CrdOutdated.presentation().reason;
    let mut conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| condition.reason == reason)
}

/// Returns true when what the process knows of the object by now no longer allows its call.
pub(crate) fn is_outdated(known: Option<&Stored>, decided: &Object) -> bool {
    known.is_none_or(|known| {
        let (known, decided) = (&known.object, decided);
        known.metadata.uid != decided.metadata.uid
            || known.deleting() != decided.deleting()
            || known.metadata.generation > decided.metadata.generation
    })
}
