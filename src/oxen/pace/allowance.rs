//! What the hub allows one key at a time: a bucket of tokens whose rate adapts, the rest that the
//! hub asked for, and whether it takes the key at all. Arithmetic alone; the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::decide::doubled;

/// The slowest rate, in requests a second: a hub that is really in trouble is still looked at.
const SLOWEST: f64 = 0.2;
/// So many steps raise the rate from nothing to its ceiling: one more request a second each, as
/// shipped. Small, because the step above what the hub allows is the one that it answers with 429.
const STEPS: u32 = 50;
/// One 401 may be a hiccup, or about one model; so many in a row are about the key.
const REFUSALS: u32 = 3;
/// A rest no longer than this is waited out in the queue; of a longer one the object is told.
const SHORT: Duration = Duration::from_secs(2);
/// A key unused for this long is forgotten.
const FORGET: Duration = Duration::from_secs(3600);

/// What the pace of one key never exceeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Requests a second.
    pub rate: u32,
    /// Requests at once after a quiet time.
    pub burst: u32,
    /// Requests at the same time.
    pub in_flight: u16,
    /// So much time without a 429 raises the rate by a step.
    pub raise: Duration,
    /// Between probes with a key that the hub refused.
    pub probe: Duration,
    /// The rest after a 429 that names none; it doubles with each in a row.
    pub rest_first: Duration,
    /// The longest such rest.
    pub rest_last: Duration,
}

/// What the shipped operator starts with.
impl Default for Bounds {
    fn default() -> Self {
        Self {
            rate: 50,
            burst: 100,
            in_flight: 16,
            raise: Duration::from_secs(10),
            probe: Duration::from_secs(300),
            rest_first: Duration::from_secs(1),
            rest_last: Duration::from_secs(300),
        }
    }
}

/// Whether a request may go out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    /// Now.
    Go,
    /// Once so much time has gone by.
    After(Duration),
    /// Once another request has ended.
    AfterAnother,
    /// No: the hub wants to be left alone for so long.
    Rest(Duration),
    /// No: the hub doesn't take the key.
    Refused,
}

/// What a request that ended says about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::oxen) enum Heard {
    /// The hub takes the key.
    Answer,
    /// 401.
    Refusal,
    /// 429, and the rest that the hub asks for if it names one.
    Limit(Option<Duration>),
    /// No answer, or a 5xx.
    Nothing,
}

/// What one key is allowed.
#[derive(Debug)]
pub(super) struct Allowance {
    /// Requests that may go out at once.
    tokens: f64,
    /// Tokens a second.
    rate: f64,
    /// When the tokens were counted; while the key rests, when counting starts again.
    counted: Instant,
    /// When the rate last rose, or the rest after its last halving ends.
    stepped: Instant,
    /// When the rate was last halved.
    halved: Option<Instant>,
    /// 429s in a row.
    limits: u32,
    /// The hub asked to be left alone until then.
    rests: Instant,
    trust: Trust,
    in_flight: u16,
    used: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Trust {
    /// The hub takes the key.
    Taken,
    /// It has refused the key so often in a row, or was never asked: requests go one at a time,
    /// and none before the given time.
    Doubted { refusals: u32, probe: Instant },
}

impl Allowance {
    pub(super) fn new(bounds: &Bounds, now: Instant) -> Self {
        Self {
            tokens: f64::from(bounds.burst),
            rate: f64::from(bounds.rate),
            counted: now,
            stepped: now,
            halved: None,
            limits: 0,
            rests: now,
            // A key that nobody has tried makes one request first, not a burst.
            trust: Trust::Doubted {
                refusals: 0,
                probe: now,
            },
            in_flight: 0,
            used: now,
        }
    }

    /// Whether a request may go out now.
    pub(super) fn next(&mut self, bounds: &Bounds, now: Instant) -> Next {
        self.count(bounds, now);
        let at_once = match self.trust {
            Trust::Doubted { probe, .. } if probe > now => return Next::Refused,
            Trust::Doubted { .. } => 1,
            Trust::Taken => bounds.in_flight,
        };
        let rest = self.rests.duration_since(now);
        if rest > SHORT {
            Next::Rest(rest)
        } else if !rest.is_zero() {
            Next::After(rest)
        } else if self.in_flight >= at_once {
            Next::AfterAnother
        } else if self.tokens < 1.0 {
            Next::After(Duration::from_secs_f64((1.0 - self.tokens) / self.rate))
        } else {
            Next::Go
        }
    }

    /// A request goes out.
    pub(super) fn sent(&mut self, now: Instant) {
        self.tokens -= 1.0;
        self.in_flight += 1;
        self.used = now;
    }

    /// A request that went out at `sent` has ended. A 429 gives the rest that follows from it.
    pub(super) fn ended(
        &mut self,
        bounds: &Bounds,
        sent: Instant,
        heard: Heard,
        now: Instant,
    ) -> Option<Duration> {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.used = now;
        self.judge(bounds, heard, now);
        // What went out before the last halving knows nothing of the new rate.
        let news = self.halved.is_none_or(|then| sent > then);
        match heard {
            Heard::Limit(wait) => Some(self.limit(bounds, wait, news, now)),
            Heard::Answer if news => {
                self.limits = 0;
                None
            }
            Heard::Answer | Heard::Refusal | Heard::Nothing => None,
        }
    }

    /// Nobody would miss it.
    pub(super) fn is_forgettable(&self, now: Instant) -> bool {
        let probe = match self.trust {
            Trust::Taken => now,
            Trust::Doubted { probe, .. } => probe,
        };
        now.duration_since(self.used) >= FORGET && self.rests <= now && probe <= now
    }

    fn judge(&mut self, bounds: &Bounds, heard: Heard, now: Instant) {
        let before = match self.trust {
            Trust::Taken => 0,
            Trust::Doubted { refusals, .. } => refusals,
        };
        let refusals = match heard {
            Heard::Refusal => before.saturating_add(1),
            // A probe without an answer tells nothing, and the next one is due as after a refusal.
            Heard::Nothing if before >= REFUSALS => before,
            Heard::Nothing | Heard::Answer | Heard::Limit(_) => 0,
        };
        self.trust = match refusals {
            0 => Trust::Taken,
            few if few < REFUSALS => Trust::Doubted {
                refusals,
                probe: now,
            },
            _ => Trust::Doubted {
                refusals,
                probe: now + bounds.probe,
            },
        };
    }

    fn limit(
        &mut self,
        bounds: &Bounds,
        wait: Option<Duration>,
        news: bool,
        now: Instant,
    ) -> Duration {
        if news {
            self.count(bounds, now);
            self.rate = (self.rate / 2.0).max(SLOWEST.min(f64::from(bounds.rate)));
            self.halved = Some(now);
            self.limits = self.limits.saturating_add(1);
        }
        let wait = wait.unwrap_or_else(|| {
            let before = self.limits.saturating_sub(1);
            doubled(bounds.rest_first, before, bounds.rest_last)
        });
        self.rests = self.rests.max(now + wait);
        // A rest fills no bucket and is no quiet time.
        self.tokens = 0.0;
        self.counted = self.rests;
        self.stepped = self.rests;
        wait
    }

    /// Brings rate and tokens up to date.
    fn count(&mut self, bounds: &Bounds, now: Instant) {
        let elapsed = now.duration_since(self.counted).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.rate).min(self.capacity(bounds));
        self.counted = self.counted.max(now);
        let quiet = now.duration_since(self.stepped).as_nanos();
        let steps = quiet / bounds.raise.as_nanos().max(1);
        let steps = u32::try_from(steps).unwrap_or(STEPS).min(STEPS);
        let ceiling = f64::from(bounds.rate);
        self.rate = (self.rate + f64::from(steps) * ceiling / f64::from(STEPS)).min(ceiling);
        self.stepped = if steps < STEPS {
            self.stepped + bounds.raise * steps
        } else {
            now
        };
    }

    /// A slow key has a small bucket: as many seconds' worth as at the ceiling, and at least one.
    fn capacity(&self, bounds: &Bounds) -> f64 {
        (f64::from(bounds.burst) * self.rate / f64::from(bounds.rate)).max(1.0)
    }
}

#[cfg(test)]
mod tests;
