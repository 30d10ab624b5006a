//! The finalizer, releases, and what a process does when an object is gone.

use std::sync::Arc;

use oxen_operator::{
    api::{FINALIZER, OxenModel},
    decide::{Action, Plan},
};

use crate::{
    counters::on_gone,
    hub::Retrieved,
    memory::Memory,
    mutation::Mutation,
    object::Object,
    reconcile::{Worker, Write, operation_id, releases},
    release_rules,
    world::{Orphaned, Phase, Reconcile, Removal, Replica, Stored, World},
};

impl Worker<'_> {
    /// Adds or removes the finalizer of an object that isn't being deleted, and decides again with
    /// the same observation. Where the write has no answer, only the plan's status is still
    /// written. After a conflict, nothing is.
    pub(crate) fn change_finalizer(
        &mut self,
        mut reconcile: Reconcile,
        plan: Arc<Plan>,
        write: Write,
    ) {
        let current = self.world.slots[self.slot].stored.as_ref();
        if let (true, Some(current)) =
            (self.decision.is(Mutation::FinalizerVersionIgnored), current)
        {
            reconcile.version = current.version;
        }
        let version = match write {
            Write::Failed => None,
            Write::Answered | Write::AnswerLost | Write::AnswerLate | Write::Delayed => {
                self.write_finalizer(&reconcile, &plan, false)
            }
        };
        let continues = match write {
            Write::Answered => {
                self.world.deliver(self.process, self.slot);
                version
            }
            Write::Failed if self.decision.is(Mutation::FailedFinalizerIgnored) => {
                Some(reconcile.version)
            }
            Write::AnswerLost | Write::AnswerLate | Write::Delayed | Write::Failed => {
                reconcile.phase = Phase::Unanswered(plan.clone());
                return self.carry_out(reconcile, plan);
            }
        };
        let Some(version) = continues else {
            return self.track_end(&reconcile.snapshot.object, &plan);
        };
        reconcile.version = version;
        let finalizers = finalizers(&plan);
        let change = |object: &mut OxenModel| object.metadata.finalizers.clone_from(&finalizers);
        reconcile.stored = reconcile.stored.with(change);
        let mut snapshot = reconcile.snapshot.as_ref().clone();
        snapshot.object = snapshot.object.with(change);
        self.decide_again(reconcile, snapshot);
    }

    /// Releases an object that is being deleted: removes the finalizer. `on_answer` says that the
    /// answer to a call led to it.
    pub(crate) fn release(
        &mut self,
        mut reconcile: Reconcile,
        plan: Arc<Plan>,
        on_answer: bool,
        write: Write,
    ) {
        let (process, slot) = (self.process, self.slot);
        // From here on, no other object of the model yields to this one.
        let (object, open) = (&reconcile.snapshot.object, operation_id(&plan.status));
        let replica = &mut self.world.replicas[process];
        replica.release(slot, object, open, reconcile.version);
        if matches!(
            write,
            Write::Answered | Write::AnswerLost | Write::AnswerLate
        ) {
            self.write_finalizer(&reconcile, &plan, on_answer);
        }
        match write {
            Write::Answered => self.read_again(),
            Write::AnswerLate => {
                reconcile.phase = Phase::Removed(plan);
                *self.open() = Some(reconcile);
            }
            Write::Delayed => {
                self.world.removal = Some(Removal {
                    process,
                    slot,
                    reconcile,
                });
            }
            Write::AnswerLost | Write::Failed => {}
        }
        let unanswered = !matches!(write, Write::Answered | Write::AnswerLate);
        self.world.replicas[process].stale[slot] |= unanswered;
    }

    /// Takes the late answer to a removal of the finalizer.
    pub(crate) fn answer(&mut self) {
        let Some((reconcile, _)) = self.proceed() else {
            return;
        };
        let known = self.world.replicas[self.process].cache[self.slot].as_ref();
        let uid = &reconcile.snapshot.object.metadata.uid;
        // The watch may have shown the deletion, and another object with the same name.
        if known.is_some_and(|known| known.object.metadata.uid == *uid) {
            self.read_again();
        }
    }

    /// A delayed removal of the finalizer takes effect, unless the object has changed.
    pub(crate) fn removal_arrives(&mut self, reconcile: &Reconcile) {
        let Phase::Recorded(plan) = &reconcile.phase else {
            return;
        };
        self.write_finalizer(reconcile, &plan.clone(), false);
    }

    /// Asks the API server for an object that was released, or may have been.
    pub(crate) fn read_again(&mut self) {
        self.world.replicas[self.process].stale[self.slot] = false;
        self.world.deliver(self.process, self.slot);
        self.keep();
    }

    /// Takes an object back whose release had no effect: the API server holds another version than
    /// the release was based on. It is a claimant again, and its operation is no orphaned one.
    pub(crate) fn keep(&mut self) {
        let early = self.decision.is(Mutation::ReleaseTakenBackEarly);
        let replica = &mut self.world.replicas[self.process];
        let released = replica.released[self.slot];
        if let (Some(version), Some(held)) = (released, &replica.cache[self.slot])
            && (held.version != version || early)
        {
            let open = held.object.operation_id();
            let orphaned = &mut replica.orphaned;
            orphaned.retain(|orphan| Some(orphan.id.as_str()) != open);
            replica.released[self.slot] = None;
        }
    }

    /// Changes the finalizer in the API server, and returns the object's new version. An object
    /// that is being deleted is gone then.
    fn write_finalizer(
        &mut self,
        reconcile: &Reconcile,
        plan: &Plan,
        on_answer: bool,
    ) -> Option<u8> {
        let (process, slot) = (self.process, self.slot);
        let finalizers = finalizers(plan);
        let adds = finalizers.is_some();
        // The answer is taken into account by the caller.
        let written = self.write(reconcile.version, Write::AnswerLost, |object| {
            object.metadata.finalizers = finalizers;
        });
        if written.is_none() || adds {
            return written;
        }
        release_rules::on_release(self.world, process, slot, reconcile, plan, on_answer);
        let stored = self.world.slots[slot].stored.as_ref();
        if stored.is_some_and(|stored| stored.object.deleting()) {
            on_gone(self.world, slot);
            self.world.slots[slot].stored = None;
        }
        written
    }
}

/// The finalizers of an object after the plan's change.
fn finalizers(plan: &Plan) -> Option<Vec<String>> {
    let adds = plan.action == Action::AddFinalizer;
    adds.then(|| vec![FINALIZER.to_owned()])
}

impl Replica {
    /// Returns true when no other reconcile of this process has locked the model.
    pub(crate) fn model_is_unlocked(&self, slot: usize) -> bool {
        let others = self.reconciles.iter().enumerate();
        let others = others.filter(|(other, _)| *other != slot);
        let mut open = others.filter_map(|(_, reconcile)| reconcile.as_ref());
        !open.any(|reconcile| {
            let live = reconcile.snapshot.retrieved.and_then(Retrieved::live);
            let unobserved = reconcile.snapshot.retrieved.is_none();
            match &reconcile.phase {
                Phase::Observed => false,
                Phase::Finalizer(plan)
                | Phase::Unanswered(plan)
                | Phase::Decided(plan)
                | Phase::NotRecorded(plan)
                | Phase::Recorded(plan)
                | Phase::Removed(plan)
                | Phase::Called(plan, _) => live.is_some() || (unobserved && releases(plan)),
            }
        })
    }

    /// Notes that an object is about to be released. Its open operation becomes an orphaned one.
    fn release(&mut self, slot: usize, object: &Object, open: Option<&str>, version: u8) {
        if self.released[slot].replace(version).is_none() {
            self.orphan(object, open);
        }
    }

    fn orphan(&mut self, object: &Object, open: Option<&str>) {
        if let (Some(id), Some((_, owner))) = (open, object.identity()) {
            self.orphaned.push(Orphaned {
                id: id.to_owned(),
                owner: owner.to_owned(),
            });
        }
    }

    /// Removes an object that is gone.
    fn forget(&mut self, slot: usize, object: &Object) {
        if self.released[slot].is_none() {
            self.orphan(object, object.operation_id());
        }
        self.released[slot] = None;
        self.stale[slot] = false;
        self.memories[slot] = Memory::default();
        self.cache[slot] = None;
    }
}

impl World {
    /// Updates the process's copy of an object to what the API server has.
    pub(crate) fn deliver(&mut self, process: usize, slot: usize) {
        let current = self.slots[slot].stored.clone();
        let replica = &mut self.replicas[process];
        let uid = |stored: &Option<Stored>| Some(stored.as_ref()?.object.metadata.uid.clone());
        if uid(&replica.cache[slot]) != uid(&current) {
            if let Some(Stored { object, .. }) = replica.cache[slot].take() {
                replica.forget(slot, &object);
            }
            replica.memories[slot] = Memory::default();
        }
        replica.cache[slot] = current;
    }
}
