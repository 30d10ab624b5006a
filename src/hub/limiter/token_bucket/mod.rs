//! One key's limits: a token bucket whose rate adapts, the Retry-After that the hub asked for, and
//! whether the hub accepts the key. It has no clock: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use super::{adaptive_rate::AdaptiveRate, rate_limits::RateLimits};
use crate::backoff::doubled;

/// The number of 401s in a row that are about the key. Fewer may be a temporary fault, or about one
/// model.
const REFUSALS: u32 = 3;
/// The longest Retry-After that requests wait for in the queue. After a longer one they fail at
/// once.
const SHORT: Duration = Duration::from_secs(2);
/// The time after which an unused key is removed.
const EXPIRY: Duration = Duration::from_secs(3600);

/// Whether a request may go out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    /// It may go out now.
    Go,
    /// It may go out after this time.
    After(Duration),
    /// It may go out after another request has ended.
    AfterAnother,
    /// It may not go out: the hub asked for no requests for this long.
    RetryAfter(Duration),
    /// It may not go out: the hub refuses the key.
    Unauthorized,
}

/// What a request that has ended says about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Feedback {
    /// The hub accepts the key.
    Accepted,
    /// The hub answered 401.
    Unauthorized,
    /// The hub answered a GET with 429, and this Retry-After if it names one.
    RateLimited(Option<Duration>),
    /// The hub answered a call with 429, which says something about activate calls only.
    CallRateLimited,
    /// There was no response, or a 5xx.
    None,
    /// The request was cancelled, or was not sent at all.
    Cancelled,
}

/// The token bucket of one key, and what its answers have said about the key.
#[derive(Debug)]
pub(super) struct TokenBucket {
    /// The rate of requests, which is paused during a Retry-After.
    rate: AdaptiveRate,
    /// The number of 429s in a row.
    limits: u32,
    /// The end of the Retry-After that the hub asked for.
    retry_at: Instant,
    health: KeyHealth,
    in_flight: u16,
    used: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum KeyHealth {
    /// The hub accepts the key.
    Accepted,
    /// The hub has refused the key this often in a row, or has not been asked yet. Requests go out
    /// one at a time, and none before `next`.
    Doubtful { refusals: u32, next: Instant },
}

impl TokenBucket {
    pub(super) fn new(limits: &RateLimits, now: Instant) -> Self {
        Self {
            rate: AdaptiveRate::new(limits, now),
            limits: 0,
            retry_at: now,
            // A new key sends one request first, not a burst.
            health: KeyHealth::Doubtful {
                refusals: 0,
                next: now,
            },
            in_flight: 0,
            used: now,
        }
    }

    /// Decides whether a request may go out now.
    pub(super) fn next(&mut self, limits: &RateLimits, now: Instant) -> Next {
        let until_token = self.rate.wait(limits, now);
        let at_once = match self.health {
            KeyHealth::Doubtful { next, .. } if next > now => return Next::Unauthorized,
            KeyHealth::Doubtful { .. } => 1,
            KeyHealth::Accepted => limits.in_flight,
        };
        let wait = self.retry_at.duration_since(now);
        if wait > SHORT {
            Next::RetryAfter(wait)
        } else if !wait.is_zero() {
            Next::After(wait)
        } else if self.in_flight >= at_once {
            Next::AfterAnother
        } else if !until_token.is_zero() {
            Next::After(until_token)
        } else {
            Next::Go
        }
    }

    /// The number of requests that have gone out and have not ended.
    pub(super) fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Counts a request that goes out.
    pub(super) fn sent(&mut self, now: Instant) {
        self.rate.take();
        self.in_flight += 1;
        self.used = now;
    }

    /// Counts the end of a request that went out at `sent`. After a 429, returns the wait that
    /// follows from it.
    pub(super) fn ended(
        &mut self,
        limits: &RateLimits,
        sent: Instant,
        feedback: Feedback,
        now: Instant,
    ) -> Option<Duration> {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.used = now;
        self.judge(limits, feedback, now);
        let current = self.rate.is_current(sent);
        match feedback {
            Feedback::RateLimited(wait) => Some(self.limit(limits, wait, current, now)),
            Feedback::Accepted if current => {
                self.limits = 0;
                None
            }
            Feedback::Accepted
            | Feedback::Unauthorized
            | Feedback::CallRateLimited
            | Feedback::None
            | Feedback::Cancelled => None,
        }
    }

    /// Returns true when a new bucket would behave the same.
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        let next = match self.health {
            KeyHealth::Accepted => now,
            KeyHealth::Doubtful { next, .. } => next,
        };
        now.duration_since(self.used) >= EXPIRY && self.retry_at <= now && next <= now
    }

    fn judge(&mut self, limits: &RateLimits, feedback: Feedback, now: Instant) {
        let before = match self.health {
            KeyHealth::Accepted => 0,
            KeyHealth::Doubtful { refusals, .. } => refusals,
        };
        let refusals = match feedback {
            Feedback::Cancelled => return,
            Feedback::Unauthorized => before.saturating_add(1),
            // A request without a response says nothing about the key, so the next request waits as
            // after a refusal.
            Feedback::None if before >= REFUSALS => before,
            Feedback::None
            | Feedback::Accepted
            | Feedback::RateLimited(_)
            | Feedback::CallRateLimited => 0,
        };
        self.health = match refusals {
            0 => KeyHealth::Accepted,
            few if few < REFUSALS => KeyHealth::Doubtful {
                refusals,
                next: now,
            },
            _ => KeyHealth::Doubtful {
                refusals,
                next: now + limits.unauthorized_retry,
            },
        };
    }

    fn limit(
        &mut self,
        limits: &RateLimits,
        wait: Option<Duration>,
        current: bool,
        now: Instant,
    ) -> Duration {
        if current {
            self.rate.halve(limits, now);
            self.limits = self.limits.saturating_add(1);
        }
        let wait = wait.unwrap_or_else(|| {
            let before = self.limits.saturating_sub(1);
            doubled(limits.backoff_first, before, limits.backoff_last)
        });
        self.retry_at = self.retry_at.max(now + wait);
        self.rate.pause(self.retry_at);
        wait
    }
}

#[cfg(test)]
mod tests;
