//! The index of all objects: which object controls a hub model, and which objects are woken when
//! that changes. It follows from the watched objects and this process's newer writes of them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use futures::{Stream, StreamExt, stream};
use kube::{
    Resource,
    runtime::{
        reflector::{ObjectRef, Store},
        watcher::Event,
    },
};
use tokio::{
    sync::{OwnedMutexGuard, mpsc, watch},
    time::Instant,
};

use super::{guarded::Guarded, listing::Change, memory::Memories};
use crate::{
    api::{Identity, OxenModel},
    decide::{Claimant, Owner, Ownership, Pending, READY, Rules, Verdict},
};

/// The longest time for which an orphaned operation is kept, as a multiple of the operation's
/// patience. The owner's own observations end the wait earlier if the hub answers.
const ORPHAN_PATIENCES: u32 = 30;

/// The index over all scopes.
pub(super) struct Index {
    scopes: Mutex<Vec<IndexedScope>>,
    /// The locks of the models that a reconcile is deciding on.
    locks: Mutex<HashMap<Identity, Weak<tokio::sync::Mutex<()>>>>,
    /// The claimants by UID, as they were last read.
    claimants: Mutex<HashMap<String, Claimant>>,
    /// The operations whose object is gone.
    orphaned_operations: Mutex<Vec<OrphanedOperation>>,
    /// The objects that this process has released, or may have released, and that the watch still
    /// shows, by UID.
    released: Mutex<HashMap<String, Release>>,
    rules: Rules,
    /// The scopes that have no list of objects. A store's own signal wakes only one waiter.
    unlisted: watch::Sender<Unlisted>,
}

/// The numbers of scopes that have no list of objects.
#[derive(Clone, Copy, Debug, Default)]
struct Unlisted {
    /// The scopes whose list the operator waits for.
    pending: usize,
    /// The scopes that count as empty.
    left_out: usize,
}

/// An open operation whose object is gone. The owner of its model waits for it as for an operation
/// of its own.
struct OrphanedOperation {
    identity: Identity,
    id: String,
    until: Instant,
}

/// The release of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Release {
    namespace: String,
    /// The version that the release was based on.
    version: Option<String>,
}

struct IndexedScope {
    objects: Store<Guarded>,
    wake: mpsc::UnboundedSender<ObjectRef<Guarded>>,
}

impl Index {
    /// An empty index.
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            scopes: Mutex::default(),
            locks: Mutex::default(),
            claimants: Mutex::default(),
            orphaned_operations: Mutex::default(),
            released: Mutex::default(),
            rules,
            unlisted: watch::Sender::default(),
        }
    }

    /// Adds a scope's objects to the index. The stream yields the objects to wake because another
    /// object has changed.
    pub(super) fn add_scope(
        &self,
        objects: Store<Guarded>,
    ) -> impl Stream<Item = ObjectRef<Guarded>> + Send + 'static {
        let (wake, woken) = mpsc::unbounded_channel();
        let scope = IndexedScope { objects, wake };
        lock(&self.scopes).push(scope);
        self.unlisted.send_modify(|unlisted| unlisted.pending += 1);
        stream::unfold(woken, |mut woken| async {
            let object = woken.recv().await?;
            Some((object, woken))
        })
        .boxed()
    }

    /// Waits until every scope has listed its objects or counts as empty. Ownership is not known
    /// earlier.
    pub(super) async fn listed(&self) {
        let mut unlisted = self.unlisted.subscribe();
        // The sender is `self.unlisted`, so the wait can't fail.
        let _ = unlisted.wait_for(|unlisted| unlisted.pending == 0).await;
    }

    /// Notes a change of a scope's first list.
    pub(super) fn first_list(&self, change: Change) {
        self.unlisted.send_modify(|unlisted| match change {
            Change::Listed => unlisted.pending -= 1,
            Change::LeftOut => {
                unlisted.pending -= 1;
                unlisted.left_out += 1;
            }
            Change::ListedLate => unlisted.left_out -= 1,
        });
        // The ownership of any object may have changed.
        if change == Change::ListedLate {
            self.wake(|_| true);
        }
    }

    /// Which object controls this object's model. `identity` is the model's identity, if it was
    /// just observed.
    pub(super) fn ownership(
        &self,
        memories: &Memories,
        object: &OxenModel,
        identity: Option<Identity>,
    ) -> Ownership {
        let mut claimant = Claimant::of(object, &self.rules);
        claimant.identity = identity.or(claimant.identity);
        let others: Vec<Claimant> = lock(&self.scopes)
            .iter()
            .flat_map(|scope| scope.objects.state())
            .filter(|other| !lock(&self.released).contains_key(other.uid()))
            .filter_map(|other| {
                let newer = memories.with(&other.object, |memory| memory.newer_than(&other.object));
                let newest = newer.as_ref().unwrap_or(&other.object);
                // The field that names the model may be unreadable.
                let concerned = claimant.concerns(newest) || other.unreadable.is_some();
                concerned.then(|| self.claimant(&other, newest))
            })
            .collect();
        match claimant.ownership(others.iter()) {
            Ownership::Lost(owner) => Ownership::Lost(owner),
            // The owner may be in a namespace that can't be listed.
            Ownership::Owned | Ownership::Pending(_) if self.is_in_doubt(memories, object) => {
                Ownership::Lost(Owner::default())
            }
            Ownership::Owned => self.pending(&claimant, Pending::default()),
            Ownership::Pending(pending) => self.pending(&claimant, pending),
        }
    }

    /// Returns true if another object owned this object's model when this object was last observed,
    /// and a scope counts as empty because it can't be listed.
    ///
    /// This is remembered, because a fault may replace the stored reason that says so.
    pub(super) fn is_in_doubt(&self, memories: &Memories, object: &OxenModel) -> bool {
        let conflict = Verdict::Conflict.presentation().reason;
        let conditions = object.status.iter().flat_map(|status| &status.conditions);
        let mut ready = conditions.filter(|condition| condition.type_ == READY);
        let lost = ready.any(|ready| ready.reason == conflict);
        let left_out = self.unlisted.borrow().left_out > 0;
        memories.with(object, |memory| {
            memory.in_doubt = left_out && (lost || memory.in_doubt);
            memory.in_doubt
        })
    }

    /// Makes a claimant of a watched object. `newest` is this process's newer write of it, or the
    /// object itself.
    fn claimant(&self, watched: &Guarded, newest: &OxenModel) -> Claimant {
        let claimants = lock(&self.claimants);
        watched.claimant(newest, &self.rules, claimants.get(watched.uid()))
    }

    /// The ownership of an object that waits for `pending`, and for the orphaned operations on its
    /// model.
    fn pending(&self, claimant: &Claimant, mut pending: Pending) -> Ownership {
        let mut orphaned = lock(&self.orphaned_operations);
        orphaned.retain(|operation| operation.until > Instant::now());
        let own = |operation: &&OrphanedOperation| {
            Some(&operation.identity) == claimant.identity.as_ref()
        };
        let ids = orphaned.iter().filter(own).map(|it| it.id.clone());
        pending.operations.extend(ids);
        pending.into()
    }

    /// Removes an object that this process is about to release. `open` is the id of its operation,
    /// if that is still open.
    ///
    /// From then on, no other object leaves the model to this one. So the last object turns the
    /// model off even if this release takes effect and its answer is lost.
    pub(super) fn release(&self, object: &OxenModel, open: Option<String>) {
        let claimant = Claimant {
            open,
            ..Claimant::of(object, &self.rules)
        };
        let release = Release {
            namespace: claimant.namespace.clone(),
            version: object.metadata.resource_version.clone(),
        };
        let before = lock(&self.released).insert(claimant.uid.clone(), release.clone());
        // Another try to release the same version changes nothing, and wakes nobody.
        if before.as_ref() != Some(&release) {
            lock(&self.claimants).remove(&claimant.uid);
            self.remove(&claimant);
        }
    }

    /// Adds an object again whose release had no effect, because the API server holds another
    /// version of it than the release was based on. Until then, a release whose answer was lost can
    /// take effect.
    pub(super) fn keep(&self, object: &OxenModel) {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        if self.is_refuted(uid, &object.metadata.resource_version) {
            lock(&self.released).remove(uid);
            let claimant = Claimant::of(object, &self.rules);
            lock(&self.orphaned_operations)
                .retain(|orphan| Some(&orphan.id) != claimant.open.as_ref());
            lock(&self.claimants).insert(claimant.uid.clone(), claimant.clone());
            self.wake_rivals(&claimant);
        }
    }

    /// Returns true when an object was released on the basis of another version than this one.
    fn is_refuted(&self, uid: &str, version: &Option<String>) -> bool {
        let released = lock(&self.released);
        released
            .get(uid)
            .is_some_and(|release| release.version != *version)
    }

    /// Forgets an orphaned operation whose call was not sent.
    pub(super) fn never_sent(&self, id: &str) {
        lock(&self.orphaned_operations).retain(|orphan| orphan.id != id);
    }

    /// Waits until no other reconcile of this process decides on the same model. No other
    /// decision may come between a decision and its record.
    pub(super) async fn lock_model(&self, identity: Identity) -> OwnedMutexGuard<()> {
        let model_lock = {
            let mut locks = lock(&self.locks);
            locks.retain(|_, model_lock| model_lock.strong_count() > 0);
            let model_lock = locks.get(&identity).and_then(Weak::upgrade);
            model_lock.unwrap_or_else(|| {
                let model_lock = Arc::default();
                locks.insert(identity, Arc::downgrade(&model_lock));
                model_lock
            })
        };
        model_lock.lock_owned().await
    }

    /// Updates the index with a watch event, and wakes the objects whose ownership it may change.
    pub(super) fn on_event(&self, event: &Event<Guarded>) {
        match event {
            Event::Apply(object) | Event::InitApply(object) => {
                self.update(self.claimant(object, &object.object));
            }
            Event::Delete(object) => {
                let claimant = self.claimant(object, &object.object);
                lock(&self.claimants).remove(object.uid());
                if lock(&self.released).remove(object.uid()).is_none() {
                    self.remove(&claimant);
                }
            }
            Event::Init | Event::InitDone => {}
        }
    }

    fn update(&self, claimant: Claimant) {
        let before = lock(&self.claimants).insert(claimant.uid.clone(), claimant.clone());
        // A new object changes nobody's ownership before its own reconcile has observed it.
        if before.is_some_and(|before| before != claimant) {
            self.wake_rivals(&claimant);
        }
    }

    /// Removes a claimant. Its open operation becomes an orphaned one.
    fn remove(&self, claimant: &Claimant) {
        if let (Some(id), Some(identity)) = (&claimant.open, &claimant.identity) {
            let patience = self.rules.operation_patience;
            lock(&self.orphaned_operations).push(OrphanedOperation {
                identity: identity.clone(),
                id: id.clone(),
                until: Instant::now() + ORPHAN_PATIENCES * patience,
            });
        }
        self.wake_rivals(claimant);
    }

    /// Removes the objects that are missing from a new list of a namespace, or of all namespaces,
    /// because they were deleted between two watches. Returns their UIDs.
    pub(super) fn remove_missing(
        &self,
        namespace: Option<&str>,
        objects: &Store<Guarded>,
    ) -> Vec<String> {
        let listed: HashSet<String> = objects
            .state()
            .iter()
            .filter_map(|object| object.meta().uid.clone())
            .collect();
        let is_gone = |claimant: &Claimant| {
            namespace.is_none_or(|namespace| claimant.namespace == namespace)
                && !listed.contains(&claimant.uid)
        };
        let gone: Vec<Claimant> = lock(&self.claimants)
            .extract_if(|_, claimant| is_gone(claimant))
            .map(|(_, claimant)| claimant)
            .collect();
        lock(&self.released).retain(|uid, release| {
            let elsewhere = namespace.is_some_and(|namespace| release.namespace != namespace);
            elsewhere || listed.contains(uid)
        });
        for claimant in &gone {
            self.remove(claimant);
        }
        gone.into_iter().map(|claimant| claimant.uid).collect()
    }

    fn wake_rivals(&self, of: &Claimant) {
        self.wake(|other| {
            other.uid() != of.uid && (of.concerns(&other.object) || self.was_rival(other, of))
        });
    }

    /// Returns true when an object that can't be decoded had the same model when it was last read.
    fn was_rival(&self, undecodable: &Guarded, of: &Claimant) -> bool {
        let claimants = lock(&self.claimants);
        let known = claimants.get(undecodable.uid());
        let known = known.filter(|_| undecodable.unreadable.is_some());
        known.is_some_and(|known| {
            known.model == of.model || (of.identity.is_some() && known.identity == of.identity)
        })
    }

    /// Wakes the objects for which `concerned` returns true.
    fn wake(&self, concerned: impl Fn(&Guarded) -> bool) {
        for scope in lock(&self.scopes).iter() {
            for other in scope
                .objects
                .state()
                .iter()
                .filter(|other| concerned(other))
            {
                // A scope that has ended needs no reconcile.
                let _ = scope.wake.send(ObjectRef::from_obj(other.as_ref()));
            }
        }
    }
}

// Every change under these locks is a single insertion or removal, so a poisoned lock is usable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
