//! The requests that the hub received.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use hub::{Endpoint, Entry};
use tokio::sync::watch;

/// What the hub received since the last reset.
#[derive(Default)]
pub(crate) struct HubRequests {
    pub(crate) all: u64,
    pub(crate) posts: u64,
    /// The models that were retrieved.
    pub(crate) observed: HashSet<String>,
    /// When the first POST about a model arrived.
    pub(crate) first_post: HashMap<String, Instant>,
}

/// Counts the requests that a hub receives. Clones share the counts.
#[derive(Clone)]
pub(crate) struct Counter(watch::Sender<HubRequests>);

impl Counter {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(HubRequests::default()))
    }

    /// Counts a request that has just arrived.
    pub(crate) fn count(&self, entry: &Entry) {
        let now = Instant::now();
        self.0.send_modify(|requests| {
            requests.all += 1;
            let Some(model) = &entry.model else { return };
            if entry.is_post() {
                requests.posts += 1;
                requests.first_post.entry(model.clone()).or_insert(now);
            } else if entry.endpoint == Endpoint::Retrieve && !requests.observed.contains(model) {
                requests.observed.insert(model.clone());
            }
        });
    }

    pub(crate) fn reset(&self) {
        self.0.send_replace(HubRequests::default());
    }

    /// Returns the number of requests and of POSTs since the last reset.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let requests = self.0.borrow();
        (requests.all, requests.posts)
    }

    pub(crate) fn observed(&self) -> usize {
        self.0.borrow().observed.len()
    }

    /// Waits until this number of models was retrieved.
    pub(crate) async fn until_observed(&self, models: usize) {
        let mut requests = self.0.subscribe();
        // The sender exists as long as `self`.
        let _ = requests
            .wait_for(|requests| requests.observed.len() >= models)
            .await;
    }

    /// Waits until there was a POST about this model, and returns when it arrived.
    pub(crate) async fn until_post(&self, model: &str) -> Option<Instant> {
        let mut requests = self.0.subscribe();
        let arrived = |requests: &HubRequests| requests.first_post.contains_key(model);
        let requests = requests.wait_for(arrived).await.ok()?;
        requests.first_post.get(model).copied()
    }
}
