//! Limits of the hub's client.

use std::time::Duration;

/// Limits that the client never exceeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest time to establish a connection.
    pub connect_timeout: Duration,
    /// The longest time for a whole request, its body included.
    pub request_timeout: Duration,
    /// The largest body of a response, and the largest item of a list, in bytes.
    pub max_body: usize,
    /// The largest list, in bytes. A list is read one item at a time.
    pub max_list: usize,
    /// The lower bound applied to Retry-After.
    pub retry_after_min: Duration,
    /// The upper bound applied to Retry-After.
    pub retry_after_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(10),
            max_body: 4 << 20,
            max_list: 256 << 20,
            retry_after_min: Duration::from_secs(1),
            retry_after_max: Duration::from_secs(900),
        }
    }
}
