//! The leader election's durations, in client-go's words.

use std::time::Duration;

/// The leader election's durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a Lease stays valid after its last renewal.
    pub lease_duration: Duration,
    /// How long a renewal gives the leader authority, from when it was sent.
    pub renew_deadline: Duration,
    /// The time between two renewals by the leader, and between two reads by a standby.
    pub retry_period: Duration,
    /// How long a new leader waits before its first call, if it observed neither that its
    /// predecessor released the Lease nor that the Lease expired. It is longer than the renew
    /// deadline.
    pub takeover_wait: Duration,
}

impl Timing {
    /// How long a new leader waits for a predecessor whose Lease lasts this long. If the
    /// predecessor's Lease lasts longer, its authority lasts longer by the same time.
    pub(super) fn wait_for(&self, duration: Duration) -> Duration {
        self.takeover_wait + duration.saturating_sub(self.lease_duration)
    }
}
