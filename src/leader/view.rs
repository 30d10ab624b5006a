//! The Lease as a standby observes it, and what the standby concludes about the leader's end.

use std::time::Duration;

/// The fields of a Lease that leadership depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeaseState {
    pub(super) uid: String,
    /// The resourceVersion, which changes with every renewal and every other write.
    pub(super) version: String,
    /// The holder's identity, or an empty string if there is no holder.
    pub(super) holder: String,
    pub(super) transitions: i32,
    /// How long the holder keeps the Lease after a renewal. The authority of every process that led
    /// before the last write ends within this time after that write.
    pub(super) duration: Duration,
    /// Who released the Lease after all its work had ended. A Lease that is taken or emptied in any
    /// other way has no such mark.
    pub(super) released_by: Option<String>,
}

/// What a new leader observed of the end of its predecessor's authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takeover {
    /// The predecessor released the Lease after all its work had ended.
    Released,
    /// Nobody renewed the Lease for the lease duration.
    Expired,
    /// Neither of the two.
    Unobserved,
}

/// The Lease as a standby has observed it.
#[derive(Clone, Debug)]
pub(super) struct LeaseView {
    pub(super) state: Option<LeaseState>,
    /// Since when the Lease has been observed unchanged.
    since: Duration,
    /// Whether the last holder was observed to release the Lease, which has not changed since.
    released: bool,
    /// How long the last holder that was observed keeps the Lease after a renewal, or this
    /// process's own lease duration if that is longer.
    pub(super) duration: Duration,
}

impl LeaseView {
    /// The view before the first read, of a process whose own Lease lasts `own`.
    pub(super) fn new(own: Duration) -> Self {
        Self {
            state: None,
            since: Duration::ZERO,
            released: false,
            duration: own,
        }
    }

    pub(super) fn observe(&mut self, now: Duration, found: Option<LeaseState>, own: Duration) {
        let unchanged = match (&self.state, &found) {
            (Some(before), Some(after)) => {
                before.uid == after.uid && before.version == after.version
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if unchanged {
            return;
        }
        self.since = now;
        self.released = self
            .state
            .as_ref()
            .zip(found.as_ref())
            .is_some_and(was_released);
        if let Some(record) = &found {
            let least = if record.holder.is_empty() {
                self.duration
            } else {
                own
            };
            self.duration = record.duration.max(least);
        }
        self.state = found;
    }

    /// When the Lease can be acquired.
    pub(super) fn free_at(&self) -> Duration {
        match &self.state {
            Some(record) if !record.holder.is_empty() => self.since + self.duration,
            Some(_) | None => Duration::ZERO,
        }
    }

    /// What this process has observed, if it acquires the Lease now. It replaces a Lease that has a
    /// holder only after that Lease has expired.
    pub(super) fn takeover(&self) -> Takeover {
        match &self.state {
            Some(_) if self.released => Takeover::Released,
            Some(record) if !record.holder.is_empty() => Takeover::Expired,
            Some(_) | None => Takeover::Unobserved,
        }
    }
}

/// Returns true when the holder itself has released the Lease, and left its mark.
fn was_released((before, after): (&LeaseState, &LeaseState)) -> bool {
    before.uid == after.uid
        && before.transitions == after.transitions
        && !before.holder.is_empty()
        && after.holder.is_empty()
        && after.released_by.as_ref() == Some(&before.holder)
}
