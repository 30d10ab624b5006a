//! The waiting requests of one key, in the order in which they go out: calls before urgent
//! observations before routine ones, and first-in, first-out within each of the three.
//!
//! Only the head of the queue, which is its first request, looks at the limits. Every other request
//! sleeps until it is the head, so a change wakes at most one request of the key. Each change of
//! the queue takes time that grows with the logarithm of its length.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::Notify;

use super::Priority;

/// What orders the requests of a queue before the time at which they joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A call that changes state.
    Call,
    /// An observation that somebody waits for.
    Urgent,
    /// Any other observation.
    Routine,
}

impl From<Priority> for Rank {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Call(_) => Self::Call,
            Priority::Urgent => Self::Urgent,
            Priority::Routine => Self::Routine,
        }
    }
}

/// Where a request is in its key's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) rank: Rank,
    number: u64,
}

/// The waiting requests of one key.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// What wakes each request.
    waiting: BTreeMap<Position, Arc<Notify>>,
    /// The number of requests that have joined.
    joined: u64,
}

impl Queue {
    /// Adds a request behind all others of its rank.
    pub(super) fn join(&mut self, rank: Rank, wake: Arc<Notify>) -> Position {
        self.joined += 1;
        let number = self.joined;
        let position = Position { rank, number };
        self.waiting.insert(position, wake);
        position
    }

    /// Removes a request, and wakes the next one if the request was the head.
    pub(super) fn leave(&mut self, position: Position) {
        let was_head = self.is_head(position);
        self.waiting.remove(&position);
        if was_head {
            self.wake_head();
        }
    }

    pub(super) fn is_head(&self, position: Position) -> bool {
        let head = self.waiting.first_key_value();
        head.is_some_and(|(head, _)| *head == position)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Makes the head look at the limits again.
    pub(super) fn wake_head(&self) {
        if let Some((_, wake)) = self.waiting.first_key_value() {
            wake.notify_one();
        }
    }
}
