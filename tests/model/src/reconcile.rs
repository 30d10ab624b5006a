//! A reconcile, step by step, as `controller::{observe, reconcile, record, act}` perform it.
//! Anything else may happen between two steps.

use std::sync::Arc;

use oxen_operator::{
    api::{FINALIZER, OxenModel},
    decide::{Action, Claimant, History, Ownership, Plan, Verdict},
};

use crate::{
    decision::{Decision, Mutation},
    hub::{KeyFailure, Outcome, Retrieved},
    memory::Memory,
    observer,
    step_log::Milestone,
    world::{Phase, Reconcile, Replica, Snapshot, Stored, World},
};

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
    fn open(&mut self) -> &mut Option<Reconcile> {
        &mut self.world.replicas[self.process].reconciles[self.slot]
    }

    /// Begins a reconcile: plans what needs nothing from the hub, or retrieves the model.
    /// `fault` replaces the true answer to the live GET. Returns `None` where it can't happen.
    pub(crate) fn observe(&mut self, fault: Option<Retrieved>) -> Option<()> {
        let replica = &self.world.replicas[self.process];
        let Stored { version, object } = replica.cache[self.slot].clone()?;
        let memory = &replica.memories[self.slot];
        let mut snapshot = Snapshot {
            ownership: self.ownership_before_observation(&object),
            retrieved: None,
            history: History::default(),
            operation_id: self.world.unused_operation_id(self.slot),
            first: self.decision.is(Mutation::AttemptsRenewedByRestart) && !memory.has_observed(),
            object,
        };
        let unobserved = self.decision.plan(&snapshot);
        if unobserved.is_none() {
            snapshot.retrieved = Some(self.retrieve(&snapshot.object, fault)?);
        } else if fault.is_some() {
            return None;
        }
        let locks_model = snapshot.retrieved.and_then(Retrieved::live).is_some();
        let reconcile = Reconcile {
            snapshot: Arc::new(snapshot),
            phase: Phase::Observed,
            version,
            outranked: false,
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
    fn ownership_before_observation(&self, object: &OxenModel) -> Ownership {
        if object.metadata.deletion_timestamp.is_none() {
            return Ownership::Owned;
        }
        self.ownership(object, None)
    }

    /// Which object controls the model, as this process knows it.
    fn ownership(&self, object: &OxenModel, identity: Option<(String, String)>) -> Ownership {
        let mut claimant = Claimant::of(object);
        claimant.identity = identity.or(claimant.identity);
        let cache = self.world.replicas[self.process].cache.iter();
        let others: Vec<Claimant> = cache
            .flatten()
            .map(|cached| Claimant::of(&cached.object))
            .collect();
        claimant.ownership(others.iter())
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
            let identity = (remote.model.id, remote.model.owner);
            snapshot.ownership = self.ownership(&snapshot.object, Some(identity));
        }
        let status = snapshot.object.status.as_ref();
        let open = status.and_then(|status| status.operation.as_ref());
        let memory = &mut self.world.replicas[self.process].memories[self.slot];
        snapshot.history = memory.observe(retrieved, open);
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
        let snapshot = &reconcile.snapshot;
        observer::on_decision(self.world, self.slot, snapshot, &plan);
        if !writes(&snapshot.object, &plan) && plan.action == Action::Nothing {
            observer::on_recorded(self.world, self.slot, snapshot, &plan);
            return;
        }
        let outranked = observer::outranked(self.world, self.process, self.slot, snapshot);
        *self.open() = Some(Reconcile {
            phase: Phase::Decided(plan),
            outranked,
            ..reconcile
        });
    }

    /// Writes the status, before the plan's action.
    pub(crate) fn record(&mut self) {
        let Some((mut reconcile, plan)) = self.proceed() else {
            return;
        };
        let skips = self.decision.is(Mutation::CallBeforeRecord) && calls(&plan);
        if !skips && writes(&reconcile.snapshot.object, &plan) {
            let before = self.world.slots[self.slot].stored.clone();
            let status = plan.status.clone();
            match self.write(reconcile.version, |object| object.status = Some(status)) {
                Some(version) => reconcile.version = version,
                None => return,
            }
            observer::on_record(self.world, before, &reconcile.snapshot, &plan);
            observer::on_status(self.world, self.slot, &reconcile.snapshot, &plan);
        }
        observer::on_recorded(self.world, self.slot, &reconcile.snapshot, &plan);
        if plan.action != Action::Nothing {
            reconcile.phase = Phase::Recorded(plan);
            *self.open() = Some(reconcile);
        }
    }

    /// Performs the plan's one action.
    pub(crate) fn act(&mut self, outcome: Outcome) {
        let Some((mut reconcile, plan)) = self.proceed() else {
            return;
        };
        let Action::Call { kind, .. } = plan.action else {
            return self.set_finalizer(&reconcile, &plan, false);
        };
        if outcome != Outcome::NotSent {
            observer::on_call(
                self.world,
                self.process,
                self.slot,
                &reconcile,
                &plan,
                outcome,
            );
        }
        self.world.hub.call(kind, outcome);
        let before = plan.status.clone();
        let plan = plan.as_ref().clone();
        let plan = self
            .decision
            .after_call(&reconcile.snapshot, plan, &outcome.call_outcome());
        let releases = plan.action == Action::RemoveFinalizer;
        if before != plan.status || releases {
            reconcile.phase = Phase::Called(Arc::new(plan), outcome);
            *self.open() = Some(reconcile);
        }
    }

    /// Writes the outcome of the call.
    pub(crate) fn record_outcome(&mut self) {
        let Some((reconcile, plan)) = self.proceed() else {
            return;
        };
        if plan.action == Action::RemoveFinalizer {
            return self.set_finalizer(&reconcile, &plan, true);
        }
        let status = plan.status.clone();
        let written = self.write(reconcile.version, |object| object.status = Some(status));
        if written.is_some() {
            observer::on_status(self.world, self.slot, &reconcile.snapshot, &plan);
        }
    }

    /// Takes the open reconcile out, with its plan.
    fn proceed(&mut self) -> Option<(Reconcile, Arc<Plan>)> {
        let reconcile = self.open().take()?;
        let plan = match &reconcile.phase {
            Phase::Observed => return None,
            Phase::Decided(plan) | Phase::Recorded(plan) | Phase::Called(plan, _) => plan.clone(),
        };
        Some((reconcile, plan))
    }

    fn set_finalizer(&mut self, reconcile: &Reconcile, plan: &Plan, on_answer: bool) {
        let present = plan.action == Action::AddFinalizer;
        let finalizers = present.then(|| vec![FINALIZER.to_owned()]);
        let written = self.write(reconcile.version, |object| {
            object.metadata.finalizers = finalizers;
        });
        if written.is_some() && !present {
            observer::on_release(self.world, self.slot, reconcile, plan, on_answer);
            let slot = &mut self.world.slots[self.slot];
            slot.stored.take_if(|stored| stored.object.deleting());
        }
    }

    /// Writes on exactly that version, and returns the new one. After a conflict, the next
    /// reconcile reads the object from the API server.
    fn write(&mut self, version: u8, change: impl FnOnce(&mut OxenModel)) -> Option<u8> {
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
        self.world.deliver(self.process, self.slot);
        written
    }
}

/// Returns true when the status differs from the one that the reconcile began with. The status of
/// an object that is released is not written.
fn writes(object: &OxenModel, plan: &Plan) -> bool {
    plan.verdict != Verdict::Released && object.status.as_ref() != Some(&plan.status)
}

/// Returns true when the plan has a call.
pub(crate) fn calls(plan: &Plan) -> bool {
    matches!(plan.action, Action::Call { .. })
}

impl Replica {
    /// Returns true when no other reconcile of this process has locked the model.
    pub(crate) fn model_is_unlocked(&self, slot: usize) -> bool {
        let others = self.reconciles.iter().enumerate();
        let others = others.filter(|(other, _)| *other != slot);
        let mut open = others.filter_map(|(_, reconcile)| reconcile.as_ref());
        !open.any(|reconcile| {
            let live = reconcile.snapshot.retrieved.and_then(Retrieved::live);
            reconcile.phase != Phase::Observed && live.is_some()
        })
    }
}

impl World {
    /// Updates the process's copy of an object to what the API server has.
    pub(crate) fn deliver(&mut self, process: usize, slot: usize) {
        let current = self.slots[slot].stored.clone();
        let replica = &mut self.replicas[process];
        let uid = |stored: &Option<Stored>| stored.as_ref()?.object.metadata.uid.clone();
        if uid(&current) != uid(&replica.cache[slot]) {
            replica.memories[slot] = Memory::default();
        }
        replica.cache[slot] = current;
    }
}
