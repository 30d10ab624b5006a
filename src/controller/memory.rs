//! What a process remembers of an object between passes. A restart forgets all of it, and no
//! decision that costs money depends on it: it only ever makes the operator wait longer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kube::ResourceExt;
use tokio::{sync::Notify, time::Instant};

use crate::{api::OxenModel, oxen::ApiKey};

/// All objects' memories, by UID.
#[derive(Debug, Default)]
pub(super) struct Memories(Mutex<HashMap<String, Memory>>);

/// What is remembered of one object.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    /// The object as this process last wrote it, until the watch has caught up.
    written: Option<Written>,
    /// A write met a conflict: the next pass reads the object from the API server.
    pub(super) stale: bool,
    /// The recorded operation: its name, since when it has been watched, and the looks that still
    /// showed the old status once the patience was over.
    pub(super) operation: Option<(String, Instant, u32)>,
    /// Looks in a row that the hub left unanswered.
    pub(super) failures: u32,
    /// When the hub last answered for this object; at first, when it was first looked at.
    pub(super) answered: Instant,
    /// The key that last retrieved the model.
    pub(super) key: Option<ApiKey>,
    /// Looks in a row that said `Model not found` to that key.
    pub(super) gone: u32,
    /// The hub asked to be left alone about this object until then.
    pub(super) rest: Option<Instant>,
    /// Requests to the Kubernetes API that failed, in a row.
    pub(super) kube_failures: u32,
    /// Tells a pass that waits for its turn that there is a reason to start over.
    pub(super) changed: Arc<Notify>,
    /// A pass has been completed.
    pub(super) settled_in: bool,
}

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
            operation: None,
            failures: 0,
            answered: Instant::now(),
            key: None,
            gone: 0,
            rest: None,
            kube_failures: 0,
            changed: Arc::default(),
            settled_in: false,
        }
    }
}

impl Memory {
    /// The newer of the watch's object and this process's own last write of it.
    pub(super) fn newest(&mut self, watched: &Arc<OxenModel>) -> Arc<OxenModel> {
        let newer = self.newer_than(watched);
        if newer.is_none() {
            self.written = None;
        }
        newer.unwrap_or_else(|| watched.clone())
    }

    /// This process's own last write, while the watch still shows what it replaced.
    pub(super) fn newer_than(&self, watched: &OxenModel) -> Option<Arc<OxenModel>> {
        let written = self.written.as_ref()?;
        let version = watched.metadata.resource_version.as_ref()?;
        let behind = written.replaced.contains(version);
        behind.then(|| written.object.clone())
    }

    /// Remembers a write until the watch shows it.
    pub(super) fn wrote(&mut self, before: &OxenModel, after: &Arc<OxenModel>) {
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

    /// How long this process has watched the operation of that name, and how many late looks
    /// showed nothing. `unmoved` counts one more.
    pub(super) fn watch_operation(
        &mut self,
        id: &str,
        unmoved: impl FnOnce(Duration) -> bool,
    ) -> (Duration, u32) {
        let (since, late) = match &self.operation {
            Some((known, since, late)) if known == id => (*since, *late),
            _ => (Instant::now(), 0),
        };
        let elapsed = since.elapsed();
        let late = late + u32::from(unmoved(elapsed));
        self.operation = Some((id.to_owned(), since, late));
        (elapsed, late)
    }
}

impl Memories {
    /// Works with an object's memory. It is locked for just as long, and never across an await.
    pub(super) fn with<T>(&self, object: &OxenModel, work: impl FnOnce(&mut Memory) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(all.entry(object.uid().unwrap_or_default()).or_default())
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, uid: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = all.remove(uid) {
            memory.changed.notify_waiters();
        }
    }

    /// The object, or its Secret, has changed: a pass that waits for its turn starts over.
    pub(super) fn rouse(&self, uid: &str) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = all.get(uid) {
            memory.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(version: &str) -> Arc<OxenModel> {
        let spec = serde_json::from_value(serde_json::json!({"model": "m", "state": "active"}));
        let mut object = OxenModel::new("bot", spec.unwrap());
        object.metadata.resource_version = Some(version.into());
        Arc::new(object)
    }

    #[test]
    fn an_own_write_stands_until_the_watch_has_caught_up() {
        let mut memory = Memory::default();
        memory.wrote(&at("1"), &at("2"));
        memory.wrote(&at("2"), &at("3"));
        assert_eq!(memory.newest(&at("1")), at("3"));
        assert_eq!(memory.newest(&at("2")), at("3"));
        assert_eq!(memory.newest(&at("3")), at("3"));
        assert_eq!(memory.newest(&at("4")), at("4"));
        assert_eq!(
            memory.newest(&at("1")),
            at("1"),
            "a version seen twice is not forgotten"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_is_watched_on_the_monotonic_clock_from_when_it_was_first_seen() {
        let mut memory = Memory::default();
        let patience = Duration::from_secs(120);
        let mut look = |id: &str| memory.watch_operation(id, |elapsed| elapsed >= patience);
        assert_eq!(look("a"), (Duration::ZERO, 0));
        tokio::time::advance(patience).await;
        assert_eq!(look("a"), (patience, 1));
        assert_eq!(look("a"), (patience, 2));
        assert_eq!(look("b"), (Duration::ZERO, 0));
    }
}
