//! The index of all objects. It answers which object controls a hub model, which objects are woken
//! when that changes, which objects use a Secret, and whether the budgets of a namespace allow a
//! call, in time proportional to the answer.
//!
//! It is built from the watch events and from this process's own writes. An own write updates an
//! entry and never makes one, so what the watch has removed stays removed. An event whose version
//! an own write has replaced is dropped.

mod budgets;
mod entries;
mod groups;
mod orphans;

pub(super) use budgets::Report;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{Stream, StreamExt, stream};
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::{OwnedMutexGuard, mpsc, watch};

use self::{
    entries::{Entries, Written},
    groups::Uid,
    orphans::Orphans,
};
use super::{
    compact::Compact,
    guarded::{Guarded, claimant},
    in_use::InUse,
    listing::Change,
    memory::Memories,
};
use crate::{
    api::{Identity, OxenModel},
    config::KeyNamespaces,
    decide::{Claimant, Owner, Ownership, Pending, READY, Remote, Rules, Verdict},
};

/// The longest time for which an orphaned operation is kept, as a multiple of the operation's
/// patience. The owner's own observations end the wait earlier if the hub answers.
const ORPHAN_PATIENCES: u32 = 30;

/// The index over all scopes.
pub(super) struct Index {
    state: Mutex<State>,
    /// The locks of the models that a reconcile is deciding on.
    locks: InUse<Identity, tokio::sync::Mutex<()>>,
    /// One lock for each namespace. A reconcile holds it from the check of the budgets until its
    /// call is recorded.
    budget_locks: InUse<String, tokio::sync::Mutex<()>>,
    rules: Rules,
    /// The scopes that have no list of objects. A store's own signal wakes only one waiter.
    unlisted: watch::Sender<Unlisted>,
}

#[derive(Default)]
struct State {
    entries: Entries,
    orphans: Orphans,
    /// The queue of each scope's objects to wake, by the scope's namespace.
    scopes: HashMap<Option<String>, mpsc::UnboundedSender<ObjectRef<Compact>>>,
}

/// The numbers of scopes that have no list of objects.
#[derive(Clone, Copy, Debug, Default)]
struct Unlisted {
    /// The scopes whose list the operator waits for.
    pending: usize,
    /// The scopes that count as empty.
    left_out: usize,
}

impl Index {
    /// An empty index.
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            state: Mutex::default(),
            locks: InUse::default(),
            budget_locks: InUse::default(),
            rules,
            unlisted: watch::Sender::default(),
        }
    }

    /// Turns budgets on. `keys` are the namespaces that may use the operator's own key.
    pub(super) fn with_budgets(self, keys: KeyNamespaces) -> Self {
        self.state().entries.budgets.enable(keys);
        self
    }

    /// Adds a scope, which is one namespace or all of them. The stream yields the objects to wake
    /// because another object has changed, and those that are sent to its queue.
    pub(super) fn add_scope(
        &self,
        namespace: Option<String>,
    ) -> (
        mpsc::UnboundedSender<ObjectRef<Compact>>,
        impl Stream<Item = ObjectRef<Compact>> + Send + 'static,
    ) {
        let (wake, woken) = mpsc::unbounded_channel();
        self.state().scopes.insert(namespace, wake.clone());
        self.unlisted.send_modify(|unlisted| unlisted.pending += 1);
        let woken = stream::unfold(woken, |mut woken| async {
            let object = woken.recv().await?;
            Some((object, woken))
        });
        (wake, woken.boxed())
    }

    /// Waits until every scope has listed its objects or counts as empty. Ownership is not known
    /// earlier.
    pub(super) async fn listed(&self) {
        let mut unlisted = self.unlisted.subscribe();
        // The sender is `self.unlisted`, so the wait can't fail.
        let _ = unlisted.wait_for(|unlisted| unlisted.pending == 0).await;
    }

    /// Notes a change of a scope's first list.
    pub(super) fn first_list(&self, change: Change, memories: &Memories) {
        self.unlisted.send_modify(|unlisted| match change {
            Change::Listed => unlisted.pending -= 1,
            Change::LeftOut => {
                unlisted.pending -= 1;
                unlisted.left_out += 1;
            }
            Change::ListedLate => unlisted.left_out -= 1,
        });
        if change == Change::ListedLate {
            self.state().wake(memories.in_doubt());
        }
    }

    /// Which object controls this object's model. `remote` is the model that was just observed, if
    /// there was an observation.
    pub(super) fn ownership(
        &self,
        memories: &Memories,
        object: &OxenModel,
        remote: Option<&Remote>,
    ) -> Ownership {
        let mut claimant = Claimant::of(object, &self.rules);
        if let Some(remote) = remote {
            claimant.identity = Some(Arc::new(remote.model.identity()));
            claimant.base = remote.base;
        }
        let in_doubt = self.is_in_doubt(memories, object);
        let state = self.state();
        match claimant.ownership(state.entries.rivals(&claimant)) {
            Ownership::Lost(owner) => Ownership::Lost(owner),
            // The owner may be in a namespace that can't be listed.
            Ownership::Owned | Ownership::Pending(_) if in_doubt => {
                Ownership::Lost(Owner::default())
            }
            Ownership::Owned => state.pending(&claimant, Pending::default()),
            Ownership::Pending(pending) => state.pending(&claimant, pending),
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

    /// The newer of the watch's object and this process's own last write. `watched` reads the
    /// store, and gives the version that the store has when this is called.
    pub(super) fn newest(
        &self,
        uid: &str,
        watched: impl FnOnce() -> Option<Guarded>,
    ) -> Option<Arc<OxenModel>> {
        let state = self.state();
        let entry = state.entries.get(uid);
        // The store is read under the lock, because the store shows a version before the index
        // forgets the write of it.
        let watched = watched()?;
        let version = watched.object.metadata.resource_version.as_ref();
        let entry = entry.filter(|entry| entry.is_replaced(version));
        let written = entry.and_then(|entry| entry.written.as_ref());
        Some(written.map_or(watched.object, |written| written.object.clone()))
    }

    /// Notes an answer of the API server: an own write of `before`, or a read. It changes the entry
    /// only if the watch has not shown that version or a newer one yet.
    ///
    /// If the API server still has the object, in another version than the one that a release was
    /// based on, that release can no longer take effect, and the object may control its model
    /// again.
    pub(super) fn answered(&self, before: &OxenModel, after: &Arc<OxenModel>) {
        let uid = after.metadata.uid.as_deref().unwrap_or_default();
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(uid) else {
            return;
        };
        let based = &before.metadata.resource_version;
        let version = &after.metadata.resource_version;
        // If neither holds, the watch has already shown this version or a newer one.
        let newer = entry.version == *based || entry.is_replaced(based.as_ref());
        if newer {
            let known = entry
                .version
                .take()
                .filter(|known| Some(known) != version.as_ref());
            let before = entry.written.take().map(|written| written.replaced);
            let replaced = before.into_iter().flatten().chain(known).collect();
            entry.version.clone_from(version);
            entry.written = Some(Box::new(Written {
                object: after.clone(),
                replaced,
            }));
        }
        let refuted = entry
            .released
            .as_ref()
            .is_some_and(|released| released != version);
        // An object that other finalizers hold has been released.
        let returns = refuted && after.has_finalizer();
        if !newer && !returns {
            return;
        }
        let released = entry.released.clone().filter(|_| !returns);
        let (known, account) = (&entry.claimant, entry.account.clone());
        let claimant = if newer {
            let unreadable = entry.unreadable.as_deref();
            claimant(after, unreadable, &self.rules, Some(known))
        } else {
            known.clone()
        };
        let account = if newer {
            state.entries.budgets.account(after, &claimant)
        } else {
            account
        };
        if returns && let (Some(identity), Some(id)) = (&claimant.identity, &claimant.open) {
            state.orphans.remove(identity, id);
        }
        let concerned = state.entries.change(uid, claimant, account, released);
        state.wake(concerned);
    }

    /// Notes that this process is about to release an object. `open` is the id of its operation, if
    /// that is still open.
    ///
    /// From then on, the object counts as gone for all others, because the release may take effect
    /// although its answer is lost. So the last object still turns the model off.
    pub(super) fn release(&self, object: &OxenModel, open: Option<String>) {
        let version = &object.metadata.resource_version;
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let mut state = self.state();
        let Some(entry) = state.entries.get(uid) else {
            return;
        };
        // Another try to release the same version changes nothing, and wakes nobody.
        if entry.released.as_ref() == Some(version) {
            return;
        }
        let claimant = Claimant {
            open,
            ..entry.claimant.clone()
        };
        let account = entry.account.clone();
        if entry.released.is_none() {
            state.orphan(&claimant, &self.rules);
        }
        let concerned = state
            .entries
            .change(uid, claimant, account, Some(version.clone()));
        state.wake(concerned);
    }

    /// Forgets an orphaned operation on a model, because its call was not sent.
    pub(super) fn never_sent(&self, identity: &Identity, id: &str) {
        self.state().orphans.remove(identity, id);
    }

    /// Waits until no other reconcile of this process decides on the same model. No other
    /// decision may come between a decision and its record.
    pub(super) async fn lock_model(&self, identity: &Identity) -> OwnedMutexGuard<()> {
        let model_lock = self.locks.get(identity, tokio::sync::Mutex::default);
        model_lock.lock_owned().await
    }

    /// Notes that the watch shows an object, and wakes the objects whose ownership this changes.
    /// Returns false for a version that this process's own write has replaced, which is dropped.
    pub(super) fn show(&self, object: &Guarded) -> bool {
        let mut state = self.state();
        let Some(concerned) = state.entries.show(object, &self.rules) else {
            return false;
        };
        state.wake(concerned);
        true
    }

    /// Removes an object that is gone, and wakes the objects whose ownership this changes.
    pub(super) fn remove(&self, object: &Guarded) {
        let mut state = self.state();
        // The last version may have an operation that this process doesn't know.
        let concerned = state.entries.show(object, &self.rules);
        state.wake(concerned.into_iter().flatten());
        state.remove(object.uid(), &self.rules);
    }

    /// Removes the objects that are missing from a new list of a namespace, or of all namespaces,
    /// because they were deleted between two watches. Returns their UIDs.
    pub(super) fn remove_missing(
        &self,
        namespace: Option<&str>,
        objects: &Store<Compact>,
    ) -> Vec<Uid> {
        let listed = objects.state();
        let listed: HashSet<&str> = listed.iter().map(|object| object.uid()).collect();
        let mut state = self.state();
        let mut gone = state.entries.within(namespace);
        gone.retain(|uid| !listed.contains(uid.as_ref()));
        for uid in &gone {
            state.remove(uid, &self.rules);
        }
        gone
    }

    /// The object as a claimant of its model, or `None` if the object is gone.
    pub(super) fn claimant(&self, uid: &str) -> Option<Claimant> {
        let state = self.state();
        state.entries.get(uid).map(|entry| entry.claimant.clone())
    }

    /// Returns true if every scope has listed its objects, and none counts as empty.
    pub(super) fn knows_all(&self) -> bool {
        let unlisted = self.unlisted.borrow();
        unlisted.pending == 0 && unlisted.left_out == 0
    }

    /// The objects that use a Secret, or may use it, with their UIDs.
    pub(super) fn users(&self, namespace: &str, secret: &str) -> Vec<(Uid, ObjectRef<Compact>)> {
        let state = self.state();
        let users = state.entries.users(namespace, secret).into_iter();
        users
            .filter_map(|uid| {
                let object = state.object_ref(&uid)?;
                Some((uid, object))
            })
            .collect()
    }

    // Every change under this lock leaves each entry as it was or as it should be, so a poisoned
    // lock is usable.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The ownership of an object that waits for `pending`, and for the orphaned operations on its
    /// model.
    fn pending(&self, claimant: &Claimant, mut pending: Pending) -> Ownership {
        if let Some(identity) = &claimant.identity {
            let ids = self.orphans.of(identity).map(Into::into);
            pending.operations.extend(ids);
        }
        pending.into()
    }

    /// Removes an object that is gone.
    fn remove(&mut self, uid: &str, rules: &Rules) {
        let Some(entry) = self.entries.remove(uid) else {
            return;
        };
        // The operation of a released object is an orphaned one already.
        if entry.released.is_none() {
            self.orphan(&entry.claimant, rules);
            let concerned = self.entries.concerned(Some(&entry.claimant), None);
            self.wake(concerned);
        }
        self.wake([]);
    }

    /// Makes the open operation of an object that goes an orphaned one.
    fn orphan(&mut self, claimant: &Claimant, rules: &Rules) {
        if let (Some(id), Some(identity)) = (&claimant.open, &claimant.identity) {
            let patience = ORPHAN_PATIENCES * rules.operation_patience;
            self.orphans.add(identity, id, patience);
        }
    }

    fn object_ref(&self, uid: &str) -> Option<ObjectRef<Compact>> {
        let claimant = &self.entries.get(uid)?.claimant;
        let object = ObjectRef::new(&claimant.name);
        Some(object.within(&claimant.namespace))
    }

    /// Wakes objects, and those that the budgets refused and that they may allow now.
    fn wake(&mut self, uids: impl IntoIterator<Item = Uid>) {
        let fitting = self.entries.budgets.take_woken();
        for uid in uids.into_iter().chain(fitting) {
            let Some(object) = self.object_ref(&uid) else {
                continue;
            };
            let own = self.scopes.get(&object.namespace);
            if let Some(scope) = own.or_else(|| self.scopes.get(&None)) {
                // A scope that has ended needs no reconcile.
                let _ = scope.send(object);
            }
        }
    }
}

#[cfg(test)]
mod tests;
