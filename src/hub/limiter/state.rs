//! The limits of every key, and the places that all keys share, behind one lock. The state has no
//! clock and waits for nothing: the time is an argument.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};

use super::{
    adaptive_rate::AdaptiveRate,
    places::{Class, Places},
    queue::{Position, Queue, Rank},
    rate_limits::RateLimits,
    token_bucket::{Feedback, Next, TokenBucket},
};
use crate::hub::key::ApiKey;

/// The time between two searches for unused keys.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// What the limiter knows of all keys.
#[derive(Debug)]
pub(super) struct State {
    limits: RateLimits,
    pub(super) keys: HashMap<ApiKey, KeyState>,
    places: Places,
    pruned: Option<Instant>,
}

/// What the limiter knows of one key.
#[derive(Debug)]
pub(super) struct KeyState {
    bucket: TokenBucket,
    /// The rate of activate calls. `bucket` counts these calls as well.
    pub(super) activation_rate: AdaptiveRate,
    /// The activate calls that wait for a token of `activation_rate`. The first one holds the
    /// permit. Tokio's semaphore is first-in, first-out.
    activations: Arc<Semaphore>,
    queue: Queue,
}

impl KeyState {
    fn new(limits: &RateLimits, now: Instant) -> Self {
        Self {
            bucket: TokenBucket::new(limits, now),
            activation_rate: AdaptiveRate::new(limits, now),
            activations: Arc::new(Semaphore::new(1)),
            queue: Queue::default(),
        }
    }

    /// Returns true when a new state would behave the same.
    fn is_unused(&self, now: Instant) -> bool {
        self.queue.is_empty()
            && Arc::strong_count(&self.activations) == 1
            && self.bucket.in_flight() == 0
            && self.bucket.is_expired(now)
    }
}

impl State {
    pub(super) fn new(limits: RateLimits) -> Self {
        Self {
            limits,
            keys: HashMap::new(),
            places: Places::default(),
            pruned: None,
        }
    }

    /// Adds a request to its key's queue.
    pub(super) fn join(
        &mut self,
        key: &ApiKey,
        rank: Rank,
        wake: Arc<Notify>,
        now: Instant,
    ) -> Position {
        self.key(key, now).queue.join(rank, wake)
    }

    /// Removes a request from its key's queue, whether it goes out or was cancelled.
    pub(super) fn leave(&mut self, key: &ApiKey, position: Position) {
        let Some(state) = self.keys.get_mut(key) else {
            return;
        };
        state.queue.leave(position);
        if state.queue.is_empty() {
            self.places.leave(key);
        }
        self.wake_next();
    }

    /// Decides whether a waiting request may go. If so, takes its token and its place.
    pub(super) fn next(&mut self, key: &ApiKey, position: Position, now: Instant) -> Next {
        let Some(state) = self.keys.get_mut(key) else {
            return Next::AfterAnother;
        };
        if !state.queue.is_head(position) {
            return Next::AfterAnother;
        }
        let next = state.bucket.next(&self.limits, now);
        if next != Next::Go {
            self.places.leave(key);
            self.wake_next();
            return next;
        }
        let class = position.rank.into();
        if !self.places.take(key, class, state.bucket.in_flight()) {
            // The key was woken for a place that is now for another key.
            self.wake_next();
            return Next::AfterAnother;
        }
        state.bucket.sent(now);
        Next::Go
    }

    /// Counts the end of a request that went out at `sent`. After a 429 to a GET, returns the wait
    /// that follows from it.
    pub(super) fn ended(
        &mut self,
        key: &ApiKey,
        class: Class,
        sent: Instant,
        feedback: Feedback,
        now: Instant,
    ) -> Option<Duration> {
        let state = self.keys.get_mut(key)?;
        if feedback == Feedback::CallRateLimited && state.activation_rate.is_current(sent) {
            state.activation_rate.halve(&self.limits, now);
            state.activation_rate.pause(now);
        }
        let wait = state.bucket.ended(&self.limits, sent, feedback, now);
        state.queue.wake_head();
        self.places.release(key, class);
        self.wake_next();
        wait
    }

    /// Where the activate calls of a key wait for a token of their own.
    pub(super) fn activations(&mut self, key: &ApiKey, now: Instant) -> Arc<Semaphore> {
        self.key(key, now).activations.clone()
    }

    /// Takes a token for an activate call, or returns the time until there is one.
    pub(super) fn activate(&mut self, key: &ApiKey, now: Instant) -> Option<Duration> {
        let limits = &self.limits;
        let rate = &mut self.keys.get_mut(key)?.activation_rate;
        let wait = rate.wait(limits, now);
        if wait.is_zero() {
            rate.take();
            return None;
        }
        Some(wait)
    }

    /// Returns the token of an activate call that doesn't go out.
    pub(super) fn give_back(&mut self, key: &ApiKey) {
        if let Some(state) = self.keys.get_mut(key) {
            state.activation_rate.give_back();
        }
    }

    /// Wakes the head of the key that may take a free place. The head takes the place, gives the
    /// key a later turn, or ends the key's wait. Each of these wakes the head of the next key.
    fn wake_next(&self) {
        let next = self.places.next().and_then(|key| self.keys.get(key));
        if let Some(next) = next {
            next.queue.wake_head();
        }
    }

    fn key(&mut self, key: &ApiKey, now: Instant) -> &mut KeyState {
        // Keys come and go with Secrets, and only a new key makes the map grow.
        if !self.keys.contains_key(key) {
            let since = self.pruned.map(|pruned| now.duration_since(pruned));
            if since.is_none_or(|since| since >= PRUNE_EVERY) {
                self.keys.retain(|_, state| !state.is_unused(now));
                self.pruned = Some(now);
            }
        }
        self.keys
            .entry(key.clone())
            .or_insert_with(|| KeyState::new(&self.limits, now))
    }

    /// Returns true when at most one key is known, nothing waits and nothing is in flight.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.keys.len() <= 1
            && self.keys.values().all(|state| state.queue.is_empty())
            && self.places.is_idle()
    }
}
