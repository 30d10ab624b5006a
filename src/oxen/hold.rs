//! How long the hub asked to be left alone: a 429 binds every object of the key, whatever wakes
//! a pass before that.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::ApiKey;

/// Until when each key rests.
#[derive(Debug, Default)]
pub struct Holds(Mutex<HashMap<ApiKey, Instant>>);

impl Holds {
    /// The key rests for this long from now, unless it already rests for longer.
    pub fn rest(&self, key: &ApiKey, wait: Duration) {
        let until = Instant::now() + wait;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, until| *until > Instant::now());
        let entry = held.entry(key.clone()).or_insert(until);
        *entry = until.max(*entry);
    }

    /// How long the key still rests.
    #[must_use]
    pub fn resting(&self, key: &ApiKey) -> Option<Duration> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = held.get(key)?.duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_rests_for_the_longest_time_asked_and_no_other_does() {
        let (one, other) = (ApiKey::new(b"one").unwrap(), ApiKey::new(b"two").unwrap());
        let holds = Holds::default();
        holds.rest(&one, Duration::from_secs(10));
        holds.rest(&one, Duration::from_secs(2));
        assert_eq!(holds.resting(&one), Some(Duration::from_secs(10)));
        assert_eq!(holds.resting(&other), None);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(holds.resting(&one), None);
    }
}
