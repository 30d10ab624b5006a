//! The rate limit: a number of requests per second for each key.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::fault::{Fault, Injected};
use crate::journal::Entry;

const WINDOW: Duration = Duration::from_secs(1);

/// A rate limit with a sliding window for each key. Fixed windows would accept a burst of twice the
/// limit around the end of a window.
pub(crate) struct Limit {
    per_second: usize,
    accepted: HashMap<String, VecDeque<Instant>>,
}

impl Limit {
    pub(crate) fn new(per_second: usize) -> Self {
        Self {
            per_second,
            accepted: HashMap::new(),
        }
    }

    /// Returns a 429 for a request over the limit, and counts any other request.
    pub(crate) fn check(&mut self, entry: &Entry, now: Instant) -> Option<Injected> {
        let accepted = self.accepted.entry(entry.key.clone()?).or_default();
        while accepted
            .front()
            .is_some_and(|then| now.duration_since(*then) >= WINDOW)
        {
            accepted.pop_front();
        }
        if accepted.len() < self.per_second {
            accepted.push_back(now);
            return None;
        }
        let mut injected = Injected::default();
        Fault::api_error(429, "too many requests")
            .retry_after(WINDOW)
            .apply(&mut injected);
        Some(injected)
    }
}
