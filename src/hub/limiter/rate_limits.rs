//! The limits of each API key.

use std::time::Duration;

/// The limits of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// The largest rate, in requests per second.
    pub rate: u32,
    /// The largest burst, in requests.
    pub burst: u32,
    /// The largest number of requests in flight.
    pub in_flight: u16,
    /// The time without a 429 that raises the rate by one step.
    pub rate_recovery: Duration,
    /// The time between two requests with a key that the hub refuses.
    pub unauthorized_retry: Duration,
    /// The wait after a 429 without Retry-After. It doubles with each one in a row.
    pub backoff_first: Duration,
    /// The longest wait after a 429 without Retry-After.
    pub backoff_last: Duration,
}

/// The limits of the shipped operator.
impl Default for RateLimits {
    fn default() -> Self {
        Self {
            rate: 50,
            burst: 100,
            in_flight: 16,
            rate_recovery: Duration::from_secs(10),
            unauthorized_retry: Duration::from_secs(300),
            backoff_first: Duration::from_secs(1),
            backoff_last: Duration::from_secs(300),
        }
    }
}
