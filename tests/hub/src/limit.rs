//! So many requests a second and no more.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::fault::{Fault, Injected};
use crate::journal::Entry;

const WINDOW: Duration = Duration::from_secs(1);

/// A sliding window for each key: exact, so that no burst slips through between two of them.
pub(crate) struct Limit {
    per_second: usize,
    passed: HashMap<String, VecDeque<Instant>>,
}

impl Limit {
    pub(crate) fn new(per_second: usize) -> Self {
        Self {
            per_second,
            passed: HashMap::new(),
        }
    }

    /// The 429 for a request that is one too many; others are counted.
    pub(crate) fn strike(&mut self, entry: &Entry, now: Instant) -> Option<Injected> {
        let passed = self.passed.entry(entry.key.clone()?).or_default();
        while passed
            .front()
            .is_some_and(|then| now.duration_since(*then) >= WINDOW)
        {
            passed.pop_front();
        }
        if passed.len() < self.per_second {
            passed.push_back(now);
            return None;
        }
        let mut injected = Injected::default();
        Fault::error(429, "too many requests")
            .retry_after(WINDOW)
            .strike(&mut injected);
        Some(injected)
    }
}
