//! The hub's clock, as the `Date` of its last response shows it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use super::retry_after::date_of;

/// The largest difference between the hub's clock and the operator's that doesn't matter.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The hub's clock: what it showed, and when it showed that on the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct HubClock(Mutex<Option<(Timestamp, Instant)>>);

impl HubClock {
    /// Notes the `Date` of a response that has just been received.
    pub(super) fn note(&self, headers: &HeaderMap) {
        if let Some(date) = date_of(headers) {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some((date, Instant::now()));
        }
    }

    /// Returns true when the hub's clock now shows a time that differs from `now` by more than five
    /// minutes. A hub that has sent no `Date` agrees.
    pub(super) fn differs(&self, now: Timestamp) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|(shown, at)| differ(shown, at.elapsed(), now))
    }
}

/// Returns true when a clock that showed `shown` this long ago is too far from `now`.
fn differ(shown: Timestamp, ago: Duration, now: Timestamp) -> bool {
    let ago = SignedDuration::try_from(ago).unwrap_or(SignedDuration::MAX);
    now.duration_since(shown).saturating_sub(ago).abs() > TOLERANCE
}

#[cfg(test)]
mod tests {
    use http::header::DATE;

    use super::*;

    #[test]
    fn five_minutes_either_way_agree() {
        let now: Timestamp = "2026-11-25T18:00:00Z".parse().unwrap();
        let ago = Duration::from_secs(600);
        for (shown, expected) in [
            ("2026-11-25T17:50:00Z", false),
            ("2026-11-25T17:45:00Z", false),
            ("2026-11-25T17:44:59Z", true),
            ("2026-11-25T17:55:00Z", false),
            ("2026-11-25T17:55:01Z", true),
            ("2026-11-25T16:50:00Z", true),
        ] {
            assert_eq!(
                differ(shown.parse().unwrap(), ago, now),
                expected,
                "{shown}"
            );
        }
        assert!(differ(Timestamp::MIN, Duration::MAX, Timestamp::MAX));
    }

    #[test]
    fn the_last_date_counts_and_no_date_agrees() {
        let clock = HubClock::default();
        let now = Timestamp::now();
        assert!(!clock.differs(now));
        let mut headers = HeaderMap::new();
        let mut note = |date: &str| {
            headers.insert(DATE, date.parse().unwrap());
            clock.note(&headers);
        };
        note("Thu, 01 Jan 2026 00:00:00 GMT");
        assert!(clock.differs(now));
        note("an odd date");
        assert!(clock.differs(now), "it says nothing");
        note(&now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        assert!(!clock.differs(now));
    }
}
