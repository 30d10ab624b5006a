//! Exponential backoff, without a clock and without jitter.

use std::time::Duration;

/// Returns `first`, doubled `times` times, and never more than `last`.
#[must_use]
pub(crate) fn doubled(first: Duration, times: u32, last: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(last)
}
