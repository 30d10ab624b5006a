//! Whose a remote model is, from all watched objects and this process's newer writes of them; and
//! who has to hear of it when that changes.

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
use tokio::sync::{OwnedMutexGuard, mpsc, watch};

use super::{context::Guarded, memory::Memories};
use crate::{
    api::{ModelStatus, OxenModel},
    decide::{Claim, Stake},
};

type Identity = (String, String);

/// The claims of all scopes.
#[derive(Default)]
pub(super) struct Claims {
    scopes: Mutex<Vec<ScopeOfClaims>>,
    turns: Mutex<HashMap<Identity, Weak<tokio::sync::Mutex<()>>>>,
    known: Mutex<HashMap<String, Stake>>,
    /// Scopes that have not listed their objects yet. A store's own signal wakes just one of all who wait for it.
    unlisted: watch::Sender<usize>,
}

struct ScopeOfClaims {
    objects: Store<Guarded>,
    wake: mpsc::UnboundedSender<ObjectRef<Guarded>>,
}

impl Claims {
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
            .filter_map(|other| {
                let other = other.0.as_ref().ok()?;
                let newer = memories.with(other, |memory| memory.newer_than(other));
                let newest = newer.as_deref().unwrap_or(other);
                me.concerns(newest).then(|| Stake::of(newest))
            })
            .collect();
        me.claim(others.iter())
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
        let (object, gone) = match event {
            Event::Apply(object) | Event::InitApply(object) => (object, false),
            Event::Delete(object) => (object, true),
            Event::Init | Event::InitDone => return,
        };
        let Ok(object) = &object.0 else { return };
        let after = Stake::of(object);
        let before = if gone {
            lock(&self.known).remove(&after.uid)
        } else {
            lock(&self.known).insert(after.uid.clone(), after.clone())
        };
        // A first sight takes nothing from anyone: what the new one may claim, its pass finds out.
        let news = before.is_some_and(|before| gone || before != after);
        if news {
            self.wake_rivals(&after);
        }
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
            self.wake_rivals(stake);
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
