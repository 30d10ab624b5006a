//! What a process remembers of an object between reconciles. A restart forgets all of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kube::ResourceExt;
use tokio::{sync::Notify, time::Instant};

use crate::{
    api::{OxenModel, OxenModelStatus},
    decide::{CallOutcome, Fault, History, KeyUsed, Remote, Rules, Tracked, is_other},
    hub::ApiKey,
};

/// The memories of all objects, by UID.
#[derive(Debug, Default)]
pub(super) struct Memories(Mutex<HashMap<String, Memory>>);

/// What is remembered of one object.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    /// The object as this process last wrote it, until the watch shows that write.
    written: Option<Written>,
    /// Whether a write met a conflict. If so, the next reconcile reads the object from the API
    /// server.
    pub(super) stale: bool,
    /// What became of the operation that this process recorded last.
    pub(super) tracked: Tracked,
    /// The last status that the API server did not store as it was sent.
    pub(super) pruned: Option<OxenModelStatus>,
    /// What earlier observations showed.
    history: History,
    /// When `history` was last advanced.
    advanced: Instant,
    /// The key that last retrieved the object's own model.
    pub(super) key: Option<ApiKey>,
    /// The version of the object's Secret when it was last looked up, or `None` before that.
    secret: Option<SecretVersion>,
    /// When the hub may be asked about this object again.
    pub(super) backing_off_until: Option<Instant>,
    /// The number of failed requests to the Kubernetes API in a row.
    pub(super) kube_failures: u32,
    /// Makes a reconcile that waits for a permit start over.
    pub(super) changed: Arc<Notify>,
    /// Whether a reconcile has been completed.
    pub(super) reconciled: bool,
    /// Whether another object may own the model, in a namespace that can't be listed.
    pub(super) in_doubt: bool,
}

/// A hash of a Secret's UID and data, or `None` if there was no Secret. It is never logged.
pub(super) type SecretVersion = Option<u64>;

#[derive(Clone, Debug)]
struct Written {
    /// The versions that the write replaced.
    replaced: Vec<String>,
    object: Arc<OxenModel>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            written: None,
            stale: false,
            tracked: Tracked::default(),
            pruned: None,
            history: History::default(),
            advanced: Instant::now(),
            key: None,
            secret: None,
            backing_off_until: None,
            kube_failures: 0,
            changed: Arc::default(),
            reconciled: false,
            in_doubt: false,
        }
    }
}

impl Memory {
    /// The newer of the watch's object and this process's own last write.
    pub(super) fn newest(&mut self, watched: &Arc<OxenModel>) -> Arc<OxenModel> {
        let newer = self.newer_than(watched);
        if newer.is_none() {
            self.written = None;
        }
        newer.unwrap_or_else(|| watched.clone())
    }

    /// This process's own last write, while the watch shows a version that the write replaced.
    pub(super) fn newer_than(&self, watched: &OxenModel) -> Option<Arc<OxenModel>> {
        let written = self.written.as_ref()?;
        let version = watched.metadata.resource_version.as_ref()?;
        let behind = written.replaced.contains(version);
        behind.then(|| written.object.clone())
    }

    /// Remembers a write until the watch shows it.
    pub(super) fn record_write(&mut self, before: &OxenModel, after: &Arc<OxenModel>) {
        let mut replaced = self
            .written
            .take()
            .map(|written| written.replaced)
            .unwrap_or_default();
        replaced.extend(before.metadata.resource_version.clone());
        self.written = Some(Written {
            replaced,
            object: after.clone(),
        });
    }

    /// The object, with what this process knows about its operation and the API server may not
    /// hold.
    pub(super) fn with_tracked(&self, object: &Arc<OxenModel>) -> Arc<OxenModel> {
        self.tracked.applied(object).map_or_else(
            || object.clone(),
            |status| {
                Arc::new(OxenModel {
                    status: Some(status),
                    ..object.as_ref().clone()
                })
            },
        )
    }

    /// Takes into account the version of its Secret that the object uses now. If the version has
    /// changed, a refused call is due at once.
    pub(super) fn looked_up(&mut self, version: SecretVersion) {
        let before = self.secret.replace(version);
        self.history.secret_changed |= before.is_some_and(|before| before != version);
    }

    /// Takes a call's outcome into account. The time for which the hub asks to wait starts now.
    pub(super) fn call_ended(&mut self, outcome: &CallOutcome) {
        self.advance();
        self.history.call_ended(outcome);
    }

    /// Adds the time that has passed since the last call of this function.
    fn advance(&mut self) {
        let now = Instant::now();
        self.history.advance(now.duration_since(self.advanced));
        self.advanced = now;
    }

    /// The number of observations in a row that the hub left unanswered.
    pub(super) fn failures(&self) -> u32 {
        self.history.failures
    }

    /// Takes an observation into account, and returns the history with it. `key` is the one that a
    /// request was sent with.
    pub(super) fn observe(
        &mut self,
        object: &OxenModel,
        retrieved: &Result<Box<Remote>, Fault>,
        key: Option<&ApiKey>,
        rivals: &[String],
        rules: &Rules,
    ) -> History {
        self.advance();
        let used = match key {
            None => KeyUsed::None,
            Some(key) if self.key.as_ref() == Some(key) => KeyUsed::Proven,
            Some(_) => KeyUsed::Unproven,
        };
        self.history.observe(object, retrieved, used, rivals, rules);
        if retrieved
            .as_ref()
            .is_ok_and(|remote| !is_other(object, remote))
        {
            self.key = key.cloned();
        }
        self.history.clone()
    }
}

impl Memories {
    /// Works with an object's memory. The lock is never held across an await.
    pub(super) fn with<T>(&self, object: &OxenModel, work: impl FnOnce(&mut Memory) -> T) -> T {
        work(
            self.lock()
                .entry(object.uid().unwrap_or_default())
                .or_default(),
        )
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, uid: &str) {
        if let Some(memory) = self.lock().remove(uid) {
            memory.changed.notify_waiters();
        }
    }

    /// Makes a reconcile that waits for a permit start over, because the object or its Secret has
    /// changed.
    pub(super) fn wake(&self, uid: &str) {
        if let Some(memory) = self.lock().get(uid) {
            memory.changed.notify_waiters();
        }
    }

    /// Returns true when an object has to be reconciled because its Secret now has this version. In
    /// that case, a reconcile that waits for a permit starts over.
    ///
    /// An object whose Secret has not been looked up yet will be reconciled with the new version
    /// anyway.
    pub(super) fn secret_changed(&self, uid: &str, version: SecretVersion) -> bool {
        let memories = self.lock();
        let uses = |memory: &&Memory| memory.secret.is_some_and(|known| known != version);
        let memory = memories.get(uid).filter(uses);
        memory.inspect(|memory| memory.changed.notify_waiters());
        memory.is_some()
    }

    // A panic while the lock is held leaves each memory as it was or as it should be, so a poisoned
    // lock is usable.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::{
        api::{LiveStatus, Operation, OperationKind},
        decide::HubFault,
    };

    fn at(version: &str) -> Arc<OxenModel> {
        let spec = serde_json::from_value(serde_json::json!({"model": "m", "state": "active"}));
        let mut object = OxenModel::new("bot", spec.unwrap());
        object.metadata.resource_version = Some(version.into());
        Arc::new(object)
    }

    #[test]
    fn an_own_write_holds_until_the_watch_shows_it() {
        let mut memory = Memory::default();
        memory.record_write(&at("1"), &at("2"));
        memory.record_write(&at("2"), &at("3"));
        assert_eq!(memory.newest(&at("1")), at("3"));
        assert_eq!(memory.newest(&at("2")), at("3"));
        assert_eq!(memory.newest(&at("3")), at("3"));
        assert_eq!(memory.newest(&at("4")), at("4"));
        assert_eq!(
            memory.newest(&at("1")),
            at("1"),
            "a version that the watch shows twice is the newest"
        );
    }

    #[test]
    fn a_secret_changes_when_another_version_of_it_is_looked_up() {
        let (memories, object) = (Memories::default(), at("1"));
        let uid = object.uid().unwrap_or_default();
        let look_up = |version| {
            memories.with(&object, |memory| {
                memory.looked_up(version);
                std::mem::take(&mut memory.history.secret_changed)
            })
        };
        assert!(!memories.secret_changed(&uid, Some(1)), "nothing is known");
        assert!(!look_up(Some(1)), "the first version is no change");
        // The first list of a watch has the version that was already read.
        assert!(!memories.secret_changed(&uid, Some(1)));
        assert!(memories.secret_changed(&uid, Some(2)));
        assert!(look_up(Some(2)));
        assert!(
            !memories.secret_changed(&uid, Some(2)),
            "it is known already"
        );
        assert!(!look_up(Some(2)));
        for version in [None, Some(3)] {
            assert!(look_up(version), "a deletion and another Secret count");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_is_watched_on_the_monotonic_clock() {
        let rules = Rules::default();
        let mut memory = Memory::default();
        let silent = Err(HubFault::Unreachable("down".into()).into());
        let open = |id: &str| {
            let mut object = at("1").as_ref().clone();
            object.status = Some(OxenModelStatus {
                operation: Some(Operation {
                    id: id.into(),
                    kind: OperationKind::Activate,
                    from: LiveStatus::Inactive,
                    started: Time(jiff::Timestamp::UNIX_EPOCH),
                    accepted: None,
                }),
                ..OxenModelStatus::default()
            });
            object
        };
        let mut elapsed = |id: &str| {
            let history = memory.observe(&open(id), &silent, None, &[], &rules);
            history.operation.unwrap().elapsed
        };
        assert_eq!(elapsed("a"), Duration::ZERO);
        tokio::time::advance(rules.operation_patience).await;
        assert_eq!(elapsed("a"), rules.operation_patience);
        assert_eq!(elapsed("b"), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_after_counts_from_the_refusal_and_not_from_the_observation() {
        let (mut memory, rules) = (Memory::default(), Rules::default());
        let silent = Err(Fault::Hub(HubFault::Unreachable("no route".into())));
        let seconds = Duration::from_secs;
        memory.observe(&at("1"), &silent, None, &[], &rules);
        tokio::time::advance(seconds(9)).await;
        memory.call_ended(&CallOutcome::Refused {
            fault: HubFault::Rejected("busy".into()),
            wait: Some(seconds(10)),
        });
        tokio::time::advance(seconds(4)).await;
        let history = memory.observe(&at("1"), &silent, None, &[], &rules);
        assert_eq!(history.call_wait, seconds(6));
    }
}
