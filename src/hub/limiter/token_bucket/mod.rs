//! One key's limits: a token bucket whose rate adapts, the Retry-After that the hub asked for, and
//! whether the hub accepts the key. It has no clock: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::doubled;

/// The slowest rate, in requests per second, so that a hub in trouble is still polled.
const SLOWEST: f64 = 0.2;
/// The number of steps that raise the rate from zero to its ceiling. At the default rate, each step
/// adds one request per second. Steps are small, because the hub answers the step above its own
/// limit with 429.
const STEPS: u32 = 50;
/// The number of 401s in a row that are about the key. Fewer may be a temporary fault, or about one
/// model.
const REFUSALS: u32 = 3;
/// The longest Retry-After that requests wait for in the queue. After a longer one they fail at
/// once.
const SHORT: Duration = Duration::from_secs(2);
/// The time after which an unused key is removed.
const EXPIRY: Duration = Duration::from_secs(3600);

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
    /// The hub answered 429, with this Retry-After if it names one.
    RateLimited(Option<Duration>),
    /// There was no response, or a 5xx.
    None,
}

/// The token bucket of one key, and what its answers have said about the key.
#[derive(Debug)]
pub(super) struct TokenBucket {
    /// The number of requests that may go out at once.
    tokens: f64,
    /// The number of tokens added per second.
    rate: f64,
    /// When the tokens were last counted or, during a Retry-After, when counting starts again.
    counted: Instant,
    /// When the rate last rose, or when the Retry-After of its last halving ends.
    stepped: Instant,
    /// When the rate was last halved.
    halved: Option<Instant>,
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
            tokens: f64::from(limits.burst),
            rate: f64::from(limits.rate),
            counted: now,
            stepped: now,
            halved: None,
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
        self.count(limits, now);
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
        } else if self.tokens < 1.0 {
            Next::After(Duration::from_secs_f64((1.0 - self.tokens) / self.rate))
        } else {
            Next::Go
        }
    }

    /// Counts a request that goes out.
    pub(super) fn sent(&mut self, now: Instant) {
        self.tokens -= 1.0;
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
        // A request that went out before the last halving says nothing about the new rate.
        let current = self.halved.is_none_or(|then| sent > then);
        match feedback {
            Feedback::RateLimited(wait) => Some(self.limit(limits, wait, current, now)),
            Feedback::Accepted if current => {
                self.limits = 0;
                None
            }
            Feedback::Accepted | Feedback::Unauthorized | Feedback::None => None,
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
            Feedback::Unauthorized => before.saturating_add(1),
            // A request without a response says nothing about the key, so the next request waits as
            // after a refusal.
            Feedback::None if before >= REFUSALS => before,
            Feedback::None | Feedback::Accepted | Feedback::RateLimited(_) => 0,
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
            self.count(limits, now);
            self.rate = (self.rate / 2.0).max(SLOWEST.min(f64::from(limits.rate)));
            self.halved = Some(now);
            self.limits = self.limits.saturating_add(1);
        }
        let wait = wait.unwrap_or_else(|| {
            let before = self.limits.saturating_sub(1);
            doubled(limits.backoff_first, before, limits.backoff_last)
        });
        self.retry_at = self.retry_at.max(now + wait);
        // The wait adds no tokens and doesn't count as time without a 429.
        self.tokens = 0.0;
        self.counted = self.retry_at;
        self.stepped = self.retry_at;
        wait
    }

    /// Updates the rate and the tokens.
    fn count(&mut self, limits: &RateLimits, now: Instant) {
        let elapsed = now.duration_since(self.counted).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.rate).min(self.capacity(limits));
        self.counted = self.counted.max(now);
        let quiet = now.duration_since(self.stepped).as_nanos();
        let steps = quiet / limits.rate_recovery.as_nanos().max(1);
        let steps = u32::try_from(steps).unwrap_or(STEPS).min(STEPS);
        let ceiling = f64::from(limits.rate);
        self.rate = (self.rate + f64::from(steps) * ceiling / f64::from(STEPS)).min(ceiling);
        self.stepped = if steps < STEPS {
            self.stepped + limits.rate_recovery * steps
        } else {
            now
        };
    }

    /// The largest number of tokens: the tokens of the same number of seconds at every rate, and at
    /// least one token.
    fn capacity(&self, limits: &RateLimits) -> f64 {
        (f64::from(limits.burst) * self.rate / f64::from(limits.rate)).max(1.0)
    }
}

#[cfg(test)]
mod tests;
