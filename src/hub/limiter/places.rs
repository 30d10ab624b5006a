//! The requests in flight of all keys together: at most 64, of which observations take at most 56,
//! so that 8 are kept for calls.
//!
//! A key whose first request could go but finds no free place waits here. The key waits as a whole:
//! when its turn comes, the request that is the first one then takes the place. Keys with a call go
//! first. Then the key goes first that has the fewest requests in flight, and of several the one
//! that has waited longest. So while other keys wait, a key gets no place beyond an equal share,
//! however many of its requests wait and however slowly they are answered.
//!
//! A key waits here only while nothing else holds its first request up, so that no place is kept
//! for a key that can't use it. Each change takes time that grows with the logarithm of the number
//! of waiting keys, and doesn't depend on the number of waiting requests.

use std::collections::{BTreeMap, HashMap};

use super::queue::Rank;
use crate::hub::key::ApiKey;

/// The largest number of requests in flight.
pub(super) const ALL: u16 = 64;
/// The number of places that only calls may take.
pub(super) const FOR_CALLS: u16 = 8;

/// What a place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// A call that changes state.
    Call,
    /// A request that only reads.
    Observation,
}

impl From<Rank> for Class {
    fn from(rank: Rank) -> Self {
        match rank {
            Rank::Call => Self::Call,
            Rank::Urgent | Rank::Routine => Self::Observation,
        }
    }
}

/// Where a key is among those that wait for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    class: Class,
    /// The number of the key's requests in flight.
    in_flight: u16,
    number: u64,
}

/// The places that are taken, and the keys that wait for one.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The number of calls in flight.
    calls: u16,
    /// The number of observations in flight.
    observations: u16,
    order: BTreeMap<Turn, ApiKey>,
    turns: HashMap<ApiKey, Turn>,
    /// The number of keys that have started to wait.
    joined: u64,
}

impl Places {
    /// Takes a place for a key that has this many requests in flight, and returns true, if a place
    /// is free and it is the key's turn. If not, the key waits from now on, or goes on waiting.
    pub(super) fn take(&mut self, key: &ApiKey, class: Class, in_flight: u16) -> bool {
        let number = match self.turns.get(key) {
            Some(turn) => turn.number,
            None => {
                self.joined += 1;
                self.joined
            }
        };
        let turn = Turn {
            class,
            in_flight,
            number,
        };
        self.set_turn(key, turn);
        if self.next() != Some(key) {
            return false;
        }
        self.leave(key);
        *self.count(class) += 1;
        true
    }

    /// Frees the place of a request of this key.
    pub(super) fn release(&mut self, key: &ApiKey, class: Class) {
        let count = self.count(class);
        *count = count.saturating_sub(1);
        if let Some(turn) = self.turns.get(key).copied() {
            let in_flight = turn.in_flight.saturating_sub(1);
            self.set_turn(key, Turn { in_flight, ..turn });
        }
    }

    /// Ends a key's wait for a place, if it waits.
    pub(super) fn leave(&mut self, key: &ApiKey) {
        if let Some(turn) = self.turns.remove(key) {
            self.order.remove(&turn);
        }
    }

    /// The key that may take a free place now.
    pub(super) fn next(&self) -> Option<&ApiKey> {
        let (turn, key) = self.order.first_key_value()?;
        let free = self.calls + self.observations < ALL
            && match turn.class {
                Class::Call => true,
                Class::Observation => self.observations < ALL - FOR_CALLS,
            };
        free.then_some(key)
    }

    fn set_turn(&mut self, key: &ApiKey, turn: Turn) {
        if let Some(before) = self.turns.insert(key.clone(), turn) {
            self.order.remove(&before);
        }
        self.order.insert(turn, key.clone());
    }

    fn count(&mut self, class: Class) -> &mut u16 {
        match class {
            Class::Call => &mut self.calls,
            Class::Observation => &mut self.observations,
        }
    }

    /// Returns true when nothing is in flight and no key waits.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        (self.calls, self.observations) == (0, 0) && self.order.is_empty() && self.turns.is_empty()
    }
}
