//! A token bucket whose rate adapts. A 429 halves the rate, and time without a 429 raises it again.
//! The bucket has no clock: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use super::rate_limits::RateLimits;

/// The slowest rate, in requests per second, so that a hub in trouble still gets requests.
const SLOWEST: f64 = 0.2;
/// The number of steps that raise the rate from zero to its ceiling. At the default rate, each step
/// adds one request per second. Steps are small, because the hub answers the step above its own
/// limit with 429.
const STEPS: u32 = 50;

/// A token bucket with an adaptive rate.
#[derive(Debug)]
pub(super) struct AdaptiveRate {
    /// The number of requests that may be sent at once.
    pub(super) tokens: f64,
    /// The number of tokens added per second.
    pub(super) per_second: f64,
    /// When the tokens were last counted, or a later time at which counting starts again.
    counted: Instant,
    /// When the rate last rose, or a later time from which it may rise again.
    stepped: Instant,
    /// When the rate was last halved.
    pub(super) halved: Option<Instant>,
}

impl AdaptiveRate {
    pub(super) fn new(limits: &RateLimits, now: Instant) -> Self {
        Self {
            tokens: f64::from(limits.burst),
            per_second: f64::from(limits.rate),
            counted: now,
            stepped: now,
            halved: None,
        }
    }

    /// The time until there is a token, which is zero when there is one.
    pub(super) fn wait(&mut self, limits: &RateLimits, now: Instant) -> Duration {
        self.count(limits, now);
        if self.tokens < 1.0 {
            Duration::from_secs_f64((1.0 - self.tokens) / self.per_second)
        } else {
            Duration::ZERO
        }
    }

    pub(super) fn take(&mut self) {
        self.tokens -= 1.0;
    }

    /// Returns the token of a request that doesn't go out.
    pub(super) fn give_back(&mut self) {
        self.tokens += 1.0;
    }

    /// Returns true when a request that was sent at `sent` says something about the current rate,
    /// because it was sent after the last halving.
    pub(super) fn is_current(&self, sent: Instant) -> bool {
        self.halved.is_none_or(|then| sent > then)
    }

    /// Halves the rate.
    pub(super) fn halve(&mut self, limits: &RateLimits, now: Instant) {
        self.count(limits, now);
        self.per_second = (self.per_second / 2.0).max(SLOWEST.min(f64::from(limits.rate)));
        self.halved = Some(now);
    }

    /// Empties the bucket until this time. The time until then adds no tokens, and doesn't count as
    /// time without a 429.
    pub(super) fn pause(&mut self, until: Instant) {
        self.tokens = 0.0;
        self.counted = until;
        self.stepped = until;
    }

    /// Updates the rate and the tokens.
    pub(super) fn count(&mut self, limits: &RateLimits, now: Instant) {
        let elapsed = now.duration_since(self.counted).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.capacity(limits));
        self.counted = self.counted.max(now);
        let quiet = now.duration_since(self.stepped).as_nanos();
        let steps = quiet / limits.rate_recovery.as_nanos().max(1);
        let steps = u32::try_from(steps).unwrap_or(STEPS).min(STEPS);
        let ceiling = f64::from(limits.rate);
        let raised = self.per_second + f64::from(steps) * ceiling / f64::from(STEPS);
        self.per_second = raised.min(ceiling);
        self.stepped = if steps < STEPS {
            self.stepped + limits.rate_recovery * steps
        } else {
            now
        };
    }

    /// The largest number of tokens: the tokens of the same number of seconds at every rate, and at
    /// least one token.
    fn capacity(&self, limits: &RateLimits) -> f64 {
        (f64::from(limits.burst) * self.per_second / f64::from(limits.rate)).max(1.0)
    }
}
