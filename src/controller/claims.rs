//! Whose a remote model is, from all watched objects and this process's newer writes of them; and
//! who has to hear of it when that changes.

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

use super::{context::Guarded, memory::Memories};
use crate::{
    api::{ModelStatus, OxenModel},
    decide::{Claim, Stake},
};

type Identity = (String, String);

/// The claims of all scopes.
pub(super) struct Claims {
    scopes: Mutex<Vec<ScopeOfClaims>>,
    turns: Mutex<HashMap<Identity, Weak<tokio::sync::Mutex<()>>>>,
    /// The stakes of the objects, by UID, as they were last decoded.
    known: Mutex<HashMap<String, Stake>>,
    /// Models of objects that went with a call under way, and until when it may show.
    left_behind: Mutex<Vec<(Identity, Instant)>>,
    /// How long a call may take to show.
    patience: Duration,
    reading: tokio::sync::Mutex<()>,
    /// Scopes that have not listed their objects yet. A store's own signal wakes just one of all who wait for it.
    unlisted: watch::Sender<usize>,
}

struct ScopeOfClaims {
    objects: Store<Guarded>,
    wake: mpsc::UnboundedSender<ObjectRef<Guarded>>,
}

impl Claims {
    /// With the time that a call may take to show.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            scopes: Mutex::default(),
            turns: Mutex::default(),
            known: Mutex::default(),
            left_behind: Mutex::default(),
            patience,
            reading: tokio::sync::Mutex::default(),
            unlisted: watch::Sender::default(),
        }
    }

    /// Takes a scope's objects into account from now on, and gives the wake-ups that they owe to
    /// changes of others.
    pub(super) fn join(
        &self,
        objects: Store<Guarded>,
    ) -> impl Stream<Item = ObjectRef<Guarded>> + Send + 'static {
        let (wake, woken) = mpsc::unbounded_channel();
        let scope = ScopeOfClaims { objects, wake };
        lock(&self.scopes).push(scope);
        self.unlisted.send_modify(|unlisted| *unlisted += 1);
        stream::unfold(woken, |mut woken| async {
            let object = woken.recv().await?;
            Some((object, woken))
        })
        .boxed()
    }

    /// Ends once every scope has listed its objects. Before that, who has which claim is not known.
    pub(super) async fn listed(&self) {
        let mut unlisted = self.unlisted.subscribe();
        // The sender is here, so there is no other end.
        let _ = unlisted.wait_for(|unlisted| *unlisted == 0).await;
    }

    /// Whether every scope has.
    pub(super) fn are_listed(&self) -> bool {
        *self.unlisted.borrow() == 0
    }

    /// A scope has listed its objects for the first time.
    pub(super) fn one_is_listed(&self) {
        self.unlisted.send_modify(|unlisted| *unlisted -= 1);
    }

    /// The latest term that any stored operation names.
    pub(super) fn latest_epoch(&self) -> i64 {
        let scopes = lock(&self.scopes);
        let objects = scopes.iter().flat_map(|scope| scope.objects.state());
        let epochs = objects.filter_map(|object| {
            let status = object.0.as_ref().ok()?.status.as_ref()?;
            Some(status.operation.as_ref()?.epoch)
        });
        epochs.max().unwrap_or_default()
    }

    /// Whose the model of this object is.
    pub(super) fn of(
        &self,
        memories: &Memories,
        object: &OxenModel,
        identity: Option<Identity>,
    ) -> Claim {
        let mut me = Stake::of(object);
        me.identity = identity.or(me.identity);
        let others: Vec<Stake> = lock(&self.scopes)
            .iter()
            .flat_map(|scope| scope.objects.state())
            .filter_map(|other| match &other.0 {
                Ok(other) => {
                    let newer = memories.with(other, |memory| memory.newer_than(other));
                    let newest = newer.as_deref().unwrap_or(other);
                    me.concerns(newest).then(|| Stake::of(newest))
                }
                // What it was when it could be decoded: a typo in its spec gives its model to nobody else.
                Err(invalid) => {
                    let uid = invalid.metadata.uid.as_ref()?;
                    lock(&self.known).get(uid).cloned()
                }
            })
            .collect();
        match me.claim(others.iter()) {
            Claim::Mine if self.is_left_behind(me.identity.as_ref()) => Claim::MineAfterTheirs,
            claim => claim,
        }
    }

    /// A call of an object that is gone may yet show on this model.
    fn is_left_behind(&self, identity: Option<&Identity>) -> bool {
        let mut left_behind = lock(&self.left_behind);
        left_behind.retain(|(_, until)| *until > Instant::now());
        left_behind.iter().any(|(model, _)| Some(model) == identity)
    }

    /// The turn of whoever reads objects that can't be decoded.
    pub(super) async fn reading(&self) -> MutexGuard<'_, ()> {
        self.reading.lock().await
    }

    /// Namespace and name of those of which nothing is known.
    pub(super) fn unread(&self) -> Vec<(String, String)> {
        let undecodable: Vec<ObjectMeta> = lock(&self.scopes)
            .iter()
            .flat_map(|scope| scope.objects.state())
            .filter(|object| object.0.is_err())
            .map(|object| object.meta().clone())
            .collect();
        // Not within the other lock, which `of` takes first as well.
        let known = lock(&self.known);
        undecodable
            .into_iter()
            .filter(|meta| meta.uid.as_ref().is_none_or(|uid| !known.contains_key(uid)))
            .map(|meta| {
                (
                    meta.namespace.unwrap_or_default(),
                    meta.name.unwrap_or_default(),
                )
            })
            .collect()
    }

    /// What could be read of one of them.
    pub(super) fn learn(&self, stake: Stake) {
        let mut known = lock(&self.known);
        known.entry(stake.uid.clone()).or_insert(stake);
    }

    /// Waits until no other pass of this process decides upon the same remote model: between one
    /// object's decision and its record another one's must not come.
    pub(super) async fn turn(&self, model: &ModelStatus) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = lock(&self.turns);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let identity = (model.id.clone(), model.owner.clone());
            let turn = turns.get(&identity).and_then(Weak::upgrade);
            turn.unwrap_or_else(|| {
                let turn = Arc::default();
                turns.insert(identity, Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }

    /// Wakes the others that an object's event lets own a model, or no longer own it.
    pub(super) fn heed(&self, event: &Event<Guarded>) {
        match event {
            Event::Apply(object) | Event::InitApply(object) => {
                if let Ok(object) = &object.0 {
                    self.is_there(Stake::of(object));
                }
            }
            Event::Delete(object) => {
                let uid = object.meta().uid.as_deref().unwrap_or_default();
                let known = lock(&self.known).remove(uid);
                let last = object.0.as_ref().ok().map(Stake::of);
                if let Some(stake) = last.or(known) {
                    self.is_gone(&stake);
                }
            }
            Event::Init | Event::InitDone => {}
        }
    }

    fn is_there(&self, stake: Stake) {
        let before = lock(&self.known).insert(stake.uid.clone(), stake.clone());
        // A first sight takes nothing from anyone: what the new one may claim, its pass finds out.
        if before.is_some_and(|before| before != stake) {
            self.wake_rivals(&stake);
        }
    }

    /// The record of its call, if one was under way, is gone with it.
    fn is_gone(&self, stake: &Stake) {
        if let (true, Some(identity)) = (stake.calling, &stake.identity) {
            let until = Instant::now() + self.patience;
            lock(&self.left_behind).push((identity.clone(), until));
        }
        self.wake_rivals(stake);
    }

    /// After a new list of a namespace, or of all: those that have gone unnoticed meanwhile. Their rivals are woken.
    pub(super) fn missing(&self, namespace: Option<&str>, objects: &Store<Guarded>) -> Vec<String> {
        let there: HashSet<String> = objects
            .state()
            .iter()
            .filter_map(|object| object.meta().uid.clone())
            .collect();
        let gone = |stake: &Stake| {
            namespace.is_none_or(|namespace| stake.namespace == namespace)
                && !there.contains(&stake.uid)
        };
        let gone: Vec<Stake> = lock(&self.known)
            .extract_if(|_, stake| gone(stake))
            .map(|(_, stake)| stake)
            .collect();
        for stake in &gone {
            self.is_gone(stake);
        }
        gone.into_iter().map(|stake| stake.uid).collect()
    }

    fn wake_rivals(&self, of: &Stake) {
        for scope in lock(&self.scopes).iter() {
            for guarded in scope.objects.state() {
                let Ok(other) = &guarded.0 else { continue };
                if of.concerns(other) && other.metadata.uid.as_ref() != Some(&of.uid) {
                    // A scope that has ended needs no wake-up.
                    let _ = scope.wake.send(ObjectRef::from_obj(guarded.as_ref()));
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
