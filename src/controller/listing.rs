//! The first list of a scope's objects. No object of any scope is reconciled before every scope has
//! its first list. If the API server keeps refusing a scope's list, the scope counts as empty, so
//! that the others are served.

use std::time::Duration;

use tokio::time::Instant;

/// The number of refused lists after which a scope can count as empty.
const REFUSALS: u32 = 3;

/// The shortest time after which a scope can count as empty.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A scope's first list.
#[derive(Debug)]
pub(super) struct FirstList {
    patience: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending {
        refusals: u32,
        /// When the list was first refused.
        since: Option<Instant>,
    },
    /// The scope counts as empty.
    LeftOut,
    Listed,
}

/// A change of a scope's first list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The objects have been listed.
    Listed,
    /// The API server refuses the list. The scope counts as empty, and the list is still retried.
    LeftOut,
    /// A scope that counted as empty has been listed.
    ListedLate,
}

impl FirstList {
    /// A first list that has to be refused for at least `patience` before its scope counts as
    /// empty.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            state: State::Pending {
                refusals: 0,
                since: None,
            },
        }
    }

    /// Notes that the objects have been listed.
    pub(super) fn listed(&mut self) -> Option<Change> {
        match std::mem::replace(&mut self.state, State::Listed) {
            State::Pending { .. } => Some(Change::Listed),
            State::LeftOut => Some(Change::ListedLate),
            State::Listed => None,
        }
    }

    /// Notes that the API server refused the list.
    pub(super) fn refused(&mut self, now: Instant) -> Option<Change> {
        let State::Pending { refusals, since } = &mut self.state else {
            return None;
        };
        *refusals = refusals.saturating_add(1);
        let since = *since.get_or_insert(now);
        let due = *refusals >= REFUSALS && now.duration_since(since) >= self.patience;
        due.then(|| {
            self.state = State::LeftOut;
            Change::LeftOut
        })
    }

    /// Returns true when the objects have been listed.
    pub(super) fn is_listed(&self) -> bool {
        self.state == State::Listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_scope_counts_as_empty_after_three_refusals_over_the_patience() {
        let start = Instant::now();
        let mut list = FirstList::new(PATIENCE);
        assert_eq!(list.refused(after(start, 0)), None);
        assert_eq!(
            list.refused(after(start, 11)),
            None,
            "two refusals are too few"
        );
        assert_eq!(list.refused(after(start, 12)), Some(Change::LeftOut));
        assert_eq!(list.refused(after(start, 13)), None);
        assert!(!list.is_listed());
        assert_eq!(list.listed(), Some(Change::ListedLate));
        assert!(list.is_listed());

        let mut list = FirstList::new(PATIENCE);
        for second in 0..10 {
            assert_eq!(
                list.refused(after(start, second)),
                None,
                "{second} s are too few"
            );
        }
        assert_eq!(list.refused(after(start, 10)), Some(Change::LeftOut));
    }

    #[test]
    fn a_listed_scope_stays_listed() {
        let mut list = FirstList::new(Duration::ZERO);
        let now = Instant::now();
        assert_eq!(list.refused(now), None);
        assert_eq!(list.listed(), Some(Change::Listed));
        for _ in 0..5 {
            assert_eq!(list.refused(now), None);
        }
        assert_eq!(list.listed(), None);
    }
}
