//! The writes of the status: a call's record before it, its outcome, and everything else.

use std::sync::Arc;

use oxen_operator::{
    api::{OxenModel, OxenModelStatus},
    decide::{Action, Plan, Verdict},
};

use crate::{
    hub::Outcome,
    mutation::Mutation,
    object::Object,
    observer,
    reconcile::{Worker, Write, calls, changes_finalizer, operation_id, releases},
    step_log::Milestone,
    world::{Phase, Pruned, Reconcile, Snapshot},
};

impl Worker<'_> {
    /// Returns true when the status differs from the one that the reconcile began with, and from
    /// the one that the API server did not store as it was sent. The status of an object that is
    /// released is not written.
    pub(crate) fn writes(&self, reconcile: &Reconcile, plan: &Plan) -> bool {
        let memory = &self.world.replicas[self.process].memories[self.slot];
        let pruned = memory.pruned.as_ref();
        let same = |object: &Object| object.status.as_ref() == Some(&plan.status);
        plan.verdict != Verdict::Released && !same(&reconcile.stored) && !pruned.is_some_and(same)
    }

    /// Continues with the plan's action, because the API server has its status.
    pub(crate) fn recorded(&mut self, mut reconcile: Reconcile, plan: Arc<Plan>) {
        let snapshot = reconcile.snapshot.clone();
        observer::on_recorded(self.world, self.slot, &snapshot, &plan);
        if !releases(&plan) {
            self.remember(&snapshot.object, |memory| memory.stored(&plan.status));
        }
        // Where the plan changes the finalizer, that had no answer.
        let acts = plan.action != Action::Nothing;
        if acts && !changes_finalizer(&snapshot.object, &plan) {
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
    pub(crate) fn track_end(&mut self, object: &Object, plan: &Plan) {
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

    /// Writes the outcome of the call.
    pub(crate) fn record_outcome(&mut self, write: Write) {
        let Some((reconcile, plan)) = self.proceed() else {
            return;
        };
        if plan.action == Action::RemoveFinalizer {
            return self.release(reconcile, plan, true, Write::Answered);
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

/// Returns true when the object says that its CustomResourceDefinition is outdated.
fn is_outdated_crd(object: &Object) -> bool {
    let reason = Verdict::CrdOutdated.presentation().reason;
    let mut conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| condition.reason == reason)
}
