//! The index of all objects: which object controls a hub model, and which objects are woken when
//! that changes. It follows from the watched objects and this process's newer writes of them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use futures::{Stream, StreamExt, stream};
use kube::{
    Resource,
    api::ObjectMeta,
    runtime::{
        reflector::{ObjectRef, Store},
        watcher::Event,
    },
};
use tokio::{
    sync::{MutexGuard, OwnedMutexGuard, mpsc, watch},
    time::Instant,
};

use super::{error::Guarded, memory::Memories};
use crate::{
    api::{ModelStatus, OxenModel},
    decide::{Claimant, Ownership},
};

/// A model's `id` and `owned_by`.
pub(super) type Identity = (String, String);

/// The index over all scopes.
pub(super) struct Index {
    scopes: Mutex<Vec<IndexedScope>>,
    /// The locks of the models that a reconcile is deciding on.
    locks: Mutex<HashMap<Identity, Weak<tokio::sync::Mutex<()>>>>,
    /// The claimants by UID, as they were last decoded.
    claimants: Mutex<HashMap<String, Claimant>>,
    /// The models whose object is gone with an open operation, and until when its call may show an
    /// effect.
    orphaned_operations: Mutex<Vec<(Identity, Instant)>>,
    /// How long a call may take to show its effect.
    patience: Duration,
    /// Held by the reconcile that reads the objects that can't be decoded.
    reading: tokio::sync::Mutex<()>,
    /// The number of scopes that have not listed their objects yet. A store's own signal wakes only
    /// one waiter.
    unlisted: watch::Sender<usize>,
}

struct IndexedScope {
    objects: Store<Guarded>,
    wake: mpsc::UnboundedSender<ObjectRef<Guarded>>,
}

impl Index {
    /// An empty index. `patience` is the time that a call may take to show its effect.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            scopes: Mutex::default(),
            locks: Mutex::default(),
            claimants: Mutex::default(),
            orphaned_operations: Mutex::default(),
            patience,
            reading: tokio::sync::Mutex::default(),
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
        self.unlisted.send_modify(|unlisted| *unlisted += 1);
        stream::unfold(woken, |mut woken| async {
            let object = woken.recv().await?;
            Some((object, woken))
        })
        .boxed()
    }

    /// Waits until every scope has listed its objects. Ownership is not known earlier.
    pub(super) async fn listed(&self) {
        let mut unlisted = self.unlisted.subscribe();
        // The sender is `self.unlisted`, so the wait can't fail.
        let _ = unlisted.wait_for(|unlisted| *unlisted == 0).await;
    }

    /// Returns true when every scope has listed its objects.
    pub(super) fn are_listed(&self) -> bool {
        *self.unlisted.borrow() == 0
    }

    /// Notes that a scope has listed its objects for the first time.
    pub(super) fn scope_listed(&self) {
        self.unlisted.send_modify(|unlisted| *unlisted -= 1);
    }

    /// The latest term in any stored operation.
    pub(super) fn latest_epoch(&self) -> i64 {
        let scopes = lock(&self.scopes);
        let objects = scopes.iter().flat_map(|scope| scope.objects.state());
        let epochs = objects.filter_map(|object| {
            let status = object.0.as_ref().ok()?.status.as_ref()?;
            Some(status.operation.as_ref()?.epoch)
        });
        epochs.max().unwrap_or_default()
    }

    /// Which object controls this object's model. `identity` is the model's identity, if it was
    /// just observed.
    pub(super) fn ownership(
        &self,
        memories: &Memories,
        object: &OxenModel,
        identity: Option<Identity>,
    ) -> Ownership {
        let mut claimant = Claimant::of(object);
        claimant.identity = identity.or(claimant.identity);
        let others: Vec<Claimant> = lock(&self.scopes)
            .iter()
            .flat_map(|scope| scope.objects.state())
            .filter_map(|other| match &other.0 {
                Ok(other) => {
                    let newer = memories.with(other, |memory| memory.newer_than(other));
                    let newest = newer.as_deref().unwrap_or(other);
                    claimant.concerns(newest).then(|| Claimant::of(newest))
                }
                // The claimant is used as it was last decoded, so that a typo in the spec doesn't
                // give the model to another object.
                Err(invalid) => {
                    let uid = invalid.metadata.uid.as_ref()?;
                    lock(&self.claimants).get(uid).cloned()
                }
            })
            .collect();
        match claimant.ownership(others.iter()) {
            Ownership::Owned if self.has_orphaned_operation(claimant.identity.as_ref()) => {
                Ownership::Pending
            }
            ownership => ownership,
        }
    }

    /// Returns true when the call of an object that is gone may still show an effect on this model.
    fn has_orphaned_operation(&self, identity: Option<&Identity>) -> bool {
        let mut orphaned = lock(&self.orphaned_operations);
        orphaned.retain(|(_, until)| *until > Instant::now());
        orphaned.iter().any(|(model, _)| Some(model) == identity)
    }

    /// Locks the reading of objects that can't be decoded.
    pub(super) async fn lock_reading(&self) -> MutexGuard<'_, ()> {
        self.reading.lock().await
    }

    /// The namespaces and names of the objects that can't be decoded and have no claimant yet.
    pub(super) fn unread(&self) -> Vec<(String, String)> {
        let undecodable: Vec<ObjectMeta> = lock(&self.scopes)
            .iter()
            .flat_map(|scope| scope.objects.state())
            .filter(|object| object.0.is_err())
            .map(|object| object.meta().clone())
            .collect();
        // `scopes` must be unlocked here, because `ownership` locks `claimants` inside it.
        let claimants = lock(&self.claimants);
        undecodable
            .into_iter()
            .filter(|meta| {
                meta.uid
                    .as_ref()
                    .is_none_or(|uid| !claimants.contains_key(uid))
            })
            .map(|meta| {
                (
                    meta.namespace.unwrap_or_default(),
                    meta.name.unwrap_or_default(),
                )
            })
            .collect()
    }

    /// Adds what could be read of an object that can't be decoded.
    pub(super) fn learn(&self, claimant: Claimant) {
        let mut claimants = lock(&self.claimants);
        claimants.entry(claimant.uid.clone()).or_insert(claimant);
    }

    /// Waits until no other reconcile of this process decides on the same model. No other
    /// decision may come between a decision and its record.
    pub(super) async fn lock_model(&self, model: &ModelStatus) -> OwnedMutexGuard<()> {
        let model_lock = {
            let mut locks = lock(&self.locks);
            locks.retain(|_, model_lock| model_lock.strong_count() > 0);
            let identity = (model.id.clone(), model.owner.clone());
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
                if let Ok(object) = &object.0 {
                    self.update(Claimant::of(object));
                }
            }
            Event::Delete(object) => {
                let uid = object.meta().uid.as_deref().unwrap_or_default();
                let known = lock(&self.claimants).remove(uid);
                let last = object.0.as_ref().ok().map(Claimant::of);
                if let Some(claimant) = last.or(known) {
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
        if let (true, Some(identity)) = (claimant.open, &claimant.identity) {
            let until = Instant::now() + self.patience;
            lock(&self.orphaned_operations).push((identity.clone(), until));
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
        for claimant in &gone {
            self.remove(claimant);
        }
        gone.into_iter().map(|claimant| claimant.uid).collect()
    }

    fn wake_rivals(&self, of: &Claimant) {
        for scope in lock(&self.scopes).iter() {
            for guarded in scope.objects.state() {
                let Ok(other) = &guarded.0 else { continue };
                if of.concerns(other) && other.metadata.uid.as_ref() != Some(&of.uid) {
                    // A scope that has ended needs no reconcile.
                    let _ = scope.wake.send(ObjectRef::from_obj(guarded.as_ref()));
                }
            }
        }
    }
}

// Every change under these locks is a single insertion or removal, so a poisoned lock is usable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
