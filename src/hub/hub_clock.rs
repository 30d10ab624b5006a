//! The hub's clock, as the `Date` of the last response that had one shows it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderMap, header::AGE};
use jiff::{SignedDuration, Timestamp};

use super::retry_after::date_of;
use crate::decide::Agreement;

/// The largest difference at which the two clocks count as equal.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// What the responses so far say about the hub's clock.
#[derive(Debug, Default)]
pub(super) struct HubClock(Mutex<LastDate>);

#[derive(Clone, Copy, Debug, Default)]
enum LastDate {
    /// The hub has not answered yet.
    #[default]
    Unanswered,
    /// The hub has answered, and none of its responses had a `Date`.
    Absent,
    /// The time that the hub's clock showed, and the instant at which that response was received.
    Shown(Timestamp, Instant),
}

impl HubClock {
    /// Notes the `Date` of a response that has just been received. If a cache answered in place of
    /// the hub, the `Age` of its copy is added to the `Date`.
    pub(super) fn note(&self, headers: &HeaderMap) {
        let age = headers.get(AGE).and_then(|age| age.to_str().ok());
        let age = age.and_then(|age| age.trim().parse::<u32>().ok());
        let age = SignedDuration::from_secs(age.unwrap_or_default().into());
        let shown = date_of(headers).and_then(|date| date.checked_add(age).ok());
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (shown, *last) {
            (Some(shown), _) => *last = LastDate::Shown(shown, Instant::now()),
            (None, LastDate::Unanswered) => *last = LastDate::Absent,
            (None, LastDate::Absent | LastDate::Shown(..)) => {}
        }
    }

    /// Returns whether the hub's clock agrees with `now`. A hub whose responses have no `Date`
    /// agrees.
    pub(super) fn agreement(&self, now: Timestamp) -> Agreement {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            LastDate::Unanswered => Agreement::Unknown,
            LastDate::Shown(shown, at) if differ(shown, at.elapsed(), now) => Agreement::Differs,
            LastDate::Absent | LastDate::Shown(..) => Agreement::Agrees,
        }
    }
}

/// Returns true when a clock that showed `shown` a time `ago` before `now` differs from `now` by
/// more than [`TOLERANCE`].
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
    fn the_last_date_counts() {
        let clock = HubClock::default();
        let now = Timestamp::now();
        assert_eq!(clock.agreement(now), Agreement::Unknown);
        let note = |headers: &[(http::HeaderName, &str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.clone(), value.parse().unwrap()));
            clock.note(&headers.collect());
            clock.agreement(now)
        };
        assert_eq!(note(&[]), Agreement::Agrees, "the hub sends no date");
        let new_year = "Thu, 01 Jan 2026 00:00:00 GMT";
        assert_eq!(note(&[(DATE, new_year)]), Agreement::Differs);
        assert_eq!(note(&[(DATE, "an odd date")]), Agreement::Differs);
        assert_eq!(note(&[]), Agreement::Differs);
        let ago = |minutes| {
            let shown = now - SignedDuration::from_mins(minutes);
            shown.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
        };
        assert_eq!(note(&[(DATE, &ago(0))]), Agreement::Agrees);
        assert_eq!(note(&[(DATE, &ago(60))]), Agreement::Differs);
        assert_eq!(note(&[(DATE, &ago(60)), (AGE, "3600")]), Agreement::Agrees);
    }
}
