//! A reconcile, step by step, as `controller::{observe, reconcile, record, act}` perform it.
//! Anything else may happen between two steps.

use std::sync::Arc;

use oxen_operator::{
    api::{OxenModel, OxenModelStatus},
    decide::{Action, Claimant, History, Ownership, Pending, Plan, Remote, Verdict},
};

use crate::{
    call_rules, claims,
    decision::Decision,
    hub::{KeyFailure, Outcome, Retrieved},
    memory::Memory,
    mutation::Mutation,
    object::{Object, RULES},
    observer,
    world::{Phase, Reconcile, Snapshot, Stored, World},
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

    /// Which object controls the model, as this process knows it. `remote` is the model that was
    /// just observed, if there was an observation.
    fn ownership(&self, object: &Object, remote: Option<&Remote>) -> Ownership {
        let mut claimant = Claimant::of(object, &RULES);
        if let Some(remote) = remote {
            claimant.identity = Some(Arc::new(remote.model.identity()));
            claimant.base = remote.base;
        }
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
        let owner = claimant.identity.map(|identity| identity.owner.clone());
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
            snapshot.ownership = self.ownership(&snapshot.object, Some(&remote));
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

    /// Decides again with the same observation, after the finalizer was changed. `snapshot` has the
    /// object as it was written.
    pub(crate) fn decide_again(&mut self, mut reconcile: Reconcile, mut snapshot: Snapshot) {
        if let Some(retrieved) = snapshot.retrieved
            && self.decision.is(Mutation::ObservationCountedTwice)
        {
            let rivals = snapshot.ownership.rivals();
            self.remember(&snapshot.object, |memory| {
                snapshot.history = memory.observe(&snapshot.object, retrieved, rivals);
            });
        }
        let Some(plan) = self.decision.plan(&snapshot) else {
            return;
        };
        observer::log_operation(self.world, self.slot, &snapshot, &plan);
        reconcile.snapshot = Arc::new(snapshot);
        reconcile.phase = Phase::Decided(plan.clone());
        self.carry_out(reconcile, plan);
    }

    /// Continues with the plan of an observation, or of what needs none. A change of the finalizer
    /// comes first.
    fn follow(&mut self, mut reconcile: Reconcile, plan: Arc<Plan>) {
        let (process, slot) = (self.process, self.slot);
        let snapshot = reconcile.snapshot.clone();
        observer::on_decision(self.world, process, slot, &snapshot, &plan);
        reconcile.phase = if changes_finalizer(&snapshot.object, &plan) {
            Phase::Finalizer(plan.clone())
        } else {
            Phase::Decided(plan.clone())
        };
        self.carry_out(reconcile, plan);
    }

    /// Continues with a plan, or ends the reconcile where the plan changes nothing.
    pub(crate) fn carry_out(&mut self, mut reconcile: Reconcile, plan: Arc<Plan>) {
        let (process, slot) = (self.process, self.slot);
        let snapshot = reconcile.snapshot.clone();
        // Where the rest of the reconcile depends on none of these, they make no difference.
        let depends = reconcile.depends_on_authority();
        reconcile.may_call |= !depends;
        let world = &*self.world;
        reconcile.outranked = depends && claims::outranked(world, process, slot, &snapshot);
        reconcile.left_as_it_is =
            releases(&plan) && claims::is_left_as_it_is(world, process, slot, &snapshot);
        let finalizer = matches!(reconcile.phase, Phase::Finalizer(_));
        if finalizer || self.writes(&reconcile, &plan) {
            *self.open() = Some(reconcile);
        } else {
            self.recorded(reconcile, plan);
        }
    }

    /// Performs the plan's one action. `write` is what becomes of a write of the finalizer.
    pub(crate) fn act(&mut self, outcome: Outcome, write: Write) {
        let Some((mut reconcile, plan)) = self.proceed() else {
            return;
        };
        if matches!(reconcile.phase, Phase::Finalizer(_)) {
            return self.change_finalizer(reconcile, plan, write);
        }
        let Action::Call { kind, .. } = plan.action else {
            let leads = reconcile.may_call && self.world.leader == Some(self.process);
            if releases(&plan) && !leads && !self.decision.is(Mutation::LeadershipIgnored) {
                return;
            }
            return self.release(reconcile, plan, false, write);
        };
        let id = operation_id(&plan.status).unwrap_or_default().to_owned();
        if outcome == Outcome::NotSent {
            let orphaned = &mut self.world.replicas[self.process].orphaned;
            orphaned.retain(|orphaned| orphaned.id != id);
        } else {
            let (process, slot) = (self.process, self.slot);
            call_rules::on_call(self.world, process, slot, &reconcile, &plan, outcome);
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

    /// Works with what the process remembers of the object, unless the object is gone.
    pub(crate) fn remember(&mut self, object: &Object, work: impl FnOnce(&mut Memory)) {
        let replica = &mut self.world.replicas[self.process];
        let known = replica.cache[self.slot].as_ref();
        if known.is_some_and(|known| known.object.metadata.uid == object.metadata.uid) {
            work(&mut replica.memories[self.slot]);
        }
    }

    /// Takes the open reconcile out, with its plan.
    pub(crate) fn proceed(&mut self) -> Option<(Reconcile, Arc<Plan>)> {
        let reconcile = self.open().take()?;
        let plan = match &reconcile.phase {
            Phase::Observed => return None,
            Phase::Finalizer(plan)
            | Phase::Unanswered(plan)
            | Phase::Decided(plan)
            | Phase::NotRecorded(plan)
            | Phase::Recorded(plan)
            | Phase::Removed(plan)
            | Phase::Called(plan, _) => plan.clone(),
        };
        Some((reconcile, plan))
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

/// Returns true when the plan adds or removes the finalizer of an object that isn't being deleted.
pub(crate) fn changes_finalizer(object: &Object, plan: &Plan) -> bool {
    match plan.action {
        Action::AddFinalizer => true,
        Action::RemoveFinalizer => !object.deleting(),
        Action::Nothing | Action::Call { .. } => false,
    }
}

/// Returns true when the plan releases an object that is being deleted.
pub(crate) fn releases(plan: &Plan) -> bool {
    plan.verdict == Verdict::Released && plan.action == Action::RemoveFinalizer
}

/// Returns true when the object, as the process knows it by now, is gone or was edited after the
/// decision.
pub(crate) fn is_edited(known: Option<&Stored>, decided: &Object) -> bool {
    known.is_none_or(|known| {
        let (known, decided) = (&known.object, decided);
        known.metadata.uid != decided.metadata.uid
            || known.deleting() != decided.deleting()
            || known.metadata.generation > decided.metadata.generation
    })
}
