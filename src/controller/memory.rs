//! What a process remembers of an object between reconciles. A restart forgets all of it.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use tokio::{sync::Notify, time::Instant};

use crate::{
    api::{ANNOTATIONS, OxenModel, OxenModelStatus},
    decide::{CallOutcome, Fault, History, KeyUsed, Remote, Rules, Tracked, is_other},
    hub::ApiKey,
};

/// The memories of all objects, by UID. They are boxed, because a map has room for more of them
/// than there are.
#[derive(Debug, Default)]
pub(super) struct Memories {
    all: Mutex<HashMap<String, Box<Memory>>>,
    /// Until when another process has observed the objects, or `None` if that is not known.
    watched_until: Option<Timestamp>,
}

/// What is remembered of one object.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    /// Whether the watch's copy may be out of date, because a write met a conflict or a release
    /// failed. If so, the next reconcile reads the object from the API server.
    pub(super) stale: bool,
    /// What became of the operation that this process recorded last, unless that is empty.
    tracked: Option<Box<Tracked>>,
    /// The last status that the API server did not store as it was sent.
    pub(super) pruned: Option<Box<OxenModelStatus>>,
    /// What earlier observations showed.
    history: History,
    /// When `history` was last advanced.
    advanced: Instant,
    /// The unseen seconds in a write that may have taken effect without an answer, and when the
    /// observation was made that it follows from.
    unanswered: Option<(i64, Instant)>,
    /// The key that last retrieved the object's own model.
    pub(super) key: Option<ApiKey>,
    /// The version of the object's Secret when it was last looked up, or `None` before that.
    secret: Option<SecretVersion>,
    /// When the hub may be asked about this object again.
    pub(super) backing_off_until: Option<Instant>,
    /// The number of failed requests to the Kubernetes API in a row.
    pub(super) kube_failures: u32,
    /// The number of changes of the object or its Secret that are a reason to reconcile it.
    pub(super) changes: u64,
    /// Notified of each of these changes.
    pub(super) changed: Arc<Notify>,
    /// A hash of what was a reason to reconcile the object when the watch last showed it.
    reason: Option<u64>,
    /// The hash that this process's own write leads to. The watch may show the write before it is
    /// answered.
    expected: Option<u64>,
    /// Whether a reconcile has been completed.
    pub(super) reconciled: bool,
    /// Whether another object may own the model, in a namespace that can't be listed.
    pub(super) in_doubt: bool,
}

/// A hash of a Secret's UID and data, or `None` if there was no Secret. It is never logged.
pub(super) type SecretVersion = Option<u64>;

impl Default for Memory {
    fn default() -> Self {
        Self {
            stale: false,
            tracked: None,
            pruned: None,
            history: History::default(),
            advanced: Instant::now(),
            unanswered: None,
            key: None,
            secret: None,
            backing_off_until: None,
            kube_failures: 0,
            changes: 0,
            changed: Arc::default(),
            reason: None,
            expected: None,
            reconciled: false,
            in_doubt: false,
        }
    }
}

impl Memory {
    /// The object, with what this process knows about its operation and the API server may not
    /// hold.
    pub(super) fn with_tracked(&self, object: &Arc<OxenModel>) -> Arc<OxenModel> {
        let tracked = self.tracked.as_ref();
        let status = tracked.and_then(|tracked| tracked.applied(object));
        status.map_or_else(
            || object.clone(),
            |status| {
                Arc::new(OxenModel {
                    status: Some(status),
                    ..object.as_ref().clone()
                })
            },
        )
    }

    /// Changes what is known of the last operation.
    pub(super) fn track(&mut self, change: impl FnOnce(&mut Tracked)) {
        let mut tracked = self.tracked.take().unwrap_or_default();
        change(&mut tracked);
        self.tracked = (*tracked != Tracked::default()).then_some(tracked);
    }

    fn change(&mut self) {
        self.changes = self.changes.wrapping_add(1);
        self.changed.notify_waiters();
    }

    /// Notes what this process is about to write, which is no reason to reconcile the object.
    pub(super) fn expect(&mut self, reason: u64) {
        self.expected = Some(reason);
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

    /// Takes into account that a reconcile starts from this version of the object. Until its
    /// observation, it writes nothing that follows from one. If the version shows that a write
    /// without an answer took effect, the observation of that write is recorded.
    pub(super) fn start_from(&mut self, stored: &OxenModel) {
        self.advance();
        let shown = unseen_seconds(stored.status.as_ref());
        let unanswered = self.unanswered.take_if(|(sent, _)| *sent == shown);
        if let Some((_, observed)) = unanswered {
            let since = self.advanced.duration_since(observed);
            let watched = self.history.watched.unwrap_or(since);
            self.history.watched = Some(watched.min(since));
        }
        self.history.unrecorded = None;
    }

    /// Takes into account that a write of this status in place of `stored` failed, and may have
    /// taken effect nevertheless.
    pub(super) fn unanswered(&mut self, stored: &OxenModel, sent: &OxenModelStatus) {
        self.advance();
        let observed = self.history.unrecorded;
        let observed = observed.and_then(|since| self.advanced.checked_sub(since));
        let unseen = unseen_seconds(Some(sent));
        if unseen != unseen_seconds(stored.status.as_ref()) {
            self.unanswered = observed.map(|observed| (unseen, observed));
        }
    }

    /// Takes into account that the API server has the status that follows from the last
    /// observation.
    pub(super) fn recorded(&mut self) {
        self.advance();
        self.history.recorded();
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
    /// No memories, in a process that follows one that observed the objects until that time.
    pub(super) fn after(watched_until: Option<Timestamp>) -> Self {
        Self {
            watched_until,
            ..Self::default()
        }
    }

    /// What is remembered of an object that this process has not observed yet.
    fn unobserved(&self) -> Memory {
        let watched = self.watched_until.map(|then| {
            let since = Timestamp::now().duration_since(then);
            Duration::try_from(since).unwrap_or_default()
        });
        Memory {
            history: History {
                watched,
                ..History::default()
            },
            ..Memory::default()
        }
    }

    /// Works with an object's memory. The lock is never held across an await. Nothing is remembered
    /// of an object that the watch doesn't show.
    pub(super) fn with<T>(&self, object: &OxenModel, work: impl FnOnce(&mut Memory) -> T) -> T {
        self.with_uid(object.metadata.uid.as_deref().unwrap_or_default(), work)
    }

    /// Works with the memory of the object with this UID, as [`with`](Self::with) does.
    pub(super) fn with_uid<T>(&self, uid: &str, work: impl FnOnce(&mut Memory) -> T) -> T {
        match self.lock().get_mut(uid) {
            Some(memory) => work(memory),
            None => work(&mut Memory::default()),
        }
    }

    /// Notes that the watch shows an object. Returns true when `reason` has changed and this
    /// process's own write doesn't explain the change. In that case, a reconcile that waits reads
    /// the object again.
    pub(super) fn show(&self, uid: &str, reason: u64) -> bool {
        let mut memories = self.lock();
        let memory = match memories.get_mut(uid) {
            Some(memory) => memory,
            None => memories
                .entry(uid.to_owned())
                .or_insert_with(|| Box::new(self.unobserved())),
        };
        let same = memory.reason.replace(reason) == Some(reason);
        let own = !same && memory.expected.take() == Some(reason);
        let changed = !same && !own;
        if changed {
            memory.change();
        }
        changed
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, uid: &str) {
        if let Some(mut memory) = self.lock().remove(uid) {
            memory.change();
        }
    }

    /// Returns true when an object has to be reconciled because its Secret now has this version. In
    /// that case, a reconcile that waits reads the Secret again.
    ///
    /// An object whose Secret has not been looked up yet will be reconciled with the new version
    /// anyway.
    pub(super) fn secret_changed(&self, uid: &str, version: SecretVersion) -> bool {
        let mut memories = self.lock();
        let uses = |memory: &&mut Box<Memory>| memory.secret.is_some_and(|known| known != version);
        let memory = memories.get_mut(uid).filter(uses);
        memory.map(|memory| memory.change()).is_some()
    }

    /// The UIDs of the objects whose model another object may own, in a namespace that can't be
    /// listed.
    pub(super) fn in_doubt(&self) -> Vec<Arc<str>> {
        let memories = self.lock();
        let in_doubt = memories.iter().filter(|(_, memory)| memory.in_doubt);
        in_doubt.map(|(uid, _)| uid.as_str().into()).collect()
    }

    // A panic while the lock is held leaves each memory as it was or as it should be, so a poisoned
    // lock is usable.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Box<Memory>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unseen_seconds(status: Option<&OxenModelStatus>) -> i64 {
    let usage = status.and_then(|status| status.usage.as_ref());
    usage.map_or(0, |usage| usage.unseen_seconds)
}

/// A hash of everything that is a reason to reconcile an object at once.
pub(super) fn reason(object: &OxenModel) -> u64 {
    let meta = object.meta();
    let mut hasher = DefaultHasher::new();
    meta.generation.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    object.finalizers().hash(&mut hasher);
    for annotation in ANNOTATIONS {
        object.annotations().get(annotation).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::{
        api::{LiveStatus, Operation, OperationKind, Usage},
        decide::HubFault,
    };

    fn at(version: &str) -> Arc<OxenModel> {
        let spec = serde_json::from_value(serde_json::json!({"model": "m", "state": "active"}));
        let mut object = OxenModel::new("bot", spec.unwrap());
        object.metadata.resource_version = Some(version.into());
        Arc::new(object)
    }

    #[test]
    fn nothing_is_remembered_of_objects_that_are_gone() {
        let memories = Memories::default();
        for one in 0..10_000 {
            let mut object = at("1").as_ref().clone();
            let uid = format!("uid-{one}");
            object.metadata.uid = Some(uid.clone());
            memories.show(&uid, 1);
            memories.with(&object, |memory| memory.reconciled = true);
            assert!(memories.with(&object, |memory| memory.reconciled));
            memories.forget(&uid);
            // A reconcile may end after its object is gone.
            memories.with(&object, |memory| memory.reconciled = true);
        }
        assert!(memories.lock().is_empty());
    }

    #[test]
    fn an_own_write_is_no_reason_to_reconcile() {
        let (memories, object) = (Memories::default(), at("1"));
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        assert!(memories.show(uid, 1), "a new object is");
        assert!(!memories.show(uid, 1));
        memories.with(&object, |memory| memory.expect(2));
        assert!(!memories.show(uid, 1), "an older version");
        assert!(!memories.show(uid, 2));
        assert!(memories.show(uid, 3));
        assert_eq!(memories.with(&object, |memory| memory.changes), 2);
    }

    #[test]
    fn a_secret_changes_when_another_version_of_it_is_looked_up() {
        let (memories, object) = (Memories::default(), at("1"));
        let uid = object.metadata.uid.clone().unwrap_or_default();
        memories.show(&uid, 1);
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

    fn shown() -> Result<Box<Remote>, Fault> {
        Ok(Box::new(Remote {
            base: false,
            live: LiveStatus::Active,
            others: Vec::new(),
            notes: Vec::new(),
            model: serde_json::from_value(serde_json::json!({"id": "m", "owner": "a"})).unwrap(),
            pricing: None,
        }))
    }

    fn used(unseen_seconds: i64) -> OxenModel {
        let mut object = at("1").as_ref().clone();
        object.status = Some(OxenModelStatus {
            usage: Some(Usage {
                unseen_seconds,
                ..Usage::default()
            }),
            ..OxenModelStatus::default()
        });
        object
    }

    /// A memory of an object that was observed again after a gap of an hour.
    async fn after_a_gap(object: &OxenModel) -> Memory {
        let (mut memory, rules) = (Memory::default(), Rules::default());
        memory.observe(object, &shown(), None, &[], &rules);
        memory.recorded();
        tokio::time::advance(Duration::from_secs(3600)).await;
        memory.start_from(object);
        let history = memory.observe(object, &shown(), None, &[], &rules);
        assert_eq!(history.watched, Some(Duration::from_secs(3600)));
        memory
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_follows_from_no_observation_records_none() {
        let object = at("1");
        let mut memory = after_a_gap(&object).await;
        // The write of the observation fails, and the next reconcile writes without one.
        memory.start_from(&object);
        memory.recorded();
        assert_eq!(memory.history.watched, Some(Duration::from_secs(3600)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_without_an_answer_counts_if_the_object_shows_it() {
        let (stored, sent) = (used(7), used(3607));
        let mut memory = after_a_gap(&stored).await;
        tokio::time::advance(Duration::from_secs(2)).await;
        memory.unanswered(&stored, sent.status.as_ref().unwrap());
        tokio::time::advance(Duration::from_secs(3)).await;
        memory.start_from(&stored);
        assert_eq!(memory.history.watched, Some(Duration::from_secs(3605)));
        memory.start_from(&sent);
        assert_eq!(memory.history.watched, Some(Duration::from_secs(5)));
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
