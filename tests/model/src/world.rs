//! The state of everything at one moment: the API server, the hub, the processes, and how many
//! faults and human actions can still happen.

use std::{
    hash::{Hash, Hasher},
    mem::discriminant,
    sync::Arc,
};

use oxen_operator::decide::{History, Ownership, Plan};

use crate::{
    counters::{Counters, Gone},
    hub::{Hub, Outcome, Retrieved},
    memory::Memory,
    object::Object,
    reconcile::{calls, releases},
    remaining::Remaining,
    step_log::StepLog,
};

/// The state of everything at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The names of objects in the API server.
    pub slots: Vec<Slot>,
    /// The hub.
    pub hub: Hub,
    /// What the API server drops of each status that is written.
    pub prunes: Option<Pruned>,
    /// The operator's processes.
    pub replicas: Vec<Replica>,
    /// The process that may call, if there is one.
    pub leader: Option<usize>,
    /// The process that led last, while it runs.
    pub last_leader: Option<usize>,
    /// A removal of the finalizer whose sender has stopped waiting, and that may still arrive.
    pub removal: Option<Removal>,
    /// The operations whose object is gone, which the observer knows.
    pub gone: Vec<Gone>,
    /// The faults and human actions that can still happen.
    pub remaining: Remaining,
    /// What the last step did.
    pub log: StepLog,
}

/// A removal of the finalizer on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Removal {
    /// The process that sent it.
    pub process: usize,
    /// The object.
    pub slot: usize,
    /// The reconcile that it is part of.
    pub reconcile: Reconcile,
}

/// What an outdated CustomResourceDefinition lacks of a call's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the fields of the status
pub enum Pruned {
    Operation,
    Attempts,
}

/// One name of objects in the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The object with that name.
    pub stored: Option<Stored>,
    /// The number of the last object that was created with the name. Younger objects have greater
    /// numbers.
    pub number: u8,
    /// What the observer counts.
    pub counters: Counters,
}

/// An object with the version that the API server gave it. A version is the rank among all copies
/// of the object, so that versions don't grow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// `metadata.resourceVersion`.
    pub version: u8,
    /// Everything else.
    pub object: Object,
}

/// One process of the operator. The vectors have an element for each slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Replica {
    /// The objects as the process knows them: from the watch, or from its own newer write.
    pub cache: Vec<Option<Stored>>,
    /// What the process remembers of each object.
    pub memories: Vec<Memory>,
    /// The open reconcile of each object.
    pub reconciles: Vec<Option<Reconcile>>,
    /// The operations whose object is gone, for the owner of their model to wait for.
    pub orphaned: Vec<Orphaned>,
    /// The version of the object that the process has released, or may have, as long as the API
    /// server may take that release.
    pub released: Vec<Option<u8>>,
    /// Whether the next reconcile asks the API server for the object.
    pub stale: Vec<bool>,
}

/// An open operation whose object is gone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Orphaned {
    /// The operation's id.
    pub id: String,
    /// The account that owns its model.
    pub owner: String,
}

/// An open reconcile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reconcile {
    /// What the decision is based on.
    pub snapshot: Arc<Snapshot>,
    /// The last step that was taken.
    pub phase: Phase,
    /// The object as it was stored when the reconcile began, as far as the process knew, or as the
    /// reconcile wrote it when it changed the finalizer.
    pub stored: Object,
    /// The version that the next write replaces.
    pub version: u8,
    /// Whether another object controlled the model, as far as the process knew at the decision.
    pub outranked: bool,
    /// Whether another object said that the model is to be left as it is, as far as the process
    /// knew at the decision.
    pub left_as_it_is: bool,
    /// Whether a call may go out: the observation is recent, and the term has not ended.
    pub may_call: bool,
}

impl Reconcile {
    /// Returns true when what the reconcile may still do needs authority: a call or a release, or
    /// what is not decided yet.
    pub(crate) fn depends_on_authority(&self) -> bool {
        match &self.phase {
            Phase::Observed | Phase::Finalizer(_) => true,
            Phase::Decided(plan) | Phase::Recorded(plan) => calls(plan) || releases(plan),
            Phase::Unanswered(_)
            | Phase::NotRecorded(_)
            | Phase::Removed(_)
            | Phase::Called(..) => false,
        }
    }
}

/// What a decision is based on: the parts of an `Observation` that can differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The object as the process knew it when the reconcile began, or as the reconcile wrote it
    /// when it changed the finalizer, with the operation that the process tracks.
    pub object: Object,
    /// What became of the live GET, or `None` where nothing was needed from the hub.
    pub retrieved: Option<Retrieved>,
    /// What the process remembers of the object, this observation included.
    pub history: History,
    /// Whether the hub's list has shown that the key belongs to the model's owner.
    pub key_proven: bool,
    /// Which object controls the model.
    pub ownership: Ownership,
    /// The id for a new operation.
    pub operation_id: String,
    /// Whether it is the process's first reconcile of the object. Only one mutant tracks it.
    pub first: bool,
}

/// The last step of an open reconcile.
#[derive(Clone, Debug)]
pub enum Phase {
    /// The model was retrieved.
    Observed,
    /// The plan was made, and adds or removes the finalizer before anything else.
    Finalizer(Arc<Plan>),
    /// The change of the finalizer had no answer. Only the plan's status is still written.
    Unanswered(Arc<Plan>),
    /// The plan was made.
    Decided(Arc<Plan>),
    /// The API server doesn't store the plan's operation.
    NotRecorded(Arc<Plan>),
    /// The status was written.
    Recorded(Arc<Plan>),
    /// The finalizer was removed, and the answer is late.
    Removed(Arc<Plan>),
    /// The call has an outcome, which is not recorded yet.
    Called(Arc<Plan>, Outcome),
}

impl Phase {
    /// What tells phases of equal snapshots apart. The plan follows from the snapshot.
    fn key(&self) -> (u8, Option<Outcome>) {
        match self {
            Phase::Observed => (0, None),
            Phase::Decided(_) => (1, None),
            Phase::Recorded(_) => (2, None),
            Phase::NotRecorded(_) => (4, None),
            Phase::Called(_, outcome) => (3, Some(*outcome)),
            Phase::Removed(_) => (5, None),
            Phase::Finalizer(_) => (6, None),
            Phase::Unanswered(_) => (7, None),
        }
    }
}

impl PartialEq for Phase {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Phase {}

impl Hash for Phase {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl Hash for Snapshot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.object, &self.operation_id, self.retrieved).hash(state);
        (&self.history, self.key_proven, self.first).hash(state);
        // `Ownership` has no hash of its own.
        discriminant(&self.ownership).hash(state);
        match &self.ownership {
            Ownership::Owned => {}
            Ownership::Pending(pending) => pending.hash(state),
            Ownership::Lost(owner) => owner.hash(state),
        }
    }
}

impl World {
    /// The same world without further faults and human actions.
    #[must_use]
    pub fn without_faults(&self) -> World {
        let mut world = self.clone();
        world.remaining = Remaining::default();
        world.hub.hides_deployments = false;
        world.without_observer()
    }

    /// The same world without what only the observer knows.
    #[must_use]
    pub fn without_observer(mut self) -> World {
        self.log = StepLog::default();
        self.gone.clear();
        for slot in &mut self.slots {
            slot.counters = Counters::default();
        }
        self
    }

    /// Replaces each version by its rank.
    pub(crate) fn rank_versions(&mut self) {
        for slot in 0..self.slots.len() {
            let mut versions: Vec<&mut u8> = Vec::new();
            let stored = self.slots[slot].stored.iter_mut();
            versions.extend(stored.map(|stored| &mut stored.version));
            for replica in &mut self.replicas {
                let cached = replica.cache[slot].iter_mut();
                versions.extend(cached.map(|cached| &mut cached.version));
                let open = replica.reconciles[slot].iter_mut();
                versions.extend(open.map(|reconcile| &mut reconcile.version));
                versions.extend(replica.released[slot].iter_mut());
            }
            let removal = self
                .removal
                .iter_mut()
                .filter(|removal| removal.slot == slot);
            versions.extend(removal.map(|removal| &mut removal.reconcile.version));
            let mut known: Vec<u8> = versions.iter().map(|version| **version).collect();
            known.sort_unstable();
            known.dedup();
            for version in versions {
                let rank = known.iter().take_while(|one| *one < version).count();
                *version = u8::try_from(rank).unwrap_or(u8::MAX);
            }
        }
    }

    /// A version that no copy of that object has.
    pub(crate) fn next_version(&self, slot: usize) -> u8 {
        let stored = self.slots[slot].stored.iter().map(|stored| stored.version);
        let cached = self.replicas.iter().flat_map(|one| &one.cache[slot]);
        let open = self.replicas.iter().flat_map(|one| &one.reconciles[slot]);
        let released = self.replicas.iter().filter_map(|one| one.released[slot]);
        let removal = self.removal.iter().filter(|removal| removal.slot == slot);
        let all = stored
            .chain(cached.map(|cached| cached.version))
            .chain(open.map(|reconcile| reconcile.version))
            .chain(released)
            .chain(removal.map(|removal| removal.reconcile.version));
        all.max().map_or(0, |last| last + 1)
    }

    /// Lets the observer forget the operations that nobody knows any more.
    pub(crate) fn forget_operations(&mut self) {
        for slot in 0..self.slots.len() {
            let mut counters = std::mem::take(&mut self.slots[slot].counters);
            if counters.recorded.is_some() {
                let known = self.operation_ids(slot);
                counters.forget_operations(|id| known.contains(&id));
            }
            self.slots[slot].counters = counters;
        }
    }

    /// The ids of the operations in all copies of that object, and in all memories.
    fn operation_ids(&self, slot: usize) -> Vec<&str> {
        let mut known: Vec<&str> = Vec::new();
        let stored = self.slots[slot].stored.iter();
        let cached = self.replicas.iter().flat_map(|one| &one.cache[slot]);
        let copies = stored.chain(cached).map(|copy| &copy.object);
        known.extend(copies.filter_map(Object::operation_id));
        for replica in &self.replicas {
            known.extend(replica.memories.iter().flat_map(Memory::operation_ids));
            known.extend(replica.orphaned.iter().map(|orphaned| orphaned.id.as_str()));
            if let Some(reconcile) = &replica.reconciles[slot] {
                known.push(&reconcile.snapshot.operation_id);
                known.extend(reconcile.snapshot.object.operation_id());
                known.extend(reconcile.stored.operation_id());
            }
        }
        known
    }

    /// An operation id that is in no copy of that object, and in no memory. Ids of different slots
    /// are never the same.
    pub(crate) fn unused_operation_id(&self, slot: usize) -> String {
        let mut known = self.operation_ids(slot);
        let counters = self.slots.iter().map(|slot| &slot.counters);
        let watches = counters.flat_map(|counters| &counters.watches);
        known.extend(watches.map(|watch| watch.known.id.as_str()));
        known.extend(self.gone.iter().map(|gone| gone.id.as_str()));
        let mut ids = (0_u8..).map(|number| format!("{slot}.{number}"));
        ids.find(|id| !known.contains(&id.as_str()))
            .unwrap_or_default()
    }
}
