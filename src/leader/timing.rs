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
    /// The time beyond the lease duration that a new leader waits before its first call, if it did
    /// not see its predecessor release the Lease.
    pub takeover_margin: Duration,
}
