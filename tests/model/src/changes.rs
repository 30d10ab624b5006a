//! What people do to objects, what happens to processes, and the passing of time.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oxen_operator::api::{OxenModel, OxenModelStatus, RECONCILE_ANNOTATION, State};

use crate::{
    counters::{Counters, on_gone},
    object::{NOW, Object, Tick},
    step_log::Milestone,
    world::{Replica, Slot, Stored, World},
};

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

    pub(crate) fn edit(&mut self, slot: usize, change: impl FnOnce(&mut OxenModel)) -> Option<()> {
        self.change(slot, |object| object.edited(change))
    }

    pub(crate) fn delete(&mut self, slot: usize) -> Option<()> {
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

    pub(crate) fn create(&mut self, slot: usize, model: &str) {
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

    pub(crate) fn request_reconcile(&mut self, slot: usize) -> Option<()> {
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
    pub(crate) fn replace_status(
        &mut self,
        slot: usize,
        status: Option<OxenModelStatus>,
    ) -> Option<()> {
        let open = self.slots[slot].counters.sent.is_some();
        self.log.reach(Milestone::StatusLost, open);
        let counters = &mut self.slots[slot].counters;
        counters.forget_attempts();
        counters.record_lost = counters.recorded.is_some();
        self.change(slot, |object| object.with(|object| object.status = status))
    }

    /// Makes a process the leader. A standby remembers nothing, and lists everything when it
    /// becomes the leader. The last leader continues, if it still runs.
    pub(crate) fn elect(&mut self, process: usize) {
        if self.last_leader != Some(process) {
            self.restart(process);
            self.gone.clear();
        }
        (self.leader, self.last_leader) = (Some(process), Some(process));
    }

    /// A process dies, and a new one takes its place.
    pub(crate) fn crash(&mut self, process: usize) {
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
    pub(crate) fn forbid_calls(&mut self, process: usize) {
        let reconciles = &mut self.replicas[process].reconciles;
        for reconcile in reconciles.iter_mut().flatten() {
            reconcile.may_call &= !reconcile.depends_on_authority();
        }
    }

    pub(crate) fn tick(&mut self, tick: Tick) {
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
