//! The finalizer, releases, and what a process does when an object is gone.

use std::sync::Arc;

use oxen_operator::{
    api::FINALIZER,
    decide::{Action, Plan},
};

use crate::{
    counters::on_gone,
    hub::Retrieved,
    memory::Memory,
    object::Object,
    observer,
    reconcile::{Worker, Write, operation_id, releases},
    world::{Orphaned, Phase, Reconcile, Replica, Stored, World},
};

impl Worker<'_> {
    /// Adds or removes the finalizer. `on_answer` says that the answer to a call led to it.
    pub(crate) fn set_finalizer(
        &mut self,
        mut reconcile: Reconcile,
        plan: Arc<Plan>,
        on_answer: bool,
        write: Write,
    ) {
        let (process, slot) = (self.process, self.slot);
        if releases(&plan) {
            // From here on, no other object of the model yields to this one.
            let object = &reconcile.snapshot.object;
            self.world.replicas[process].release(slot, object, operation_id(&plan.status));
        }
        if write != Write::Failed {
            self.write_finalizer(&reconcile, &plan, on_answer);
        }
        match write {
            Write::Answered if releases(&plan) => self.world.read_again(process, slot),
            Write::Answered => self.world.deliver(process, slot),
            Write::AnswerLate => {
                reconcile.phase = Phase::Removed(plan);
                *self.open() = Some(reconcile);
            }
            Write::AnswerLost | Write::Failed => {}
        }
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
            self.world.read_again(self.process, self.slot);
        }
    }

    /// Changes the finalizer in the API server. An object that is being deleted is gone then.
    fn write_finalizer(&mut self, reconcile: &Reconcile, plan: &Plan, on_answer: bool) {
        let (process, slot) = (self.process, self.slot);
        let present = plan.action == Action::AddFinalizer;
        let finalizers = present.then(|| vec![FINALIZER.to_owned()]);
        // The answer is taken into account by the caller.
        let written = self.write(reconcile.version, Write::AnswerLost, |object| {
            object.metadata.finalizers = finalizers;
        });
        if written.is_none() || present {
            return;
        }
        observer::on_release(self.world, process, slot, reconcile, plan, on_answer);
        let stored = self.world.slots[slot].stored.as_ref();
        if stored.is_some_and(|stored| stored.object.deleting()) {
            on_gone(self.world, slot);
            self.world.slots[slot].stored = None;
        }
    }
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
                Phase::Decided(plan)
                | Phase::NotRecorded(plan)
                | Phase::Recorded(plan)
                | Phase::Removed(plan)
                | Phase::Called(plan, _) => live.is_some() || (unobserved && releases(plan)),
            }
        })
    }

    /// Notes that an object is about to be released. Its open operation becomes an orphaned one.
    fn release(&mut self, slot: usize, object: &Object, open: Option<&str>) {
        if !self.released[slot] {
            self.released[slot] = true;
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
        if !self.released[slot] {
            self.orphan(object, object.operation_id());
        }
        self.released[slot] = false;
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

    /// Asks the API server for an object that the process released, or may have released. If it is
    /// still there, it is a claimant again, and its operation is no orphaned one.
    pub(crate) fn read_again(&mut self, process: usize, slot: usize) {
        self.deliver(process, slot);
        let replica = &mut self.replicas[process];
        let held = replica.cache[slot].as_ref();
        if let Some(held) = held.filter(|held| held.object.has_finalizer()) {
            let open = held.object.operation_id();
            replica
                .orphaned
                .retain(|orphan| Some(orphan.id.as_str()) != open);
            replica.released[slot] = false;
        }
    }
}
