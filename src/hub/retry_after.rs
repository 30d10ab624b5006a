//! Retry-After: the time after which the operator may send a request to the hub again.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName,
    header::{DATE, RETRY_AFTER},
};
use jiff::{
    Timestamp,
    fmt::{rfc2822, strtime},
    tz::TimeZone,
};

use super::limits::Limits;

/// The first of HTTP's three date formats, which is the one that servers send today. A wrong day of
/// the week is ignored.
const TODAY: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new().relaxed_weekday(true);

/// HTTP's other two date formats: RFC 850 and asctime.
const OBSOLETE: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// Reads `Retry-After`, which is a number of seconds or a date, within the limits' bounds. A date
/// is compared with the response's own `Date`, so that it doesn't matter whether two clocks differ.
pub(super) fn retry_after(headers: &HeaderMap, limits: &Limits) -> Option<Duration> {
    let wait = text(headers, &RETRY_AFTER).and_then(|text| {
        seconds(text).or_else(|| {
            let now = date_of(headers).unwrap_or_else(Timestamp::now);
            let wait = date(text)?.duration_since(now);
            Some(Duration::try_from(wait).unwrap_or_default())
        })
    })?;
    Some(wait.clamp(limits.retry_after_min, limits.retry_after_max))
}

/// The response's own `Date`, if it has one that can be read.
pub(super) fn date_of(headers: &HeaderMap) -> Option<Timestamp> {
    text(headers, &DATE).and_then(date)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

/// A number of seconds, rounded up.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    // A number that the type can't hold is beyond the upper bound.
    let whole = whole.parse().unwrap_or(u64::MAX);
    let rounded = fraction.bytes().any(|digit| digit != b'0');
    Some(Duration::from_secs(whole.saturating_add(rounded.into())))
}

fn date(text: &str) -> Option<Timestamp> {
    let obsolete = |format: &str| {
        let date = strtime::parse(format, text).ok()?.to_datetime().ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let today = TODAY.parse_timestamp(text).ok();
    today.or_else(|| OBSOLETE.into_iter().find_map(obsolete))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(retry_after: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        let wait = super::retry_after(&headers, &Limits::default());
        wait.map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_are_rounded_up_and_bounded() {
        for (value, expected) in [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("0", Some(1)),
            ("30.5", Some(31)),
            ("30.000001", Some(31)),
            ("30.0", Some(30)),
            ("0.2", Some(1)),
            ("999999999999", Some(900)),
            ("99999999999999999999999.5", Some(900)),
            ("18446744073709551615.5", Some(900)),
            ("soon", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1.", None),
            (".5", None),
            ("1.5.5", None),
        ] {
            assert_eq!(wait(value, None), expected, "{value:?}");
        }
    }

    #[test]
    fn every_http_date_is_judged_against_the_date_of_the_response() {
        let now = "Sun, 06 Nov 1994 08:48:37 GMT";
        for (value, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(60)),
            ("Sun Nov  6 08:49:37 1994", Some(60)),
            ("Wed Nov 16 08:49:37 1994", Some(900)),
            ("Tue, 06 Nov 1994 08:49:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(1)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(1)),
            ("Sunday, 06-Nov-94", None),
        ] {
            assert_eq!(wait(value, Some(now)), expected, "{value:?}");
        }
        let obsolete = "Sunday, 06-Nov-94 08:48:37 GMT";
        assert_eq!(
            wait("Sun, 06 Nov 1994 08:49:37 GMT", Some(obsolete)),
            Some(60)
        );
    }

    #[test]
    fn without_a_usable_date_the_clock_counts() {
        let then = Timestamp::now() + jiff::SignedDuration::from_secs(60);
        let printer = rfc2822::DateTimePrinter::new();
        let then = printer.timestamp_to_rfc9110_string(&then).unwrap();
        for date in [None, Some("yesterday")] {
            let seconds = wait(&then, date).unwrap();
            assert!((58..=60).contains(&seconds), "{seconds}");
            assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT", date), Some(1));
        }
    }
}
